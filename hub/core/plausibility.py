"""The values that a metric may have: bounds of numbers, flags, length of texts. For the hub and the test kit. Pure.

What passes here can be stored as it is: a record refuses a value of another type, or one that no 64-bit integer of the
metric's resolution holds, and the reading would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from hub.core.metric_rules import is_number, is_utf8
from hub.core.model import Metric, Value

Bounds = tuple[str, float, float]
"""(metric key, lowest, highest) of a number; both finite, so that infinity and NaN are refused."""

TEXT_LIMIT = 512
"""Characters of a text value. A longer one is a mistake or an attack, not a reading."""
_STEPS = 2.0**62
"""Steps of its resolution that a number may be away from zero."""
_NUMBERS = frozenset({float, int})


class ValueCheck:
    """The check of the values of some metrics, compiled once. `bounds` is of the numbers, `others` are the flags and
    texts."""

    __slots__ = ("bounds", "others")

    def __init__(self, metrics: Iterable[Metric]) -> None:
        metrics = tuple(metrics)
        self.bounds: tuple[Bounds, ...] = tuple(_bounds(m) for m in metrics if m.kind == "number")
        self.others = tuple(m for m in metrics if m.kind != "number")

    def implausible(self, values: Mapping[str, Value]) -> list[str]:
        """The metrics whose value is out of bounds or of the wrong kind. Empty for a sane report."""
        wrong = []
        for key, low, high in self.bounds:
            value = values[key]
            # True is no number, though Python counts with it; NaN compares false
            if (type(value) not in _NUMBERS and not is_number(value)) or not low <= value <= high:  # type: ignore[operator]
                wrong.append(key)
        wrong += [metric.key for metric in self.others if not _is(metric.kind, values[metric.key])]
        return wrong


def plausible(metric: Metric, value: Value) -> bool:
    """Return whether a metric may have this value."""
    return not ValueCheck((metric,)).implausible({metric.key: value})


def _bounds(metric: Metric) -> Bounds:
    try:
        most = float(metric.resolution) * _STEPS
    except (TypeError, ValueError):  # of a metric that nobody checked: no value is within
        return metric.key, inf, -inf
    low = -inf if metric.low is None else metric.low
    high = inf if metric.high is None else metric.high
    return metric.key, -most if low < -most else low, most if high > most else high


def _is(kind: str, value: Value) -> bool:
    """Return whether this is a flag, or a text that is short enough and has a UTF-8 form."""
    if kind == "flag":
        return isinstance(value, int) and value in (0, 1)
    if type(value) is not str or len(value) > TEXT_LIMIT:
        return False
    return is_utf8(value)
