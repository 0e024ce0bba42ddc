"""The state directory: where everything that outlives the process lies, and the lock that gives it one owner."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from hub.core.disk.atomic_files import StrangeLink, hand_over, hand_over_all, make_directory, strange_links
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of, system_error

_log = logging.getLogger("hub")


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
            raise StorageError(
                phrase(
                    "state-directory-unusable",
                    "the state directory {path} cannot be used: {reason}",
                    path=self.path,
                    reason=system_error(error),
                )
            ) from error
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

    def _refuse_links(self) -> None:
        """Before root follows one."""
        try:
            link = next(strange_links(self.path), None)
        except OSError as error:
            raise StorageError(
                phrase(
                    "state-directory-unusable",
                    "the state directory {path} cannot be used: {reason}",
                    path=self.path,
                    reason=system_error(error),
                )
            ) from error
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
