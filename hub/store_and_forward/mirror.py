"""Mirror: copies of unacked segments on another disk, a USB stick for instance (`buffer.mirror`).

    <mirror>/<hub id>/<stream>/<name of the segment>       what counts of one closed segment, byte for byte
    <mirror>/<hub id>/<stream>/.<name of the segment>      the same, still being written: never a copy, removed later

Law
- A copy has its name only when it is whole: written beside, synced, renamed, its directory synced.
- A copy goes when every number in it is acked. For one other reason only: when the stick is full, copies of segments
  that the hub no longer has go, oldest first, and are counted.
- What a later segment superseded is not copied, so that a copy can be delivered without its neighbours.
- The stick may be absent, full, worn out or hanging. That is shown and counted, delays nothing else, and ends by itself
  as soon as the stick is as it should be.

A segment is copied once it is closed: what the open one holds is on the hub's disk alone, at most
`buffer.segment_size` or `buffer.segment_age` of readings. `hub.operations.buffer_forwarding` delivers copies after a
loss.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hub.core.clock import Clock
from hub.core.disk.hanging_calls import Aside
from hub.core.text import phrase, system_error
from hub.protocol.records import framing
from hub.protocol.records.rows import STREAMS
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.buffer.disk import Disk, SystemDisk
from hub.store_and_forward.buffer.recovery import Scan
from hub.store_and_forward.buffer.segment import MAX_SEGMENT, SegmentInfo, SegmentName

OFF, STARTING, THERE, ABSENT, SAME_DISK, FULL, FAILED = (
    "off", "starting", "there", "absent", "same disk", "full", "failed",
)  # fmt: skip
SPARE_BYTES = 32 << 20
"""Left free on the stick, for the state backups that may share it."""
PER_ROUND = 8
EVERY_S = 5.0
HANGS_S = 60.0
_PIECE = 1 << 20

_log = logging.getLogger("hub.mirror")

Closed = list[tuple[SegmentInfo, bool]]
"""Closed segments, and whether something in each waits for its ack: `Buffer.closed`."""


class StickDisk(Disk, Protocol):
    """File operations on the other disk."""

    def rename(self, old: Path, new: Path) -> None: ...
    def device(self, path: Path) -> int:
        """Return the id of the file system of `path`. Raises FileNotFoundError when it is not there."""
        ...


class SystemStick(SystemDisk):
    """The real other disk."""

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def device(self, path: Path) -> int:
        return path.stat().st_dev


class Copy(NamedTuple):
    """One copy by stream and name. Sorts oldest first within a stream."""

    stream: str
    name: SegmentName


class Done(NamedTuple):
    """Result of a round: segments `copied`, and those still `waiting`."""

    copied: int
    waiting: int


class SameDisk(Exception):
    """The mirror would be lost together with the buffer."""


class Stick:
    """The copies of one hub in one directory. Blocking; for one thread at a time."""

    def __init__(
        self,
        directory: Path,
        hub: str,
        beside: Path,
        *,
        disk: StickDisk | None = None,
        source: Disk | None = None,
        spare: int = SPARE_BYTES,
    ) -> None:
        """`beside` is the buffer's directory."""
        self.directory, self.given_up = directory, 0
        self.copies: dict[Copy, int] = {}  # and their bytes, as the last round found and left them
        self._home, self._beside, self._spare = directory / hub, beside, spare
        self._disk, self._source = disk or SystemStick(), source or SystemDisk()
        self._ends: dict[Copy, int] = {}  # last number of copies that were read for it
        self._settled: set[Path] = set()  # folders whose every name is known to outlive a power cut

    def round(self, closed: Closed, acks: RunRanges, most: int = PER_ROUND) -> Done:
        """Remove copies that are acked, then copy waiting segments, at most `most`.

        Raises SameDisk, FileNotFoundError when the stick is absent, any other OSError as it comes.
        """
        self.copies = self._look()
        held = {Copy(info.stream, SegmentName(info.number, info.run, info.first)): info for info, _ in closed}
        for copy in [copy for copy in self.copies if self._delivered(copy, held.get(copy), acks)]:
            self._remove(copy)
        wanting = [copy for copy, (_, waits) in zip(held, closed, strict=True) if waits and copy not in self.copies]
        for copy in sorted(wanting)[:most]:  # alerts first
            self._copy(copy, held[copy], held)
        waiting = len([copy for copy in wanting if copy not in self.copies])
        return Done(len(wanting) - waiting, waiting)

    def _look(self) -> dict[Copy, int]:
        self.copies = {}  # as long as the stick is not there
        device = self._disk.device(self.directory)
        if device == self._disk.device(self._beside):
            raise SameDisk
        found: dict[Copy, int] = {}
        for stream in STREAMS:
            folder = self._home / stream
            with contextlib.suppress(FileNotFoundError):
                if self._disk.device(folder) != device:  # a link, to the buffer itself for instance
                    raise OSError(
                        errno.ELOOP, phrase("leads-to-another-disk", "{path} leads to another disk", path=folder)
                    )
                for text in self._disk.names(folder):
                    name = SegmentName.parse(text)
                    if name is not None and (size := self._disk.size(folder / text)) <= MAX_SEGMENT:
                        found[Copy(stream, name)] = size
                    elif text.startswith("."):
                        self._disk.unlink(folder / text)
                self._settle(folder)
        return found

    def _settle(self, folder: Path) -> None:
        """Sync `folder` and its parents unless that is done. After a kill between a rename and its sync, the name is
        there and counts as a copy, but only until power is lost."""
        for path in (folder, self._home, self.directory):
            if path not in self._settled:
                self._disk.sync_directory(path)
                self._settled.add(path)

    def _delivered(self, copy: Copy, info: SegmentInfo | None, acks: RunRanges) -> bool:
        """True when all of a copy is acked. Records declared lost are not acked: the copy may still have them."""
        acked = acks.of(copy.stream, copy.name.run)
        if not acked.covers(copy.name.first, copy.name.first):
            return False
        last = self._end(copy) if info is None else info.last
        return last >= copy.name.first and acked.covers(copy.name.first, last)

    def _end(self, copy: Copy) -> int:
        if copy not in self._ends:
            heads = Scan.of(self._disk.read(self._path(copy))).heads
            self._ends[copy] = max((head.seq for head in heads if head.kind in framing.NUMBERED), default=0)
        return self._ends[copy]

    def _copy(self, copy: Copy, info: SegmentInfo, held: dict[Copy, SegmentInfo]) -> None:
        try:
            data = counting(self._source.read(info.path, 0, info.size), info.last)
        except OSError as error:
            if error.errno != errno.ENOENT:  # else it left the buffer meanwhile
                _log.warning(
                    phrase(
                        "segment-without-copy",
                        "{file} cannot be read, it has no copy: {reason}",
                        file=info.path.name,
                        reason=system_error(error),
                    )
                )
            return
        self._disk.make_directory(self._home / copy.stream)
        self._make_room(len(data), held)
        self._write(copy, data)
        self.copies[copy] = len(data)

    def _write(self, copy: Copy, data: bytes) -> None:
        path = self._path(copy)
        scratch = path.with_name(f".{path.name}")
        try:
            fd = self._disk.create(scratch)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._disk.write(fd, bytes(rest[:_PIECE])) :]
                self._disk.sync(fd)
            finally:
                self._disk.close(fd)
            self._settled.discard(path.parent)
            self._disk.rename(scratch, path)
            self._settle(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.unlink(scratch)
            raise

    def _make_room(self, size: int, held: dict[Copy, SegmentInfo]) -> None:
        orphans = sorted((copy for copy in self.copies if copy not in held), key=lambda copy: copy.name, reverse=True)
        while self._disk.free(self._home) - size < self._spare:
            if not orphans:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._remove(orphans.pop())
            self.given_up += 1

    def _remove(self, copy: Copy) -> None:
        self._disk.unlink(self._path(copy))
        del self.copies[copy]
        self._ends.pop(copy, None)

    def _path(self, copy: Copy) -> Path:
        return self._home / copy.stream / str(copy.name)


def counting(data: bytes, last: int) -> bytes:
    """Return the bytes of a segment up to the first record that a later segment superseded: a number above `last`."""
    heads = Scan.of(data).heads
    return data[: next((head.offset for head in heads if head.kind in framing.NUMBERED and head.seq > last), len(data))]


class Segments(Protocol):
    """The buffer as the mirror uses it."""

    @property
    def acks(self) -> RunRanges: ...
    def closed(self) -> Closed: ...


class Mirror:
    """Keeps the copies of a running hub. `run` is its task; it is never awaited by anything else."""

    def __init__(self, stick: Stick | None, *, buffer: Segments, clock: Clock) -> None:
        """`stick` None: none is configured."""
        self._stick, self._buffer, self._clock = stick, buffer, clock
        self._state, self._error, self._failures, self._waiting = OFF if stick is None else STARTING, "", 0, 0
        self._aside = Aside("mirror")
        self._began: float | None = None  # monotonic second of the round that is under way

    async def run(self) -> None:
        while self._stick is not None:
            done = await self._round(self._stick)
            if done.copied < PER_ROUND:
                await self._clock.sleep(EVERY_S)

    def status(self) -> dict[str, Any]:
        """`state_dir`, bytes and number of `copies`, segments `waiting` for one, rounds that failed, why the last did,
        and how many copies were given up for room."""
        stick = self._stick
        state, error = self._standing()
        return {
            "directory": "" if stick is None else str(stick.directory),
            "state": state,
            "copies": 0 if stick is None else len(stick.copies),
            "bytes": 0 if stick is None else sum(list(stick.copies.values())),
            "waiting": self._waiting,
            "failures": self._failures,
            "given_up": 0 if stick is None else stick.given_up,
            "error": error,
        }

    def complaints(self) -> list[str]:
        """Return a sentence for `ilot status` while the stick is not as it should be."""
        state, error = self._standing()
        if state in (OFF, STARTING, THERE):
            return []
        return [
            phrase(
                "mirror-not-working",
                "buffer.mirror, {count} [segment waits|segments wait]: {reason}",
                count=self._waiting,
                reason=error,
            )
        ]

    def _standing(self) -> tuple[str, str]:
        since = 0.0 if self._began is None else self._clock.monotonic() - self._began
        if since < HANGS_S or self._stick is None:
            return self._state, self._error
        return FAILED, phrase(
            "directory-hangs",
            "{directory} has not answered for {seconds:.0f} s",
            directory=self._stick.directory,
            seconds=since,
        )

    async def _round(self, stick: Stick) -> Done:
        closed, acks = self._buffer.closed(), self._buffer.acks
        self._began = self._clock.monotonic()
        before = self._state
        try:
            done = await self._aside(lambda: stick.round(closed, acks))
            self._state, self._error = THERE, ""
        except Exception as error:  # whatever a stick does, it must not end the hub
            if not isinstance(error, OSError | SameDisk):
                _log.exception(phrase("mirror-failed", "the mirror failed"))
            done = Done(0, len([info for info, waits in closed if waits]))
            self._state, self._error = _told(stick.directory, error)
            self._failures += 1
        self._began, self._waiting = None, done.waiting
        if before != self._state and (before, self._state) != (STARTING, THERE):
            level = logging.INFO if self._state == THERE else logging.WARNING
            _log.log(
                level,
                self._error
                or phrase("mirror-works-again", "copies are made again in {directory}", directory=stick.directory),
            )
        return done


def _told(directory: Path, error: Exception) -> tuple[str, str]:
    if isinstance(error, SameDisk):
        return SAME_DISK, phrase(
            "directory-on-own-disk",
            "{directory} is on the buffer's own disk (is the stick mounted?): nothing is copied there",
            directory=directory,
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ABSENT, phrase("stick-missing", "{directory} is missing: put the stick back", directory=directory)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL, phrase("stick-full", "{directory} is full: make room there", directory=directory)
    return FAILED, phrase("fault-in-file", "{file}: {reason}", file=directory, reason=system_error(error))
