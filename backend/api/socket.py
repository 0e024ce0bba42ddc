"""Socket `api.sock` in the owner's directory, by which ingest hands the operator's requests to the API's process.

Only the directory's user may connect. A path to a socket has at most 107 bytes; by a descriptor of its directory any
path is short.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from hub.core.errors import ConfigError
from hub.core.text import phrase, system_error

NAME = "api.sock"
BACKLOG = 128


class Folder:
    """The open directory of an owner, in which the socket is."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def path(self) -> str:
        """Return a path of the socket, good while this is open."""
        return f"/proc/self/fd/{self._fd}/{NAME}"

    def close(self) -> None:
        os.close(self._fd)


def listen(directory: Path) -> socket.socket | None:
    """Listen there; None where another process of the API does. Raises ConfigError."""
    folder = Folder(directory)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if _answers(folder.path):
            made.close()
            return None
        Path(folder.path).unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            made.bind(folder.path)
        finally:
            os.umask(before)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise ConfigError(
            phrase(
                "api-socket-not-made",
                "the operator's API cannot listen at {file}: {reason}",
                file=directory / NAME,
                reason=system_error(error),
            )
        ) from error
    finally:
        folder.close()
    return made


def remove(directory: Path) -> None:
    """Remove the socket, once who listened there has ended: programs that copy a directory trip over one."""
    with suppress(OSError):
        (directory / NAME).unlink()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        try:
            tried.connect(path)
        except OSError:
            return False
        return True
