"""The state directory: where everything that outlives the process lies, and the lock that gives it one owner."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from hub.core.disk.atomic_files import (
    StrangeLink,
    hand_over,
    hand_over_all,
    make_directory,
    strange_links,
    write_atomically,
)
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of, system_error

_log = logging.getLogger("hub")


STATE_WRITES = STATE_READS = 1
"""Format of the state that this release writes, and the highest that it opens. A release that writes another one
follows on a release that opens it already, so that there is always a way back: ADR 0117. What is only added (a table, a
column with a default, a file) is no other format."""
FORMAT = "format"
_REFUSALS = (errno.EROFS, errno.EIO)


def refusal(state: Path) -> str:
    """Return why the disk of a state directory takes nothing, "" where it does or where there is none yet. A full disk
    is no such reason: on one a hub runs."""
    try:
        os.close(os.open(state / "lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        return system_error(error) if error.errno in _REFUSALS else ""
    return ""


class Held(StorageError):
    """Another process holds the state directory."""


class StateDir:
    """Names of what lies in a hub's state directory. Creating one makes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = path / "keys"
        self.trust = path / "trust.bin"
        self.enrolment = path / "enrolment.json"
        self.buffer = path / "buffer"
        self.store = path / "store.db"
        self.config = path / "config"
        self.packs = path / "packs"
        self.plugins = path / "plugins"
        self.raw = path / "raw"
        self.socket = path / "hub.sock"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process. Raises Held when another hub holds it: two writers
        would seal the same numbers twice. Raises StorageError when it cannot be used, or when root would follow a link
        in it that its owner made (`hub.core.disk.atomic_files`). What root made in it meanwhile is its owner's
        afterwards."""
        try:
            make_directory(self.path)
            # not through a link: root writes here too, in a directory of the hub's user
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
                raise Held(
                    phrase(
                        "another-hub-runs",
                        "another hub (process {process}) runs on {path}; stop it, or give this one another --state-dir",
                        process=owner,
                        path=self.path,
                    )
                ) from error
            self._refuse_links()
            with contextlib.suppress(OSError):  # who holds it is only told; a full disk must not stop a start
                hand_over(self.path / "lock")
                if os.fstat(lock).st_nlink == 1:  # nor where it has another name elsewhere
                    os.ftruncate(lock, 0)
                    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            try:
                yield
            finally:
                self._hand_over()
        finally:
            os.close(lock)

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(
            phrase(
                "state-directory-unusable",
                "the state directory {path} cannot be used: {reason}",
                path=self.path,
                reason=system_error(error),
            )
        )

    def claim_format(self) -> None:
        """Note which format of state is written here from now on. Raises StorageError for one that this release does
        not open: a later release wrote it."""
        file = self.path / FORMAT
        try:
            text = file.read_text() if file.exists() else ""
            found = int(text) if text.strip().isdecimal() else 1
            if found <= STATE_READS and found < STATE_WRITES:
                write_atomically(file, f"{STATE_WRITES}\n".encode())
        except OSError as error:
            raise self._unusable(error) from error
        if found > STATE_READS:
            raise StorageError(
                phrase(
                    "state-of-later-release",
                    "a later release wrote {path} in format {found}, and this one opens {reads} at most: install that "
                    "release again, or restore a backup from before it",
                    path=self.path,
                    found=found,
                    reads=STATE_READS,
                )
            )

    def _refuse_links(self) -> None:
        """Before root follows one."""
        try:
            link = next(strange_links(self.path), None)
        except OSError as error:
            raise self._unusable(error) from error
        if link is not None:
            raise StorageError(reason_of(StrangeLink(link)))

    def _hand_over(self) -> None:
        try:
            hand_over_all(self.path)
        except OSError as error:
            _log.error(
                phrase(
                    "root-files-remain",
                    "files that root created in {path} stay root's, and the hub's user cannot use them: {reason}",
                    path=self.path,
                    reason=reason_of(error),
                )
            )
