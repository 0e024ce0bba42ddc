"""Trials in PostgreSQL. See `backend.storage.engine.Trials`."""

from __future__ import annotations

from backend.storage.engine import Trial
from backend.storage.postgresql.retention import EVIDENCE
from backend.storage.postgresql.writing import Writing

_NUMBER = "hub = (select number from hubs where hub = %(hub)s)"
_HUB = "hub = %(hub)s"
_STREAM = f"stream in (select id from streams where {_NUMBER})"  # noqa: S608
_EPOCH = f"epoch in (select id from epochs where {_STREAM})"  # noqa: S608
_MANY = (
    ("bodies", "hour, hub, record", _NUMBER), ("chunks", "hub, id, privacy, month", _NUMBER),
    ("records", "stream, seq", _STREAM), ("forks", "id", _STREAM), ("quarantine", "id", _HUB), ("gaps", "id", _NUMBER),
    ("alarms", "id", _HUB),
)  # fmt: skip
"""(table, key, condition) of what is deleted in pieces: a hub decides how much of it there is."""
_REST = (
    ("epoch_tables", _EPOCH), ("epochs", _STREAM), ("digests", _STREAM),
    ("silences", "scope = 'hub' and name = %(hub)s"),
    *((table, _NUMBER) for table in ("names", "erasures", "compaction", "series", "boots", "streams", "hub_states")),
    *((table, _HUB) for table in ("alerts", "anchors", "lookups", "callback_tokens", "callbacks", "downlinks")),
    ("trials", "token in (select id from tokens where hub = %(hub)s)"), ("tokens", _HUB), ("hubs", _HUB),
)  # fmt: skip
"""(table, condition) of what is deleted at once, in an order that leaves each condition what it looks up."""
TAKEN = {table for table, *_ in (*_MANY, *_REST)}
"""Tables that may hold something of a hub."""


class Trials:
    """The table `trials`, and deletion of a hub from all others."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def expect(self, token: str) -> None:
        self._writing.change("insert into trials values (%s) on conflict do nothing", (token,))

    def expected(self, token: str) -> bool:
        return self._writing.one("select 1 from trials where token = %s", (token,)) is not None

    def begun(self) -> list[Trial]:
        rows = self._writing.ask(
            "select h.hub, h.enrolled_at from trials r join tokens t on t.id = r.token join hubs h on h.hub = t.hub"
        )
        return [Trial(*row) for row in rows]

    def forget_unused(self, now: float) -> None:
        self._writing.change(
            "delete from tokens where id in (select token from trials) and used_at is null"
            " and (expires_at <= %s or secret is null)",
            (now,),
        )
        self._writing.change("delete from trials where token not in (select id from tokens)")

    def remove(self, hub: str, most: int) -> bool:
        self._writing.registered(hub)
        for table, key, condition in _MANY:
            piece = f"select {key} from {table} where {condition} limit %(most)s"  # noqa: S608
            most -= self._writing.change_named(
                f"delete from {table} where ({key}) in ({piece})",  # noqa: S608
                {"hub": hub, "most": most},
            )
            if most <= 0:
                return False
        for table, condition in _REST:
            self._writing.change_named(f"delete from {table} where {condition}", {"hub": hub})  # noqa: S608
        self._writing.removed(hub)
        for table in EVIDENCE:
            self._writing.deleted(table)
        return True
