"""Ledger of one (stream, run): which records are owed, and in which lane they wait. Pure.

A record that is durable and not acked is in exactly one of these: `live` or `owed` (waiting), a flight (sent),
`rejected` (the backend will not store it; offered again later). What was found missing from the disk is in none.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from hub.protocol.ranges import Range, Ranges

ALERTS, LIVE, BACKLOG = "alerts", "live", "backlog"


READINGS = 65_536
"""Readings in a message at most, one record apart. A backend inserts so many rows within half a second, so live
messages do not wait behind a transaction of minutes. Well compressed, half a megabyte can hold millions."""


class Lane(NamedTuple):
    """A priority class. A message of it takes at most `seconds` of the measured rate, within `least` and `most` bytes;
    at most `window` such messages are sent and not acked."""

    name: str
    seconds: float
    least: int
    most: int
    window: int

    def budget(self, rate: float, weight: float = math.inf) -> int:
        """Return the bytes of one message at `rate` bytes/s, where a reading takes `weight` bytes."""
        return int(max(min(rate * self.seconds, self.most, READINGS * weight), self.least))


LANES = (
    Lane(ALERTS, 0.5, 8 << 10, 64 << 10, 4),
    Lane(LIVE, 1.0, 16 << 10, 512 << 10, 3),
    Lane(BACKLOG, 0.5, 4 << 10, 512 << 10, 3),
)
"""Lanes in the order they are served. Half a second for the backlog, so that two of its messages before a live one stay
within the second that the link promises."""


class RunLedger:
    """State of the records of one run of one stream. `closed`: an earlier process wrote it, and may have sent any of
    it. `acked` is shared with the buffer."""

    def __init__(self, stream: str, run: bytes, *, closed: bool, acked: Ranges) -> None:
        self.stream = stream
        self.run = run
        self.closed = closed
        self.first = 1  # lowest number still on disk
        self.last = 0  # highest durable number
        self.acked = acked  # shared with the buffer
        self.offered = Ranges()  # sent by this process, or looked for and missing
        self.rejected = Ranges()
        self.owed = Ranges()
        self.live = Ranges()
        self.wanted_at = -math.inf  # when records that were acked were last asked for again
        self._fresh: deque[tuple[float, int]] = deque()  # (when durable, its last number)
        self._aged = 0  # every number up to here has left the live lane

    def found(self, first: int, last: int) -> None:
        """Take up numbers first…last that were on disk at the start: those not acked are owed."""
        self.first, self.last = first, last
        self.give_back((first, last), BACKLOG)

    def was_offered(self, first: int, last: int) -> bool:
        """True when the backend may have all of first…last. Numbers no longer on disk need no protection."""
        if last > self.last:
            return False
        first = max(first, self.first)
        return self.closed or first > last or not self.offered.missing(first, last)

    def durable(self, first: int, last: int, now: float) -> None:
        """Put numbers first…last, which have just reached the disk, into the live lane, or that of alerts."""
        first = max(first, self.last + 1)
        if first > last:
            return
        self.last = last
        if self.stream == ALERTS:
            self.owed.add(first, last)
        else:
            self.live.add(first, last)
            self._fresh.append((now, last))

    def age(self, before: float) -> None:
        """Move numbers that became durable earlier than `before` from the live lane to the backlog."""
        while self._fresh and self._fresh[0][0] < before:
            self._aged = self._fresh.popleft()[1]
        self.owed.add_all(self.live.inside(1, self._aged))
        self.live.discard(1, self._aged)

    def give_back(self, span: Range, lane: str) -> None:
        """Put a span that was sent and lost back into its lane, without what was acked, rejected or evicted
        meanwhile."""
        first, last = max(span[0], self.first), span[1]
        for part in self.acked.missing(first, last):
            for low, high in self.rejected.missing(*part):
                (self.live if lane == LIVE and low > self._aged else self.owed).add(low, high)

    def take(self, first: int, last: int) -> None:
        """Note that a span is sent, or was found missing."""
        self.offered.add(first, last)
        self.no_longer_waits(first, last)

    def no_longer_waits(self, first: int, last: int) -> None:
        self.owed.discard(first, last)
        self.live.discard(first, last)

    def acknowledge(self, ranges: list[Range]) -> list[Range]:
        """Add acked ranges. Returns the parts that were not acked before."""
        fresh = [part for span in ranges for part in self.acked.missing(*span)]
        self.acked.add_all(fresh)
        for waits in (self.rejected, self.owed, self.live):
            waits.discard_all(fresh)
        return fresh

    def reject(self, ranges: Iterable[Range]) -> None:
        parts = [part for span in ranges for part in self.acked.missing(*span)]
        self.rejected.add_all(parts)
        for waits in (self.owed, self.live):
            waits.discard_all(parts)

    def retry_rejected(self) -> None:
        self.owed.add_all(self.rejected)
        self.rejected.clear()

    def forget_acks(self) -> None:
        """Owe everything on disk again, except what waits or is on its way: the backend's database is new."""
        self.acked.clear()
        self.rejected.clear()
        self.owed.add_all(self.live.missing(self.first, self.last))

    def want(self, ranges: Iterable[Range]) -> list[Range]:
        """Owe acked numbers again that the backend asks for. Returns those that may still be on disk."""
        again = [part for first, last in ranges for part in self.acked.inside(max(first, self.first), last)]
        self.acked.discard_all(again)
        self.owed.add_all(again)
        return again

    def evicted(self, first: int) -> None:
        """Note that numbers below `first` have left the disk."""
        self.first = max(self.first, first)
        self.no_longer_waits(1, self.first - 1)
        self.rejected.discard(1, self.first - 1)

    def holds(self, spans: list[Range]) -> bool:
        """True when all of these spans are acked."""
        return not any(self.acked.missing(*span) for span in spans)

    def unsettled(self, spans: list[Range]) -> bool:
        """True when any number of these spans is neither acked nor rejected."""
        return any(self.rejected.missing(*part) for span in spans for part in self.acked.missing(*span))
