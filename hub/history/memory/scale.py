"""Converts steps to values. Pure."""

from __future__ import annotations


class Scale:
    """Converts steps of a resolution to the metric's unit, rounded to its digits."""

    def __init__(self, step: str) -> None:
        self._unit = float(step)
        self._digits = len(step.partition(".")[2])

    def __call__(self, steps: float, more: int = 0) -> float:
        return round(steps * self._unit, self._digits + more)
