"""One command at a time changes an owner's directory: each reads files there, and writes what follows from them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.core.errors import ConfigError


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Wait until nobody else is in here, of whatever process. Read again what you are about to change: of two that read
    before either wrote, one would sign a TRUST without what the other one put there, under the same version.

    Not to be entered twice by one caller, who would wait for himself. Raises ConfigError."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"cannot read {directory}: {error.strerror or error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
