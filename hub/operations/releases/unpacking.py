"""The files of a bundle into a fresh directory. No path of a bundle leads out of it: there is neither link nor `..`."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hub.core.disk.atomic_files import still_takes
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error
from hub.operations.releases.bundle import Bundle
from hub.protocol.documents.release import Release

SPARE = 64 << 20
"""Bytes that stay free for readings."""
_BLOCK = 4096


class Tree(NamedTuple):
    """An open directory that only root writes, and the name that is made in it."""

    at: int
    name: str


def expect_room(release: Release, at: int) -> None:
    """Raise StorageError where the disk has not the room, before anything is written."""
    disk = os.fstatvfs(at)
    needed = sum((file.size + _BLOCK - 1) // _BLOCK + 1 for file in release.files) * _BLOCK
    if disk.f_bavail * disk.f_frsize < needed + SPARE:
        raise _full(needed + SPARE, disk.f_bavail * disk.f_frsize)


def unpack(bundle: Bundle, release: Release, tree: Tree, told: Callable[[int], None]) -> None:
    """Write all files, hashed, and sync them. `told` receives the bytes written. Raises StorageError, AuthFailed; what
    was written then is for the caller to remove."""
    try:
        os.mkdir(tree.name, 0o700, dir_fd=tree.at)
        top = os.open(tree.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tree.at)
        try:
            folders = _write_all(bundle, release, top, told)
            os.symlink(f"/usr/bin/python{release.python}", "bin/python3", dir_fd=top)
            os.sync()  # so that few of the following wait for the disk
            _sync((file.path for file in release.files), top)
            _sync(sorted(folders, reverse=True), top)
            os.fchmod(top, 0o755)
            os.fsync(top)
            still_takes(top)
        finally:
            os.close(top)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(release.size, 0) from error
        raise StorageError(
            phrase(
                "release-not-written",
                "the release could not be written to the disk ({reason}): nothing changed, the hub goes on with the "
                "one "
                "that runs",
                reason=system_error(error),
            )
        ) from error


def _write_all(bundle: Bundle, release: Release, top: int, told: Callable[[int], None]) -> set[str]:
    folders = {"bin"}
    os.mkdir("bin", 0o755, dir_fd=top)
    done = 0
    for file, pieces in bundle.contents(release.files):
        _make_folders(file.path, folders, top)
        mode = 0o755 if file.executable else 0o644
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(file.path, flags, mode, dir_fd=top)
        with open(descriptor, "wb", buffering=0) as target:
            os.fchmod(descriptor, mode)
            for piece in pieces:
                _write(target.write, piece)
                done += len(piece)
                told(done)
            os.utime(descriptor, (release.built, release.built))
    return folders


def _write(write: Callable[[memoryview], int | None], piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[write(rest) or 0 :]


def _make_folders(path: str, made: set[str], top: int) -> None:
    parts = path.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        folder = "/".join(parts[:end])
        if folder not in made:
            os.mkdir(folder, 0o755, dir_fd=top)
            made.add(folder)


def _sync(paths: Iterable[str], top: int) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _full(needed: int, free: int) -> StorageError:
    return StorageError(
        phrase(
            "release-no-room",
            "the disk has not the room for this release ({needed} bytes needed, {free} free): nothing changed. `ilot "
            "doctor` says what takes it",
            needed=needed,
            free=free,
        )
    )
