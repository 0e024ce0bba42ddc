"""Exceptions on their way between the hub and a plugin in a process of its own."""

from __future__ import annotations

import traceback

from hub.core import errors
from hub.core.logs import tame
from hub.core.text import Phrase, as_data, from_data
from hub.plugin_host.error_text import LONGEST, RemoteError, error_text
from hub.plugin_host.isolation.wire_base import Failure

_KINDS: dict[str, type[errors.HubError]] = {
    kind.__name__: kind
    for kind in (
        errors.NotReady, errors.LedElsewhere, errors.AuthFailed, errors.DecodeError, errors.PluginError,
        errors.StorageError, errors.BufferFull, errors.DiskRefuses,
    )
}  # fmt: skip
_TRACE = 7000


def told(error: BaseException, *, trace: bool = False) -> Failure:
    """Return an exception as a message. `trace`: with its traceback, for what is no error of the hub's."""
    error = errors.cause(error) if isinstance(error, Exception) else error
    said = error_text(error)
    if isinstance(error, errors.DecodeError):
        said = error.detail
    text = str(said) if isinstance(said, Phrase) else said[:LONGEST]
    return Failure(
        type(error).__name__[:64],
        text[:4000].encode(errors="replace").decode(),
        as_data(said),
        error.reason[:64] if isinstance(error, errors.DecodeError) else "",
        isinstance(error, errors.LedElsewhere) and error.counted,
        _trace(error) if trace and type(error) not in _KINDS.values() else "",
    )


def raised(failure: Failure) -> Exception:
    """Return the exception that a message tells of."""
    said = from_data(failure.text, failure.code)
    kind = _KINDS.get(failure.kind)
    error: Exception
    if kind is errors.DecodeError:
        return errors.DecodeError(failure.reason, said)
    if kind is not None:
        error = kind(said)
        if isinstance(error, errors.LedElsewhere):
            error.counted = failure.counted
        return error
    error = RemoteError(failure.kind if failure.kind.isidentifier() else "Exception", said)
    if failure.trace:
        error.__cause__ = RemoteError("Traceback", "\n" + tame(failure.trace, "\n"))
    return error


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[-_TRACE:].encode(errors="replace").decode()
    except Exception:  # the error of a stranger may have a __str__ that fails
        return ""
