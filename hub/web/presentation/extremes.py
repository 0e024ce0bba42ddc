"""The coldest and the warmest place, as a newcomer asks for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import NamedTuple

from hub.core.model import LastValue

METRIC = "temperature"


class Extremes(NamedTuple):
    """The lowest and the highest air temperature, each with its place."""

    coldest: tuple[str, LastValue]
    warmest: tuple[str, LastValue]


def extremes(found: Iterable[tuple[str, LastValue]], rooms: Set[str]) -> Extremes | None:
    """Return the extremes of (place, its last value): of places in `rooms` where two of them have one, else of all:
    a cold store or a boiler room would always win. None where fewer than two places have one. A value that its source
    calls bad counts for nothing."""
    known = [
        (place, value)
        for place, value in found
        if value.metric == METRIC and value.quality != "bad" and _number(value) is not None
    ]
    inside = [one for one in known if one[0] in rooms]
    some = inside if len({place for place, _ in inside}) > 1 else known
    if len({place for place, _ in some}) < 2:
        return None
    order = sorted(some, key=lambda one: (_number(one[1]) or 0.0, one[0]))
    return Extremes(order[0], order[-1])


def _number(value: LastValue) -> float | None:
    told = value.value
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None
