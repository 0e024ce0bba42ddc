"""The directory of the releases, and the link that says which one runs. Only its owner, root, writes it.

It lies in the state directory, whose owner is the hub's user and may rename it away: so it is opened once, without
following a link, its owner is looked at, and everything is done below that open directory.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hub.core.errors import StorageError
from hub.core.text import phrase, system_error
from hub.protocol.documents.release import MAX_COUNTER

RELEASES, CURRENT = "releases", "current"
_NEXT, _PART, _GONE = ".current", ".part-", ".gone-"


class Trees:
    """The open directory. Methods raise OSError."""

    def __init__(self, at: int) -> None:
        self.at = at

    def current(self) -> int:
        """Return the counter that the link names, 0 if there is none that could run."""
        try:
            named = number_of(os.readlink(CURRENT, dir_fd=self.at))
        except OSError:
            return 0
        return named if self.has(named) else 0

    def has(self, counter: int) -> bool:
        return counter > 0 and counter in self.counters()

    def counters(self) -> set[int]:
        """Return the counters of what lies here whole."""
        return {number for name in os.listdir(self.at) if (number := number_of(name)) and self._is_tree(name)}

    def _is_tree(self, name: str) -> bool:
        found = os.stat(name, dir_fd=self.at, follow_symlinks=False)
        return stat.S_ISDIR(found.st_mode)

    def point(self, counter: int) -> None:
        """Make the link name a release, or nothing: at each moment it is the one or the other."""
        if counter:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_NEXT, dir_fd=self.at)
            os.symlink(str(counter), _NEXT, dir_fd=self.at)
            os.rename(_NEXT, CURRENT, src_dir_fd=self.at, dst_dir_fd=self.at)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(CURRENT, dir_fd=self.at)
        os.fsync(self.at)

    def part(self, counter: int) -> str:
        """Return the name under which a release is unpacked; what an earlier try left there is gone."""
        name = f"{_PART}{counter}"
        self._remove(name)
        return name

    def finish(self, counter: int) -> None:
        """Give an unpacked release its name. What had it before did not pass, or was not whole."""
        if self.has(counter):
            os.rename(str(counter), f"{_GONE}{counter}", src_dir_fd=self.at, dst_dir_fd=self.at)
        os.rename(f"{_PART}{counter}", str(counter), src_dir_fd=self.at, dst_dir_fd=self.at)
        os.fsync(self.at)

    def tidy(self, keep: set[int]) -> None:
        """Remove all other releases, and what was begun."""
        for counter in self.counters() - keep:
            os.rename(str(counter), f"{_GONE}{counter}", src_dir_fd=self.at, dst_dir_fd=self.at)
        for name in os.listdir(self.at):
            if name.startswith((_PART, _GONE)):
                self._remove(name)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            import shutil  # imported late: only root needs it, and a start reads this module

            shutil.rmtree(name, dir_fd=self.at)


def number_of(name: str) -> int:
    """Return the counter that is the name of a release, 0 for any other name."""
    plain = name.isascii() and name.isdigit() and not name.startswith("0") and len(name) <= len(str(MAX_COUNTER))
    return int(name) if plain else 0


@contextlib.contextmanager
def opened(state: Path) -> Iterator[Trees]:
    """Open the directory below a state directory, which is made where there is none. Raises StorageError: it cannot be
    made, or somebody else made it."""
    try:
        above = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(RELEASES, 0o755, dir_fd=above)
                os.fsync(above)
            at = os.open(RELEASES, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        raise StorageError(
            phrase(
                "release-directory-unusable",
                "{path} cannot be used for releases: {reason}",
                path=state / RELEASES,
                reason=system_error(error),
            )
        ) from error
    try:
        found = os.fstat(at)
        if found.st_uid == os.geteuid():
            os.fchmod(at, 0o755)
        if found.st_uid != os.geteuid():
            raise StorageError(
                phrase(
                    "release-directory-not-roots",
                    "{path} is not root's alone, so that nothing is installed there: move it away, and see who made it",
                    path=state / RELEASES,
                )
            )
        yield Trees(at)
    finally:
        os.close(at)
