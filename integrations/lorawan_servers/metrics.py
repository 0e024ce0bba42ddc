"""Metrics that a network server adds to the catalogue: the same as the hub's own LoRaWAN. Pure."""

from __future__ import annotations

import hub

METRICS = (
    hub.Metric(
        key="link_margin", unit="dB", resolution="0.1", low=-100, high=150, state_class="measurement",
        en="Link margin",
    ),
)  # fmt: skip
