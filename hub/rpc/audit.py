"""Audit log of a running hub: calls `audit.list` and `audit.verify`."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec

from hub.core.errors import StorageError
from hub.core.store import Store
from hub.core.text import from_codes, phrase

MOST = 1000


class AuditCalls:
    """Calls `audit.list` and `audit.verify`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def calls(self) -> dict[str, Any]:
        return {"audit.list": self._list, "audit.verify": self._verify}

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {limit, before} with {entries: [{n, at, who, what}]}, the newest first."""
        limit, before = min(MOST, max(1, int(arguments.get("limit", 100)))), int(arguments.get("before") or 1 << 62)

        def work(db: apsw.Connection) -> list[dict[str, Any]]:
            rows = db.execute("SELECT n, at, who, what FROM audit WHERE n < ? ORDER BY n DESC LIMIT ?", (before, limit))
            return [
                {"n": n, "at": at, "who": who, "what": from_codes(msgspec.msgpack.decode(what, type=dict[str, Any]))}
                for n, at, who, what in rows
            ]

        return {"entries": await self._store.call(work)}

    async def _verify(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {witness: [[count, head in hex], …]} with {count, head, witnessed}. Raises StorageError naming the
        first entry that does not follow, or the first anchor that the chain contradicts."""
        entries = await self._store.audited()
        witnessed = 0
        for count, head in arguments.get("witness") or []:
            number = int(count)
            if number > len(entries):
                raise StorageError(
                    phrase(
                        "audit-chain-cut",
                        "the chain was cut: {witnessed} entries were witnessed, {found} are here; the rest was removed",
                        witnessed=number,
                        found=len(entries),
                    )
                )
            if number and entries[number - 1].head.hex() != str(head).lower():
                raise StorageError(
                    phrase(
                        "audit-chain-rewritten",
                        "the chain was written anew: entry {entry} is another one than was witnessed",
                        entry=number,
                    )
                )
            witnessed += 1
        head = entries[-1].head.hex() if entries else ""
        return {"count": len(entries), "head": head, "witnessed": witnessed}
