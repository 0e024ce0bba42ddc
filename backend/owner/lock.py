"""Locks of an owner's directory. One command at a time changes it, since each reads files there and writes others from
them; and one process alone does what several must not do at once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.core.disk.atomic_files import hand_over
from hub.core.errors import ConfigError, NotReady
from hub.core.text import phrase, system_error

WAIT_S = 2.0
"""Seconds for which `held` waits: the former process may have been killed a moment ago."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the exclusive lock of the directory, among all processes. Read the files again once it is held: of two
    commands that read before either wrote, the second would sign a TRUST of the same version without the first one's
    change.

    The lock is not reentrant. Raises ConfigError.
    """
    descriptor = _opened(directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(file: Path, refused: str, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock of a file alone, made where it is missing; it ends with the process however that ends. Raises
    ConfigError, `refused` when another process holds it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        hand_over(file)
    except OSError as error:
        raise ConfigError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=file, reason=system_error(error))
        ) from error
    try:
        until = time.monotonic() + wait_s
        while not _taken(descriptor):
            if time.monotonic() >= until:
                raise ConfigError(refused)
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def exporting_alone(directory: Path) -> Iterator[None]:
    """Hold the right to export what an owner's directory has received: of two exports into one archive, one would
    delete what the other has just put. The lock is that of a folder which is always there, and which nobody else
    locks. Raises ConfigError, NotReady."""
    descriptor = _opened(directory / "recipients")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise NotReady(
            phrase("archive-export-runs", "another export of {directory} runs", directory=directory)
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(directory: Path) -> int:
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=directory, reason=system_error(error))
        ) from error
