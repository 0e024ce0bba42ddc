"""Comparison of the devices of one zone: a device far from all others is marked. Pure.

For sensors that cannot prove their identity, where the owner asked for it. At least two others must have reported
within the last hour: of two that contradict each other nobody knows which is right.
"""

from __future__ import annotations

from collections.abc import Mapping

RECENT_S = 3600.0
LEAST = 2
MOST = 256


class Neighbours:
    """`limits`: zone → metric → largest distance from the median of the others, in the metric's unit."""

    def __init__(self, limits: Mapping[str, Mapping[str, float]]) -> None:
        self._limits = {zone: dict(metrics) for zone, metrics in limits.items() if metrics}
        self._said: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}

    def metrics(self, zone: str) -> tuple[str, ...]:
        """Return the metrics that are compared in this zone."""
        return tuple(self._limits.get(zone, ()))

    def unlike(self, zone: str, metric: str, device: str, value: object, moment: float) -> float | None:
        """Remember a value. Returns the median of the others when the value is too far from it, else None."""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
            return None
        said = self._said.setdefault((zone, metric), {})
        if device not in said and len(said) >= MOST:
            del said[next(iter(said))]
        said[device] = (float(value), moment)
        others = [v for who, (v, at) in said.items() if who != device and moment - at <= RECENT_S]
        if len(others) < LEAST:
            return None
        from statistics import median  # late: few hubs compare neighbours

        middle = median(others)
        return middle if abs(value - middle) > self._limits[zone][metric] else None

    def forget(self, device: str) -> None:
        for said in self._said.values():
            said.pop(device, None)
