"""Which acks may be acted on. Pure.

An ack is accepted when its key is in TRUST and its signature holds, hub, stream and run are this hub's, its
`db` was not given up before, `n` is above the last for (key, db), and every range lies within what this
process or a closed segment sent. Anything else is refused, counted, and deletes nothing.

A `db` seen for the first time is a restored or new database: it has nothing, so every earlier ack is void and
the one before it is given up for good. Otherwise somebody could play old acks of the old database back and have
records deleted that the new one never got.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from hub.delivery.lanes import Ledger
from hub.errors import AuthFailed, DecodeError
from hub.ranges import Range, Ranges
from hub.wire import Ack, AckKeys, read_ack

_KEPT_RETIRED = 64


class Refused(NamedTuple):
    """An ack not acted on. `reason` is a slug to count by; `hostile` when an honest backend never sends it."""

    reason: str
    detail: str
    hostile: bool = False


class Memory(msgspec.Struct):
    """What must outlive the process: the database in force, the last `n` by key id (hex), databases given up."""

    db: bytes = b""
    n: dict[str, int] = {}
    retired: list[bytes] = []


class Acceptance:
    """Judges acks for one hub. `memory` is what `remembered()` of an earlier process returned."""

    def __init__(self, hub: str, trust: AckKeys, memory: Any = None) -> None:
        self.hub = hub
        self.trust = trust
        self._memory = msgspec.convert(memory, Memory) if memory is not None else Memory()

    @property
    def db(self) -> bytes:
        """The backend database whose acks count, empty before the first."""
        return self._memory.db

    def remembered(self) -> Any:
        """The memory as plain data: dicts, lists, str, bytes, int."""
        return msgspec.to_builtins(self._memory, builtin_types=(bytes,))

    def read(self, blob: bytes) -> tuple[Ack, bytes] | Refused:
        """The ack and its key id, or why it is none."""
        try:
            return read_ack(blob, self.trust)
        except AuthFailed as error:
            return Refused("signature", str(error), hostile=True)
        except DecodeError as error:
            return Refused("unreadable", str(error), hostile=True)

    def judge(self, ack: Ack, kid: bytes, ledgers: Mapping[tuple[str, bytes], Ledger]) -> Refused | None:
        """Why a well signed ack may not be acted on, None when it may."""
        if ack.hub != self.hub:
            return Refused("other-hub", f"it is for hub {ack.hub!r}", hostile=True)
        ledger = ledgers.get((ack.stream, ack.run))
        if ledger is None:
            return Refused("unknown-run", f"this hub holds no run {ack.run.hex()[:8]} of {ack.stream!r}")
        if ack.db in self._memory.retired:
            return Refused("old-database", f"database {ack.db.hex()[:8]} was replaced by {self.db.hex()[:8]}")
        if ack.db == self.db and ack.n <= self._memory.n.get(kid.hex(), 0):
            return Refused("stale", f"number {ack.n} is not above {self._memory.n[kid.hex()]}")
        for first, last in (*((1, ack.through),) * (ack.through > 0), *ack.ranges, *ack.rejected):
            if not ledger.was_offered(first, last):
                return Refused("ahead", f"it answers {first}-{last} of {ack.stream}, not all of which was sent")
        return None

    def accept(self, ack: Ack, kid: bytes) -> bool:
        """Note an ack that `judge` let pass. True when its database is new: every earlier ack is void."""
        switched = ack.db != self.db
        if switched:
            retired = [*self._memory.retired, *([self.db] if self.db else [])][-_KEPT_RETIRED:]
            self._memory = Memory(ack.db, {}, retired)
        self._memory.n[kid.hex()] = ack.n
        return switched

    def committed(self, ack: Ack) -> list[Range]:
        """What the ack says is safe to delete: never anything it also lists as rejected."""
        rejected = Ranges(ack.rejected)
        through = ((1, ack.through),) if ack.through else ()
        return [part for span in (*through, *ack.ranges) for part in rejected.missing(*span)]
