"""From the straight path to history and hourly aggregates: a report waits in a list, and is taken apart once a second.

What waits are the values that privacy let through, so nothing else is ever kept here. A reading that its source calls
bad is left out. A report whose moment is not sure waits until the clock is, and is dated then by how long it waited.

Of a device that speaks faster than once a second the straight path shows one report a second. What came between is held
here, the newest of each shape, and is taken when nothing else follows: a lamp that says "off" and at once "on" is on.
Whether something follows is told by the hub's clock: that of the device may be another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hub.core.clock import Clock
from hub.core.model import Quality, Value
from hub.history.latest import OBSERVED_S, Slot
from hub.history.memory import SPAN_S
from hub.history.rollups.pending import ColumnBinding
from hub.history.rollups.recorder import Rollups

MOST = 4096
"""Reports that wait before they are taken at once: an integration may hand over a day in one go. Some 350 bytes each,
and a few milliseconds of the loop."""
UNDATED = 16_384
"""Half an hour of 500 devices, 5 MiB. Their readings are in the buffer whatever becomes of these."""

Waiting = tuple[tuple[ColumnBinding, ...], str, float, bool, Sequence[Value]]
"""Where the values go (of the place and the metrics that there were when they were said: plans change), the device,
the moment, whether that is Unix seconds or monotonic ones, the values."""


class Observer:
    """One a hub; `see` is called in the straight path."""

    def __init__(self, rollups: Rollups, clock: Clock) -> None:
        self._rollups, self._clock = rollups, clock
        self._waiting: list[Waiting] = []
        self._undated: deque[Waiting] = deque(maxlen=UNDATED)
        self._held: dict[Slot, Waiting] = {}
        self._stood: dict[Slot, tuple[Waiting, float]] = {}  # held at the last look, since which monotonic second
        self.readings = 0
        self.beyond = 0
        """Reports with a value that is no number of 64 bit in steps of its metric."""
        self.forgotten = 0
        """Reports that history and aggregates go without: the clock was not sure for too long."""

    def hold(self, slot: Slot, moment: float, sure: bool, quality: Quality, values: Sequence[Value]) -> None:
        """What came too soon after a report that was taken."""
        if quality is not Quality.BAD:
            self._held[slot] = (slot.seats or self._seats(slot), slot.device.id, moment, sure, values)

    def see(self, slot: Slot, moment: float, sure: bool, quality: Quality, values: Sequence[Value]) -> None:
        if self._held:
            self._held.pop(slot, None)
        if quality is Quality.BAD:
            return
        self._waiting.append((slot.seats or self._seats(slot), slot.device.id, moment, sure, values))
        if len(self._waiting) >= MOST:
            self.drain()

    def finish(self) -> None:
        """`drain` at a stop: nothing follows what is held."""
        self.drain(everything=True)

    def drain(self, *, everything: bool = False) -> None:
        """Take all that waits and can be dated; what is held too when nothing has followed it for OBSERVED_S, or
        `everything` at once."""
        waiting, self._waiting = self._waiting, []
        now, sure_now, monotonic = self._clock.now(), self._clock.sure(), self._clock.monotonic()
        horizon = int(now) - SPAN_S
        if self._held:
            waiting += self._last(monotonic, everything=everything)
        if self._undated and sure_now:
            waiting = [*self._undated, *waiting]
            self._undated.clear()
        take = self._rollups.take
        for one in waiting:
            seats, device, moment, sure, values = one
            if not sure:
                if not sure_now:
                    self.forgotten += len(self._undated) == UNDATED  # the oldest makes room
                    self._undated.append(one)
                    continue
                moment = now - (monotonic - moment)
            for seat in seats:
                if take(seat, int(moment), values, device, horizon):
                    self.readings += len(seat.columns)
                else:
                    self.beyond += 1

    def _last(self, monotonic: float, *, everything: bool) -> list[Waiting]:
        """What is held and was not followed."""
        found: list[Waiting] = []
        stood, self._stood = self._stood, {}
        for slot, last in list(self._held.items()):
            before, since = stood.get(slot, (last, monotonic))
            since = since if before is last else monotonic
            if monotonic - since < OBSERVED_S and not everything:
                self._stood[slot] = last, since
                continue
            del self._held[slot]
            seats, device, moment, sure, values = last
            slot.seen = max(moment, int(slot.seen) + 1.0)  # history tells seconds apart, and it came after
            found.append((seats, device, slot.seen, sure, values))
        return found

    def _seats(self, slot: Slot) -> tuple[ColumnBinding, ...]:
        if slot.seats is None:
            slot.seats = self._rollups.seats(slot.device.place, slot.metrics, slot.device.id)
        return slot.seats  # type: ignore[no-any-return]
