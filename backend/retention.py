"""How long readings are kept, by privacy class: a hub states the class of each series, the owner says how long here.

Personal data go after 396 days unless the owner says otherwise; the other classes stay until told (0: for ever). The
age of a reading is that of its time; of one that has none, since its boot never knew the time, that of the record it
came with. Looked at every hour, a few series at a time; each purge is counted, with its last moment, and shown by
`GET /v1/retention`.
"""

from __future__ import annotations

from typing import Any, cast

import apsw

from backend.readings import ORIGIN_BITS
from hub.errors import ConfigError

TABLE = """
create table if not exists retention (
    privacy text primary key, days integer not null, purged integer not null default 0, purged_at real
) without rowid;
insert or ignore into retention (privacy, days) values ('personal', 396), ('environment', 0), ('technical', 0);
"""
CLASSES = ("personal", "environment", "technical")
MOST = 50_000
"""Readings that one look deletes: it stands before whatever hubs send."""
_CLASSES = "select privacy, days from retention where days > 0"
_ARRIVED = f"""
delete from undated where (boot, series, mono, origin) in (
    select u.boot, u.series, u.mono, u.origin from undated u
    join series s on s.id = u.series join records c on c.id = u.origin >> {ORIGIN_BITS}
    where s.privacy = ? and c.received_at < ? limit ?
)
"""  # noqa: S608


class Retention:
    """One a database; one thread, outside any transaction of others."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    def look(self, now: float) -> int:
        """Delete what is too old, MOST at once; how many. Inside a transaction."""
        gone = 0
        self._db.execute("pragma secure_delete = on")
        classes = cast(list[tuple[str, int]], self._db.execute(_CLASSES).fetchall())
        for privacy, days in classes:
            before = int((now - days * 86_400) * 1000)
            removed = 0
            for (series,) in self._db.execute("select id from series where privacy = ?", (privacy,)).fetchall():
                self._db.execute(
                    "delete from readings where series = ?1 and (time, origin) in (select time, origin from readings"
                    " where series = ?1 and time < ?2 order by time limit ?3)",
                    (series, before, MOST - gone - removed),
                )
                removed += self._db.changes()
                self._db.execute("delete from latest where series = ? and time < ?", (series, before))
                if gone + removed >= MOST:
                    break
            removed += self._undated(privacy, before / 1000, MOST - gone - removed)
            if removed:
                self._db.execute(
                    "update retention set purged = purged + ?, purged_at = ? where privacy = ?", (removed, now, privacy)
                )
            gone += removed
        self._db.execute("pragma secure_delete = off")
        return gone

    def _undated(self, privacy: str, before: float, most: int) -> int:
        """Delete readings without a time that arrived before this, Unix s; how many."""
        self._db.execute(_ARRIVED, (privacy, before, most))
        return self._db.changes()


def shown(db: apsw.Connection) -> list[dict[str, Any]]:
    """Each class: days (0: for ever), readings deleted so far, and when last."""
    names = ("privacy", "days", "purged", "purged_at")
    rows = db.execute("select privacy, days, purged, purged_at from retention order by privacy")
    return [dict(zip(names, row, strict=True)) for row in rows]


def put(db: apsw.Connection, privacy: str, days: int) -> None:
    db.execute("update retention set days = ? where privacy = ?", (days, privacy))


def days_of(text: str) -> tuple[str, int]:
    """`personal=396` → class and days, 0: for ever. Raises ConfigError."""
    privacy, _, days = text.partition("=")
    if privacy not in CLASSES or not (days.isascii() and days.isdigit()) or int(days) > 36_500:
        classes = ", ".join(sorted(CLASSES))
        raise ConfigError(f"expected a class ({classes}) and days, like personal=396; 0: for ever; not {text!r}")
    return privacy, int(days)
