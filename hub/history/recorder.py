"""Records accepted reports in history and hourly aggregates: queues them, and processes the queue once a second.

Only values that passed the privacy filter are queued. Readings of bad quality are left out. A report whose time is not
yet sure waits until the clock is synchronised, and is then dated by how long it waited.

The path of a reading passes on one report a second per device. Reports in between are held here, the newest of each set
of metrics, and recorded when none follows: a lamp that reports "off" and at once "on" is recorded as on. Whether one
follows is measured by the hub's clock, since the device's may differ.
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
"""Queued reports at which they are processed at once: an integration may hand over a day in one go. About 350 bytes
each, and a few milliseconds of the event loop."""
UNDATED = 16_384
"""Half an hour of 500 devices, 5 MiB. Their readings are in the buffer in any case."""

QueuedReport = tuple[tuple[ColumnBinding, ...], str, float, bool, Sequence[Value]]
"""(bindings of place and metrics at the time of the report, device, moment, whether that is Unix or monotonic seconds,
values)."""


class HistoryRecorder:
    """Records reports; `see` is called for every report and must be fast."""

    def __init__(self, rollups: Rollups, clock: Clock) -> None:
        self._rollups, self._clock = rollups, clock
        self._waiting: list[QueuedReport] = []
        self._undated: deque[QueuedReport] = deque(maxlen=UNDATED)
        self._held: dict[Slot, QueuedReport] = {}
        self._stood: dict[
            Slot, tuple[QueuedReport, float]
        ] = {}  # held at the last drain, with the monotonic second since when
        self.readings = 0
        self.beyond = 0
        """Reports with a value that does not fit 64 bits in steps of its metric."""
        self.forgotten = 0
        """Reports missing from history and aggregates because the clock was not sure for too long."""

    def hold(self, slot: Slot, moment: float, sure: bool, quality: Quality, values: Sequence[Value]) -> None:
        """Hold a report that came too soon after a recorded one."""
        if quality is not Quality.BAD:
            self._held[slot] = (slot.bindings or self._bind(slot), slot.device.id, moment, sure, values)

    def see(self, slot: Slot, moment: float, sure: bool, quality: Quality, values: Sequence[Value]) -> None:
        if self._held:
            self._held.pop(slot, None)
        if quality is Quality.BAD:
            return
        self._waiting.append((slot.bindings or self._bind(slot), slot.device.id, moment, sure, values))
        if len(self._waiting) >= MOST:
            self.drain()

    def finish(self) -> None:
        """Drain everything, held reports included, at a stop."""
        self.drain(everything=True)

    def drain(self, *, everything: bool = False) -> None:
        """Record all queued reports that can be dated.

        Held ones are recorded when none has followed for OBSERVED_S, or at once with `everything`.
        """
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
            bindings, device, moment, sure, values = one
            if not sure:
                if not sure_now:
                    self.forgotten += len(self._undated) == UNDATED  # the deque drops its oldest
                    self._undated.append(one)
                    continue
                moment = now - (monotonic - moment)
            for binding in bindings:
                if take(binding, int(moment), values, device, horizon):
                    self.readings += len(binding.columns)
                else:
                    self.beyond += 1

    def _last(self, monotonic: float, *, everything: bool) -> list[QueuedReport]:
        """Return held reports that no other followed."""
        found: list[QueuedReport] = []
        stood, self._stood = self._stood, {}
        for slot, last in list(self._held.items()):
            before, since = stood.get(slot, (last, monotonic))
            since = since if before is last else monotonic
            if monotonic - since < OBSERVED_S and not everything:
                self._stood[slot] = last, since
                continue
            del self._held[slot]
            bindings, device, moment, sure, values = last
            slot.seen = max(moment, int(slot.seen) + 1.0)  # history has a resolution of 1 s, and this one came after
            found.append((bindings, device, slot.seen, sure, values))
        return found

    def _bind(self, slot: Slot) -> tuple[ColumnBinding, ...]:
        if slot.bindings is None:
            slot.bindings = self._rollups.bind(slot.device.place, slot.metrics, slot.device.id)
        return slot.bindings  # type: ignore[no-any-return]
