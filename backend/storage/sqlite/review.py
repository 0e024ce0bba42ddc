"""Alarms and quarantine in SQLite, as a person handles them. See `backend.storage.tables.ReviewTable`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import apsw

from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.schema import transaction


class _Missing(Exception):
    """There is no such entry."""


class Review:
    """The tables `alarms` and `quarantine`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def close_alarm(self, number: int, now: float) -> bool:
        self._db.execute("update alarms set cleared_at = ? where id = ? and cleared_at is null", (now, number))
        return self._db.changes() > 0

    @refusals()
    def body(self, number: int) -> tuple[str, bytes] | None:
        row = self._db.execute("select reason, body from quarantine where id = ?", (number,)).get
        return cast("tuple[str, bytes] | None", row)

    @refusals()
    def drop(self, numbers: Sequence[int]) -> int | None:
        self._db.execute("pragma secure_delete = on")
        try:
            with transaction(self._db):
                for number in numbers:
                    self._db.execute("delete from quarantine where id = ?", (number,))
                    if not self._db.changes():
                        raise _Missing(number)
        except _Missing as missing:
            return cast(int, missing.args[0])
        finally:
            self._db.execute("pragma secure_delete = off")
        self._db.execute("pragma wal_checkpoint(truncate)").fetchall()
        return None
