"""Device files that the hub opens for a plugin: serial lines and other character devices below /dev. Blocking."""

from __future__ import annotations

import errno
import os
import stat

from hub.core.errors import AuthFailed, NotReady
from hub.core.text import phrase, system_error

_MEMORY = 1
"""Major number of /dev/mem, /dev/port and their like (Linux, Documentation/admin-guide/devices.txt)."""


def opened(path: str) -> int:
    """Open a character device to read and write, without blocking, and return its descriptor. Raises NotReady when it
    is not there or another program holds it, AuthFailed when this hub may not open it or it is no such device."""
    try:
        made = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except PermissionError as error:
        raise AuthFailed(
            phrase(
                "device-file-not-permitted",
                "this hub may not open {path}: its user needs the group of that device, its unit a DeviceAllow",
                path=path,
            )
        ) from error
    except OSError as error:
        if error.errno == errno.EISDIR:
            raise _none(path) from error
        raise NotReady(
            phrase("device-file-not-opened", "{path} cannot be opened: {reason}", path=path, reason=system_error(error))
        ) from error
    known = os.fstat(made)
    if not stat.S_ISCHR(known.st_mode) or os.major(known.st_rdev) == _MEMORY:
        os.close(made)
        raise _none(path)
    return made


def _none(path: str) -> AuthFailed:
    return AuthFailed(phrase("device-file-is-none", "{path} is no device that a plugin may have", path=path))
