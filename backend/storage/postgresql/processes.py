"""Processes of the backend and their key of challenges in PostgreSQL. See `backend.storage.processes`."""

from __future__ import annotations

from backend.storage.postgresql.writing import Writing
from backend.storage.processes import ProcessLine


class Processes:
    """The tables `processes` and `challenge_keys`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def told(self) -> list[ProcessLine]:
        rows = self._writing.ask(
            'select name, kind, release, started_at, seen_at, facts from processes order by name collate "C"'
        )
        return [ProcessLine(*row) for row in rows]

    def tell(self, line: ProcessLine, before: float) -> None:
        self._writing.change(
            "delete from processes where name in"
            " (select name from processes where seen_at < %s for update skip locked)",
            [before],
        )
        self._writing.change(
            "insert into processes (name, kind, release, started_at, seen_at, facts) values (%s, %s, %s, %s, %s, %s)"
            " on conflict (name) do update set kind = excluded.kind, release = excluded.release,"
            " started_at = excluded.started_at, seen_at = excluded.seen_at, facts = excluded.facts",
            line,
        )

    def forget(self, name: str) -> None:
        self._writing.change("delete from processes where name = %s", [name])

    def challenge_key(self, made: bytes, now: float) -> bytes:
        self._writing.change(
            "insert into challenge_keys (id, key, made_at) values (1, %s, %s) on conflict (id) do nothing", [made, now]
        )
        (row,) = self._writing.ask("select key from challenge_keys where id = 1")
        return bytes(row[0])
