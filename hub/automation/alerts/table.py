"""The table of alerts in the store: how each stands. A change is durable, and audited when a person made it, before
anybody hears of it."""

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
"""Cleared alerts kept here, those cleared last; the backend keeps the rest of the story."""


class _Counts(msgspec.Struct):
    """What of an `Alert` says whether it is told: 10,000 are looked at at a start."""

    n: int = 1
    told: int = 0


class Memory:
    """The alerts of one hub, over its store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(
        self, alerts: Sequence[Alert], *, by_person: bool = False, noting: Mapping[str, bytes] | None = None
    ) -> None:
        """`noting`: keys of `meta` that are written in the same transaction. Raises DiskRefuses, StorageError."""

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
                note(db, noting)

        await self._store.call(work)

    async def open(self) -> list[Alert]:
        """Those not cleared, oldest first."""
        return await self._read("open = 1 ORDER BY raised", ())

    async def untold(self) -> list[Alert]:
        """Cleared ones whose end is perhaps not in the buffer, however long ago they were raised."""

        def work(db: apsw.Connection) -> list[Alert]:
            found = []
            for (body,) in db.execute("SELECT body FROM alerts WHERE open = 0 ORDER BY raised DESC"):
                counts = msgspec.msgpack.decode(body, type=_Counts)
                if counts.told < counts.n:
                    found.append(msgspec.msgpack.decode(body, type=Alert))
            return found

        return await self._store.call(work)

    async def these(self, names: Iterable[str]) -> list[Alert]:
        """Those of these names that are known, the one raised first first."""
        return await self._read(
            "id IN (SELECT value FROM json_each(?)) ORDER BY raised", (msgspec.json.encode(list(names)).decode(),)
        )

    async def last(self, limit: int, begin: float = 0.0, end: float = inf) -> list[Alert]:
        """Those raised in [begin, end), Unix seconds, the newest first."""
        return await self._read("raised >= ? AND raised < ? ORDER BY raised DESC LIMIT ?", (begin, end, limit))

    async def find(self, name: str) -> Alert | None:
        found = await self._read("id = ?", (name,))
        return found[0] if found else None

    async def _read(self, where: str, arguments: tuple[Any, ...]) -> list[Alert]:
        query = f"SELECT body FROM alerts WHERE {where}"  # noqa: S608 - the words above, never a caller's
        rows = await self._store.call(lambda db: list(db.execute(query, arguments)))
        return [msgspec.msgpack.decode(body, type=Alert) for (body,) in rows]
