"""The raw history of one hub: queues pages from memory, writes, reads, erases and expires them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from hub.core.clock import Clock
from hub.core.errors import ConfigError, DecodeError, DiskRefuses, NotReady, StorageError
from hub.core.text import phrase, reason_of, system_error
from hub.history.archive.blocks import (
    END_OF_TIME,
    HEAD,
    ID_BYTES,
    TAG_BYTES,
    Root,
    Series,
    get_block,
    get_directory,
    get_head,
    put_file,
)
from hub.history.archive.folder import File, Folder
from hub.history.archive.table import RawSeries, RawSeriesTable
from hub.history.disk_limits import DiskLimits
from hub.history.memory import ColumnGroup, History, Scale
from hub.history.memory.pages import Point, points, span
from hub.protocol.records.seal import default_aead

EVERY_S, AGAIN_S = 3600.0, 300.0
"""Seconds between two writes, and between retries while the disk or the key is unavailable."""
LOOK_S = 5.0
WRITE_AT = 256 << 10
"""Queued bytes at which they are written before the hour is over."""
MOST = 1 << 20
"""Queued bytes beyond which the oldest are dropped, since the disk refuses them."""
ENTRY_BYTES = 150
"""Memory of a queued page beside its bytes."""
AT_ONCE = 16
"""Files read, or column groups handed over, before other tasks get a turn."""
REMEMBERED_DAMAGES, LOGGED_DAMAGES = 1000, 10
"""Damaged parts remembered by name, so that each counts once; and how many of them are logged."""

Column = tuple[str, str]
"""Key and resolution of a metric."""
Reading = tuple[int, float]

_log = logging.getLogger("hub.rawdisk")


class QueuedPage(NamedTuple):
    """A queued page. `columns`: the series of each of its columns, None where it must not be kept."""

    place: str
    columns: tuple[Column | None, ...]
    page: bytes


class RootKey(NamedTuple):
    """The key that all keys of the archive come from: `load` returns it, blocking; `where` it is stored, for the
    status."""

    load: Callable[[], bytes]
    where: str = ""


class RawArchive:
    """The raw history of one hub.

    `wanted(place, metric)` says whether the owner wants such data kept, None while undecided; `drain` flushes what
    waits for history, at a stop.
    """

    def __init__(
        self,
        folder: Folder,
        memory: RawSeriesTable,
        history: History,
        clock: Clock,
        *,
        root: RootKey,
        wanted: Callable[[str, str], bool | None],
        drain: Callable[[], None],
        limits: DiskLimits,
    ) -> None:
        self._folder, self._table, self._history, self._clock = folder, memory, history, clock
        self._root_key, self._wanted, self._drain = root, wanted, drain
        self._keep_s, self._most = limits
        self._root: Root | None = None
        self._aead = default_aead()
        self._waiting: list[QueuedPage] = []
        self._bytes = 0
        self._lock = asyncio.Lock()
        self._refused = ""
        self._short_of_space = ""
        self._damaged_parts: set[str] = set()
        self._born = clock.monotonic()
        self.written: float | None = None
        self.readings = 0
        """Readings written since the start."""
        self.damaged = 0
        """Directories and blocks that could not be read."""
        self.lost = 0
        """Readings that the disk did not take and memory could not hold."""
        history.on_page = self._take

    # in

    def _take(self, group: ColumnGroup, page: bytes) -> None:
        columns = tuple(
            (ring.metric, ring.resolution) if self._wanted(group.place, ring.metric) else None for ring in group.rings
        )
        if any(columns):
            self._waiting.append(QueuedPage(group.place, columns, page))
            self._bytes += len(page) + ENTRY_BYTES
            self._bound()

    def _bound(self) -> None:
        if self._bytes <= MOST:
            return
        gone = 0
        while self._bytes > MOST - MOST // 8:
            one = self._waiting[gone]
            gone += 1
            self._bytes -= len(one.page) + ENTRY_BYTES
            self.lost += span(one.page)[0] * sum(column is not None for column in one.columns)
        del self._waiting[:gone]

    async def _opened(self) -> Root:
        """Find the files and the root key. Raises DiskRefuses, NotReady, ConfigError."""
        if self._root is None:
            await asyncio.to_thread(self._folder.scan)
            self._root = Root(await asyncio.to_thread(self._root_key.load))
        return self._root

    async def _readable(self) -> Root | None:
        """Return the root key, None while it is unavailable. Waits for it after the start, so that an early reader does
        not find an empty history."""
        if self._root is None and not self._refused:
            async with self._lock:
                with contextlib.suppress(StorageError, NotReady, ConfigError):
                    await self._opened()
        return self._root

    async def run(self) -> None:
        """Write every hour, or as soon as enough is queued; at the end, write everything."""
        last: float | None = None
        try:
            while True:
                now = self._clock.monotonic()
                if last is None or self._due(now - last):
                    if last is not None:
                        await self._hand_over()
                    last = now
                    await asyncio.shield(
                        self.write()
                    )  # shielded: a write in a thread must end before the last write begins
                await self._clock.sleep(LOOK_S)
        finally:
            self._drain()
            self._history.hand_over()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self.write())

    async def _hand_over(self) -> None:
        for at in range(0, len(self._history.groups), AT_ONCE):
            self._history.hand_over(at, AT_ONCE)
            await asyncio.sleep(0)  # a column group that moves up meanwhile comes the next time

    def _due(self, since: float) -> bool:
        if self._refused:
            return since >= AGAIN_S
        return since >= EVERY_S or self._bytes >= WRITE_AT

    async def write(self) -> int:
        """Write the queue and delete what is too old; returns the number of readings. What is refused stays queued."""
        async with self._lock:
            try:
                root = await self._opened()
                await self._erase_unwanted()
                count = await self._write(root)
                await self._purge()
                if self._refused:
                    _log.info(phrase("raw-history-written-again", "raw history is written to disk again"))
                self._refused = ""
            except (StorageError, NotReady, ConfigError) as error:
                if str(error) != self._refused:
                    _log.error(
                        phrase(
                            "raw-history-not-kept",
                            "raw history cannot be kept on disk: {reason}",
                            reason=reason_of(error),
                        )
                    )
                self._refused = reason_of(error)
                return 0
            return count

    async def _write(self, root: Root) -> int:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return 0
        try:
            spans = [span(one.page) for one in waiting]
            first, last = min(one[1] for one in spans), max(one[2] for one in spans)
            wanted = sorted({(one.place, *column) for one in waiting for column in one.columns if column is not None})
            known = await self._table.named(wanted, first)
            id = secrets.token_bytes(ID_BYTES)
            data, count = await asyncio.to_thread(self._encode, root, known, waiting, id, first, last)
            if not await asyncio.to_thread(self._write_file, first, last, id, data):
                raise DiskRefuses(
                    phrase("too-little-disk-left", "too little is left of the disk; it is left to the buffer")
                )
        except BaseException:
            self._waiting = waiting + self._waiting
            self._bytes = sum(len(one.page) + ENTRY_BYTES for one in self._waiting)
            self._bound()
            raise
        self.written = self._clock.now()
        self.readings += count
        return count

    def _encode(
        self,
        root: Root,
        known: dict[tuple[str, str, str], RawSeries],
        waiting: list[QueuedPage],
        id: bytes,
        first: int,
        last: int,
    ) -> tuple[bytes, int]:
        """Encode a file: its bytes and the number of readings. Runs in a thread."""
        of: dict[str, list[QueuedPage]] = {}
        for one in waiting:
            of.setdefault(one.place, []).append(one)
        count = 0

        def series() -> Iterator[Series]:
            nonlocal count
            for (place, *column), one in sorted(known.items(), key=lambda item: item[1].n):
                said = {
                    point
                    for page in of[place]
                    for at, name in enumerate(page.columns)
                    if name == tuple(column)
                    for point in points(page.page, at, 0, END_OF_TIME)
                }
                count += len(said)
                yield Series(one.n, one.secret, sorted(said))

        return put_file(root, self._aead, id, first, last, series()), count

    def _write_file(self, first: int, last: int, id: bytes, data: bytes) -> bool:
        """Make room and write; False where there is none. Runs in a thread."""
        _, crowded = self._folder.purge(0, self._most, len(data))
        self._note_shortage(crowded)
        if not self._folder.room(len(data)) or len(data) > self._most:
            return False
        self._folder.write(first, last, id, data)
        return True

    async def _erase_unwanted(self) -> None:
        """Erase series that must no longer be kept: a zone became a dwelling, or personal data are no longer wanted."""
        for place, metric in await self._table.names():
            if self._wanted(place, metric) is False:
                _log.info(
                    phrase(
                        "raw-history-series-erased",
                        "raw history of {place}/{metric} is erased: it is personal",
                        place=place,
                        metric=metric,
                    )
                )
                await self._table.destroy(place, metric)

    async def _purge(self) -> None:
        if not self._clock.sure():
            return  # a wrong clock would delete everything
        before = int(self._clock.now() - self._keep_s)
        _, crowded = await asyncio.to_thread(self._folder.purge, before, self._most)
        self._note_shortage(crowded)

    def _note_shortage(self, count: int) -> None:
        if count and not self._short_of_space:
            self._short_of_space = phrase(
                "raw-history-cut-short",
                "raw history on disk is kept for a shorter time than it should be: raise history.raw_max_size, or make "
                "room on the disk",
            )
            _log.warning("%s", self._short_of_space)

    # out

    async def erase(self, place: str, metric: str | None = None) -> int:
        """Erase a place, or one of its metrics, for good: the queue, and the secret without which nothing on disk can
        be read.

        Returns the number of series. Raises DiskRefuses, StorageError.
        """
        async with self._lock:
            self._waiting = [one for one in (_without(one, place, metric) for one in self._waiting) if one]
            self._bytes = sum(len(one.page) + ENTRY_BYTES for one in self._waiting)
            return await self._table.destroy(place, metric)

    async def series(self) -> list[tuple[str, str]]:
        """Return (place, metric) of all series on disk."""
        return await self._table.names()

    async def since(self, place: str, metric: str) -> int | None:
        """Return the second from which readings of a series may exist, None where there are none."""
        await self._readable()
        known, first = await self._table.find(place, metric), self._folder.first
        return None if not known or first is None else max(first, min(one.since for one in known), self._oldest())

    @property
    def memory_complete_since(self) -> int:
        """The second since which the history in memory is complete; earlier readings may be on disk only.

        Computed from the uptime, because the clock may have been wrong at the start.
        """
        return int(self._clock.now() - (self._clock.monotonic() - self._born)) + 1

    async def walk(self, place: str, metric: str, begin: int, end: int) -> AsyncIterator[tuple[int, list[Reading]]]:
        """Yield the written readings of a series in [begin, end), a few files at a time.

        Each item is (a second before which nothing more will come, readings). Readings may be repeated. Raises
        DiskRefuses, StorageError.
        """
        begin = max(begin, self._oldest())
        known, root = await self._table.find(place, metric), await self._readable()
        if root is None or not known:
            return
        files = self._folder.within(begin, end)
        for at in range(0, len(files), AT_ONCE):
            some, rest = files[at : at + AT_ONCE], files[at + AT_ONCE : at + AT_ONCE + 1]
            found = await asyncio.to_thread(self._read, root, some, known, begin, end)
            yield (rest[0].first if rest else end), found

    def _oldest(self) -> int:
        """Return the retention limit: older readings are not returned, even if their file still exists for the sake of
        others."""
        return int(self._clock.now() - self._keep_s) if self._clock.sure() else 0

    def _read(self, root: Root, files: list[File], known: list[RawSeries], begin: int, end: int) -> list[Reading]:
        """Read the series from these files. Runs in a thread."""
        found: list[Reading] = []
        for file in files:
            try:
                for one, said in self._read_file(root, file, known, begin, end):
                    scale = Scale(one.step)
                    found += [(time, scale(value)) for time, value in said]
            except FileNotFoundError:
                pass  # deleted meanwhile
            except OSError as error:
                self._record_damage(file, system_error(error))
        return found

    def _read_file(
        self, root: Root, file: File, known: list[RawSeries], begin: int, end: int
    ) -> Iterator[tuple[RawSeries, list[Point]]]:
        with (self._folder.path / file.name).open("rb") as data:
            try:
                head = get_head(data.read(HEAD.size))
                if (head.first, head.last) != (file.first, file.last):
                    raise DecodeError("raw-head", phrase("raw-file-of-another-name", "its name is another file's"))
                if head.directory > file.size:
                    raise DecodeError(
                        "raw-truncated", phrase("raw-file-ends-in-directory", "it ends within its directory")
                    )
                directory = get_directory(root, head, data.read(head.directory))
            except DecodeError as error:
                self._record_damage(file, error.detail)
                return
            for one in known:
                where = directory.find(one.n)
                if where is None:
                    continue
                try:
                    if where[1] > file.size or where[1] <= TAG_BYTES:
                        raise DecodeError(
                            "raw-damaged", phrase("block-of-impossible-length", "a block of an impossible length")
                        )
                    data.seek(where[0])
                    yield one, get_block(root, head, one.n, one.secret, data.read(where[1]), begin, end)
                except DecodeError as error:
                    self._record_damage(
                        file,
                        phrase(
                            "raw-history-of-series",
                            "{series}: {reason}",
                            series=f"{one.place}/{one.metric}",
                            reason=error.detail,
                        ),
                        f"/{one.n}",
                    )

    def _record_damage(self, file: File, why: str, part: str = "") -> None:
        """Count and log a damaged part of a file, once."""
        name = file.name + part
        if name not in self._damaged_parts and len(self._damaged_parts) < REMEMBERED_DAMAGES:
            self._damaged_parts.add(name)
            self.damaged += 1
            if self.damaged <= LOGGED_DAMAGES:
                _log.warning(
                    phrase(
                        "raw-history-part-skipped",
                        "raw history: a part of {file} cannot be read and is skipped: {reason}",
                        file=file.name,
                        reason=why,
                    )
                )

    def status(self) -> dict[str, Any]:
        """Return the state for the control socket."""
        return {
            "sealed_by": self._root_key.where, "files": len(self._folder.files), "disk": self._folder.total,
            "first": self._folder.first, "written": self.written, "readings": self.readings, "waiting": self._bytes,
            "damaged": self.damaged, "lost": self.lost,
        }  # fmt: skip

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        said: list[str] = []
        if self._refused:
            said.append(
                phrase("raw-history-not-kept", "raw history cannot be kept on disk: {reason}", reason=self._refused)
            )
        if self.lost:
            said.append(
                phrase(
                    "raw-history-lacks-readings",
                    "{count} [reading is|readings are] in no raw history on disk: the disk did not take them in time",
                    count=self.lost,
                )
            )
        if self.damaged:
            said.append(
                phrase(
                    "raw-history-damaged",
                    "{count} [part|parts] of raw history on disk [is damaged; it shows as a gap|"
                    "are damaged; they show as gaps]",
                    count=self.damaged,
                )
            )
        return [*said, *([self._short_of_space] if self._short_of_space else [])]


def _without(one: QueuedPage, place: str, metric: str | None) -> QueuedPage | None:
    """Return what remains of a queued page after a place, or one metric of it, was erased."""
    if one.place != place:
        return one
    columns = tuple(None if c is None or metric in (None, c[0]) else c for c in one.columns)
    return one._replace(columns=columns) if any(columns) else None


async def destroy(folder: Folder, memory: RawSeriesTable) -> None:
    """Erase all raw history of a hub: its secrets, then its files. Raises DiskRefuses, StorageError."""
    await memory.destroy()
    await asyncio.to_thread(folder.scan)
    await asyncio.to_thread(folder.clear)
