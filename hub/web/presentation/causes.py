"""The cause of an alert as a chart: which series, of which time, and the limit that was passed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hub.config.parts.rules import series_of
from hub.config.values import duration
from hub.web.presentation.tiles import LAST, MAIN

HOUR_S, DAY_S = 3600.0, 86_400.0
LONGEST_S = 360 * DAY_S
METER_RULE = "energy_drift"
VALUE, ZONE, DIFFERENCE, RATE, SILENCE = "value", "zone", "difference", "rate", "silence"
WHOLE, METER, NOTHING = "whole", "meter", "none"
"""Kinds of causes: a value, one value of a zone's places, a difference of two, a change per hour, a silence; and what
no chart of readings shows: a silent integration, the drift of a meter, anything else."""


class Cause(NamedTuple):
    """The cause of an alert. `series`: (place, metric) of those that are known from the alert alone; `limit`: the
    number of the threshold as it was then, in the unit of the series, None where there is none."""

    kind: str
    series: tuple[tuple[str, str], ...] = ()
    limit: float | None = None


def cause_of(alert: Mapping[str, Any]) -> Cause:
    """Return the cause of an alert."""
    seen = alert["evidence"]
    metric, of, limit = seen.get("metric", ""), seen.get("of", ""), seen.get("limit", "")
    if alert["rule"] == METER_RULE and alert["place"]:
        return Cause(METER)
    if alert["key"].startswith("integration:"):
        return Cause(WHOLE)
    if alert["zone"] and of in ("mean", "max", "min"):
        return Cause(ZONE, (), number_of(limit))
    here = ((alert["place"], metric),)
    if alert["place"] and not alert["value"] and seconds_of(limit) is not None:
        return Cause(SILENCE, here if metric else ())
    if not (alert["place"] and metric):
        return Cause(NOTHING)
    if of.startswith("- "):
        try:
            return Cause(DIFFERENCE, (*here, series_of(of.removeprefix("- "))))
        except ValueError:
            return Cause(VALUE, here)
    return Cause(RATE, here) if of.startswith("1 h") else Cause(VALUE, here, number_of(limit))


def number_of(limit: str) -> float | None:
    """Return the number of `55.2 °C`; None for anything else, a time like `3h` too."""
    number, _, _ = limit.partition(" ")
    try:
        return float(number)
    except ValueError:
        return None


def seconds_of(limit: str) -> float | None:
    """Return the seconds of `1h30min`; None for anything else."""
    try:
        return duration(limit).total_seconds()
    except (ValueError, OverflowError):
        return None


def window(alert: Mapping[str, Any], now: float) -> tuple[float, float]:
    """Return the time to show: from some while before the alert was raised, longer before for what had to last, until
    now or some while after its end."""
    seen = alert["evidence"]
    ended = alert["changed"] if alert["state"] == "cleared" else now
    lasted = max(0.0, ended - alert["raised"])
    before = max(HOUR_S, lasted / 2, *(2 * (seconds_of(seen.get(name, "")) or 0.0) for name in ("for", "limit")))
    end = min(now, ended + max(HOUR_S / 2, lasted / 4))
    return max(0.0, alert["raised"] - before, end - LONGEST_S), max(end, alert["raised"] + 1)


def main_metric(metrics: Iterable[tuple[str, bool]]) -> str:
    """Return the metric by which a silence is seen best, of (key, whether it is a counter); "" without any."""
    ranks = {key: rank for rank, key in enumerate(MAIN)}

    def order(one: tuple[str, bool]) -> tuple[bool, bool, int, str]:
        key, counter = one
        return counter, key in LAST, ranks.get(key, len(ranks)), key

    return min(metrics, key=order, default=("", False))[0]
