"""Commands in the store: what was requested, by whom, and the result.

A command is durable, and audited, before an integration sees it; so is its hand-over. Results are written at once, a
moment after they are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.model import Command, Value
from hub.core.store import Store, audit, note
from hub.core.text import as_data, from_data, with_codes

FINAL = frozenset({"done", "failed", "expired"})
KEPT = 10_000
"""Commands kept; the audit chain keeps the rest."""

STOPPED = "writes-stopped"
"""Key in `meta`: who stopped all writes, when and why."""


class Record(msgspec.Struct, kw_only=True):
    """A command and its state. Times are Unix seconds; `old` is the metric's value when it was requested."""

    id: str
    device: str
    metric: str
    value: Value | None
    values: dict[str, float] | None
    by: str
    why: str
    at: float
    expires: float
    state: str = "accepted"
    detail: str = ""
    old: Value | None = None
    until: float | None = None  # when it reached its last state
    taken: bool = False  # handed to an integration: never handed out again, unless it answered "queued"
    detail_text: dict[str, Any] | None = None  # code and parameters of `detail` and `why`, in the store only
    why_text: dict[str, Any] | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    def command(self) -> Command:
        return Command(
            id=self.id,
            device=self.device,
            metric=self.metric,
            value=self.value,
            values=self.values,
            expires=self.expires,
        )


class Stopped(msgspec.Struct, frozen=True):
    """All writes are stopped (R175-3 4°)."""

    at: float
    by: str
    why: str


class CommandTable:
    """The commands of one hub, over its store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, record: Record, meta: Mapping[str, bytes] | None = None) -> None:
        """Insert a new command and audit it, in one transaction with these keys of `meta`."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                _order(db, record)
                note(db, meta)

        await self._store.call(work)

    async def mark_taken(self, record: Record) -> None:
        """Record that an integration is about to take the command. Raises DiskRefuses, StorageError."""
        body = msgspec.structs.replace(record)

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                _put(db, body)

        await self._store.call(work)

    async def update(self, records: list[Record], at: float) -> None:
        """Update the state of commands; those that have ended are audited."""
        records = [
            msgspec.structs.replace(record) for record in records
        ]  # copies: the originals change while the store's thread writes

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                for record in records:
                    _put(db, record)
                    if record.final:
                        ended = {"command": record.id, "state": record.state, "detail": record.detail}
                        audit(db, at, "hub", with_codes(ended))

        await self._store.call(work)

    async def audit_refusal(self, at: float, who: str, what: Mapping[str, object]) -> None:
        await self._store.audit(at, who, with_codes({"command": "refused", **what}))

    async def open(self) -> list[Record]:
        """Return commands that have not ended, oldest first."""
        return await self._read("state NOT IN ('done', 'failed', 'expired') ORDER BY at", ())

    async def last(self, limit: int) -> list[Record]:
        """Return the newest commands first."""
        return await self._read("1 ORDER BY at DESC LIMIT ?", (limit,))

    async def latest(self, device: str, metric: str) -> Record | None:
        """Return the newest command of one metric, or None."""
        found = await self._read("device = ? AND metric = ? ORDER BY at DESC LIMIT 1", (device, metric))
        return found[0] if found else None

    async def written(self) -> list[Record]:
        """Return the last completed command of each metric, where its value still stands."""
        records = await self._read("state = 'done' ORDER BY at", ())
        latest = {(record.device, record.metric): record for record in records if record.values is None}
        return [record for record in latest.values() if record.value is not None]

    async def stop(
        self, stopped: Stopped | None, at: float, who: str, why: str, releases: Sequence[Record] = ()
    ) -> None:
        """Record and audit that all writes are stopped (None: allowed again), with the releasing commands, in one
        transaction."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.execute("DELETE FROM meta WHERE key = ?", (STOPPED,))
                if stopped is not None:
                    db.execute("INSERT INTO meta VALUES (?, ?)", (STOPPED, msgspec.msgpack.encode(stopped)))
                audit(db, at, who, {"commands": "stopped" if stopped else "resumed", "why": str(why)})
                for record in releases:
                    _order(db, record)

        await self._store.call(work)

    async def stopped(self) -> Stopped | None:
        kept = await self._store.get(STOPPED)
        return msgspec.msgpack.decode(kept, type=Stopped) if kept else None

    async def _read(self, where: str, arguments: tuple[Any, ...]) -> list[Record]:
        query = f"SELECT body FROM commands WHERE {where}"  # noqa: S608 - the words above, never a caller's
        rows = await self._store.call(lambda db: list(db.execute(query, arguments)))
        return [_read(body) for (body,) in rows]


def _order(db: apsw.Connection, record: Record) -> None:
    """Insert a new command and its entry in the audit chain, inside the caller's transaction."""
    _put(db, record)
    db.execute("DELETE FROM commands WHERE id IN (SELECT id FROM commands ORDER BY at DESC LIMIT -1 OFFSET ?)", (KEPT,))
    said = {
        "command": record.id, "device": record.device, "metric": record.metric, "why": record.why,
        "old": record.old, "new": record.values if record.values is not None else record.value,
    }  # fmt: skip
    audit(db, record.at, record.by, with_codes(said))


def _put(db: apsw.Connection, record: Record) -> None:
    db.execute(
        "INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?, ?, ?)",
        (record.id, record.at, record.device, record.metric, record.state, _encoded(record)),
    )


def _encoded(record: Record) -> bytes:
    """Return a row, in which code and parameters of a sentence stand beside it."""
    plain = msgspec.structs.replace(
        record,
        detail=str(record.detail),
        detail_text=as_data(record.detail),
        why=str(record.why),
        why_text=as_data(record.why),
    )
    return msgspec.msgpack.encode(plain)


def _read(body: bytes) -> Record:
    record = msgspec.msgpack.decode(body, type=Record)
    record.detail, record.detail_text = from_data(record.detail, record.detail_text), None
    record.why, record.why_text = from_data(record.why, record.why_text), None
    return record
