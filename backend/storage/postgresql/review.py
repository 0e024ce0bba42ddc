"""Alarms and quarantine in PostgreSQL, as a person handles them. See `backend.storage.tables.ReviewTable`."""

from __future__ import annotations

from collections.abc import Sequence

from backend.storage.postgresql.writing import Writing


class Review:
    """The tables `alarms` and `quarantine`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def close_alarm(self, number: int, now: float) -> bool:
        closed = "update alarms set cleared_at = %s where id = %s and cleared_at is null"
        return self._writing.change(closed, (now, number)) > 0

    def body(self, number: int) -> tuple[str, bytes] | None:
        row = self._writing.one("select reason, body from quarantine where id = %s", (number,))
        return None if row is None else (str(row[0]), bytes(row[1]))

    def drop(self, numbers: Sequence[int]) -> int | None:
        """See `tables.ReviewTable.drop`. The table is written anew, or the bytes would stay in its file."""
        wanted = list(dict.fromkeys(numbers))
        with self._writing.database.transaction() as session:
            rows = session.execute("select id from quarantine where id = any(%s) for update", [wanted]).fetchall()
            there = {number for (number,) in rows}
            if (missing := next((number for number in wanted if number not in there), None)) is not None:
                return missing
            session.execute("delete from quarantine where id = any(%s)", [wanted])
        self._writing.rewrite("quarantine")
        return None
