"""Transmit schedule of each gateway: one frame at a time, within the duty cycle. Sans-I/O.

A gateway has one transmitter: two downlinks may not overlap. Its timeline is its own clock, in which the class A
windows are exact; a gateway without a clock is given the hub's. The law counts the time on the air in each sub-band
(`region.BANDS`) over any hour; a frame that would pass the share is not sent. The airtime of a frame that a gateway
reports as not sent is released. After a restart the hub does not know what it sent before: `restarted` reserves half of
each share for the first hour.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from integrations.lorawan.parts import Reception
from integrations.lorawan.region import BANDS, Band

HOUR = 3600.0
GUARD_S = 0.04
"""Seconds between two frames of one gateway: packet forwarders need 30 ms to load the next."""


@dataclass(slots=True)
class Slot:
    """A reserved time on one gateway: seconds on its timeline, and `until` on the hub's clock, after which it is
    forgotten."""

    id: int
    start: float
    end: float
    until: float
    band: str
    seconds: float


@dataclass(slots=True)
class Airspace:
    """The transmit schedule of one gateway. `last`: the last frame it heard, which relates its clock to the hub's;
    `reachable`: a frame can be handed to it now."""

    slots: list[Slot] = field(default_factory=list)
    sent: dict[str, deque[Slot]] = field(default_factory=dict)
    last: Reception | None = None
    reachable: bool = True

    def timeline(self, at: float) -> float:
        """Return the gateway's clock in seconds at `at` on the hub's clock, computed from the last frame it heard."""
        if self.last is None or self.last.clock is None:
            return at
        return self.last.clock / 1e6 + at - self.last.at

    def start(self, after: Reception | None, delay: float, now: float) -> float:
        """Return the start of a frame in seconds on this gateway's timeline."""
        if after is None:
            return self.timeline(now)
        return (after.clock / 1e6 if after.clock is not None else after.at) + delay

    def free(self, start: float, seconds: float, now: float) -> bool:
        """Return whether the transmitter is free for `seconds` from `start`."""
        self.slots = [slot for slot in self.slots if slot.until > now]
        end = start + seconds
        return all(end + GUARD_S <= slot.start or slot.end + GUARD_S <= start for slot in self.slots)

    def used(self, band: Band, now: float) -> float:
        """Return the seconds on the air in this sub-band within the last hour, reservations included."""
        held = self.sent.get(band.name)
        if not held:
            return 0.0
        while held and held[0].until <= now - HOUR:
            held.popleft()
        return sum(slot.seconds for slot in held)

    def left(self, now: float) -> dict[str, float]:
        """Return the seconds left in each sub-band."""
        return {band.name: band.duty * HOUR - self.used(band, now) for band in BANDS}

    def affords(self, band: Band, seconds: float, now: float) -> bool:
        return self.used(band, now) + seconds <= band.duty * HOUR

    def reserve(self, id_: int, band: Band, start: float, seconds: float, begins: float) -> None:
        """Reserve a slot. `begins` is the start on the hub's clock."""
        slot = Slot(id_, start, start + seconds, begins + seconds, band.name, seconds)
        self.slots.append(slot)
        self.sent.setdefault(band.name, deque()).append(slot)

    def release(self, id_: int) -> None:
        """Release the slot of a frame that was not sent."""
        self.slots = [slot for slot in self.slots if slot.id != id_]
        for held in self.sent.values():
            for slot in [slot for slot in held if slot.id == id_]:
                held.remove(slot)

    def restarted(self, now: float) -> None:
        """Count half of each share as used: transmissions before the start are not known."""
        for band in BANDS:
            self.reserve(0, band, float("-inf"), 0.0, now)
            self.sent[band.name][-1].seconds = band.duty * HOUR / 2
        self.slots.clear()
