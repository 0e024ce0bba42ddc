"""The hub's side: hands over a bundle or a wish to root, by files in a directory of the hub's user.

release-inbox/bundle     a bundle, whole before the request names it
release-inbox/request    JSON of `Request`; ilot-release.path starts root's program when it is there
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from hub.core.disk.atomic_files import Owner, give, make_directory, owner_of, write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, system_error
from hub.protocol.documents.release import MAX_DOCUMENT, MAX_PACKED

INBOX, BUNDLE, REQUEST = "release-inbox", "bundle", "request"
MAX_BUNDLE = MAX_PACKED + MAX_DOCUMENT
MAX_REQUEST = 4096
INSTALL, RETURN = "install", "return"
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A wish. `by`: who, as in the audit log; `again`: also a release that did not pass here before."""

    do: str
    by: str = ""
    again: bool = False


class Inbox:
    """The inbox of a state directory, as the hub's user or root fills it."""

    def __init__(self, state: Path) -> None:
        self._path = state / INBOX
        self._state = state

    @property
    def file(self) -> Path:
        """The file of the bundle."""
        return self._path / BUNDLE

    def begin(self) -> BinaryIO:
        """Open the file that a bundle is written into. Raises StorageError: no disk, or a wish is waiting."""
        if self.waiting():
            raise ConfigError(phrase("release-wish-waits", "an update is under way already: wait until it has ended"))
        with _told(self._path):
            self._make()
            bundle = self._path / BUNDLE
            bundle.unlink(missing_ok=True)
            descriptor = os.open(bundle, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            give(descriptor, owner_of(self._state))
            return open(descriptor, "wb")

    def drop(self) -> None:
        """Forget a bundle that is not wished for."""
        with contextlib.suppress(OSError):
            (self._path / BUNDLE).unlink(missing_ok=True)

    def bundle(self) -> BinaryIO:
        """Open the bundle that lies here. Raises StorageError."""
        with _told(self._path):
            return (self._path / BUNDLE).open("rb")

    def ask(self, request: Request) -> None:
        """Wish for it. Raises StorageError."""
        with _told(self._path):
            self._make()
            owner: Owner = owner_of(self._state)
            write_atomically(self._path / REQUEST, msgspec.json.encode(request), owner=owner)

    def waiting(self) -> bool:
        return (self._path / REQUEST).exists()

    def _make(self) -> None:
        make_directory(self._path)
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            give(descriptor, owner_of(self._state))
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            phrase(
                "release-inbox-unusable",
                "the bundle could not be handed over in {path}: {reason}",
                path=path,
                reason=system_error(error),
            )
        ) from error


class TakenInbox:
    """The inbox as root reads it: nothing of it is believed, no link is followed, and only plain files are read."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def take(self) -> Request | None:
        """Remove and return the wish; None where there is none that says anything."""
        with contextlib.suppress(OSError), self._open() as at:
            return self._taken(at)
        return None

    @staticmethod
    def _taken(at: int) -> Request | None:
        try:
            with open(_plain(REQUEST, at), "rb") as file:
                text = file.read(MAX_REQUEST)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(REQUEST, dir_fd=at)
        try:
            found = msgspec.json.decode(shallow_json(text), type=Request)
        except ValueError:
            return None
        return msgspec.structs.replace(found, by="".join(c for c in found.by[:100] if c.isprintable()))

    def bundle(self) -> BinaryIO:
        """Open the bundle. Raises StorageError: there is none, or it is no plain file, or too long."""
        try:
            with self._open() as at:
                descriptor = _plain(BUNDLE, at)
            if os.fstat(descriptor).st_size > MAX_BUNDLE:
                os.close(descriptor)
                raise OSError(27, "File too large")
            return open(descriptor, "rb", buffering=0)
        except OSError as error:
            raise StorageError(
                phrase("release-no-bundle", "there is no bundle to install ({reason})", reason=system_error(error))
            ) from error

    def drop(self) -> None:
        with contextlib.suppress(OSError), self._open() as at:
            os.unlink(BUNDLE, dir_fd=at)

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        above = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            at = os.open(INBOX, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
        try:
            yield at
        finally:
            os.close(at)


def _plain(name: str, at: int) -> int:
    descriptor = os.open(name, _FLAGS, dir_fd=at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(22, f"{name} is no plain file")
    return descriptor
