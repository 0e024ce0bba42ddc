"""Files that are there whole or not at all, whatever happens to the power. Blocking."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

PRIVATE = 0o600
_PIECE = 1 << 18
"""Bytes that are overwritten at a time: a database may be larger than the memory that is free."""


def write_atomically(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Replace `path` by `data`: a reader, also after a power cut, sees the old or the new. Raises OSError."""
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode != PRIVATE:  # that is how it was made; a stick whose files are all another user's allows no change
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def hand_over(path: Path) -> None:
    """What root made in a directory of the hub's user is that user's, who must be able to open it. Raises OSError."""
    owner, made = path.parent.stat(), path.stat()
    if os.geteuid() == 0 and (owner.st_uid, owner.st_gid) != (made.st_uid, made.st_gid):
        os.chown(path, owner.st_uid, owner.st_gid)


def make_directory(directory: Path, mode: int = 0o700) -> None:
    """Make it where it is not, and those above it, each durable in the one that holds it: what is put into it would be
    lost with a name. Raises OSError."""
    fresh = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    for path in reversed(fresh):
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make creations, renames and unlinks in `directory` durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def shred(path: Path) -> None:
    """Overwrite with random bytes in place, sync, unlink. No link is followed. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        overwrite(file)
    finally:
        os.close(file)
    path.unlink()


def overwrite(file: int) -> None:
    """Random bytes over all of an open file, in place, synced. Raises OSError."""
    size = max(1, os.fstat(file).st_size)
    for at in range(0, size, _PIECE):
        os.pwrite(file, secrets.token_bytes(min(_PIECE, size - at)), at)
    os.fsync(file)
