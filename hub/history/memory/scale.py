"""From steps to values. Pure."""

from __future__ import annotations


class Scale:
    """Steps of a resolution → the metric's unit, with no more digits than they mean."""

    def __init__(self, step: str) -> None:
        self._unit = float(step)
        self._digits = len(step.partition(".")[2])

    def __call__(self, steps: float, more: int = 0) -> float:
        return round(steps * self._unit, self._digits + more)
