"""Report strategies: which readings are stored and sent, beyond the live view. Pure.

A sensor that repeats the same value every ten seconds costs disk and line; the strategy of its metric drops such
readings. An option that is not set at one level is inherited from the one above: the hub, the integration, the device,
each for all metrics and then for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hub.core.model import Metric, Quality, Strategy, Value

Level = Mapping[str, Strategy]
"""Strategies of one level of the configuration: metric → strategy, "" for all metrics."""

EARLY = 0.1
"""Share of a period by which a reading may be early: a sensor as slow as the period is not left out."""


class ResolvedStrategy(msgspec.Struct, frozen=True):
    """Resolved strategy of one metric. `band` is in its unit, `period_s` infinite where none was given."""

    change: bool
    period: bool
    band: float
    period_s: float

    def due(self, sent: LastSent | None, value: Value, quality: Quality, time: float) -> bool:
        """Return whether a reading goes further, after the one that went last."""
        if sent is None or time < sent.time:  # the first one, or a former one that comes late
            return True
        if self.period and time - sent.time >= self.period_s * (1 - EARLY):
            return True
        return self.change and (quality != sent.quality or self._differs(value, sent.value))

    def _differs(self, value: Value, before: Value) -> bool:
        if isinstance(value, int | float) and isinstance(before, int | float):
            return abs(value - before) > self.band
        return value != before


class LastSent(msgspec.Struct):
    """The last reading of one metric that went further."""

    value: Value
    quality: Quality
    time: float


def rule(metric: Metric, levels: Iterable[Level]) -> ResolvedStrategy | None:
    """Resolve the strategy of a metric; `levels` from the widest to the narrowest. Returns None when every reading goes
    further."""
    on, band, period = "always", 0.0, float("inf")
    for level in levels:
        for said in (level.get(""), level.get(metric.key)):
            if said is not None:
                on = on if said.on is None else said.on
                band = band if said.dead_band is None else said.dead_band
                period = period if said.period_s is None else said.period_s
    if on == "always":
        return None
    # what is stored is rounded to the resolution: a step of less than half of it would be told and not be seen
    least = float(metric.resolution) / 2 if metric.kind == "number" else 0.0
    return ResolvedStrategy("change" in on, "period" in on, max(band, least), period)
