"""Autonomy of the buffer without the backend, at today's rate. Pure.

    autonomy = space that unsent readings do not occupy yet ÷ bytes a second of the last 24 h

The space is the lesser of `buffer.max_size` and the free space of the disk. Acknowledged records count as free: they
are deleted first. The rate counts the bytes written while the hub ran, in steps of a quarter of an hour, kept over
restarts.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from hub.core.text import phrase

STEP_S = 900.0
STEPS = 96
LEAST_S = 600.0
"""Seconds of observation before an estimate: the first minutes are not representative."""


class Autonomy(msgspec.Struct, frozen=True):
    """`rate` in bytes/s and `readings_rate` in readings/s, of the last day; `seconds` until the oldest unsent readings
    would be deleted, None while unknown (nothing written yet)."""

    rate: float
    readings_rate: float
    seconds: float | None


class WriteRate:
    """Bytes and readings written in the last day of running, in steps. `memory`: `remembered()` of a former process."""

    def __init__(self, now: float, memory: Any = None) -> None:
        """`now` is monotonic seconds, here and below."""
        self._steps: deque[tuple[float, int, int]] = deque(_steps(memory), STEPS)  # duration, bytes, readings
        self._since = now
        self._bytes = self._readings = 0

    def add(self, readings: int, size: int, now: float) -> bool:
        """Add one commit. True when a step is full: `remembered()` has changed."""
        self._bytes += size
        self._readings += readings
        if now - self._since < STEP_S:
            return False
        self._steps.append((now - self._since, self._bytes, self._readings))
        self._since, self._bytes, self._readings = now, 0, 0
        return True

    def remembered(self) -> Any:
        """Return the full steps, as plain data."""
        return [list(step) for step in self._steps]

    def autonomy(self, *, unsent: int, taken: int, most: int, free: int, now: float) -> Autonomy:
        """Return the autonomy. `unsent` readings wait; the buffer occupies `taken` bytes of at most `most`; the disk
        has `free` bytes."""
        seconds = sum(step[0] for step in self._steps) + now - self._since
        size = sum(step[1] for step in self._steps) + self._bytes
        readings = sum(step[2] for step in self._steps) + self._readings
        if seconds < LEAST_S or not size:
            return Autonomy(0.0, 0.0, None)
        waiting = min(taken, unsent * size // readings) if readings else taken
        room = max(0, min(most, free + taken) - waiting)
        return Autonomy(size / seconds, readings / seconds, room * seconds / size)


def days_and_hours(seconds: float) -> str:
    """Return `9 d 4 h`; below a day `4 h 12 min`; beyond a year, only that."""
    if seconds >= 365 * 86400:
        return phrase("more-than-a-year", "more than a year")
    minutes = int(seconds // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return phrase("days-and-hours", "{days} d {hours} h", days=days, hours=hours)
    return phrase("hours-and-minutes", "{hours} h {minutes} min", hours=hours, minutes=minutes % 60)


def _steps(memory: Any) -> list[tuple[float, int, int]]:
    """Return the valid steps of a former process."""
    found = []
    for step in memory if isinstance(memory, list | tuple) else ():
        if isinstance(step, list | tuple) and len(step) == 3 and all(isinstance(n, int | float) for n in step):
            seconds, size, readings = step
            if 0 < seconds <= 2 * STEP_S * STEPS and 0 <= size < 1 << 50 and 0 <= readings < 1 << 50:
                found.append((float(seconds), int(size), int(readings)))
    return found
