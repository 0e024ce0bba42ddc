"""Acceptance of acks: which may be acted on. Pure.

An ack is accepted when its key is in TRUST and its signature holds, hub, stream and run are this hub's, `n` is
above the last for (key, db), and every range lies within what this process or a closed segment sent. Anything else
is refused, counted, and deletes nothing.

Another `db` than the one in force is a restored or new database: it has nothing, so every earlier ack is void. Its
first ack must carry the hub's current nonce, which shows that it answers now, and no nonce is good for two changes.
Otherwise somebody could keep an ack of an older database back and play it later: what that one had would be deleted,
and the acks of the one that lives would be taken for those of a stranger.

A key that the owner has withdrawn is no sign of an attack: answers signed by it may still be on their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.link_messages import Ack, AckKeys, ack_signer, read_ack
from hub.protocol.ranges import Range, Ranges
from hub.store_and_forward.delivery.lanes import RunLedger

OTHER_DATABASE = "other-database"


class RefusedAck(NamedTuple):
    """An ack that was not acted on. `reason` is the slug to count it by; `hostile` when an honest backend never sends
    it."""

    reason: str
    detail: str
    hostile: bool = False


class AcceptedAcks(msgspec.Struct):
    """State of acceptance that outlives the process: the database in force, the last `n` by key id (hex), the backend's
    time in the newest ack (Unix seconds)."""

    db: bytes = b""
    n: dict[str, int] = {}
    heard: float = 0.0


class Acceptance:
    """Judges acks for one hub. `memory` is the result of `remembered()` in an earlier process."""

    def __init__(self, hub: str, trust: AckKeys, memory: Any = None) -> None:
        self.hub = hub
        self.trust = trust
        self._memory = msgspec.convert(memory, AcceptedAcks) if memory is not None else AcceptedAcks()
        self._withdrawn: set[bytes] = set()
        self._changed_by = b""  # the nonce under which the database in force was first believed

    @property
    def db(self) -> bytes:
        """Id of the backend database whose acks count, empty before the first ack."""
        return self._memory.db

    @property
    def heard(self) -> float:
        """Unix time, by the backend's clock, in the newest ack; 0 before the first."""
        return self._memory.heard

    def update_trust(self, trust: AckKeys) -> None:
        """Use the keys of a new trust document of the owner, and no others."""
        self._withdrawn.update(key.kid for key in self.trust.ack_keys)
        self.trust = trust

    def remembered(self) -> Any:
        """Return the state as plain data: dicts, lists, str, bytes, int."""
        return msgspec.to_builtins(self._memory, builtin_types=(bytes,))

    def read(self, blob: bytes) -> tuple[Ack, bytes] | RefusedAck:
        """Verify the signature of an ack. Returns the ack and its key id, or why it is refused."""
        try:
            return read_ack(blob, self.trust)
        except AuthFailed as error:
            if ack_signer(blob) in self._withdrawn.difference(key.kid for key in self.trust.ack_keys):
                return RefusedAck("withdrawn-key", reason_of(error))
            return RefusedAck("signature", reason_of(error), hostile=True)
        except DecodeError as error:
            return RefusedAck("unreadable", reason_of(error), hostile=True)

    def judge(
        self, ack: Ack, kid: bytes, ledgers: Mapping[tuple[str, bytes], RunLedger], *, fresh: bool
    ) -> RefusedAck | None:
        """Return why a well signed ack may not be acted on, None when it may. `fresh`: it carries the current nonce."""
        if ack.hub != self.hub:
            return RefusedAck(
                "other-hub", phrase("ack-for-another-hub", "it is for hub {hub!r}", hub=ack.hub), hostile=True
            )
        ledger = ledgers.get((ack.stream, ack.run))
        if ledger is None:
            return RefusedAck(
                "unknown-run",
                phrase(
                    "ack-of-unknown-run",
                    "this hub holds no run {run} of {stream}",
                    run=ack.run.hex()[:8],
                    stream=ack.stream,
                ),
            )
        if self.db and ack.db != self.db and (not fresh or ack.nonce == self._changed_by):
            return RefusedAck(
                OTHER_DATABASE,
                phrase(
                    "ack-of-another-database",
                    "database {database} does not show that it replaced the known one",
                    database=ack.db.hex()[:8],
                ),
            )
        if ack.db == self.db and ack.n <= self._memory.n.get(kid.hex(), 0):
            return RefusedAck(
                "stale",
                phrase(
                    "ack-is-old",
                    "number {number} is not above {last}",
                    number=ack.n,
                    last=self._memory.n[kid.hex()],
                ),
            )
        for first, last in (*((1, ack.through),) * (ack.through > 0), *ack.ranges, *ack.rejected):
            if not ledger.was_offered(first, last):
                return RefusedAck(
                    "ahead",
                    phrase(
                        "ack-of-unsent-records",
                        "it acknowledges {first}-{last} of {stream}, not all of which was sent",
                        first=first,
                        last=last,
                        stream=ack.stream,
                    ),
                )
        return None

    def accept(self, ack: Ack, kid: bytes) -> bool:
        """Note an ack that `judge` let pass. Returns True when its database is new: every earlier ack is void."""
        switched = ack.db != self.db
        if switched:
            self._memory = AcceptedAcks(ack.db)
            self._changed_by = ack.nonce
        self._memory.n[kid.hex()] = ack.n
        self._memory.heard = max(0.0, ack.now)
        return switched

    def committed(self, ack: Ack) -> list[Range]:
        """Return the ranges that the ack allows to delete: never one that it also lists as rejected."""
        rejected = Ranges(ack.rejected)
        through = ((1, ack.through),) if ack.through else ()
        return [part for span in (*through, *ack.ranges) for part in rejected.missing(*span)]
