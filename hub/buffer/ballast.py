"""A file of zeros, to be given up when the disk is full: its room takes the GAP that declares what goes."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hub.buffer.disk import Disk

SIZE = 1 << 16


class Ballast:
    """64 KiB on disk, best effort: where even that does not fit there is none."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._loaded = False

    def load(self) -> None:
        """Put it back if it is missing."""
        if self._loaded:
            return
        with contextlib.suppress(OSError):
            if self._path.name in self._disk.names(self._path.parent):
                if self._disk.size(self._path) == SIZE:
                    self._loaded = True
                    return
                self._disk.unlink(self._path)
            fd = self._disk.create(self._path)
            try:
                self._loaded = self._disk.write(fd, bytes(SIZE)) == SIZE
                self._disk.sync(fd)
            finally:
                self._disk.close(fd)

    def drop(self) -> None:
        """Free its room."""
        self._loaded = False
        with contextlib.suppress(OSError):
            self._disk.unlink(self._path)
            self._disk.sync_directory(self._path.parent)
