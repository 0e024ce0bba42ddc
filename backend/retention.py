"""Retention of received data by class: a hub states the class of each series, the owner sets the days here.

    personal      readings: 396 days unless the owner sets another number. With the last reading of a series its row is
                  deleted too: the names of the device, its place and its zone. A series that was personal once is
                  personal as a whole
    environment   readings, and
    technical     readings: for ever (0) unless set
    alerts        cleared ones, and all of hubs that were revoked; they name places, and people who answered
    alarms        closed ones
    forks         second contents of a number: sealed records like any other, for whoever looks into a copied hub
    quarantine    unreadable bytes, which may be of any class
    callbacks     of the Sigfox operator, that no hub fetched
    questions     devices that hubs asked for (`backend.other_hubs`)
    witnesses     heads of audit chains: hashes and counts, which show that a hub's log was cut

Everything else is the account of what was received, and holds no reading: rows of records (number, digest), epochs and
tables (sealed, to open repeated records), gaps, erasures (a promise that holds for late readings too).

The age of a reading counts from its time; of one without a time, since its boot never knew it, and of one dated in the
future, from that of its record. The age of all else counts from its arrival, or its end. Checked every hour, a few rows
at a time; each purge is counted, with its last moment, and shown by `GET /v1/retention`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import apsw

from backend.readings import CLASSES as READINGS
from backend.readings import ORIGIN_BITS, PERSONAL, restore_latest
from hub.core.errors import ConfigError
from hub.core.text import phrase

TABLE = """
create table if not exists retention (
    privacy text primary key, days integer not null, purged integer not null default 0, purged_at real
) without rowid;
insert or ignore into retention (privacy, days) values
    ('personal', 396), ('environment', 0), ('technical', 0), ('alerts', 396), ('alarms', 396), ('forks', 396),
    ('quarantine', 396), ('callbacks', 396), ('questions', 90), ('witnesses', 1827);
"""
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
CLASSES = (*READINGS, *_OTHERS)
MAX_DELETED = 50_000
"""Rows that one purge deletes: messages of hubs wait meanwhile."""
_CLASSES = "select privacy, days from retention where days > 0"
_PAST = """
delete from readings where series = ?1 and (time, origin) in (
    select time, origin from readings where series = ?1 and time < ?2 order by time limit ?3)
"""
_AHEAD = f"""
delete from readings where series = ?1 and (time, origin) in (
    select r.time, r.origin from readings r join records c on c.id = r.origin >> {ORIGIN_BITS}
    where r.series = ?1 and r.time > ?2 and c.received_at < ?3 limit ?4)
"""  # noqa: S608
_ARRIVED = f"""
delete from undated where (boot, series, mono, origin) in (
    select u.boot, u.series, u.mono, u.origin from undated u
    join series s on s.id = u.series join records c on c.id = u.origin >> {ORIGIN_BITS}
    where s.privacy = ? and c.received_at < ? limit ?
) returning series
"""  # noqa: S608
_LATEST = """
delete from latest where series = ?1 and not exists (
    select 1 from readings where series = ?1 and time = latest.time)
"""
_EMPTY = """
delete from series where id = ?1 and not exists (select 1 from readings where series = ?1)
    and not exists (select 1 from undated where series = ?1)
"""


class Retention:
    """Purges one database; one thread, outside any other transaction. `gone` is called when rows of series or evidence
    were deleted, whose numbers may be cached."""

    def __init__(self, connection: apsw.Connection, gone: Callable[[], None]) -> None:
        self._db, self._gone = connection, gone

    def purge(self, now: float) -> int:
        """Delete what is too old, MAX_DELETED rows at once; return how many. Inside a transaction."""
        gone = 0
        self._db.execute("pragma secure_delete = on")
        classes = cast(list[tuple[str, int]], self._db.execute(_CLASSES).fetchall())
        for kind, days in classes:
            before, most = now - days * 86_400, MAX_DELETED - gone
            removed = self._readings(kind, before, now, most) if kind in READINGS else self._other(kind, before, most)
            if removed:
                self._db.execute(
                    "update retention set purged = purged + ?, purged_at = ? where privacy = ?", (removed, now, kind)
                )
            gone += removed
        self._db.execute("pragma secure_delete = off")
        if gone:
            self._gone()
        return gone

    def _readings(self, privacy: str, before: float, now: float, most: int) -> int:
        removed = 0
        for (series,) in self._db.execute("select id from series where privacy = ?", (privacy,)).fetchall():
            here = self._delete(_PAST, series, int(before * 1000), most - removed)
            here += self._delete(_AHEAD, series, int(now * 1000), before, most - removed - here)
            if here:
                self._db.execute(_LATEST, (series,))
                restore_latest(self._db, cast(int, series), now)
                if privacy == PERSONAL:
                    self._db.execute(_EMPTY, (series,))
            removed += here
            if removed >= most:
                return removed
        arrived = self._db.execute(_ARRIVED, (privacy, before, most - removed)).fetchall()
        if privacy == PERSONAL:
            self._db.executemany(_EMPTY, set(arrived))
        return removed + len(arrived)

    def _other(self, kind: str, before: float, most: int) -> int:
        there = kind != "callbacks" or self._db.execute("select 1 from sqlite_master where name = 'callbacks'").get
        return self._delete(_OTHERS[kind], before, most) if there and kind in _OTHERS else 0

    def _delete(self, statement: str, *arguments: Any) -> int:
        self._db.execute(statement, arguments)
        return self._db.changes()


def shown(db: apsw.Connection) -> list[dict[str, Any]]:
    """Return for each class: days (0: for ever), how many rows were deleted so far, and when last."""
    names = ("privacy", "days", "purged", "purged_at")
    rows = db.execute("select privacy, days, purged, purged_at from retention order by privacy")
    return [dict(zip(names, row, strict=True)) for row in rows]


def put(db: apsw.Connection, privacy: str, days: int) -> None:
    db.execute("update retention set days = ? where privacy = ?", (days, privacy))


def days_of(text: str) -> tuple[str, int]:
    """Parse `personal=396` into class and days; 0: for ever. Raises ConfigError."""
    privacy, _, days = text.partition("=")
    if privacy not in CLASSES or not (days.isascii() and days.isdigit()) or int(days) > 36_500:
        raise ConfigError(
            phrase(
                "retention-form-wrong",
                "expected a class ({classes}) and days, like personal=396; 0: for ever; not {text!r}",
                classes=sorted(CLASSES),
                text=text,
            )
        )
    return privacy, int(days)
