"""Lock of an owner's directory. One command at a time changes it, since each reads files there and writes others from
them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.core.errors import ConfigError
from hub.core.text import phrase, system_error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the exclusive lock of the directory, among all processes. Read the files again once it is held: of two
    commands that read before either wrote, the second would sign a TRUST of the same version without the first one's
    change.

    The lock is not reentrant. Raises ConfigError.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=directory, reason=system_error(error))
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
