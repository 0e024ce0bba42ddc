"""Erasures that people ordered through their hub: taken in here, executed by the compactor, confirmed to the hub.

A row of the `alerts` stream whose metrics are those of `hub.privacy.consent.erasure_rows` orders one. A hub can order
it only for its own series. Scope of an order:

    pseudonym   every series whose zone, place or device is that name, whole, and whatever arrives later under it
    device      of the series of that device, those of class personal until the moment of the order; technical readings
                stay: a compromised hub cannot erase a building's meters. Also what arrives later, dated before

An order is stored in the transaction that receives it, at most once by (hub, id), and is kept. From then on no reader
sees what it reaches; names that a pseudonym's order reaches leave the list of series at once, and are not stored again
when they arrive later. The compactor (`backend.readings.compaction`) writes anew what holds something of it, and
confirms it when no byte of it is left in the database's files: `GET /v1/erasures` tells the hub.

Backups of this database are not reached: an older copy that is put back holds what was erased since, until hubs have
sent again what they keep. Evidence is not reached either, that is second contents of a number and unreadable bytes:
`backend.readings.retention` says for how long it is kept, and `ilot backend quarantine --drop` deletes it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.readings.stored_bodies import NOBODY
from backend.storage.engine import ErasureOrder, Storage
from hub.protocol.records.bodies import Table
from hub.protocol.records.rows import Row, Shape, Subject

FIELDS = ("erase", "erase_kind", "erase_name", "erase_until")
PSEUDONYM, DEVICE = "pseudonym", "device"
SIGN = "~"
MAX_TEXT = 200
MAX_DONE = 10_000
"""Executed orders that are confirmed to a hub at once."""


class Erasures:
    """Orders of one database, inside the caller's transaction. One thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._hidden: dict[str, dict[str, str]] = {}  # hub → name → order that reaches it whole; absent: not read
        storage.caches.add(self.forget)

    def take(self, hub: str, rows: Sequence[Row], record: int) -> list[Row]:
        """Store the orders among the rows of a record of the alerts stream; return the other rows."""
        others = []
        for row in rows:
            order = _order(row) if is_order(row.shape) else None
            if order is None:
                others.append(row)
                continue
            self.carry_out(hub, order, record)
        return others

    def carry_out(self, hub: str, order: ErasureOrder, record: int) -> None:
        """Store an order, unless it is already; `record` brought it, and what arrives after that is late. Inside a
        transaction."""
        if self._storage.bodies.order(hub, order, record) and order.kind == PSEUDONYM:
            self._storage.series.forget(hub, order.name)
            self._hidden.pop(hub, None)

    def visible(self, hub: str, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows without those whose subject an order reaches whole; these are counted."""
        hidden = self._of(hub)
        if not hidden:
            return rows
        kept: list[Row] = []
        late: dict[str, int] = {}
        for row in rows:
            order = _hiding(hidden, row.subject)
            if order is None:
                kept.append(row)
            else:
                late[order] = late.get(order, 0) + len(row.values)
        for order, count in late.items():
            self._storage.erasures.add_late(hub, order, count)
        return kept

    def veiled(self, hub: str, table: Table) -> Table:
        """Return a table without names that an order reaches whole."""
        hidden = self._of(hub)
        if not hidden:
            return table
        named = table.subjects.items()
        return Table(table.shapes, {number: NOBODY if _hiding(hidden, one) else one for number, one in named})

    def forget(self, hub: str | None) -> None:
        """Discard the cached orders of a hub, or of all. They are read again only when needed, since the database may
        refuse now: an order that is not known would let in again what was erased."""
        if hub is None:
            self._hidden.clear()
        else:
            self._hidden.pop(hub, None)

    def _of(self, hub: str) -> dict[str, str]:
        known = self._hidden.get(hub)
        if known is None:
            known = self._hidden[hub] = self._storage.erasures.hidden(hub)
        return known


def is_order(shape: Shape) -> bool:
    return tuple(column.metric for column in shape.columns) == FIELDS


def done(storage: Storage, hub: str) -> list[dict[str, object]]:
    """Return the executed erasures of a hub, the newest first."""
    return [one._asdict() for one in storage.erasures.done(hub, MAX_DONE)]


def _hiding(hidden: dict[str, str], subject: Subject) -> str | None:
    return hidden.get(subject.zone) or hidden.get(subject.place) or hidden.get(subject.device)


def _order(row: Row) -> ErasureOrder | None:
    """Parse an order; None for a row that does not fit the shape, which stays a reading."""
    name, kind, what, until = row.values
    if not (isinstance(name, str) and isinstance(what, str)) or isinstance(until, str):
        return None
    if kind not in (PSEUDONYM, DEVICE) or not 0 < len(name) <= MAX_TEXT or not 0 < len(what) <= MAX_TEXT:
        return None
    if not 0 <= until < 2**43 or (kind == PSEUDONYM) != what.startswith(SIGN):
        return None
    return ErasureOrder(name, kind, what, int(until * 1000), row.time_ms / 1000)
