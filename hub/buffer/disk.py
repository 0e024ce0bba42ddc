"""The system calls of the buffer, and nothing else: the one place where bytes meet the disk.

Every method raises OSError as the system does. Tests put another object in its place: one that fails on purpose,
or one that models what a power cut leaves behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Protocol

_SECTOR = 4096


class Disk(Protocol):
    """Files as an append-only log needs them. Only `sync` and `sync_directory` make anything durable."""

    def make_directory(self, directory: Path) -> None: ...
    def names(self, directory: Path) -> list[str]: ...
    def size(self, path: Path) -> int: ...
    def create(self, path: Path) -> int:
        """A new file, open for appending. Raises FileExistsError when there is one already."""
        ...

    def write(self, fd: int, data: bytes) -> int:
        """How many bytes were taken; fewer than given is a failed write."""
        ...

    def sync(self, fd: int) -> None: ...
    def close(self, fd: int) -> None: ...
    def sync_directory(self, directory: Path) -> None: ...
    def unlink(self, path: Path) -> None: ...
    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """Up to `size` bytes (to the end when None). Sectors the medium refuses come back as FF bytes: zeros would
        pass for bytes never written, and the tail that they hide would be cut instead of declared."""
        ...

    def cut(self, path: Path, size: int) -> None:
        """Shorten a file to `size` bytes and make that, and all before it, durable."""
        ...


class SystemDisk:
    """The real one. Files are private to the hub's user."""

    def make_directory(self, directory: Path) -> None:
        fresh = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in reversed(fresh):
            self.sync_directory(path.parent)

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def sync_directory(self, directory: Path) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if size is None:
                size = max(0, os.fstat(fd).st_size - offset)
            return _pread(fd, offset, size)
        finally:
            os.close(fd)

    def cut(self, path: Path, size: int) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size > size:
                os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)


def _pread(fd: int, offset: int, size: int) -> bytes:
    """All `size` bytes there are. A medium error costs its sector, not the file."""
    pieces, end = [], offset + size
    while offset < end:
        try:
            piece = os.pread(fd, end - offset, offset)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            piece = _sector(fd, offset, min(_SECTOR - offset % _SECTOR, end - offset))
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces)


def _sector(fd: int, offset: int, size: int) -> bytes:
    with contextlib.suppress(OSError):
        return os.pread(fd, size, offset)
    return b"\xff" * size
