"""Alerts of the hubs, and anchors of their audit chains, in SQLite. See `backend.storage.tables`."""

from __future__ import annotations

from typing import Any, cast

import apsw

from backend.storage.sqlite.errors import refusals
from backend.storage.tables import AlertChange, AlertState, Anchor

TABLES = """
create table if not exists alerts (
    hub text, alert text, n integer not null, rule text not null, key text not null, state text not null,
    severity text not null, by text not null, why text not null, value text not null, text text not null,
    text_fr text not null, device text not null, place text not null, site text not null, zone text not null,
    integration text not null, raised_at real not null, changed_at real not null, received_at real not null,
    wanted blob, wanted_state text, primary key (hub, alert)
) without rowid;
create index if not exists alerts_open on alerts (state, changed_at);
create table if not exists witnesses (
    hub text, told_ms integer, count integer not null, head text not null, counts text not null,
    received_at real not null, primary key (hub, told_ms)
) without rowid;
"""
COLUMNS = ", ".join(AlertChange._fields)
_ADD = f"insert into alerts ({COLUMNS}) values ({', '.join('?' * len(AlertChange._fields))})"  # noqa: S608
_REPLACE = """
update alerts set n = ?, state = ?, severity = ?, by = ?, why = ?, value = ?, text = ?, text_fr = ?, changed_at = ?,
    received_at = ?, wanted = case when ? then wanted end where hub = ? and alert = ?
"""
_OLDEST = """
delete from alerts where (hub, alert) in (
    select hub, alert from alerts where hub = ? and state = 'cleared' order by received_at limit ?)
"""


class Alerts:
    """The table `alerts`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def find(self, hub: str, alert: str) -> AlertState | None:
        row = cast(
            "tuple[int, str, str | None] | None",
            self._db.execute(
                "select n, state, iif(wanted is null, null, wanted_state) from alerts where hub = ? and alert = ?",
                (hub, alert),
            ).get,
        )
        return None if row is None else AlertState(row[0], row[1], row[2] or "")

    @refusals()
    def count(self, hub: str) -> int:
        return cast(int, self._db.execute("select count(*) from alerts where hub = ?", (hub,)).get)

    @refusals()
    def forget_cleared(self, hub: str, most: int) -> int:
        self._db.execute(_OLDEST, (hub, most))
        return self._db.changes()

    @refusals()
    def add(self, change: AlertChange) -> None:
        self._db.execute(_ADD, change)

    @refusals()
    def replace(self, change: AlertChange, *, keep_request: bool) -> None:
        now: tuple[Any, ...] = (
            change.n, change.state, change.severity, change.by, change.why, change.value, change.text, change.text_fr,
            change.changed_at, change.received_at,
        )  # fmt: skip
        self._db.execute(_REPLACE, (*now, keep_request, change.hub, change.alert))

    @refusals()
    def states(self, alert: str, hub: str = "") -> list[tuple[str, str]]:
        rows = self._db.execute("select hub, state from alerts where alert = ?1 and ?2 in ('', hub)", (alert, hub))
        return cast("list[tuple[str, str]]", rows.fetchall())

    @refusals()
    def request(self, hub: str, alert: str, state: str, body: bytes) -> None:
        self._db.execute(
            "update alerts set wanted = ?, wanted_state = ? where hub = ? and alert = ?", (body, state, hub, alert)
        )

    @refusals()
    def requests(self, hub: str) -> list[bytes]:
        rows = self._db.execute("select wanted from alerts where hub = ? and wanted is not null limit 1000", (hub,))
        return [cast(bytes, body) for (body,) in rows]


class Anchors:
    """The table `witnesses`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def add(self, anchor: Anchor) -> None:
        self._db.execute("insert or ignore into witnesses values (?, ?, ?, ?, ?, ?)", anchor)
