"""Processes of the backend and their key of challenges in SQLite. See `backend.storage.processes`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.processes import ProcessLine
from backend.storage.sqlite.errors import refusals

TABLES = """
create table if not exists processes (
    name text primary key, kind text not null, release text not null, started_at real not null, seen_at real not null,
    facts blob not null
) without rowid;
"""
_CHALLENGE = "challenge"
"""Key in the table `meta`."""


class Processes:
    """The table `processes`, and the key in `meta`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def told(self) -> list[ProcessLine]:
        rows = self._db.execute("select name, kind, release, started_at, seen_at, facts from processes order by name")
        return [ProcessLine(*cast("tuple[str, str, str, float, float, bytes]", row)) for row in rows]

    @refusals()
    def tell(self, line: ProcessLine, before: float) -> None:
        self._db.execute("delete from processes where seen_at < ?", (before,))
        self._db.execute("insert or replace into processes values (?, ?, ?, ?, ?, ?)", line)

    @refusals()
    def forget(self, name: str) -> None:
        self._db.execute("delete from processes where name = ?", (name,))

    @refusals()
    def challenge_key(self, made: bytes, now: float) -> bytes:
        self._db.execute("insert or ignore into meta values (?, ?)", (_CHALLENGE, made))
        return bytes(cast(bytes, self._db.execute("select value from meta where key = ?", (_CHALLENGE,)).get))
