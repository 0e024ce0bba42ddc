"""Retention in SQLite. See `backend.storage.engine.Retention`.

Rows that are deleted are overwritten (`secure_delete`); the write-ahead log holds them until it is emptied.
"""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.reading_rules import DEFAULT_DAYS
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.overwriting import overwriting

_DEFAULTS = ", ".join(f"('{privacy}', {days})" for privacy, days in DEFAULT_DAYS.items())
TABLES = f"""
create table if not exists retention (
    privacy text primary key, days integer not null, purged integer not null default 0, purged_at real
) without rowid;
insert or ignore into retention (privacy, days) values {_DEFAULTS};
"""  # noqa: S608
_OTHERS = {
    "alerts": "delete from alerts where (hub, alert) in (select hub, alert from alerts where received_at < ?1 and"
    " (state = 'cleared' or hub in (select hub from hubs where revoked_at is not null)) limit ?2)",
    "alarms": "delete from alarms where id in (select id from alarms where cleared_at < ?1 limit ?2)",
    "forks": "delete from forks where id in (select id from forks where received_at < ?1 limit ?2)",
    "quarantine": "delete from quarantine where id in (select id from quarantine where received_at < ?1 limit ?2)",
    "callbacks": "delete from callbacks where id in (select id from callbacks where received_at < ?1"
    " and fields is not null limit ?2)",
    "questions": "delete from asked where (hub, device) in (select hub, device from asked where last_at < ?1 limit ?2)",
    "witnesses": "delete from witnesses where (hub, told_ms) in (select hub, told_ms from witnesses"
    " where received_at < ?1 limit ?2)",
}
"""Class → statement that deletes a number of rows older than a moment (Unix s)."""


class Retention:
    """The table `retention`, and deletion from those that hold no readings."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def days(self) -> dict[str, int]:
        return dict(cast("list[tuple[str, int]]", self._db.execute("select privacy, days from retention").fetchall()))

    @refusals()
    def set_days(self, privacy: str, days: int) -> None:
        self._db.execute("update retention set days = ? where privacy = ?", (days, privacy))

    @refusals()
    def delete_others(self, kind: str, before: float, most: int) -> int:
        with overwriting(self._db):
            self._db.execute(_OTHERS[kind], (before, most))
            return self._db.changes()

    @refusals()
    def count(self, privacy: str, removed: int, now: float) -> None:
        self._db.execute(
            "update retention set purged = purged + ?, purged_at = ? where privacy = ?", (removed, now, privacy)
        )
