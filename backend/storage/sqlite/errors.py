"""SQLite's refusals as errors of the backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from backend.storage.engine import RowRefused
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of

_OF_THE_ROW = apsw.ConstraintError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError
"""SQLite errors that are due to a row, and not to the disk."""


@contextmanager
def refusals() -> Iterator[None]:
    """Raise StorageError where SQLite raises an error; of a block, or as a decorator."""
    try:
        yield
    except apsw.Error as error:
        kind = RowRefused if isinstance(error, _OF_THE_ROW) else StorageError
        raise kind(
            phrase("database-refuses-because", "the database refuses: {reason}", reason=reason_of(error))
        ) from error
