"""Expected devices of a commissioning, stored as msgpack of a `CommissioningList` in `meta`. It holds no key."""

from __future__ import annotations

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit
from hub.onboarding.adoption.positions import Pin, Point, Spot

KEPT = "adoption/roster"
STEPS = ("site", "zones", "plan", "cards", "inventory", "scan", "report")
OPTIONAL = ("plan", "cards", "inventory")
"""Steps that may be skipped."""
MOST, MOST_PLANS = 2000, 64


class CommissioningRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An expected device. `label` is its text where that holds no key, or somebody's note; `why` and the sentences
    give the reason why it is not admitted, "" when it is."""

    n: int
    how: str
    at: float
    by: str
    device: str = ""
    label: str = ""
    place: str = ""
    zone: str = ""
    name: str = ""
    why: str = ""
    en: str = ""
    fr: str = ""


class CommissioningList(msgspec.Struct, kw_only=True):
    """A commissioning. `steps`: step → (when it was done, by whom), `skipped` likewise; `pins` by place, `spots` by
    site, `outlines` by plan and zone."""

    began: float = 0.0
    by: str = ""
    ended: float | None = None
    next: int = 1
    lines: dict[int, CommissioningRow] = {}
    steps: dict[str, tuple[float, str]] = {}
    skipped: dict[str, tuple[float, str]] = {}
    pins: dict[str, Pin] = {}
    spots: dict[str, Spot] = {}
    outlines: dict[str, dict[str, tuple[Point, ...]]] = {}


async def load(store: Store) -> CommissioningList:
    """Load the list. Raises StorageError."""
    data = await store.get(KEPT)
    return msgspec.msgpack.decode(data, type=CommissioningList) if data else CommissioningList()


async def save(store: Store, listing: CommissioningList, at: float, who: str, what: dict[str, object]) -> None:
    """Save the list with its audit entry in one durable transaction. Raises StorageError."""
    body = msgspec.msgpack.encode(listing)

    def work(db: apsw.Connection) -> None:
        with transaction(db):
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEPT, body))
            audit(db, at, who, what)

    await store.call(work)
