"""Downlink queue of one device, and the state of each entry. Sans-I/O.

    accepted → queued → sent → done          unconfirmed: done when a gateway has sent it
                 ▲        └──▶ queued again  confirmed: done when the device acknowledged it, else sent again with a
                 │                           new counter, `attempts` times in all, then failed
                 └─ expired, while it waits

One is under way at a time, in the order of arrival. A class A device acknowledges with its next uplink (TS001-1.0.4
§4.3.1.2); an uplink without an acknowledgement means that it did not hear. A class C device is given `PATIENCE_C`
seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from hub.sdk.phrases import phrase
from integrations.lorawan.parts import Moved, State
from integrations.lorawan.region import RATES

MOST_WAITING = 32
ATTEMPTS = 4
PATIENCE_C = 10.0
HEADER = 8  # FHDR without FOpts, and FPort
LONGEST = max(rate.size for rate in RATES) - HEADER
_UNSAID = phrase("lorawan.gateway-did-not-say", "the gateway did not say whether it was sent")


@dataclass(slots=True)
class Downlink:
    """A queued downlink. `expires` in monotonic seconds. `port` 1 to 223."""

    id: str
    port: int
    payload: bytes
    confirmed: bool
    expires: float
    attempts: int = 0
    flying: int = 0  # id of the transmission that carries it; 0: waiting
    landed: bool = False  # a gateway has sent it
    deadline: float = 0.0  # class C, confirmed: when the acknowledgement is overdue


class Queue:
    """Downlinks of one device. Methods return the state changes to report."""

    def __init__(self, dev_eui: bytes) -> None:
        self._eui = dev_eui
        self._waiting: deque[Downlink] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Downlink, now: float) -> list[Moved]:
        """Accept a downlink, or return why it is refused."""
        why = ""
        if not 1 <= item.port <= 223:
            why = phrase("lorawan.downlink-port-wrong", "port {port} is not one of 1 to 223", port=item.port)
        elif len(item.payload) > LONGEST:
            why = phrase(
                "lorawan.downlink-too-long",
                "{count} [byte|bytes], a downlink carries at most {most}",
                count=len(item.payload),
                most=LONGEST,
            )
        elif item.expires <= now:
            return [self._moved(item, State.EXPIRED)]
        elif len(self._waiting) >= MOST_WAITING:
            why = phrase(
                "lorawan.downlinks-wait-already",
                "{count} [downlink waits|downlinks wait] already",
                count=MOST_WAITING,
            )
        elif any(other.id == item.id for other in self._waiting):
            why = phrase("lorawan.downlink-waits-already", "a downlink of this id waits already")
        if why:
            return [self._moved(item, State.FAILED, why)]
        self._waiting.append(item)
        return [self._moved(item, State.ACCEPTED), self._moved(item, State.QUEUED)]

    def next(self) -> Downlink | None:
        """Return the downlink for the next transmission; None while one is under way."""
        return self._waiting[0] if self._waiting and not self._waiting[0].flying else None

    def more(self) -> bool:
        """Return whether another one waits behind the first."""
        return len(self._waiting) > 1

    @staticmethod
    def fits(item: Downlink, rate: int, fopts: int) -> bool:
        return HEADER + fopts + len(item.payload) <= RATES[rate].size

    def takes_off(self, item: Downlink, transmission: int) -> list[Moved]:
        item.flying = transmission
        item.attempts += 1
        return [self._moved(item, State.SENT)]

    def transmitted(self, transmission: int, now: float, *, class_c: bool) -> list[Moved]:
        """Record that a gateway has sent it."""
        item = self._flying(transmission)
        if item is None:
            return []
        item.landed = True
        if not item.confirmed:
            return [self._gone(item, State.DONE)]
        item.deadline = now + PATIENCE_C if class_c else 0.0
        return []

    def refused(self, transmission: int, why: str) -> list[Moved]:
        """Put it back: no gateway has sent it, and this attempt does not count."""
        item = self._flying(transmission)
        if item is None:
            return []
        item.attempts -= 1
        return [self._again(item, why)]

    def unanswered(self, transmission: int, now: float, *, class_c: bool) -> list[Moved]:
        """Handle a gateway that did not report whether it sent the frame.

        It may have, so a command that may have been carried out is not sent again; a confirmed one waits for the
        device's acknowledgement."""
        item = self._flying(transmission)
        if item is None:
            return []
        if item.confirmed:
            return self.transmitted(transmission, now, class_c=class_c)
        return [self._gone(item, State.FAILED, _UNSAID)]

    def uplink(self, *, ack: bool) -> list[Moved]:
        """Handle an uplink: its acknowledgement belongs to the downlink under way, or is late."""
        item = self._waiting[0] if self._waiting else None
        if item is None or not item.confirmed or not item.attempts:
            return []
        if ack:
            return [self._gone(item, State.DONE)]
        return [self._missed(item)] if item.landed else []

    def withdraw(self, name: str) -> None:
        """Remove a downlink whose sender has withdrawn it."""
        self._waiting = deque(item for item in self._waiting if item.id != name)

    def clear(self, why: str) -> list[Moved]:
        """Fail every downlink of the queue."""
        return [self._gone(item, State.FAILED, why) for item in list(self._waiting)]

    def tick(self, now: float) -> list[Moved]:
        """Expire downlinks that are too old; give up waiting for a class C device."""
        told = []
        for item in list(self._waiting):
            if item.expires <= now and not item.flying:  # one under way may still be carried out
                told.append(self._gone(item, State.EXPIRED))
            elif item.flying and item.deadline and item.deadline <= now:
                told.append(self._missed(item))
        return told

    def wake(self) -> float | None:
        """Return the time at which `tick` is due; None when it is not."""
        times = [item.expires for item in self._waiting if not item.flying]
        times += [item.deadline for item in self._waiting if item.flying and item.deadline]
        return min(times, default=None)

    def _flying(self, transmission: int) -> Downlink | None:
        item = self._waiting[0] if self._waiting else None
        return item if item is not None and item.flying == transmission else None

    def _missed(self, item: Downlink) -> Moved:
        if item.attempts >= ATTEMPTS:
            return self._gone(item, State.FAILED, _never_acknowledged(item))
        return self._again(item, phrase("lorawan.not-acknowledged", "not acknowledged"))

    def _again(self, item: Downlink, why: str) -> Moved:
        item.flying, item.landed, item.deadline = 0, False, 0.0
        return self._moved(item, State.QUEUED, why)

    def _gone(self, item: Downlink, state: State, why: str = "") -> Moved:
        self._waiting.remove(item)
        return self._moved(item, state, why)

    def _moved(self, item: Downlink, state: State, why: str = "") -> Moved:
        return Moved(item.id, self._eui, state, why)


def _never_acknowledged(item: Downlink) -> str:
    return phrase(
        "lorawan.not-acknowledged-in-attempts",
        "not acknowledged after {count} [attempt|attempts]",
        count=item.attempts,
    )
