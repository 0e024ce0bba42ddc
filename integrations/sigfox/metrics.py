"""Metrics that Sigfox adds to the catalogue. Pure."""

from __future__ import annotations

import hub

LINK_QUALITY = hub.Metric(
    key="sigfox_link",
    unit="1",
    resolution="1",
    low=0,
    high=3,
    state_class="measurement",
    en="Sigfox link quality (0 limit to 3 excellent)",
)
LOCATION_RADIUS = hub.Metric(
    key="location_radius",
    unit="m",
    resolution="1",
    low=0,
    high=10_000_000,
    device_class="distance",
    state_class="measurement",
    privacy="personal",
    en="Radius of uncertainty of the position",
)
MODULE_TEMPERATURE = hub.Metric(
    key="module_temperature",
    unit="Cel",
    resolution="0.1",
    low=-100,
    high=200,
    device_class="temperature",
    state_class="measurement",
    en="Radio module temperature",
)

METRICS = (LINK_QUALITY, LOCATION_RADIUS, MODULE_TEMPERATURE)
