"""What a worker knows of hubs' rows, and of which hubs it knows that others write them too.

What is cached of a hub holds as long as the hub's row has the version that is known of it. `changed` of a row is the
last version that wrote more than the account and a state, `stated` the last one that wrote a state. Where `changed` is
not above the version that is known, only records and states came: the numbers of its streams are read on, and epochs
and orders stay in memory.

A hub that moved is *contested*: its row is taken at the beginning of a transaction for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

from backend.storage.engine import Caches
from backend.storage.tables import Hub

CONTESTED = 8
"""Transactions in which nobody came between, until the row of a hub that moved is not taken at the beginning."""
MAX_HUBS = 20_000
"""Rows of hubs that are remembered."""
HUB = "h.hub, h.identity, h.name, h.enrolled_at, h.revoked_at, s.seen_at, h.tags"
HUBS = "from hubs h left join hub_states s on s.hub = h.number"
ROW = f"select h.number, h.version, h.changed, h.stated, h.last_record, h.acks, {HUB} {HUBS}"


class HubRow(NamedTuple):
    """The row of a hub. `hub` is what the registry tells of it."""

    number: int
    version: int
    changed: int
    stated: int
    last_record: int
    acks: int
    hub: Hub


class HubRows:
    """Known rows. `behind` is told a hub of which another worker stored records, `undone` one of which records were
    added to its streams, and are not stored."""

    def __init__(self, caches: Caches, behind: Callable[[str], None], undone: Callable[[str], None]) -> None:
        self._caches, self._behind, self._undone = caches, behind, undone
        self._known: dict[str, HubRow] = {}
        self._contested: dict[str, int] = {}

    def get(self, hub: str) -> HubRow | None:
        return self._known.get(hub)

    def put(self, row: HubRow) -> None:
        """Note a row as this worker wrote it."""
        self._known[row.hub.hub] = row
        if len(self._known) > MAX_HUBS:
            self._caches.forget()

    def contested(self, hubs: Collection[str]) -> bool:
        return bool(self._contested) and any(hub in self._contested for hub in hubs)

    def meet(self, row: HubRow) -> bool:
        """Compare a row as it is with what is known of it, and forget what may be wrong; return whether it moved."""
        hub = row.hub.hub
        known = self._known.get(hub)
        moved = known is None or known.version != row.version
        if known is None or row.changed > known.version or row.version < known.version:
            self._caches.forget(hub)
        elif moved:
            self._behind(hub)
            if row.stated > known.version:
                self._caches.forget_state(hub)
        self._known[hub] = row
        return moved

    def meet_taken(self, rows: Iterable[HubRow], hubs: Collection[str]) -> bool:
        """Compare the rows of these hubs, which this worker has taken; return whether one of them moved."""
        moved, gone = False, set(hubs)
        for row in rows:
            hub = row.hub.hub
            gone.discard(hub)
            if self.meet(row):
                moved = True
                self.contend(hub)
            elif hub in self._contested:
                self._contested[hub] -= 1
                if not self._contested[hub]:
                    del self._contested[hub]
        for hub in gone & self._known.keys():
            moved = True
            self._caches.forget(hub)
        return moved

    def contend(self, hub: str) -> None:
        self._contested[hub] = CONTESTED

    def undo(self, hub: str, *, rare: bool, stated: bool) -> None:
        """Forget what a transaction that stored nothing had added to what is cached of a hub."""
        if rare:
            self._caches.forget(hub)
            return
        self._undone(hub)
        if stated:
            self._caches.forget_state(hub)

    def forget(self, hub: str | None) -> None:
        if hub is None:
            self._known.clear()
            self._contested.clear()
        else:
            self._known.pop(hub, None)


def hub_of(row: Iterable[Any]) -> Hub:
    """Return a hub from the columns HUB."""
    *facts, tags = row
    return Hub._make((*facts, tuple(tags)))


def hub_row(row: tuple[Any, ...]) -> HubRow:
    """Return a hub's row from the columns of ROW."""
    return HubRow._make((*row[:6], hub_of(row[6:])))
