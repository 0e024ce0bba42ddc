"""Readings of a series that are not written yet: hours to compute from its ring, and late readings.

An hour that the ring still holds is computed from it at each write, so late readings need no care. When part of an hour
leaves the ring, the hour is computed once more and `frozen`; readings that come for it afterwards are `late`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.core.model import Value
from hub.history.memory import Block, ColumnGroup, Ring
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.counter import Point, collapse
from hub.history.rollups.gauge import Stats, fold

MOST = (1 << 63) - 1
EARLIER_S = 7 * 86_400
"""Maximum delay, in seconds, with which a device that replaced another delivers its first readings."""


class LateQuota:
    """The quota of late readings of all tracks until they are written: `most` of them, about 120 bytes each; `lost`
    counts those beyond it."""

    __slots__ = ("count", "lost", "most")

    def __init__(self, most: int) -> None:
        self.most, self.count, self.lost = most, 0, 0

    def room(self) -> bool:
        if self.count >= self.most:
            self.lost += 1
            return False
        self.count += 1
        return True


class Track:
    """A series and its readings that are not written yet.

    `device_changes`: (second, device) from which each device reported here; `period()`: expected seconds between
    readings, None if unknown.
    """

    __slots__ = (
        "calendar",
        "counter",
        "device",
        "device_changes",
        "dirty",
        "frozen",
        "late",
        "metric",
        "n",
        "named",
        "period",
        "place",
        "ring",
        "since",
        "step",
        "unit",
        "writing",
    )  # fmt: skip

    def __init__(
        self,
        *,
        place: str,
        metric: str,
        unit: str,
        step: str,
        counter: bool,
        ring: Ring,
        calendar: Calendar,
        period: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.place, self.metric, self.unit, self.step, self.counter = place, metric, unit, step, counter
        self.ring, self.calendar, self.period = ring, calendar, period
        self.n = 0
        self.named = False
        self.device = ""
        self.device_changes: list[tuple[int, str]] = []
        self.dirty: set[int] = set()
        self.frozen: dict[int, Stats | list[Point]] = {}
        self.late: dict[int, list[Point]] = {}
        self.writing: PendingWrite | None = None
        self.since = 0
        """A reading before this second may show that its device reported here earlier than known."""

    def restore(self, n: int, device_changes: Sequence[tuple[int, str]]) -> None:
        """Set what the disk knows of it."""
        self.n, self.device_changes, self.named = n, list(device_changes), True
        self.since, self.device = device_changes[-1] if device_changes else (0, "")

    def device_changed(self, time: int, device: str) -> None:
        """Record that another device reports, or that this one reported earlier than known."""
        if device != self.device:
            self.device = device
            self.device_changes.append((time, device))
        elif len(self.device_changes) == 1 or time > self.device_changes[-1][0] - EARLIER_S:
            self.device_changes[-1] = (time, device)  # known only now
        else:
            return
        self.since = time
        self.named = False

    def compute(self, hour: int) -> Stats | list[Point]:
        """Compute the hour from the ring, in the form of its row."""
        points = self.ring.points(hour, hour + HOUR)
        if self.counter:
            return collapse(points, self.cuts)
        before = self.ring.before(hour)
        whole: Sequence[Point] = points if before is None else [before, *points]
        return fold(whole, hour, hour + HOUR, self.period())

    @property
    def cuts(self) -> list[int]:
        """Seconds at which another device took over."""
        return [time for time, _ in self.device_changes[1:]]

    def freeze(self, block: Block) -> None:
        """Compute the hours of a block that is about to leave the ring."""
        first, last = self.calendar.hour(block.first), self.calendar.hour(block.last)
        for hour in [one for one in self.dirty if first <= one <= last]:
            self.frozen[hour] = self.compute(hour)
            self.dirty.discard(hour)

    def pending(self, hour: int) -> tuple[Stats | list[Point] | None, list[Point]]:
        """Return what this run has of an hour and has not written: the computed hour, and late readings."""
        known = self.frozen.get(hour)
        if known is None and hour in self.dirty:
            known = self.compute(hour)
        late, writing = self.late.get(hour, []), self.writing
        if writing is not None:
            was = writing.known.get(hour)
            known = (
                was if known is None else [*was, *known] if isinstance(was, list) and isinstance(known, list) else known
            )
            late = [*writing.late.get(hour, []), *late]
        return known, late

    def hours(self) -> set[int]:
        """Return the hours with anything not written."""
        return self.dirty | self.frozen.keys() | self.late.keys()

    def waiting(self) -> set[int]:
        """Return the hours with anything not written or being written."""
        writing = self.writing
        return self.hours() if writing is None else self.hours() | writing.known.keys() | writing.late.keys()


class ColumnBinding:
    """Target of the values of one set of metrics: a column group, and for each column its track and the index of its
    value.

    `late`: the quota of readings too late for the group.
    """

    __slots__ = ("_late", "_shift", "columns", "group")

    def __init__(self, group: ColumnGroup, columns: Sequence[tuple[int, Track]], late: LateQuota) -> None:
        self.group, self.columns, self._late = group, tuple(columns), late
        self._shift = columns[0][1].calendar.shift

    def take(self, time: int, values: Sequence[Value], device: str, horizon: int) -> bool:
        """Record a report; readings before `horizon` are too late for the group. Returns whether the group must be
        closed.

        Raises OverflowError, and records nothing, when a value exceeds 64 bits.
        """
        if len(self.columns) != len(self.group.rings):  # some columns were erased since
            self.columns = tuple(one for one in self.columns if one[1].ring in self.group.rings)
        shift = self._shift
        hour = (time + shift) // HOUR * HOUR - shift
        row, fresh = [time], False
        row += [round(values[at] * track.ring.scale) for at, track in self.columns]  # type: ignore[operator]
        if max(row) > MOST or min(row) < -MOST:
            raise OverflowError("beyond 64 bit")
        for steps, (_, track) in zip(row[1:], self.columns, strict=True):
            if device != track.device or time < track.since:
                track.device_changed(time, device)
            if time < horizon or track.ring.cut >= hour:
                if self._late.room():
                    track.late.setdefault(hour, []).append((time, steps))
            else:
                fresh = True
                if hour not in track.dirty:
                    track.dirty.add(hour)
        return fresh and self.group.add(row)


class PendingWrite:
    """Readings taken from a track for a write, until `done`; `back` returns them when the disk refused."""

    def __init__(self, track: Track, hours: Sequence[int]) -> None:
        self.track = track
        self.known: dict[int, Stats | list[Point]] = {}
        self.late: dict[int, list[Point]] = {}
        self._dirty = track.dirty.intersection(hours)
        for hour in hours:
            known, late = track.pending(hour)
            if known is not None:
                self.known[hour] = known
            if late:
                self.late[hour] = late
            track.dirty.discard(hour)
            track.frozen.pop(hour, None)
            track.late.pop(hour, None)
        track.writing = self

    def done(self) -> None:
        self.track.writing = None

    def back(self) -> None:
        self.track.writing = None
        for hour, known in self.known.items():
            if hour in self._dirty and not self.track.ring.cut >= hour:
                self.track.dirty.add(hour)
            else:
                self.track.frozen.setdefault(hour, known)
        for hour, late in self.late.items():
            self.track.late[hour] = late + self.track.late.get(hour, [])
