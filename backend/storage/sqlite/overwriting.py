"""Deletion of which nothing is left in the database's file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def overwriting(connection: apsw.Connection) -> Iterator[None]:
    """Overwrite with zeros what the block deletes. Not always: it costs each deletion a write of its pages."""
    connection.execute("pragma secure_delete = on")
    try:
        yield
    finally:
        connection.execute("pragma secure_delete = off")
