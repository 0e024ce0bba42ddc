"""System calls of the buffer: the only module where its bytes meet the disk.

Every method raises OSError as the system does. Tests put another object in its place: one that fails on purpose,
or one that models what a power cut leaves behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol, cast

from hub.core.disk import atomic_files

_SECTOR = 4096
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of linux/falloc.h
_PAUSES = (0.0, 0.05, 0.2, 0.75, 2.0)
_PATIENCE_S = 30.0


class Disk(Protocol):
    """File operations of an append-only log. Only `sync` and `sync_directory` make anything durable."""

    def make_directory(self, directory: Path) -> None: ...
    def names(self, directory: Path) -> list[str]: ...
    def size(self, path: Path) -> int: ...
    def free(self, directory: Path) -> int:
        """Return the bytes that this user may still write there."""
        ...

    def create(self, path: Path) -> int:
        """Create a file and open it for appending. Raises FileExistsError when it is there already."""
        ...

    def write(self, fd: int, data: bytes) -> int:
        """Append data. Returns how many bytes were taken; fewer than given is a failed write."""
        ...

    def reserve(self, fd: int, end: int, size: int) -> None:
        """Reserve `size` bytes behind `end`, where the file ends, without making it longer; 0 releases the reservation.
        Best effort: no error when the file system cannot."""
        ...

    def sync(self, fd: int) -> None: ...
    def close(self, fd: int) -> None: ...
    def sync_directory(self, directory: Path) -> None: ...
    def unlink(self, path: Path) -> None: ...
    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        """Read up to `size` bytes (to the end when None). Sectors that the medium refuses come back as FF bytes: zeros
        would pass for bytes never written, and the tail behind them would be cut instead of declared."""
        ...

    def cut(self, path: Path, size: int) -> None:
        """Shorten a file to `size` bytes and make that, and all before it, durable."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait before reading again what the medium refused."""
        ...


class SystemDisk:
    """The real disk. Files are private to the hub's user.

    A read that the medium refuses is repeated for 3 seconds: a card reader that was reset comes back, and its data must
    not be declared lost meanwhile. A process spends at most 30 s on that, so a dead card delays it by no more. After
    that each refused sector is read once.
    """

    _patience = _PATIENCE_S

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def make_directory(self, directory: Path) -> None:
        atomic_files.make_directory(directory)

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def free(self, directory: Path) -> int:
        found = os.statvfs(directory)
        return found.f_bavail * found.f_frsize

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def reserve(self, fd: int, end: int, size: int) -> None:
        if size:
            _fallocate()(fd, _KEEP_SIZE, end, size)  # what cannot be had is taken when it is needed
        else:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, end)

    def sync(self, fd: int) -> None:
        atomic_files.sync_data(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def sync_directory(self, directory: Path) -> None:
        atomic_files.sync_directory(directory)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if size is None:
                size = max(0, os.fstat(fd).st_size - offset)
            return self._pread(fd, offset, size)
        finally:
            os.close(fd)

    def cut(self, path: Path, size: int) -> None:
        fd = atomic_files.open_here(path, os.O_RDWR)
        try:
            if os.fstat(fd).st_size >= size:  # also where nothing is cut: room that was taken behind the end goes too
                os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _pread(self, fd: int, offset: int, size: int) -> bytes:
        """Read all `size` bytes that there are. A medium error costs its sector, not the file."""
        pieces, end = [], offset + size
        while offset < end:
            piece = self._patiently(fd, end - offset, offset)
            if piece is None:
                size = min(_SECTOR - offset % _SECTOR, end - offset)
                piece = _once(fd, size, offset)
                if piece is None:
                    piece = b"\xff" * size
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _patiently(self, fd: int, size: int, offset: int) -> bytes | None:
        for pause in _PAUSES:
            piece = _once(fd, size, offset)
            if piece is not None or self._patience < pause:
                return piece
            self._patience -= pause
            self.sleep(pause)
        return _once(fd, size, offset)


@cache
def _fallocate() -> Callable[[int, int, int, int], int]:
    """Return fallocate(2) with 64-bit offsets on every machine."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "fallocate64", None) or libc.fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return cast("Callable[[int, int, int, int], int]", call)


def _once(fd: int, size: int, offset: int) -> bytes | None:
    """Read once. Returns None when the medium refuses (EIO)."""
    try:
        return os.pread(fd, size, offset)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None
