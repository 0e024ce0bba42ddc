"""Errors of PostgreSQL and of the way to it, as those of the backend: each says who must act.

DatabaseAway    nobody: no server answers, or it hands over to its standby. Nothing was stored, or nobody knows:
                nothing is acknowledged, and hubs send again
TryAgain        nobody: two transactions stood in each other's way, or one lasted too long
RowRefused      a row holds what no table takes: to send it again helps nothing
StorageError    the operator: a disk, a right, another release's tables
"""

from __future__ import annotations

import psycopg
from psycopg import errors as states

from backend.storage.engine import RowRefused
from hub.core.errors import StorageError
from hub.core.text import Phrase, phrase

MAX_REASON = 600
_AWAY = ("08", "57P")
"""SQLSTATE: the connection broke; the server stops, starts, or was told to end this session."""
_OF_A_ROW = ("22", "23", "54")
"""SQLSTATE: data that a type does not take, a constraint, a limit of the program."""
_LATE = (states.IdleInTransactionSessionTimeout, states.TransactionTimeout, states.IdleSessionTimeout)
_CONFLICT = (states.SerializationFailure, states.DeadlockDetected, states.LockNotAvailable, states.QueryCanceled)
_LACKS_ROOM = (states.DiskFull, states.OutOfMemory, states.TooManyConnections, states.ConfigurationLimitExceeded)


class DatabaseAway(StorageError):
    """No server answers that may write. Whether the last transaction was stored is not known."""


class TryAgain(StorageError):
    """The transaction was rolled back for the sake of another: the same one may pass."""


def storage_error(error: Exception, place: str) -> StorageError:
    """Return the error of psycopg as one of the backend; `place` names the server without any secret."""
    state = error.sqlstate or "" if isinstance(error, psycopg.Error) else ""
    reason = reason_text(error)
    if isinstance(error, states.ReadOnlySqlTransaction):
        return DatabaseAway(
            phrase(
                "postgresql-read-only",
                "{place} may not write: it is a standby, or its operator has set it to read only",
                place=place,
            )
        )
    if (
        isinstance(error, _LATE)
        or state.startswith(_AWAY)
        or (not state and isinstance(error, psycopg.OperationalError))
    ):
        return DatabaseAway(_away(place, reason))
    if isinstance(error, _CONFLICT):
        return TryAgain(
            phrase("postgresql-busy", "{place} is busy with the same rows: {reason}", place=place, reason=reason)
        )
    if isinstance(error, _LACKS_ROOM):
        return StorageError(
            phrase(
                "postgresql-full",
                "{place} lacks room: {reason}. Give it disk, memory or connections",
                place=place,
                reason=reason,
            )
        )
    told = phrase("postgresql-refuses", "{place} refuses: {reason}", place=place, reason=reason)
    # without a state: psycopg itself could not write a value down
    # 23514: no partition for this hour or month, which is no fault of the row
    if (state.startswith(_OF_A_ROW) and state != "23514") or (not state and isinstance(error, psycopg.DataError)):
        return RowRefused(told)
    return StorageError(told)


def not_connected(error: Exception, place: str) -> StorageError:
    """Return why no connection was made. libpq gives no SQLSTATE for it, so that a password that is refused is away
    too, with the server's own words."""
    if isinstance(error, psycopg.OperationalError):
        return DatabaseAway(_away(place, reason_text(error)))
    return storage_error(error, place)


def reason_text(error: Exception) -> str:
    """Return what the server or libpq says, in one bounded line without control characters."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    lines = (said or str(error) or type(error).__name__).splitlines()
    text = "; ".join(line.strip() for line in lines if line.strip())
    return "".join(letter for letter in text if letter.isprintable())[:MAX_REASON]


def _away(place: str, reason: str) -> Phrase:
    return phrase(
        "postgresql-away",
        "{place} does not answer as a server that may write: {reason}",
        place=place,
        reason=reason,
    )
