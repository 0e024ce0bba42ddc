"""Erasures that people ordered through their hub, executed here and confirmed to the hub.

A row of the `alerts` stream whose metrics are those of `hub.privacy.consent.erasure_rows` orders one. A hub can order
it only for its own series. Scope of an order:

    pseudonym   every series whose zone, place or device is that name, whole, and whatever arrives later under it
    device      of the series of that device, those of class personal until the moment of the order; technical readings
                stay: a compromised hub cannot erase a building's meters. Also what arrives later, dated before

An order is executed in the transaction that receives it, at most once by (hub, id), and is kept: readings that arrive
later under that name are dropped, and counted. `GET /v1/erasures` confirms it to the hub.

Rows that SQLite deletes are overwritten (`secure_delete`), and the write-ahead log is emptied. Backups of this database
are not reached: an older copy that is put back holds what was erased since, until hubs have sent again what they keep.
Evidence is not reached either, that is second contents of a number and unreadable bytes: `backend.retention` says for
how long it is kept, and `ilot backend quarantine --drop` deletes it at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import apsw
import msgspec

from backend.readings import Readings, restore_latest
from hub.core.text import phrase, reason_of
from hub.protocol.records.rows import Row, Shape

log = logging.getLogger(__name__)

TABLE = """
create table if not exists erasures (
    hub text, id text, kind text not null, name text not null, until_ms integer not null, ordered_at real not null,
    done_at real not null, readings integer not null, left_over integer not null, late integer not null default 0,
    primary key (hub, id)
) without rowid;
create index if not exists erasures_of on erasures (hub, name);
create index if not exists series_of_zone on series (zone);
"""
FIELDS = ("erase", "erase_kind", "erase_name", "erase_until")
PSEUDONYM, DEVICE = "pseudonym", "device"
_ZONE = "select id, privacy from series where +hub = ?1 and zone = ?2"
_PLACE = "select id, privacy from series where hub = ?1 and place = ?2"
_DEVICE = "select id, privacy from series where +hub = ?1 and device = ?2"
REACHED = {PSEUDONYM: " union ".join((_ZONE, _PLACE, _DEVICE)), DEVICE: _DEVICE}
"""Query for the series in the scope of an order, looked up by name (`+` keeps SQLite from looking by hub): a hub that
orders without end must not cause a scan of all its series each time. The index of devices is that of
`backend.other_hubs`."""
SIGN = "~"
MAX_TEXT = 200
PERSONAL = "personal"
BUSY_MS = 10_000


class Order(msgspec.Struct, frozen=True):
    id: str
    kind: str
    name: str
    until_ms: int
    at: float


class Erasures:
    """Orders of one database, inside the caller's transaction. One thread."""

    def __init__(self, connection: apsw.Connection, readings: Readings) -> None:
        self._db, self._readings = connection, readings
        self._known: dict[str, dict[str, list[Order]]] = {}  # hub → name → orders that reach it; absent: not read yet
        self._shapes: dict[Shape, tuple[Shape, tuple[int, ...]]] = {}
        self.executed = True  # since the last `truncate`; true at first, since a kill may have come between

    def take(self, hub: str, rows: Sequence[Row]) -> list[Row]:
        """Execute the orders among the rows of a block of the alerts stream; return the other rows."""
        others = []
        for row in rows:
            order = _order(row) if is_order(row.shape) else None
            if order is None:
                others.append(row)
            else:
                self._execute(hub, order)
        return others

    def filter(self, hub: str, rows: Sequence[Row], offset_ms: int | None) -> Sequence[Row]:
        """Return the rows without those that an order forbids. `offset_ms` converts their times to Unix ms; None:
        unknown."""
        orders = self._orders(hub)
        if not orders:
            return rows
        kept = []
        for row in rows:
            names = {row.subject.zone, row.subject.place, row.subject.device}
            hits = [one for name in names for one in orders.get(name, ()) if _reaches(one, row, offset_ms)]
            if not hits:
                kept.append(row)
                continue
            hit = next(
                (one for one in hits if one.kind == PSEUDONYM), hits[0]
            )  # a pseudonym's order removes the whole row
            left = self._plain(row) if hit.kind == DEVICE else None
            if left is not None:
                kept.append(left)
            dropped = len(row.values) - (0 if left is None else len(left.values))
            self._db.execute("update erasures set late = late + ? where hub = ? and id = ?", (dropped, hub, hit.id))
        return kept

    def truncate(self) -> None:
        """Empty the write-ahead log of erased data. While somebody reads, it is left to the next call. Outside any
        transaction."""
        if self.executed:
            self._db.set_busy_timeout(0)
            try:
                self.executed = self._db.execute("pragma wal_checkpoint(truncate)").fetchall()[0][0] != 0
            except apsw.Error as error:  # the erasure is committed, and is acknowledged all the same
                log.error(
                    phrase(
                        "write-ahead-log-not-emptied",
                        "the write-ahead log cannot be emptied of what was erased, it is tried again: {reason}",
                        reason=reason_of(error),
                    )
                )
            finally:
                self._db.set_busy_timeout(BUSY_MS)

    def rolled_back(self) -> None:
        """Discard cached orders after a failed transaction. They are read again only when needed, since the database
        may refuse now: an order that is not known would let in again what was erased."""
        self._known.clear()

    def _execute(self, hub: str, order: Order) -> None:
        if self._db.execute("select 1 from erasures where hub = ? and id = ?", (hub, order.id)).get is not None:
            return
        self._readings.flush()
        self._db.execute("pragma secure_delete = on")
        gone = left = 0
        series = self._db.execute(REACHED[order.kind], (hub, order.name))
        for number, privacy in series.fetchall():
            if order.kind == DEVICE and privacy != PERSONAL:
                left += self._db.execute("select count(*) from readings where series = ?", (number,)).get
                continue
            gone += self._erase(cast(int, number), order.until_ms if order.kind == DEVICE else None)
        self._db.execute("pragma secure_delete = off")
        self._readings.forget_subjects()
        self._db.execute(
            "insert into erasures (hub, id, kind, name, until_ms, ordered_at, done_at, readings, left_over)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (hub, order.id, order.kind, order.name, order.until_ms, order.at, time.time(), gone, left),
        )
        self._known.pop(hub, None)
        self.executed = True

    def _erase(self, series: int, until_ms: int | None) -> int:
        """Delete a series, or its readings before a moment; return how many readings were deleted."""
        gone = 0
        for table in ("readings", "latest"):
            self._db.execute(
                f"delete from {table} where series = ? and (? is null or time < ?)",  # noqa: S608
                (series, until_ms, until_ms),
            )
            gone += self._db.changes() if table == "readings" else 0
        self._db.execute("delete from undated where series = ?", (series,))  # their time is unknown
        gone += self._db.changes()
        if until_ms is None:
            self._db.execute("delete from series where id = ?", (series,))
        else:
            restore_latest(self._db, series, time.time())
        return gone

    def _plain(self, row: Row) -> Row | None:
        """Return the row without personal values; None if nothing is left."""
        known = self._shapes.get(row.shape)
        if known is None:
            if len(self._shapes) >= 1024:
                self._shapes.clear()
            at = tuple(n for n, column in enumerate(row.shape.columns) if column.privacy != PERSONAL)
            known = self._shapes[row.shape] = Shape(tuple(row.shape.columns[n] for n in at)), at
        shape, at = known
        return row._replace(shape=shape, values=tuple(row.values[n] for n in at), position=None) if at else None

    def _orders(self, hub: str) -> dict[str, list[Order]]:
        """Return, for each name and kind, the order with the widest scope: the others add nothing, and a hub that
        repeats orders must not make each reading dearer."""
        known = self._known.get(hub)
        if known is None:
            known = self._known[hub] = {}
            rows = self._db.execute(
                "select id, kind, name, max(until_ms), ordered_at from erasures where hub = ? group by kind, name",
                (hub,),
            )
            for row in rows:
                order = Order(*cast("tuple[str, str, str, int, float]", row))
                known.setdefault(order.name, []).append(order)
        return known


def is_order(shape: Shape) -> bool:
    return tuple(column.metric for column in shape.columns) == FIELDS


def _order(row: Row) -> Order | None:
    """Parse an order; None for a row that does not fit the shape, which stays a reading."""
    name, kind, what, until = row.values
    if not (isinstance(name, str) and isinstance(what, str)) or isinstance(until, str):
        return None
    if kind not in (PSEUDONYM, DEVICE) or not 0 < len(name) <= MAX_TEXT or not 0 < len(what) <= MAX_TEXT:
        return None
    if not 0 <= until < 2**43 or (kind == PSEUDONYM) != what.startswith(SIGN):
        return None
    return Order(name, kind, what, int(until * 1000), row.time_ms / 1000)


def _reaches(order: Order, row: Row, offset_ms: int | None) -> bool:
    if order.kind == PSEUDONYM:
        return True
    if order.name != row.subject.device:
        return False
    return offset_ms is None or row.time_ms + offset_ms < order.until_ms


def done(db: apsw.Connection, hub: str) -> list[dict[str, Any]]:
    """Return the executed erasures of a hub, the newest first."""
    rows = db.execute(
        "select id, readings, left_over from erasures where hub = ? order by done_at desc limit 10000", (hub,)
    )
    return [{"id": name, "readings": readings, "left": left} for name, readings, left in rows]


def listed(db: apsw.Connection, hub: str = "", limit: int = -1) -> Iterator[dict[str, Any]]:
    """Yield erasures, the newest first; beyond `limit`, the newest of each hub come before any hub's older ones."""
    names = ("hub", "id", "kind", "name", "until_ms", "ordered_at", "done_at", "readings", "left_over", "late")
    rows = db.execute(
        f"select {', '.join(names)} from (select *, row_number() over (partition by hub order by done_at desc, id)"  # noqa: S608
        " as place_of_hub from erasures where ?1 in ('', hub) order by place_of_hub limit ?2)"
        " order by done_at desc, id",
        (hub, limit),
    )
    for row in rows:
        yield dict(zip(names, row, strict=True))
