"""Files that are there whole or not at all, whatever happens to the power. Blocking.

Root runs commands in directories in which the hub's user may put what it wants. There root follows a link only where
root made it, or where it leads to what is of whoever made it: else that user could have it lead anywhere. A link above
such a directory is the administrator's. `hub.core.disk.safe_paths` holds what was looked at, so that nothing is swapped
meanwhile.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hub.core.text import phrase

PRIVATE = 0o600
ROOTS = "releases"
"""Folder of a state directory that stays root's: the hub's user runs what lies in it, and must not write it."""
_PIECE = 1 << 18
"""Bytes that are overwritten at a time: a database may be larger than the memory that is free."""

_GIVES_NOTHING = (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP)
"""Errors of a network share or container that cannot change the owner of a file: no error then."""

_NO_NAME = "user.ilot.none"
_GIVEN_UP = (errno.EROFS, errno.EIO)


class Owner(NamedTuple):
    """Owner of a file: user and group, by number."""

    uid: int
    gid: int


class StrangeLink(PermissionError):
    """Root was led by a link that another user made, to what is not that user's."""

    def __init__(self, path: Path) -> None:
        said = phrase(
            "link-of-another-user",
            "{path} is a link of another user's, which root does not follow: remove it, or `chown -h root` it if it "
            "is right",
            path=path,
        )
        super().__init__(errno.EPERM, said, str(path))

    def __str__(self) -> str:
        return str(self.strerror)


def refuse_strange_links(path: Path, below: Path) -> None:
    """Raises StrangeLink when root would be led by one on the way from the directory `below` to `path`."""
    if os.geteuid() == 0:
        at = below
        for part in path.relative_to(below).parts:
            at = at / part
            if _strange(at):
                raise StrangeLink(at)


def strange_links(directory: Path) -> Iterator[Path]:
    """Return the links in a directory that would lead root astray; none where the directory is root's own. Raises
    OSError."""
    if os.geteuid() == 0 and owner_of(directory).uid != 0:
        for at, folders, names in os.walk(directory):
            yield from (path for name in (*folders, *names) if _strange(path := Path(at) / name))


def open_here(path: Path, flags: int, mode: int = PRIVATE) -> int:
    """Like `os.open`, and whoever swaps a link in meanwhile leads root nowhere. Raises StrangeLink, OSError."""
    if os.geteuid() != 0:
        return os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    maker, descriptor = os.lstat(path).st_uid, os.open(path, flags & ~(os.O_CREAT | os.O_TRUNC) | os.O_CLOEXEC)
    if maker not in (0, os.fstat(descriptor).st_uid):
        os.close(descriptor)
        raise StrangeLink(path)
    return descriptor


def _strange(path: Path) -> bool:
    try:
        link = path.lstat()
        if not stat.S_ISLNK(link.st_mode) or link.st_uid == 0:
            return False
        return path.stat().st_uid != link.st_uid
    except FileNotFoundError:
        return path.is_symlink()  # one that leads to nothing: what root writes would be made there
    except OSError:
        return True


def owner_of(path: Path) -> Owner:
    """Raises OSError."""
    found = path.stat()
    return Owner(found.st_uid, found.st_gid)


def write_atomically(path: Path, data: bytes, mode: int = PRIVATE, *, owner: Owner | None = None) -> None:
    """Replace `path` by `data`: a reader, also after a power cut, sees the old or the new. `owner`: whose it is where
    root writes it. Raises OSError."""
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            write_into(directory, path.name, data, mode, None if owner is None else partial(give, owner=owner))
        finally:
            os.close(directory)
    except OSError as error:
        error.filename = str(path)
        raise


def write_into(
    directory: int, name: str, data: bytes, mode: int = PRIVATE, give: Callable[[int], None] | None = None
) -> None:
    """Write a file atomically under a name in an open directory; `give` receives the open file. Raises OSError."""
    scratch = f".{name}-{secrets.token_hex(8)}"  # `tempfile` would bring all of `shutil`
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(scratch, flags, PRIVATE, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode != PRIVATE:  # that is how it was made, and how it stays where the mount says it of all (vfat)
                with suppress(PermissionError):
                    os.fchmod(file.fileno(), mode)
            if give is not None:
                give(file.fileno())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(scratch, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(scratch, dir_fd=directory)
        raise
    os.fsync(directory)


def hand_over(path: Path) -> None:
    """Give a file that root made in a directory of the hub's user to that user, who must be able to open it. A link is
    not followed, and a file with several names keeps its owner: that user may have put either there. Raises OSError."""
    if os.geteuid() != 0:
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        give(descriptor, owner_of(path.parent))
    finally:
        os.close(descriptor)


def hand_over_all(directory: Path, owner: Owner | None = None) -> None:
    """Give everything of root's in `directory` to its owner, or to another one. A link that root made stays root's:
    else it would lead nowhere the next time."""
    owner = owner or owner_of(directory)
    if os.geteuid() != 0 or owner.uid == 0:
        return
    for path, folders, names, at in os.fwalk(directory, follow_symlinks=False):
        if path == os.fspath(directory):
            folders[:] = [name for name in folders if name != ROOTS]
        for name in (*folders, *names):
            made = os.stat(name, dir_fd=at, follow_symlinks=False)
            if made.st_uid != 0 or stat.S_ISLNK(made.st_mode):
                continue
            if stat.S_ISREG(made.st_mode) or stat.S_ISDIR(made.st_mode):
                _give_roots(name, at, owner)
            elif made.st_nlink == 1:  # a socket cannot be opened
                os.chown(name, *owner, dir_fd=at, follow_symlinks=False)


def _give_roots(name: str, at: int, owner: Owner) -> None:
    """Give away the file of this name in an open directory, if it is still root's once it is open."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):  # it went meanwhile, or a link is in its place
            return
        raise
    try:
        if os.fstat(descriptor).st_uid == 0:
            give(descriptor, owner)
    finally:
        os.close(descriptor)


def give(descriptor: int, owner: Owner) -> None:
    """Root gives an open file or directory to its owner, where the file system knows of any; one of several names stays
    whose it is. Raises OSError."""
    made = os.fstat(descriptor)
    alone = made.st_nlink <= 1 or stat.S_ISDIR(made.st_mode)
    if os.geteuid() == 0 and alone and owner != (made.st_uid, made.st_gid):
        try:
            os.fchown(descriptor, *owner)
        except OSError as error:
            if error.errno not in _GIVES_NOTHING:
                raise


def make_directory(directory: Path, mode: int = 0o700) -> None:
    """Make it where it is not, and those above it, each durable in the one that holds it: what is put into it would be
    lost with a name. Raises OSError."""
    fresh = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    for path in reversed(fresh):
        sync_directory(path.parent)


def sync_data(descriptor: int) -> None:
    """`fdatasync` of an open file, and no success where its file system has given up meanwhile (`still_takes`). Raises
    OSError."""
    os.fdatasync(descriptor)
    still_takes(descriptor)


def still_takes(descriptor: int) -> None:
    """Raises OSError where the file system of an open file has given up: what it said to be synced may be lost.

    ext4 calls a sync done when somebody else's sync committed the transaction with the new length of the file, and the
    journal was aborted before ours asked for it. From then on nothing that needs the journal is let in, so that is
    tried: to remove an attribute that no file has changes nothing. What a file system says that knows no attributes, or
    lets nobody set them, tells nothing (ADR 0081).
    """
    try:
        os.removexattr(descriptor, _NO_NAME)
    except OSError as error:
        if error.errno in _GIVEN_UP:
            raise


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
