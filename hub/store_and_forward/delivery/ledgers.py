"""The ledgers of all runs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.delivery.lanes import ALERTS, BACKLOG, LIVE, Lane, RunLedger
from hub.store_and_forward.delivery.model import Fetch, StreamState


class Ledgers(dict[tuple[str, bytes], RunLedger]):
    """Ledgers by (stream, run), in the order in which they were opened: oldest first. `run` is the buffer's current
    one."""

    def __init__(self, run: bytes, acks: RunRanges) -> None:
        super().__init__()
        self.run, self._acks = run, acks

    def of(self, stream: str, run: bytes) -> RunLedger:
        """Return the ledger of one run, opened when there is none."""
        ledger = self.get((stream, run))
        if ledger is None:
            acked = self._acks.shared(stream, run)
            ledger = self[stream, run] = RunLedger(stream, run, closed=run != self.run, acked=acked)
        return ledger

    def waiting(self, lane: Lane, most: int) -> Fetch | None:
        """Return the next fetch of this lane, at most `most` bytes of it; None when nothing waits."""
        for ledger in self.values():
            waits = ledger.live if lane.name == LIVE else ledger.owed
            if waits and (ledger.stream == ALERTS) == (lane.name == ALERTS):
                return Fetch(lane, ledger.stream, ledger.run, *waits.head(), most)
        return None

    def compare(self, streams: Sequence[StreamState], carrying: Collection[int]) -> None:
        """Drop numbers that left the disk, and whole runs; `carrying` are the ids of ledgers with messages in flight,
        which stay."""
        found = {(s.stream, s.run): s for s in streams}
        for key, ledger in list(self.items()):
            state = found.get(key)
            ledger.evicted(state.first if state is not None else ledger.last + 1)
            if state is None and ledger.closed and id(ledger) not in carrying:
                del self[key]

    def forget_acks(self) -> bool:
        """Owe everything on disk again: the backend's database is new. Returns whether anything was acked."""
        held = any(ledger.acked for ledger in self.values())
        for ledger in self.values():
            ledger.forget_acks()
        return held

    def depth(self) -> dict[str, int]:
        """Return records waiting, by lane, and rejected ones."""
        books = self.values()
        return {
            ALERTS: sum(b.owed.count() for b in books if b.stream == ALERTS),
            LIVE: sum(b.live.count() for b in books),
            BACKLOG: sum(b.owed.count() for b in books if b.stream != ALERTS),
            "rejected": sum(b.rejected.count() for b in books),
        }
