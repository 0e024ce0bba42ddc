"""Open silences in PostgreSQL. See `backend.storage.silences`."""

from __future__ import annotations

from backend.storage.postgresql.writing import Writing
from backend.storage.silences import OpenSilence


class Silences:
    """The table `silences`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def open(self) -> list[OpenSilence]:
        rows = self._writing.ask(
            'select scope, name, since, raised_at, detail from silences order by scope collate "C", name collate "C"'
        )
        return [OpenSilence(*row) for row in rows]

    def begin(self, silence: OpenSilence) -> None:
        self._writing.change(
            "insert into silences (scope, name, since, raised_at, detail) values (%s, %s, %s, %s, %s)"
            " on conflict (scope, name) do update set since = excluded.since, raised_at = excluded.raised_at,"
            " detail = excluded.detail",
            silence,
        )

    def end(self, scope: str, name: str) -> None:
        self._writing.change("delete from silences where scope = %s and name = %s", (scope, name))
