"""Errors of the operating system as phrases, by their number (errno, POSIX.1-2024, XSH 2.3). Pure."""

from __future__ import annotations

import errno

from hub.core.text import Phrase, phrase, system_error

_SAID = {
    errno.ECONNREFUSED: phrase("os-connection-refused", "Connection refused"),
    errno.ECONNRESET: phrase("os-connection-reset", "Connection reset by peer"),
    errno.EPIPE: phrase("os-broken-pipe", "Broken pipe"),
    errno.EHOSTUNREACH: phrase("os-no-route-to-host", "No route to host"),
    errno.EHOSTDOWN: phrase("os-host-is-down", "Host is down"),
    errno.ENETUNREACH: phrase("os-network-is-unreachable", "Network is unreachable"),
    errno.ETIMEDOUT: phrase("os-connection-timed-out", "Connection timed out"),
    errno.EADDRINUSE: phrase("os-address-already-in-use", "Address already in use"),
    errno.EADDRNOTAVAIL: phrase("os-address-not-available", "Cannot assign requested address"),
    errno.ENOENT: phrase("os-no-such-file", "No such file or directory"),
    errno.ENODEV: phrase("os-no-such-device", "No such device"),
    errno.ENXIO: phrase("os-no-such-device-or-address", "No such device or address"),
    errno.EACCES: phrase("os-permission-denied", "Permission denied"),
    errno.EPERM: phrase("os-operation-not-permitted", "Operation not permitted"),
    errno.ENOSPC: phrase("os-no-space-left", "No space left on device"),
    errno.EDQUOT: phrase("os-quota-exceeded", "Disk quota exceeded"),
    errno.EROFS: phrase("os-read-only-file-system", "Read-only file system"),
    errno.EIO: phrase("os-input-output-error", "Input/output error"),
    errno.EBUSY: phrase("os-device-or-resource-busy", "Device or resource busy"),
    errno.EISDIR: phrase("os-is-a-directory", "Is a directory"),
    errno.ENOTDIR: phrase("os-not-a-directory", "Not a directory"),
    errno.EEXIST: phrase("os-file-exists", "File exists"),
    errno.EMFILE: phrase("os-too-many-open-files", "Too many open files"),
    errno.EFBIG: phrase("os-file-too-large", "File too large"),
}
_NAMES = phrase("os-name-not-known", "Name or service not known")
_LATE = phrase("os-timed-out", "timed out")


def system_reason(error: BaseException) -> Phrase | None:
    """Return what the system says in an exception, without the name of a file; None where it is no error of the
    system, or a rare one."""
    if any(kind.__name__ == "gaierror" for kind in type(error).__mro__):  # of socket, which pure modules do not know
        return _NAMES
    if isinstance(error, OSError) and isinstance(error.strerror, Phrase):
        return error.strerror
    if isinstance(error, OSError) and (said := _SAID.get(error.errno or 0)) is not None:
        return said
    return _LATE if isinstance(error, TimeoutError) and not str(error) else None


def file_not_written(file: object, error: BaseException) -> Phrase:
    """Return the phrase of a file or directory that the system did not let write."""
    return phrase("file-not-written", "{file} cannot be written: {reason}", file=file, reason=system_error(error))
