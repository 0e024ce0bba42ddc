"""The directory of raw history: writes files atomically, finds them by name, deletes old ones. Blocking."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from hub.core.disk.atomic_files import make_directory, sync_directory, write_atomically
from hub.core.errors import DiskRefuses
from hub.core.text import phrase, system_error

KEEP_FREE = 64 << 20
"""Bytes left to the rest of the hub: below it, raw history deletes files instead of writing any."""
_NAME = re.compile(r"(\d{1,19})-(\d{1,19})-[0-9a-f]{8}\.raw", re.ASCII)


class File(NamedTuple):
    """A file, ordered by `last`, the order of deletion."""

    last: int
    first: int
    name: str
    size: int


class Folder:
    """The files of raw history. `files` and `total` are as of `scan` and later changes; the list is replaced, never
    modified, because other threads read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[File] = []
        self.total = 0

    def scan(self) -> None:
        """List the directory by names alone, and remove leftovers of interrupted writes. Raises DiskRefuses."""
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
            raise DiskRefuses(
                phrase(
                    "folder-not-listed",
                    "{folder} cannot be looked at: {reason}",
                    folder=self.path,
                    reason=system_error(error),
                )
            ) from error
        self._set(found)

    def write(self, first: int, last: int, id: bytes, data: bytes) -> None:
        """Write a file atomically. Raises DiskRefuses."""
        name = f"{first:010d}-{last:010d}-{id[:4].hex()}.raw"
        try:
            write_atomically(self.path / name, data)
        except OSError as error:
            raise DiskRefuses(
                phrase(
                    "folder-takes-no-file",
                    "{folder} takes no file: {reason}",
                    folder=self.path,
                    reason=system_error(error),
                )
            ) from error
        self._set([*self.files, File(last, first, name, len(data))])

    def purge(self, before: int, most: int, coming: int = 0) -> tuple[int, int]:
        """Delete files that ended before `before`, then the oldest ones for want of room.

        Room means: all files and `coming` more bytes take `most` at most, and KEEP_FREE stays free. Returns how many
        were too old, and how many were deleted for want of room. Raises DiskRefuses.
        """
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
        """Return whether a file of this size leaves KEEP_FREE."""
        return self._free() - coming >= KEEP_FREE

    def clear(self) -> None:
        """Delete all files. Raises DiskRefuses."""
        self._drop(self.files)

    def within(self, begin: int, end: int) -> list[File]:
        """Return the files that may hold readings of [begin, end), by their beginning."""
        return sorted(
            (file for file in self.files if file.first < end and begin <= file.last),
            key=lambda file: (file.first, file.name),
        )

    @property
    def first(self) -> int | None:
        """The earliest second of all files, or None."""
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
            raise DiskRefuses(
                phrase(
                    "folder-deletes-no-file",
                    "{folder} lets no file go: {reason}",
                    folder=self.path,
                    reason=system_error(error),
                )
            ) from error
        finally:
            self._set([file for file in self.files if file.name not in gone])

    def _free(self) -> int:
        try:
            disk = os.statvfs(self.path)
        except OSError as error:
            raise DiskRefuses(
                phrase(
                    "folder-not-listed",
                    "{folder} cannot be looked at: {reason}",
                    folder=self.path,
                    reason=system_error(error),
                )
            ) from error
        return disk.f_bavail * disk.f_frsize

    def _set(self, files: list[File]) -> None:
        self.files = sorted(files)
        self.total = sum(file.size for file in files)
