"""Open silences in SQLite. See `backend.storage.silences`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.silences import OpenSilence
from backend.storage.sqlite.errors import refusals

TABLES = """
create table if not exists silences (
    scope text, name text, since real not null, raised_at real not null, detail text not null, primary key (scope, name)
) without rowid;
"""


class Silences:
    """The table `silences`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def open(self) -> list[OpenSilence]:
        rows = self._db.execute("select scope, name, since, raised_at, detail from silences order by scope, name")
        return [OpenSilence(*cast("tuple[str, str, float, float, str]", row)) for row in rows]

    @refusals()
    def begin(self, silence: OpenSilence) -> None:
        self._db.execute("insert or replace into silences values (?, ?, ?, ?, ?)", silence)

    @refusals()
    def end(self, scope: str, name: str) -> None:
        self._db.execute("delete from silences where scope = ? and name = ?", (scope, name))
