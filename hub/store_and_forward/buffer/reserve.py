"""Ballast: a file of zeros that is deleted on a full disk, to make room for records that must be written.

That is alerts, the GAP that declares what goes, and the ack sets that let segments go. Readings stop short of the last
FLOOR bytes while the file is not there; it is put back when there is room enough again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from hub.store_and_forward.buffer.disk import Disk

SIZE = 1 << 16
ROOM = 4 * SIZE
"""With less than this free, the file is not written again."""
FLOOR = 1 << 14


class Ballast:
    """64 KiB on disk, best effort: where they do not fit, there are none."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._loaded = False

    def load(self) -> None:
        """Write the file if it is missing and there is room."""
        if self._loaded:
            return
        with contextlib.suppress(OSError):
            if self._path.name in self._disk.names(self._path.parent):
                if self._disk.size(self._path) == SIZE:
                    self._loaded = True
                    return
                self._disk.unlink(self._path)
            if self._free() < ROOM:
                return
            fd = self._disk.create(self._path)
            try:
                self._loaded = self._disk.write(fd, bytes(SIZE)) == SIZE
                self._disk.sync(fd)
            finally:
                self._disk.close(fd)
        if not self._loaded:
            self.drop()  # a part of it would only take the room

    def leaves(self, need: int) -> bool:
        """True when `need` bytes of readings fit without using the room of records that must be written."""
        try:
            return self._loaded or self._free() >= FLOOR + need
        except OSError:
            return True

    def drop(self) -> None:
        """Delete the file."""
        self._loaded = False
        with contextlib.suppress(OSError):
            self._disk.unlink(self._path)
            self._disk.sync_directory(self._path.parent)

    def _free(self) -> int:
        return self._disk.free(self._path.parent)
