"""Alerts in the store, one row each. A change is durable, and audited when a person made it, before it is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

import apsw
import msgspec

from hub.automation.alerts.lifecycle import CLEARED, Alert
from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit, note

KEPT = 10_000
"""Number of cleared alerts kept, those cleared last; the backend keeps the rest."""


class _Counts(msgspec.Struct):
    """The two fields of an `Alert` that say whether it was sent. Decoding only these keeps the start fast with KEPT
    rows."""

    n: int = 1
    told: int = 0


class AlertTable:
    """The alerts of one hub, over its store. All methods raise DiskRefuses and StorageError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(
        self, alerts: Sequence[Alert], *, by_person: bool = False, meta: Mapping[str, bytes] | None = None
    ) -> None:
        """Insert or replace alerts and drop the oldest cleared ones, in one transaction with the keys `meta` of
        `meta`."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                for alert in alerts:
                    db.execute(
                        "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?)",
                        (
                            alert.id, alert.raised, int(alert.state != CLEARED), msgspec.msgpack.encode(alert),
                            alert.changed,
                        ),
                    )  # fmt: skip
                    if by_person:
                        said = {"alert": alert.id, "rule": alert.rule, "state": alert.state, "why": alert.why}
                        audit(db, alert.changed, alert.by, said)
                db.execute(
                    "DELETE FROM alerts WHERE id IN"
                    " (SELECT id FROM alerts WHERE open = 0 ORDER BY changed DESC LIMIT -1 OFFSET ?)",
                    (KEPT,),
                )
                note(db, meta)

        await self._store.call(work)

    async def open(self) -> list[Alert]:
        """Return alerts that are not cleared, oldest first."""
        return await self._read("open = 1 ORDER BY raised", ())

    async def unsent(self) -> list[Alert]:
        """Return cleared alerts whose last change may not be in the buffer, however old."""

        def work(db: apsw.Connection) -> list[Alert]:
            found = []
            for (body,) in db.execute("SELECT body FROM alerts WHERE open = 0 ORDER BY raised DESC"):
                counts = msgspec.msgpack.decode(body, type=_Counts)
                if counts.told < counts.n:
                    found.append(msgspec.msgpack.decode(body, type=Alert))
            return found

        return await self._store.call(work)

    async def find_all(self, names: Iterable[str]) -> list[Alert]:
        """Return the known alerts among these ids, in the order in which they were raised."""
        return await self._read(
            "id IN (SELECT value FROM json_each(?)) ORDER BY raised", (msgspec.json.encode(list(names)).decode(),)
        )

    async def last(self, limit: int, begin: float = 0.0, end: float = inf) -> list[Alert]:
        """Return alerts raised in [begin, end), Unix seconds, newest first."""
        return await self._read("raised >= ? AND raised < ? ORDER BY raised DESC LIMIT ?", (begin, end, limit))

    async def find(self, name: str) -> Alert | None:
        found = await self._read("id = ?", (name,))
        return found[0] if found else None

    async def _read(self, where: str, arguments: tuple[Any, ...]) -> list[Alert]:
        query = f"SELECT body FROM alerts WHERE {where}"  # noqa: S608 - the words above, never a caller's
        rows = await self._store.call(lambda db: list(db.execute(query, arguments)))
        return [msgspec.msgpack.decode(body, type=Alert) for (body,) in rows]
