"""Trials in SQLite. See `backend.storage.engine.Trials`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.engine import Trial
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.overwriting import overwriting

TABLES = "create table if not exists trials (token text primary key) without rowid;\n"
_STREAM = "stream in (select id from streams where hub = ?1)"
_EPOCH = f"epoch in (select id from epochs where {_STREAM})"  # noqa: S608
_NUMBER = "hub = (select number from compacted where hub = ?1)"
_HUB = "hub = ?1"
_MANY = (
    ("bodies", "record", _NUMBER), ("records", "id", _STREAM), ("forks", "id", _STREAM), ("quarantine", "id", _HUB),
    ("gaps", "id", _HUB), ("alarms", "id", _HUB),
)  # fmt: skip
"""(table, key, condition) of what is deleted in pieces: a hub decides how much of it there is."""
_REST = (
    ("tables", _EPOCH), ("epochs", _STREAM), ("packed_records", _STREAM),
    *((table, _NUMBER) for table in ("names", "erasing", "chunks")),
    ("silences", "scope = 'hub' and name = ?1"), ("trials", "token in (select id from tokens where hub = ?1)"),
    *((table, _HUB) for table in (
        "compacted", "series", "boots", "streams", "alerts", "witnesses", "asked", "doors", "callbacks",
        "downlinks", "tokens", "hubs",
    )),
)  # fmt: skip
"""(table, condition) of what is deleted at once, in an order that leaves each condition what it looks up."""
TAKEN = {table for table, *_ in (*_MANY, *_REST)}
"""Tables that may hold something of a hub."""


class Trials:
    """The table `trials`, and deletion of a hub from all others."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def expect(self, token: str) -> None:
        self._db.execute("insert or ignore into trials values (?)", (token,))

    @refusals()
    def expected(self, token: str) -> bool:
        return self._db.execute("select 1 from trials where token = ?", (token,)).get is not None

    @refusals()
    def begun(self) -> list[Trial]:
        rows = self._db.execute(
            "select h.hub, h.enrolled_at from trials join tokens t on t.id = token join hubs h on h.hub = t.hub"
        )
        return [Trial(*cast("tuple[str, float]", row)) for row in rows]

    @refusals()
    def forget_unused(self, now: float) -> None:
        unused = "used_at is null and (expires_at <= ? or secret is null)"
        self._db.execute(f"delete from tokens where id in (select token from trials) and {unused}", (now,))  # noqa: S608
        self._db.execute("delete from trials where token not in (select id from tokens)")

    @refusals()
    def remove(self, hub: str, most: int) -> bool:
        with overwriting(self._db):
            for table, key, condition in _MANY:
                piece = f"select {key} from {table} where {condition} limit ?2"  # noqa: S608
                self._db.execute(f"delete from {table} where ({key}) in ({piece})", (hub, most))  # noqa: S608
                most -= self._db.changes()
                if most <= 0:
                    return False
            for table, condition in _REST:
                self._db.execute(f"delete from {table} where {condition}", (hub,))  # noqa: S608
        return True
