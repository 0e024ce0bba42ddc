"""Detectors of two senders under one id. Pure state machines, one per device. Each `see` returns its evidence once.

None of them tells which sender is the true one: the evidence is for a person.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from math import asin, cos, radians, sin, sqrt

from hub.core.model import Position

Fact = str | int | float | bool
Found = dict[str, Fact] | None

REMEMBERED = 32
"""Counters per device whose contents are remembered."""
HOLES = 4
"""Largest gaps in a counter that are remembered per device."""
SOON_S = 600.0
TURNS = 3
"""Jumps in a row, each in the opposite direction, that count as two senders."""
FASTEST = 150.0
"""Metres per second. No train and no car is faster."""
FAR = 1000.0
"""Metres that no wrong position fix explains."""
APART_S = 300.0
SOURCES = 8


class CounterForkDetector:
    """Detects two senders under one key by their authenticated counters. Signs are two contents under one counter, and
    two counters that both advance: one goes ahead, and another fills the gap behind it."""

    def __init__(self) -> None:
        self._contents: OrderedDict[int, int] = OrderedDict()
        self._holes: list[tuple[int, int]] = []  # counters that never came: (first, last)
        self._late: list[tuple[int, int]] = []  # (counter in a hole, highest then)
        self._highest = -1

    def fresh(self, counter: int, content: int) -> None:
        """Note a counter higher than all before. `content` is a digest of what came under it."""
        if 0 <= self._highest < counter - 1:
            self._holes.append((self._highest + 1, counter - 1))
            if len(self._holes) > HOLES:
                self._holes.remove(min(self._holes, key=lambda hole: hole[1] - hole[0]))
        self._highest = counter
        self._contents[counter] = content
        if len(self._contents) > REMEMBERED:
            self._contents.popitem(last=False)

    def stale(self, counter: int, content: int) -> Found:
        """Check an authenticated counter that is not new. Returns evidence when it is neither a repeat nor a plain
        replay."""
        known = self._contents.get(counter)
        if known is not None:
            if known == content:
                return None
            return {"counter": counter, "highest": self._highest, "why": "two contents under one counter"}
        hole = next((hole for hole in self._holes if hole[0] <= counter <= hole[1]), None)
        if hole is None:
            return None
        if self._late and not hole[0] <= self._late[-1][0] < counter:
            self._late.clear()
        self._late = [*self._late[-1:], (counter, self._highest)]
        if len(self._late) < 2:
            return None
        if self._late[1][1] == self._late[0][1]:
            return None  # the other did not go on in between: frames that were on their way for long
        return {"counter": counter, "highest": self._highest, "why": "two counters go on, one behind the other"}


class SignalJumpDetector:
    """Detects jumps of the signal level of one device, per source. A fixed sender fades; it does not jump to and
    fro."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: dict[str, tuple[int, float]] = {}
        self._turns: dict[str, tuple[int, int]] = {}  # source → (sign of the last jump, jumps in a row, each back)

    def see(self, source: str, rssi: int, moment: float) -> Found:
        """Check one level: `rssi` in dBm, `moment` in seconds."""
        last = self._last.get(source)
        if last is None:
            if len(self._last) >= SOURCES:
                self._last.clear()
                self._turns.clear()
            self._last[source] = (rssi, moment)
            return None
        self._last[source] = (rssi, moment)
        step = rssi - last[0]
        if -self._limit < step < self._limit:
            return None
        if moment - last[1] > SOON_S:
            self._turns.pop(source, None)
            return None
        sign = 1 if step > 0 else -1
        before, turns = self._turns.get(source, (0, 0))
        turns = turns + 1 if before == -sign else 1
        self._turns[source] = (sign, turns)
        if turns < TURNS:
            return None
        return {"source": source, "from_dbm": last[0], "to_dbm": rssi, "jumps": turns}


class PositionJumpDetector:
    """Detects jumps of the position that one device reports."""

    def __init__(self) -> None:
        self._last: tuple[Position, float] | None = None
        self._jumps = 0
        self._jumped = float("-inf")

    def see(self, position: Position, moment: float) -> Found:
        """Check one position. `moment` is in seconds: the report's own date, or the time of its arrival."""
        last, self._last = self._last, (position, moment)
        if last is None:
            return None
        seconds = moment - last[1]
        if seconds < 0:
            self._last = last  # a former one, late
            return None
        sure = (position.accuracy or 0.0) + (last[0].accuracy or 0.0)
        metres = max(0.0, distance(position, last[0]) - sure)
        if metres < FAR or metres < FASTEST * seconds:
            if moment - self._jumped > SOON_S:
                self._jumps = 0
            return None
        self._jumps = self._jumps + 1 if moment - self._jumped <= SOON_S else 1
        self._jumped = moment
        if self._jumps < TURNS:
            return None
        # how far and how fast, never where: a position tells of people
        return {"kilometres": round(metres / 1000), "seconds": round(seconds), "jumps": self._jumps}


class DisjointReceivers:
    """Detects a device heard in two places at once. `groups` maps sources to sites of which no two can hear one device.
    One object per device."""

    def __init__(self, groups: Mapping[str, int]) -> None:
        self._groups = groups
        self._last: tuple[int, str, float] | None = None

    def see(self, sources: Sequence[str], moment: float) -> Found:
        for source in sources:
            group = self._groups.get(source)
            if group is None:
                continue
            last, self._last = self._last, (group, source, moment)
            if last is not None and last[0] != group and moment - last[2] <= APART_S:
                return {"source": source, "other": last[1], "seconds": round(moment - last[2])}
        return None


def distance(one: Position, other: Position) -> float:
    """Metres between two positions on a sphere of 6,371 km (haversine)."""
    north, north_ = radians(one.latitude), radians(other.latitude)
    east = radians(other.longitude - one.longitude)
    half = sin((north_ - north) / 2) ** 2 + cos(north) * cos(north_) * sin(east / 2) ** 2
    return 2 * 6_371_000 * asin(min(1.0, sqrt(half)))
