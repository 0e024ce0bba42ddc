"""The directory of raw history: files that are written whole, found by their names, and let go. Blocking."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from hub.core.disk.atomic_files import make_directory, sync_directory, write_atomically
from hub.core.errors import DiskRefuses

KEEP_FREE = 64 << 20
"""Bytes that are left to the rest of the hub: below it, raw history makes room instead of taking it."""
_NAME = re.compile(r"(\d{1,19})-(\d{1,19})-[0-9a-f]{8}\.raw", re.ASCII)


class File(NamedTuple):
    """`last` first: files are let go in that order."""

    last: int
    first: int
    name: str
    size: int


class Folder:
    """`files` and `total` are as of `look` and what was done since. Lists are replaced, never changed: others read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[File] = []
        self.total = 0

    def look(self) -> None:
        """See what lies there, by names alone, and remove what a write left behind that was cut short. Raises
        DiskRefuses."""
        found = []
        try:
            make_directory(self.path)
            with os.scandir(self.path) as entries:
                for entry in entries:
                    match = _NAME.fullmatch(entry.name)
                    if match and entry.is_file(follow_symlinks=False):
                        size = entry.stat(follow_symlinks=False).st_size
                        found.append(File(int(match[2]), int(match[1]), entry.name, size))
                    elif entry.name.startswith("."):
                        with contextlib.suppress(OSError):
                            os.unlink(entry.path)
        except OSError as error:
            raise DiskRefuses(f"{self.path} cannot be looked at: {error.strerror or error}") from error
        self._are(found)

    def write(self, first: int, last: int, id: bytes, data: bytes) -> None:
        """Raises DiskRefuses; nothing of it is there then."""
        name = f"{first:010d}-{last:010d}-{id[:4].hex()}.raw"
        try:
            write_atomically(self.path / name, data)
        except OSError as error:
            raise DiskRefuses(f"{self.path} takes no file: {error.strerror or error}") from error
        self._are([*self.files, File(last, first, name, len(data))])

    def purge(self, before: int, most: int, coming: int = 0) -> tuple[int, int]:
        """Let files go that ended before `before`, then the oldest until all of them with `coming` more bytes take no
        more than `most` and KEEP_FREE stays free. How many were too old, and how many went for want of room. Raises
        DiskRefuses."""
        old = [file for file in self.files if file.last < before]
        rest = self.files[len(old) :]
        short = max(
            self.total - sum(file.size for file in old) + coming - most,
            KEEP_FREE + coming - self._free() - sum(file.size for file in old),
        )
        crowded = []
        for file in rest:
            if short <= 0:
                break
            crowded.append(file)
            short -= file.size
        self._drop([*old, *crowded])
        return len(old), len(crowded)

    def room(self, coming: int) -> bool:
        """Whether a file of so many bytes leaves KEEP_FREE."""
        return self._free() - coming >= KEEP_FREE

    def clear(self) -> None:
        """Remove all that lies there. Raises DiskRefuses."""
        self._drop(self.files)

    def within(self, begin: int, end: int) -> list[File]:
        """The files that may hold a reading of [begin, end), those that begin first first."""
        return sorted(
            (file for file in self.files if file.first < end and begin <= file.last),
            key=lambda file: (file.first, file.name),
        )

    @property
    def first(self) -> int | None:
        """The earliest second of all."""
        return min((file.first for file in self.files), default=None)

    def _drop(self, files: list[File]) -> None:
        gone = set()
        try:
            for file in files:
                (self.path / file.name).unlink(missing_ok=True)
                gone.add(file.name)
            if gone:
                sync_directory(self.path)
        except OSError as error:
            raise DiskRefuses(f"{self.path} lets no file go: {error.strerror or error}") from error
        finally:
            self._are([file for file in self.files if file.name not in gone])

    def _free(self) -> int:
        try:
            disk = os.statvfs(self.path)
        except OSError as error:
            raise DiskRefuses(f"{self.path} cannot be looked at: {error.strerror or error}") from error
        return disk.f_bavail * disk.f_frsize

    def _are(self, files: list[File]) -> None:
        self.files = sorted(files)
        self.total = sum(file.size for file in files)
