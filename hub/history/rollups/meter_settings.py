"""The configured meter of a place, in whole steps of its metric's resolution. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hub.core.model import Place
from hub.history.rollups.counter import Dial, Swap


def dial_of(place: Place | None, metric: str, step: str, device_changes: Sequence[tuple[int, str]] = ()) -> Dial:
    """Return the dial of a place. `device_changes`: (second, device) from which each device reported for this place,
    the first first."""
    times = tuple(time for time, _ in device_changes[1:])
    if place is None:
        return Dial(device_changes=times)
    continuous = place.pulse is not None and place.pulse.metric == metric
    meter = place.meter
    if meter is None or meter.metric != metric:
        return Dial(device_changes=times, continuous=continuous)
    unit = Decimal(step)
    return Dial(
        wraps=None if meter.wraps is None else _steps(meter.wraps, unit),
        swaps=tuple(
            Swap(
                int(swap.at),
                None if swap.final is None else _steps(swap.final, unit),
                None if swap.initial is None else _steps(swap.initial, unit),
            )
            for swap in meter.swaps
        ),
        device_changes=times,
        continuous=continuous,
    )


def _steps(amount: Decimal, unit: Decimal) -> int:
    return round(amount / unit)
