"""Report strategies: which readings go further than this hub's live view. Pure.

A sensor that says the same every ten seconds costs disk and line; the strategy of its metric spares what need not be
told again. What is not said at one level is inherited from the one above: the whole hub, the integration, the device,
each for all metrics and then for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from hub.core.model import Metric, Quality, Strategy, Value

Level = Mapping[str, Strategy]
"""What one level of the configuration says: metric → strategy, "" for all metrics."""

EARLY = 0.1
"""A period counts as over this share of it early: a sensor as slow as the period, a little early, is not left out."""


class Rule(msgspec.Struct, frozen=True):
    """The strategy of one metric, whole. `band` is in its unit, `period_s` infinite where none was given."""

    change: bool
    period: bool
    band: float
    period_s: float

    def due(self, sent: Sent | None, value: Value, quality: Quality, time: float) -> bool:
        """Does a reading go further, after the one that went last?"""
        if sent is None or time < sent.time:  # the first one, or a former one that comes late
            return True
        if self.period and time - sent.time >= self.period_s * (1 - EARLY):
            return True
        return self.change and (quality != sent.quality or self._differs(value, sent.value))

    def _differs(self, value: Value, before: Value) -> bool:
        if isinstance(value, int | float) and isinstance(before, int | float):
            return abs(value - before) > self.band
        return value != before


class Sent(msgspec.Struct):
    """The reading of one metric that went further last."""

    value: Value
    quality: Quality
    time: float


def rule(metric: Metric, levels: Iterable[Level]) -> Rule | None:
    """The strategy of a metric, `levels` from the widest to the narrowest. None: every reading goes further."""
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
    return Rule("change" in on, "period" in on, max(band, least), period)
