"""Hourly aggregates: takes observed values, writes them once an hour, and freezes past months."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hub.core.clock import Clock
from hub.core.errors import DiskRefuses, StorageError
from hub.core.model import Metric, Place, Value, series_id
from hub.core.text import phrase, reason_of
from hub.history.disk_limits import DiskLimits
from hub.history.memory import Block, ColumnGroup, History
from hub.history.rollups.calendar import HOUR, Calendar
from hub.history.rollups.counter import Point, collapse
from hub.history.rollups.gauge import Stats, fold, merge
from hub.history.rollups.pending import ColumnBinding, LateQuota, PendingWrite, Track
from hub.history.rollups.row_format import LATE, get_lives, get_points, put_lives, put_month, put_points
from hub.history.rollups.tables import RollupTables, StoredSeries
from hub.history.rollups.views import Views

SETTLE_S = 90.0
"""Seconds after its end at which an hour is written: readings of its last seconds are still on their way."""
EARLIEST = 1_767_225_600 - 400 * 86_400
"""2026-01-01 less 400 days: readings dated before it are not aggregated."""
LATE_MOST = 65_536
"""Late readings in memory, 8 MiB: a device that was away for a day hands over 1,440 of a metric. From half of it on
they are written at once, so that it fills up only while the disk refuses."""
HOURS_MOST = 65_536
"""Hours of series that wait for a disk that refuses, 16 MiB: 500 series for five days."""
LIMITS = DiskLimits(762 * 86_400.0, 1 << 30)
MONTHS = 120
BATCH = 40

_log = logging.getLogger("hub.rollup")


class Rollups:
    """The aggregates of one hub.

    `place` looks up places, `calendar` returns the calendar of a site, `period` the expected reporting period of a
    device in seconds. `limits`: those of the hours, and of their file.
    """

    def __init__(
        self,
        memory: RollupTables,
        history: History,
        *,
        clock: Clock,
        life: int,
        place: Callable[[str], Place | None],
        calendar: Callable[[str], Calendar],
        period: Callable[[str], float | None] = lambda device: None,
        limits: DiskLimits = LIMITS,
    ) -> None:
        self._tables, self._history, self._clock, self._life = memory, history, clock, life
        self._place, self._calendar, self._period = place, calendar, period
        self._keep_s, self._most = limits
        self._rings: dict[int, Track] = {}
        self._known: dict[tuple[str, str], StoredSeries] = {}
        self._lock = asyncio.Lock()
        self._refused = ""
        self._cut_short = False
        self._used = 0
        self._late = LateQuota(LATE_MOST)
        self.given_up = 0
        """Hours of series dropped because the disk refused them for too long."""
        self._frozen: dict[str, int] = {}
        self._pending_months: dict[tuple[str, str], set[int]] = {}
        """Written hours whose months have not been computed again yet."""
        self._tried: dict[tuple[int, int], tuple[bytes | None, bytes]] = {}
        """(hour, series) → the row before a write that failed or was cancelled, and the row it would have written. Such
        a write may be on disk (only its last sync failed, or nobody waited for it), with the late readings already in
        it."""
        self.tracks: dict[tuple[str, str], Track] = {}
        self.last_write: float | None = None
        self.rows = 0
        self.erasing: Callable[[str, str | None], Awaitable[int]] | None = None
        """Erases what else is stored of a place, or one metric of it: raw history on disk."""
        history.on_drop = self._on_drop
        self.views = Views(
            memory,
            life,
            known=self._known.get,
            track=self.tracks.get,
            place=place,
            calendar=calendar,
            first=self._first,
        )

    async def load(self) -> None:
        """Load the series and months. Raises DiskRefuses, StorageError."""
        for known in await self._tables.series():
            self._known[known.place, known.metric] = known
        keys = {known.n: key for key, known in self._known.items()}
        for n, hour in await self._tables.pending_hours():
            if n in keys:
                self._pending_months.setdefault(keys[n], set()).add(hour)
        for name, month in await self._tables.months():
            self._frozen[name] = max(month, self._frozen.get(name, 0))
        bounds = await self._tables.bounds()
        self.views.first_hour, self.views.last_hour = bounds[:2] if bounds else (0, 0)
        self._used = bounds[2] if bounds else 0

    @property
    def series(self) -> list[tuple[str, str]]:
        """All known series: (place, metric)."""
        return sorted({*self._known, *self.tracks})

    def track(self, place: str, metric: Metric, device: str) -> Track | None:
        """Return the track of a series, None for texts."""
        if metric.kind == "text":
            return None
        found = self.tracks.get((place, metric.key))
        if found is None:
            known = self._known.get((place, metric.key))
            step = known.step if known else "1" if metric.kind == "flag" else metric.resolution
            where = self._place(place)
            found = Track(
                place=place,
                metric=metric.key,
                unit=metric.unit,
                step=step,
                counter=known.counter if known else metric.state_class == "total_increasing",
                ring=self._history.ring(place, metric.key, step),
                calendar=self._calendar(where.site if where else ""),
                period=lambda: self._period(found.device if found else device),
            )
            if known is not None:
                found.restore(known.n, known.device_changes)
            self.tracks[place, metric.key] = found
            self._rings[id(found.ring)] = found
        return found

    def bind(self, place: str, metrics: Sequence[Metric], device: str) -> tuple[ColumnBinding, ...]:
        """Return the bindings for the metrics that a place reports together, without texts."""
        tracks = [(at, self.track(place, metric, device)) for at, metric in enumerate(metrics)]
        columns = [(at, track) for at, track in tracks if track is not None]
        groups = self._history.bind(place, [(track.metric, track.step) for _, track in columns]) if columns else []
        made = []
        for group in groups:
            made.append(ColumnBinding(group, columns[: len(group.rings)], self._late))
            columns = columns[len(group.rings) :]
        return tuple(made)

    def take(self, binding: ColumnBinding, time: int, values: Sequence[Value], device: str, horizon: int) -> bool:
        """Record one report of a place. Returns False where its values exceed the countable range."""
        if time < EARLIEST:
            return True
        try:
            if binding.take(time, values, device, horizon):
                self._history.close(binding.group)
        except OverflowError:
            return False
        return True

    async def write(self, *, everything: bool = False) -> int:
        """Write the hours that are over, or `everything` at a stop. Returns the number of rows. What is refused stays
        in memory."""
        async with self._lock:
            edge = self._clock.now() - SETTLE_S - HOUR
            takes: list[PendingWrite] = []
            try:
                for track in list(self.tracks.values()):
                    due = [hour for hour in track.hours() if everything or hour <= edge]
                    if due:
                        takes.append(PendingWrite(track, due))
                        if len(takes) % BATCH == 0:
                            await asyncio.sleep(0)  # yield: 2,000 series take a tenth of a second
                count = await self._hours(takes)
            except BaseException as error:  # also on cancellation: the last write must find them
                for taken in takes:
                    taken.back()
                if not isinstance(error, DiskRefuses | StorageError):
                    raise
                self._give_up()
                self._refuse(error)
                return 0
            for taken in takes:  # durable even if the months fail: given back, late readings would count twice
                taken.done()
                self._late.count -= sum(map(len, taken.late.values()))
                key = taken.track.place, taken.track.metric
                self._pending_months.setdefault(key, set()).update(taken.known, taken.late)
            try:
                await self._months()
                await self._purge()
                self._refused = ""
            except (DiskRefuses, StorageError) as error:
                self._refuse(error)
            self.rows += count
            self.last_write = self._clock.now()
            return count

    def _refuse(self, error: Exception) -> None:
        if not self._refused:
            _log.error(
                phrase(
                    "hourly-aggregates-not-written",
                    "hourly aggregates cannot be written: {reason}",
                    reason=reason_of(error),
                )
            )
        self._refused = reason_of(error)

    def _give_up(self) -> None:
        """Drop the oldest hours, counted, once the disk has refused for so long that memory is full."""
        beyond = sum(len(track.frozen) for track in self.tracks.values()) - HOURS_MOST
        if beyond <= 0:
            return
        held = Counter(hour for track in self.tracks.values() for hour in track.frozen)
        for hour in sorted(held):
            if beyond <= 0:
                return
            beyond -= held[hour]
            self.given_up += held[hour]
            for track in self.tracks.values():
                track.frozen.pop(hour, None)

    async def _hours(self, takes: list[PendingWrite]) -> int:
        tracks = [taken.track for taken in takes if not taken.track.named]
        named = await self._tables.name([_known(track) for track in tracks]) if tracks else []
        for track, known in zip(tracks, named, strict=True):
            track.n, track.named = known.n, True
            self._known[track.place, track.metric] = known
        wanted = [(hour, taken.track.n) for taken in takes for hour in {*taken.known, *taken.late}]
        there: dict[tuple[int, int], bytes | None] = {**await self._tables.bodies(wanted)}
        there |= {key: before for key, (before, tried) in self._tried.items() if there.get(key) == tried}
        rows = []
        for taken in takes:
            track = taken.track
            for hour in {*taken.known, *taken.late}:
                body = self._body(taken, hour, there.get((hour, track.n)))
                if body is not None:
                    rows.append((hour, track.n, body))
        if rows:
            pending_hours = {row[0] for row in rows}.union(*self._pending_months.values())
            self._tried = {(hour, n): (there.get((hour, n)), body) for hour, n, body in rows}
            await self._tables.put(sorted(rows), pending_hours)
            self._tried = {}
            first, last = min(row[0] for row in rows), max(row[0] for row in rows)
            self.views.last_hour = max(last, self.views.last_hour)
            self.views.first_hour = min(first, self.views.first_hour) if self.views.first_hour else first
        return len(rows)

    def _body(self, taken: PendingWrite, hour: int, there: bytes | None) -> bytes | None:
        track, known, late = taken.track, taken.known.get(hour), taken.late.get(hour, [])
        if track.counter:
            points: list[Point] = [*(get_points(hour, there) if there else []), *late]
            if isinstance(known, list):
                points += known
            return put_points(hour, collapse(points, track.cuts)) if points else None
        lives = get_lives(there) if there else {}
        if isinstance(known, Stats) and known.weight + known.readings:
            lives[self._life] = known
        if late:
            came = fold(sorted(set(late)), hour, hour + HOUR, track.period())
            lives[LATE] = merge([lives[LATE], came]) if LATE in lives else came
        return put_lives(lives) if lives else None

    # months

    async def _months(self) -> None:
        """Freeze past months; compute months again that late readings, or the end of a gap, changed."""
        wanted: dict[tuple[str, str], set[int]] = {}
        for key, hours in self._pending_months.items():
            calendar, series = self.views.calendar_of(key), self.views.series(key)
            months = {calendar.month(hour) for hour in hours}
            if series is not None and series.counter and months:
                before = await self.views.point_before(key, min(hours))
                if before is not None:
                    months |= set(range(calendar.month(before[0]), min(months)))
            wanted[key] = months
        rows = {}
        for key in self.series:
            calendar = self.views.calendar_of(key)
            this, name = calendar.month(self._clock.now()), series_id(*key)
            last = self._frozen.get(name)
            due = {month for month in wanted.get(key, ()) if month < this}
            if last is None or last < this - 1:
                first = self.views.first_month(key)
                begin = last + 1 if last is not None else first
                due |= set(range(max(begin, this - MONTHS), this)) if begin is not None else set()
            for month in sorted(due):
                if calendar.month_start(month) < self._first():
                    continue  # its hours are deleted: the row is all that is left of it
                reckoned = await self.views.compute_month(key, month)
                if reckoned is not None:
                    rows[name, month] = put_month(reckoned)
        if rows:
            month = Calendar("UTC").month(self._clock.now())
            await self._tables.put_months(rows, month - MONTHS)
            for name, month in rows:
                self._frozen[name] = max(month, self._frozen.get(name, 0))
        self._pending_months.clear()

    async def _purge(self) -> None:
        """Delete old hours, a day at a time; more of them where their file is too large."""
        bounds = await self._tables.bounds()
        if bounds is None:
            return
        first, last, self._used = bounds
        before = int(self._clock.now() - self._keep_s) // 86_400 * 86_400
        if self._used > self._most and last - first > 31 * 86_400:
            before, self._cut_short = max(before, first + 7 * 86_400), True
        if first < before:
            await self._tables.purge(before)
            self.views.first_hour = before

    def _first(self) -> int:
        """Return the first hour that is kept."""
        return int(self._clock.now() - self._keep_s) // 86_400 * 86_400

    def _on_drop(self, group: ColumnGroup, block: Block) -> None:
        for ring in group.rings:
            track = self._rings.get(id(ring))
            if track is not None:
                track.freeze(block)

    async def erase(self, place: str, metric: str | None = None) -> int:
        """Erase a place, or one of its metrics: raw readings, hours and months. Returns the number of rows."""
        async with self._lock:
            raw = 0 if self.erasing is None else await self.erasing(place, metric)
            keys = [key for key in self.series if key[0] == place and metric in (None, key[1])]
            numbers = [self._known[key].n for key in keys if key in self._known]
            count = await self._tables.erase(numbers, [series_id(*key) for key in keys])
            for key in keys:
                track = self.tracks.pop(key, None)
                if track is not None:
                    self._late.count -= sum(map(len, track.late.values()))
                    self._rings.pop(id(track.ring), None)
                self._known.pop(key, None)
                self._pending_months.pop(key, None)
                self._frozen.pop(series_id(*key), None)
            self._history.forget(place, metric)
            if self.erasing is not None:  # again, for pages handed over meanwhile
                raw += await self.erasing(place, metric)
            return count + raw

    async def run(self, drain: Callable[[], None], finish: Callable[[], None]) -> None:
        """Drain once a second; write 90 s after each hour. At the end finish, and write everything."""
        written = self._clock.now() // HOUR
        try:
            while True:
                await self._clock.sleep(1.0)
                drain()
                now = self._clock.now()
                self._history.expire(now)
                turn = (now - SETTLE_S - 1) // HOUR if not self._refused else -(now // 60)
                crowded = self._late.count >= LATE_MOST // 2 and not self._refused
                if self._clock.sure() and (turn != written or crowded):
                    written = turn
                    await self.write()
        finally:
            finish()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self.write(everything=True))

    def status(self) -> dict[str, Any]:
        """Return the state for the control socket."""
        return {
            "series": len(self.series), "memory": self._history.bytes, "disk": self._used, "written": self.last_write,
            "first": self.views.first_hour or None, "rows": self.rows, "late_lost": self._late.lost,
            "given_up": self.given_up,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        said: list[str] = []
        if self._refused:
            said.append(
                phrase(
                    "hourly-aggregates-not-written",
                    "hourly aggregates cannot be written: {reason}",
                    reason=self._refused,
                )
            )
        if self._late.lost:
            said.append(
                phrase(
                    "hourly-aggregates-lack-late-readings",
                    "hourly aggregates go without {count} late [reading|readings]; the buffer has them",
                    count=self._late.lost,
                )
            )
        if self.given_up:
            said.append(
                phrase(
                    "hourly-aggregates-lack-hours",
                    "hourly aggregates go without {count} [hour|hours] of series; the buffer has them",
                    count=self.given_up,
                )
            )
        if self._cut_short:
            said.append(
                phrase(
                    "hourly-aggregates-cut-short",
                    "hourly aggregates are kept for a shorter time than they should be: raise history.max_size",
                )
            )
        return said


def _known(track: Track) -> StoredSeries:
    return StoredSeries(
        n=track.n,
        place=track.place,
        metric=track.metric,
        unit=track.unit,
        step=track.step,
        counter=track.counter,
        device_changes=tuple(track.device_changes),
    )
