"""Callbacks of the Sigfox operator in SQLite. See `backend.storage.tables.CallbackTable`.

doors       one token each: the SHA-256 of its secret, and the hub that its callbacks are for
callbacks   `key` is "<hub>/<what identifies the callback>" (a former release wrote it without the hub); `fields`
            until the hub has it, then null. A row stays for a while after it is done
downlinks   the hub's answer for a device
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import apsw

from backend.storage.sqlite.errors import refusals
from backend.storage.tables import CallbackToken, NewCallback, WaitingDownlink

TABLES = """
create table if not exists doors (
    id text primary key, secret blob not null, hub text not null, name text not null, created_at real not null,
    revoked_at real, used_at real, taken integer not null default 0, repeated integer not null default 0
) without rowid;
create table if not exists callbacks (
    id integer primary key autoincrement, key text not null unique, hub text not null, door text not null, fields blob,
    answer blob, answered text not null default '', received_at real not null, done_at real
);
create index if not exists callbacks_waiting on callbacks (hub, id) where fields is not null;
create index if not exists callbacks_done on callbacks (done_at) where done_at is not null;
create table if not exists downlinks (
    hub text not null, device text not null, id text not null, data blob not null, until real, sent_at real,
    primary key (hub, device, id)
) without rowid;
"""
_OTHERS = "{} where door = ?2 and hub <> ?1 and fields is not null"
_MOVE = """
update or ignore callbacks set hub = ?1, key = ?1 || '/' || case
    when substr(key, 1, length(hub) + 1) = hub || '/' then substr(key, length(hub) + 2) else key end
where door = ?2 and hub <> ?1
"""
_NEXT = """
select id, data from downlinks where hub = ? and device = ? and sent_at is null and (until is null or until >= ?)
order by id = '' limit 1
"""


class Callbacks:
    """The tables `doors`, `callbacks` and `downlinks`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def token(self, token: str) -> CallbackToken | None:
        row = cast(
            Any,
            self._db.execute(
                "select id, secret, hub, name, created_at, revoked_at from doors where id = ?", (token,)
            ).get,
        )
        return None if row is None else CallbackToken(*row)

    @refusals()
    def add_token(self, token: CallbackToken) -> None:
        self._db.execute(
            "insert into doors (id, secret, hub, name, created_at, revoked_at) values (?, ?, ?, ?, ?, ?)", token
        )

    @refusals()
    def revoke_token(self, token: str, now: float) -> bool:
        self._db.execute("update doors set revoked_at = coalesce(revoked_at, ?) where id = ?", (now, token))
        return self._db.changes() > 0

    @refusals()
    def assign_token(self, token: str, hub: str, now: float) -> int | None:
        self._db.execute("update doors set hub = ? where id = ?", (hub, token))
        if not self._db.changes():
            return None
        waiting = self._db.execute(_OTHERS.format("select count(*) from callbacks"), (hub, token)).get
        self._db.execute(_MOVE, (hub, token))  # done ones too: their keys recognise repeated callbacks
        # rows that stay behind exist for the new hub already, by a token of its own
        self._db.execute(_OTHERS.format("update callbacks set fields = null, done_at = ?3"), (hub, token, now))
        return cast(int, waiting) - self._db.changes()

    @refusals()
    def known_answer(self, hub: str, key: str) -> tuple[bytes | None] | None:
        rows = self._db.execute(  # the second key is that of a former release
            "select answer from callbacks where key = ?1 or (key = ?2 and hub = ?3)", (f"{hub}/{key}", key, hub)
        ).fetchall()
        return cast("tuple[bytes | None]", rows[0]) if rows else None

    @refusals()
    def add(self, callback: NewCallback) -> None:
        self._db.execute(
            "insert into callbacks (key, hub, door, fields, answer, answered, received_at) values (?,?,?,?,?,?,?)",
            (f"{callback.hub}/{callback.key}", *callback[1:]),
        )
        self._db.execute(
            "update doors set taken = taken + 1, used_at = ? where id = ?", (callback.received_at, callback.token)
        )

    @refusals()
    def count_repeated(self, token: str, now: float) -> None:
        self._db.execute("update doors set repeated = repeated + 1, used_at = ? where id = ?", (now, token))

    @refusals()
    def waiting(self, hub: str, most: int) -> list[tuple[int, bytes, str]]:
        rows = self._db.execute(
            "select id, fields, answered from callbacks where hub = ? and fields is not null order by id limit ?",
            (hub, most),
        )
        return cast("list[tuple[int, bytes, str]]", rows.fetchall())

    @refusals()
    def oldest(self, hub: str) -> tuple[int, float] | None:
        return cast(
            "tuple[int, float] | None",
            self._db.execute(
                "select id, received_at from callbacks where hub = ? and fields is not null order by id limit 1", (hub,)
            ).get,
        )

    @refusals()
    def newest_number(self) -> int:
        return cast(int, self._db.execute("select coalesce(max(id), 0) from callbacks").get)

    @refusals()
    def count_waiting(self, hub: str) -> int:
        count = "select count(*) from callbacks where hub = ? and fields is not null"
        return cast(int, self._db.execute(count, (hub,)).get)

    @refusals()
    def finish(self, hub: str, numbers: Iterable[int], now: float) -> None:
        self._db.executemany(
            "update callbacks set fields = null, done_at = ? where id = ? and hub = ? and fields is not null",
            [(now, number, hub) for number in numbers],
        )

    @refusals()
    def forget(self, before: float) -> None:
        self._db.execute("delete from callbacks where done_at < ?", (before,))
        self._db.execute("delete from downlinks where sent_at < ?", (before,))

    @refusals()
    def next_downlink(self, hub: str, device: str, now: float) -> tuple[str, bytes] | None:
        return cast("tuple[str, bytes] | None", self._db.execute(_NEXT, (hub, device, now)).get)

    @refusals()
    def mark_sent(self, hub: str, device: str, downlink: str, now: float) -> None:
        self._db.execute(
            "update downlinks set sent_at = ? where hub = ? and device = ? and id = ?", (now, hub, device, downlink)
        )

    @refusals()
    def replace_downlinks(self, hub: str, downlinks: Iterable[WaitingDownlink]) -> None:
        self._db.execute("delete from downlinks where hub = ? and sent_at is null", (hub,))
        self._db.executemany(
            "insert or ignore into downlinks (hub, device, id, data, until) values (?, ?, ?, ?, ?)",
            [(hub, *one) for one in downlinks],
        )
