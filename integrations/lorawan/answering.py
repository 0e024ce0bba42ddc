"""What is sent, when it may be, and what came of it. Sans-I/O.

Every record and every downlink passes here, so that one place holds the order: durable first, then the air.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.lorawan import compose
from integrations.lorawan.airspace import Airspace
from integrations.lorawan.airtime import airtime
from integrations.lorawan.counters import HIGHEST
from integrations.lorawan.device import LEASE
from integrations.lorawan.entry import Entry, Reply
from integrations.lorawan.parts import Commit, Count, Decision, Transmit, Uplink
from integrations.lorawan.region import RATES
from integrations.lorawan.windows import Slot, slots, windows

ANSWER_S = 5.0
"""How long after its end a gateway may take to say that it has sent a frame."""
RETRY_C_S = 5.0
"""How long a class C downlink waits after no gateway could send it."""


@dataclass(slots=True)
class _Ticket:
    entry: Entry
    commit: Commit
    reply: Reply | None
    lease: int  # of the reply's session, as the record has it


@dataclass(slots=True)
class _Flight:
    reply: Reply
    gateway: str
    window: int
    deadline: float


class Answering:
    """`gateways` is the network's own table."""

    def __init__(self, gateways: Mapping[str, Airspace]) -> None:
        self._gateways = gateways
        self._numbers = 0
        self._tickets: dict[int, _Ticket] = {}
        self._flights: dict[int, _Flight] = {}

    # the disk

    def keep(
        self,
        entry: Entry,
        now: float,
        report: Uplink | None = None,
        reply: Reply | None = None,
        *,
        durable: bool = False,
    ) -> list[Decision]:
        """Keep the device's record, and its report with it; then reply. `durable`: the reply waits for the disk."""
        if reply is not None and reply.raw is None and _spent(reply):
            reply.session.lease = max(reply.session.lease, min(reply.session.fcnt_down + LEASE, HIGHEST + 1))
            durable = True
        if not durable:
            sent = self.send(reply, now) if reply is not None else []
            return [*sent, Commit(0, report, entry.record(), False, report.best if report is not None else None)]
        self._numbers += 1
        best = report.best if report is not None else reply.copies[0] if reply is not None else None
        commit = Commit(self._numbers, report, entry.record(), True, best)
        lease = reply.session.lease if reply is not None else 0
        self._tickets[commit.ticket] = _Ticket(entry, commit, reply, lease)
        if report is not None:
            entry.ticket = commit.ticket
        return [commit]

    def committed(self, number: int, now: float) -> list[Decision]:
        """What a durable commit allows."""
        ticket = self._tickets.pop(number, None)
        if ticket is None:
            return []
        entry, reply = ticket.entry, ticket.reply
        if entry.ticket == number:
            entry.ticket = 0
        if reply is None:
            return []
        reply.session.granted = max(reply.session.granted, ticket.lease)
        return self.send(reply, now)

    def aborted(self, number: int) -> None:
        """The commit failed: nothing that hangs on it is sent, and its report is offered again when the device
        repeats the frame."""
        ticket = self._tickets.pop(number, None)
        if ticket is not None and ticket.entry.ticket == number:
            ticket.entry.ticket = 0
            ticket.entry.unkept = ticket.commit.report

    def again(self, entry: Entry, reply: Reply) -> bool:
        """The device repeats a frame whose commit is still under way: its reply goes into the new windows."""
        ticket = self._tickets.get(entry.ticket)
        if ticket is None:
            return False
        if ticket.reply is None or ticket.reply.session is not reply.session:
            ticket.lease = 0  # the record on its way holds no lease of this session
        ticket.reply = reply
        return True

    # the air

    def send(self, reply: Reply, now: float) -> list[Decision]:
        """Send a reply that needs nothing new on the disk, but perhaps a lease."""
        entry = reply.entry
        if reply.raw is None:
            if entry.memory.current is not reply.session:
                return [Count("reply-to-old-session", entry.device.dev_eui)]
            if reply.session.fcnt_down > HIGHEST:
                return [Count("counter-exhausted", entry.device.dev_eui)]
            if _spent(reply):
                return self.keep(entry, now, reply=reply)
        why: set[str] = set()
        choices = windows(reply)
        for whole in (True, False):  # rather the window that takes the waiting downlink than the first
            for window in choices:
                what = compose.content(entry, window.rate) if reply.raw is None else compose.NOTHING
                left_out = reply.raw is None and what.item is None and entry.queue.next() is not None
                if whole and left_out:
                    continue
                if reply.raw is None and not (reply.ack or reply.must or what.row or what.item is not None):
                    continue
                size = len(reply.raw) if reply.raw is not None else compose.size(what)
                for slot in slots(reply, window, self._gateways, size, now, why):
                    return self._launch(reply, slot, what, size)
        if not reply.window:
            entry.quiet = now + RETRY_C_S
        return [Count(f"no-slot-{reason}", entry.device.dev_eui) for reason in sorted(why)[:1]]

    def _launch(self, reply: Reply, slot: Slot, what: compose.Content, size: int) -> list[Decision]:
        entry, session, window = reply.entry, reply.session, slot.window
        self._numbers += 1
        number = self._numbers
        told: list[Decision] = []
        raw = reply.raw
        if raw is None:
            ring = next(ring for ring in entry.rings if ring.session is session)
            raw = compose.frame(ring, session.fcnt_down, what, ack=reply.ack, adr=entry.device.adr)
            session.fcnt_down += 1
            if entry.mac is not None:
                entry.mac.sent(what.row)
            if what.item is not None:
                told += entry.queue.takes_off(what.item, number)
        seconds = airtime(RATES[window.rate], size, uplink=False)
        slot.airspace.reserve(number, window.band, slot.start, seconds, slot.begins)
        gateway = slot.reception.gateway
        self._flights[number] = _Flight(reply, gateway, window.number, slot.begins + seconds + ANSWER_S)
        transmit = Transmit(
            id=number,
            gateway=gateway,
            dev_eui=entry.device.dev_eui,
            raw=raw,
            frequency=window.frequency,
            rate=window.rate,
            eirp=window.band.eirp,
            window=window.number,
            after=slot.reception if window.number else None,
            delay=window.delay,
        )
        return [*told, transmit]

    def transmitted(self, number: int, gateway: str, now: float) -> list[Decision]:
        """The gateway has sent it, or has taken it and will."""
        flight = self._land(number, gateway)
        if flight is None:
            return []
        entry = flight.reply.entry
        return list(entry.queue.transmitted(number, now, class_c=entry.device.class_c))

    def refused(self, number: int, gateway: str, why: str, now: float) -> list[Decision]:
        """The gateway will not send it. `why` is a slug. The next slot is tried, with a new counter."""
        flight = self._land(number, gateway)
        if flight is None:
            return []
        entry = flight.reply.entry
        if flight.gateway in self._gateways:
            self._gateways[flight.gateway].release(number)
        flight.reply.tried.add((flight.window, flight.gateway))
        told: list[Decision] = [Count(f"tx-refused-{why}", entry.device.dev_eui, flight.gateway)]
        told += entry.queue.refused(number, f"the gateway refused it: {why}")
        told += entry.queue.tick(now)  # it may have expired on the way
        return told + self.send(flight.reply, now)

    def _land(self, number: int, gateway: str) -> _Flight | None:
        """A gateway speaks of its own transmissions only."""
        flight = self._flights.get(number)
        return self._flights.pop(number) if flight is not None and flight.gateway == gateway else None

    def tick(self, now: float) -> list[Decision]:
        """Gateways that never said what came of a frame."""
        told: list[Decision] = []
        for number, flight in list(self._flights.items()):
            if flight.deadline <= now:
                del self._flights[number]
                entry = flight.reply.entry
                told.append(Count("tx-unanswered", entry.device.dev_eui, flight.gateway))
                told += entry.queue.unanswered(number, now, class_c=entry.device.class_c)
        return told

    def wake(self) -> float | None:
        return min((flight.deadline for flight in self._flights.values()), default=None)


def _spent(reply: Reply) -> bool:
    """Is there no counter left that the disk knows as leased?"""
    return reply.session.fcnt_down >= reply.session.granted
