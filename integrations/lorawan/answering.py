"""Commits and downlinks in their order, and the outcome of each transmission. Sans-I/O.

Every record and every downlink passes here, so that one place keeps the order: first durable, then transmitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from hub.sdk.phrases import phrase
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
"""Seconds after the end of a frame within which a gateway has to confirm its transmission."""
RETRY_C_S = 5.0
"""Seconds before a class C downlink is tried again after no gateway could send it."""


@dataclass(slots=True)
class _Ticket:
    entry: Entry
    commit: Commit
    reply: Reply | None
    lease: int  # end of the lease of the reply's session, as written in the record


@dataclass(slots=True)
class _Transmission:
    reply: Reply
    gateway: str
    window: int
    deadline: float


class Answering:
    """Orders commits, replies and transmissions. `gateways` is the network's own table."""

    def __init__(self, gateways: Mapping[str, Airspace]) -> None:
        self._gateways = gateways
        self._numbers = 0
        self._tickets: dict[int, _Ticket] = {}
        self._flights: dict[int, _Transmission] = {}

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
        """Commit the device's record together with its report, then reply. `durable`: the reply waits for the disk."""
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
        """Return the decisions that a durable commit allows."""
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

    def aborted(self, number: int, *, taken: bool) -> None:
        """Handle a failed commit: drop the replies that depend on it, and offer its report again when the device
        repeats the frame. `taken`: it may be delivered all the same."""
        ticket = self._tickets.pop(number, None)
        if ticket is not None and ticket.entry.ticket == number:
            ticket.entry.ticket = 0
            report = ticket.commit.report
            ticket.entry.unkept = replace(report, again=True) if report is not None and taken else report

    def again(self, entry: Entry, reply: Reply) -> bool:
        """Move the reply to a repeated frame, whose commit is still under way, into the new receive windows."""
        ticket = self._tickets.get(entry.ticket)
        if ticket is None:
            return False
        if ticket.reply is None or ticket.reply.session is not reply.session:
            ticket.lease = 0  # the record being written holds no lease of this session
        ticket.reply = reply
        return True

    # the air

    def send(self, reply: Reply, now: float) -> list[Decision]:
        """Send a reply whose record is already durable; it may still need a lease of counters."""
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
        for whole in (True, False):  # prefer a window with room for the waiting downlink to the first one
            for window in choices:
                what = compose.content(entry, window.rate) if reply.raw is None else compose.NOTHING
                left_out = reply.raw is None and what.item is None and entry.queue.next() is not None
                if whole and left_out:
                    continue
                if reply.raw is None and not (reply.ack or reply.must or what.row or what.item is not None):
                    continue
                size = len(reply.raw) if reply.raw is not None else compose.size(what)
                for slot in slots(reply, window, self._gateways, size, now, why):
                    return self._start_transmission(reply, slot, what, size)
        if not reply.window:
            entry.quiet = now + RETRY_C_S
        return [Count(f"no-slot-{reason}", entry.device.dev_eui) for reason in sorted(why)[:1]]

    def _start_transmission(self, reply: Reply, slot: Slot, what: compose.Content, size: int) -> list[Decision]:
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
        self._flights[number] = _Transmission(reply, gateway, window.number, slot.begins + seconds + ANSWER_S)
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
        """Handle a gateway's confirmation that it has sent the frame or scheduled it."""
        flight = self._end_transmission(number, gateway)
        if flight is None:
            return []
        entry = flight.reply.entry
        return list(entry.queue.transmitted(number, now, class_c=entry.device.class_c))

    def refused(self, number: int, gateway: str, why: str, now: float) -> list[Decision]:
        """Try the next slot, with a new counter, after a gateway refused a frame. `why` is a slug."""
        flight = self._end_transmission(number, gateway)
        if flight is None:
            return []
        entry = flight.reply.entry
        if flight.gateway in self._gateways:
            self._gateways[flight.gateway].release(number)
        flight.reply.tried.add((flight.window, flight.gateway))
        told: list[Decision] = [Count(f"tx-refused-{why}", entry.device.dev_eui, flight.gateway)]
        told += entry.queue.refused(
            number, phrase("lorawan.gateway-refused", "the gateway refused it: {reason}", reason=why)
        )
        told += entry.queue.tick(now)  # it may have expired on the way
        return told + self.send(flight.reply, now)

    def _end_transmission(self, number: int, gateway: str) -> _Transmission | None:
        """Remove the transmission from those under way. A gateway can report only on its own transmissions."""
        flight = self._flights.get(number)
        return self._flights.pop(number) if flight is not None and flight.gateway == gateway else None

    def tick(self, now: float) -> list[Decision]:
        """Handle transmissions whose gateway did not report an outcome in time."""
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
    """Return whether every counter that is durably leased has been used."""
    return reply.session.fcnt_down >= reply.session.granted
