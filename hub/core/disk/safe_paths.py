"""The way to a file, from a directory on, held by descriptors: what was looked at is what is written to. Blocking.

To look at a path and then to write to it are two things: whoever owns a directory on it puts a link in its place
between the two, and leads root where it wants. So each directory is opened in the one before it (openat, O_NOFOLLOW),
and the file is written, moved or removed in the last one, by its name alone. A link is opened itself before it is read:
it cannot be exchanged for another afterwards. Which ones are followed: `hub.core.disk.atomic_files`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from hub.core.disk.atomic_files import PRIVATE, StrangeLink, write_into

_MOST_LINKS = 40
"""Links that are followed on one path, as many as Linux follows."""
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Opens a directory on the way, also one that may not be listed."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Made = Callable[[int, os.stat_result], None]
"""Called for each directory that was made, with its descriptor and the status of its parent."""


class Spot:
    """A name in a directory that is held open. `path` is its text for people; `found` is the status of the file when it
    was looked up, None when there was none."""

    def __init__(self, directory: int, name: str, path: Path, found: os.stat_result | None) -> None:
        self.directory, self.name, self.path, self.found = directory, name, path, found

    def owner(self) -> os.stat_result:
        """Return the owner of the directory. Raises OSError."""
        return os.fstat(self.directory)

    def write(self, data: bytes, mode: int = PRIVATE, give: Callable[[int], None] | None = None) -> None:
        """Write atomically, as `write_atomically` does; `give` receives the open file before it has its name. Raises
        OSError."""
        with self._named():
            write_into(self.directory, self.name, data, mode, give)

    def unlink(self) -> None:
        """Remove it, if it is there. Raises OSError."""
        with self._named(), contextlib.suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=self.directory)

    def move_to(self, other: Spot) -> None:
        """Under another name, perhaps in another directory; what has that name goes. Raises OSError."""
        with self._named():
            os.rename(self.name, other.name, src_dir_fd=self.directory, dst_dir_fd=other.directory)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = str(self.path)  # by its name alone nobody finds it
            raise


@contextlib.contextmanager
def leading(path: Path, below: Path, made: Made | None = None, *, follow: bool = True) -> Iterator[Spot]:
    """Yield the directory that holds `path`, which is `below` or under it; links above that are the administrator's. A
    link in the last place is followed, or taken itself where `follow` is false. Missing directories are made where
    `made` is given. Raises StrangeLink, OSError."""
    walk = _Walk(os.open(below, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), below, made)
    try:
        name, found = walk.to(path.relative_to(below).parts, follow=follow)
        walk.move(os.open(".", _FOLDER, dir_fd=walk.at))  # one that can be synced
        yield Spot(walk.at, name, path, found)
    except OSError as error:
        if not os.path.isabs(error.filename or ""):
            error.filename = str(path)  # by its name alone nobody finds it
        raise
    finally:
        os.close(walk.at)


class _Walk:
    """`at` is the directory that was reached, `shown` what it was asked to go to last."""

    def __init__(self, at: int, below: Path, made: Made | None) -> None:
        self.at, self._shown = at, below
        self._made, self._links = made, 0

    def to(self, parts: tuple[str, ...], *, follow: bool) -> tuple[str, os.stat_result | None]:
        """Go where the last one lies; its name there, and what has it: no link, unless none is to be followed."""
        for part in parts[:-1]:
            self._shown /= part
            self._enter(part, make=True)
        self._shown /= parts[-1]
        makers: set[int] = set()
        while True:
            name = parts[-1]
            try:
                found, text = self._look(name)
            except FileNotFoundError:
                if os.geteuid() == 0 and makers:  # what root writes would be made there
                    raise StrangeLink(self._shown) from None
                return name, None
            if found.st_uid != 0 and text:
                makers.add(found.st_uid)
            if not text or not follow:
                if follow and os.geteuid() == 0 and makers - {found.st_uid}:
                    raise StrangeLink(self._shown)
                return name, found
            parts = self._begin(text)
            for part in parts[:-1]:
                self._enter(part)

    def move(self, to: int) -> None:
        """That is where it is now."""
        os.close(self.at)
        self.at = to

    def _enter(self, part: str, *, make: bool = False) -> None:
        try:
            self.move(os.open(part, _STEP, dir_fd=self.at))
        except FileNotFoundError:
            if self._made is None or not make:
                raise
            self.move(self._new(part, self._made))
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            self._follow(part)

    def _follow(self, part: str) -> None:
        link, text = self._look(part)
        if not text:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._shown))
        for each in self._begin(text):
            self._enter(each)
        if os.geteuid() == 0 and link.st_uid not in (0, os.fstat(self.at).st_uid):
            raise StrangeLink(self._shown)

    def _look(self, name: str) -> tuple[os.stat_result, str]:
        """What has this name, and where it leads if it is a link, "" else: of one and the same."""
        link = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.at)
        try:
            found = os.fstat(link)
            return found, os.readlink("", dir_fd=link) if stat.S_ISLNK(found.st_mode) else ""
        finally:
            os.close(link)

    def _new(self, part: str, made: Made) -> int:
        os.mkdir(part, dir_fd=self.at)
        fresh = os.open(part, _FOLDER, dir_fd=self.at)
        try:
            made(fresh, os.fstat(self.at))
            holder = os.open(".", _FOLDER, dir_fd=self.at)
            try:
                os.fsync(holder)  # or what is put into it would be lost with its name
            finally:
                os.close(holder)
        except BaseException:
            os.close(fresh)
            raise
        return fresh

    def _begin(self, text: str) -> tuple[str, ...]:
        """The parts of a link's text, from where it begins. Raises OSError."""
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self._shown))
        parts = PurePosixPath(text).parts
        if not text.startswith("/"):
            return parts or (".",)
        self.move(os.open("/", _STEP))
        return parts[1:] or (".",)
