"""The values that a metric may have: bounds of numbers, flags, length of texts. For the hub and the test kit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from hub.core.model import Metric, Value

Bounds = tuple[str, float, float]
"""(metric key, lowest, highest) of a number; both infinite still refuse NaN."""

TEXT_LIMIT = 512
"""Characters of a text value. A longer one is a mistake or an attack, not a reading."""


class ValueCheck:
    """The check of the values of some metrics, compiled once. `bounds` is of the numbers, `others` are the flags and
    texts."""

    __slots__ = ("bounds", "others")

    def __init__(self, metrics: Iterable[Metric]) -> None:
        metrics = tuple(metrics)
        self.bounds: tuple[Bounds, ...] = tuple(
            (m.key, _or(m.low, -inf), _or(m.high, inf)) for m in metrics if m.kind == "number"
        )
        self.others = tuple(m for m in metrics if m.kind != "number")

    def implausible(self, values: Mapping[str, Value]) -> list[str]:
        """The metrics whose value is out of bounds or of the wrong kind. Empty for a sane report."""
        wrong = []
        for key, low, high in self.bounds:
            value = values[key]
            try:
                if not low <= value <= high:  # type: ignore[operator]  # a text raises; NaN compares false
                    wrong.append(key)
            except TypeError:
                wrong.append(key)
        wrong += [metric.key for metric in self.others if not _is(metric.kind, values[metric.key])]
        return wrong


def _is(kind: str, value: Value) -> bool:
    """Return whether this is a flag, or a text short enough."""
    if kind == "flag":
        return value in (0, 1)
    return isinstance(value, str) and len(value) <= TEXT_LIMIT


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
