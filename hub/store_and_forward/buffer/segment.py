"""One segment file: one epoch, opened by one process and closed for ever.

Law: what `commit` has returned for is durable; after any failed or short write or failed sync the segment is
poisoned: never written, synced or truncated again by this process. Whoever holds what was not committed seals it
again, in another segment under another epoch.
"""

from __future__ import annotations

import contextlib
import errno
import re
from pathlib import Path
from typing import NamedTuple

from hub.core.errors import StorageError
from hub.core.text import phrase, system_error
from hub.store_and_forward.buffer.disk import Disk

MAGIC = b"ilotseg\1"
MAX_SEGMENT = 80 << 20
"""Largest segment in bytes, whatever is configured. A larger file is not a segment."""
_NAME = re.compile(r"(\d{10,19})-([0-9a-f]{32})-(\d{12,19})\.seg")


AHEAD = 64 << 10
"""Bytes that are reserved behind a file whose commits are far apart."""


class SegmentName(NamedTuple):
    """File name of a segment: its number in the stream (rising over runs), its run, its first seq."""

    number: int
    run: bytes
    first: int

    def __str__(self) -> str:
        return f"{self.number:010d}-{self.run.hex()}-{self.first:012d}.seg"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        found = _NAME.fullmatch(name)
        return cls(int(found[1]), bytes.fromhex(found[2]), int(found[3])) if found else None


class SegmentInfo(NamedTuple):
    """Figures of one segment on disk. Only `first` … `last` in the first `size` bytes may be delivered.

    `base` and `total` are the reading counts of (run, stream) before and after it. `last` < `first`: no record in it
    counts (superseded from its first number on).

    None of its readings was taken in before the Unix second `started_s`, and none committed after `ended_s`: exact for
    what this process wrote, else the nearest bounds known. `lag_s`: at most so many seconds passed between the two.
    """

    path: Path
    stream: str
    number: int
    run: bytes
    first: int
    last: int
    base: int
    total: int
    size: int
    started_s: int
    open: bool = False
    ended_s: int = 0
    lag_s: int = 0


class SegmentFile:
    """The file under a segment, from its creation to its poisoning or close."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self.path = path
        self.size = 0  # durable
        self.poisoned = False
        self._disk = disk
        self._fd = -1
        self._room = 0  # where the room ends that was taken ahead
        self._staged: list[bytes] = [MAGIC]
        self.staged = len(MAGIC)

    def stage(self, raw: bytes) -> None:
        """Add a record to the next commit."""
        self._staged.append(raw)
        self.staged += len(raw)

    def commit(self, ahead: bool = False) -> int:
        """Write all staged records in one write, and sync. Returns the bytes made durable. `ahead`: reserve room for
        the next commits too, so that they change less file system metadata (docs/adr/0041-room-ahead.md).

        Raises StorageError, and the segment is poisoned.
        """
        if self.poisoned:
            raise StorageError(
                phrase(
                    "segment-poisoned",
                    "{file} could not be synced before and takes no more writes",
                    file=self.path.name,
                )
            )
        data = b"".join(self._staged)
        fresh = self._fd < 0
        try:
            if fresh:
                self._fd = self._disk.create(self.path)
            if ahead and self.size + len(data) > self._room:
                self._disk.reserve(self._fd, self.size, len(data) + AHEAD)
                self._room = self.size + len(data) + AHEAD
            written = self._disk.write(self._fd, data)
            if written != len(data):  # a file is written short where there is no room for the rest
                raise OSError(
                    errno.ENOSPC,
                    phrase(
                        "write-cut-short",
                        "no room, {written} of {size} bytes were written",
                        written=written,
                        size=len(data),
                    ),
                )
            self._disk.sync(self._fd)
            if fresh:
                self._disk.sync_directory(self.path.parent)
        except OSError as error:
            self._poison()
            raise StorageError(
                phrase("fault-in-file", "{file}: {reason}", file=self.path.name, reason=system_error(error))
            ) from error
        self._staged, self.staged = [], 0
        self.size += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file. Staged records are not written."""
        if self._fd >= 0:
            if self._room > self.size and not self.poisoned:
                self._disk.reserve(self._fd, self.size, 0)
            with contextlib.suppress(OSError):
                self._disk.close(self._fd)
            self._fd = -1
        self.poisoned = True

    def _poison(self) -> None:
        self.poisoned = True
        self.close()
        self._staged = []
        if self.size == 0:
            # nothing of it was ever promised; left behind it would only pile up while the disk is full
            with contextlib.suppress(OSError):
                self._disk.unlink(self.path)
