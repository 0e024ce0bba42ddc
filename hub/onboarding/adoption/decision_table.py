"""Table of decisions in the store: senders that a command ignores or blocks."""

from __future__ import annotations

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit
from hub.pipeline.admission.decisions import Decision, Filter


async def load(store: Store) -> list[Decision]:
    """Load the decisions. Raises StorageError."""
    rows = await store.call(lambda db: list(db.execute("SELECT body FROM decisions ORDER BY at, filter")))
    return [msgspec.msgpack.decode(body, type=Decision) for (body,) in rows]


async def store_decision(store: Store, decision: Decision) -> None:
    """Store a decision in place of an earlier one on the same filter. Audited. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            row = (_name(decision.filter), msgspec.msgpack.encode(decision), decision.at)
            db.execute("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?)", row)
            what = {"quarantine": decision.kind, "filter": str(decision.filter), "why": decision.why}
            audit(db, decision.at, decision.by, what)

    await store.call(work)


async def delete_decision(store: Store, what: Filter, at: float, who: str) -> None:
    """Delete a decision. Audited. Raises StorageError."""

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            db.execute("DELETE FROM decisions WHERE filter = ?", (_name(what),))
            audit(db, at, who, {"quarantine": "unblock", "filter": str(what)})

    await store.call(work)


def _name(what: Filter) -> str:
    return "\n".join((what.id.lower() if what.one else what.id, what.integration, what.model))
