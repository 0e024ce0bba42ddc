"""Orders to erase in SQLite. See `backend.storage.engine.Erasures`; the table is `erasing`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.engine import DoneErasure
from backend.storage.sqlite.errors import refusals

TABLES = "create index if not exists series_of_zone on series (zone);\n"
OF_PERSONS = "kind in ('pseudonym', 'device')"
"""Orders that a hub gave, beside those of the backend itself."""
_NUMBER = "hub = (select number from compacted where hub = ?)"


class Erasures:
    """The table `erasing`, as ingest asks it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def hidden(self, hub: str) -> dict[str, str]:
        rows = self._db.execute(
            f"select name, id from erasing where {_NUMBER} and kind = 'pseudonym' order by record desc",  # noqa: S608
            (hub,),
        )
        return dict(cast("list[tuple[str, str]]", rows.fetchall()))

    @refusals()
    def add_late(self, hub: str, order: str, count: int) -> None:
        self._db.execute(f"update erasing set dropped = dropped + ? where {_NUMBER} and id = ?", (count, hub, order))  # noqa: S608

    @refusals()
    def done(self, hub: str, most: int) -> list[DoneErasure]:
        rows = self._db.execute(
            f"select id, readings, left_over from erasing where {_NUMBER} and {OF_PERSONS} and done_at is not null"  # noqa: S608
            " order by done_at desc, record desc limit ?",
            (hub, most),
        )
        return [DoneErasure(*cast("tuple[str, int, int]", row)) for row in rows]
