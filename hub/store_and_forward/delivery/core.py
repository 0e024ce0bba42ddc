"""The state machine of the link: its law is in `hub.store_and_forward.delivery`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from msgspec import UnsetType

from hub.core.backoff import Backoff
from hub.core.text import phrase
from hub.protocol.link_messages import SPEAKS, Ack, AckKeys, pack_message, read_reply
from hub.sdk.transport import LaneName, Message, MessageKind
from hub.store_and_forward.delivery.acceptance import OTHER_DATABASE, Acceptance, RefusedAck
from hub.store_and_forward.delivery.context import Context
from hub.store_and_forward.delivery.lanes import ALERTS, LANES, Lane, RunLedger
from hub.store_and_forward.delivery.ledgers import Ledgers
from hub.store_and_forward.delivery.model import (
    Answer,
    Fetch,
    InFlightMessage,
    MessagePart,
    Stored,
    StreamState,
    Survey,
    Transports,
)
from hub.store_and_forward.delivery.rate import Rate
from hub.store_and_forward.delivery.statements import StateMaker
from hub.store_and_forward.delivery.timeouts import (
    ANSWER_S,
    CLOCK_S,
    LIVE_S,
    REJECTED_S,
    RESTATE_S,
    SETTLE_MOST_S,
    SETTLE_S,
    STATE_S,
    WANT_S,
)


class Delivery:
    """The state machine. `now` is monotonic seconds throughout. `ledgers` share the acked ranges with the buffer;
    `memory` is `remembered()` of an earlier process; a state leaves every `state_s` seconds."""

    judge = Acceptance

    def __init__(
        self,
        stating: StateMaker,
        trust: AckKeys,
        ledgers: Ledgers,
        *,
        memory: Any = None,
        backoff: Callable[[], Backoff] = Backoff,
        state_s: float = STATE_S,
    ) -> None:
        self.acceptance = self.judge(stating.hub, trust, memory)
        self.stating = stating
        self.rate = Rate()
        self.refusals: Counter[str] = Counter()
        self.acked_records = self.acked_readings = self.rejections = self.wanted = 0
        self._state_s = state_s
        self._ledgers = ledgers
        self._flights: dict[int, InFlightMessage] = {}
        self._unacked: Counter[str] = Counter()
        self._weights: dict[str, float] = {}  # lane → bytes of a reading, in its last message
        self._vias = Transports(backoff)
        self._context = Context()
        self._ids = self._fruitless = 0
        self._speaks = 1  # what the backend said to the last state
        self._state_at = self._retry_at = 0.0

    # what is on disk

    def open(self, streams: Iterable[StreamState]) -> None:
        """Take up the runs on disk, oldest first: what of them is not acked is owed. Once, before anything else."""
        for state in streams:
            self._ledgers.of(state.stream, state.run).found(state.first, state.last)

    def durable(self, stream: str, first: int, last: int, now: float) -> None:
        """Put numbers first…last of the current run, which have just reached the disk, into their lane."""
        self._ledgers.of(stream, self._ledgers.run).durable(first, last, now)

    def ask_certificate(self, csr: bytes) -> None:
        """Ask for a client certificate with every state from now on, the next one soon; empty: no longer."""
        self.stating.ask_certificate(csr)
        if csr:
            self._state_at = min(self._state_at, self.stating.since + RESTATE_S)

    def state_soon(self) -> None:
        """Send the next state CLOCK_S after the last one: its answer tells the time."""
        self._state_at = min(self._state_at, self.stating.since + CLOCK_S)

    def state_every(self, seconds: float) -> None:
        """Send a state this often from now on, and tell the backend at once, or it would take this hub for silent."""
        self._state_s = seconds
        for transport in self._vias.values():
            transport.state_due = True

    def declare(self, crisis: str) -> None:
        """State from now on what this hub's people declared of it, "" for nothing, and tell the backend at once."""
        self.stating.crisis = crisis
        for transport in self._vias.values():
            transport.state_due = True

    def update_trust(self, trust: AckKeys, version: int) -> None:
        """Accept acks by a new trust document of the owner, and tell the backend at once that it counts."""
        self.acceptance.update_trust(trust)
        self.stating.use_trust(version)
        for transport in self._vias.values():
            transport.state_due = True

    def remembered(self) -> Any:
        """Return the state that must outlive the process, as plain data."""
        return self.acceptance.remembered()

    # sending

    def connected(self, via: str) -> None:
        """Note that a transport is up (again): its first message will be a state."""
        self._vias.of(via).state_due = True

    def poll(self, via: str, now: float, *, urgent: bool = False) -> Fetch | Survey | None:
        """Return the next action for this transport; None: nothing before `wait` seconds, an answer or a commit.
        `urgent`: alerts only, also before a state that is due."""
        self._expire(now)
        transport = self._vias.of(via)
        if now < transport.until:
            return None
        if not urgent and (transport.state_due or now >= self._state_at):
            return Survey()
        for ledger in self._ledgers.values():
            ledger.age(now - LIVE_S)
        for lane in LANES[:1] if urgent else LANES:
            if (fetch := self._next(lane)) is not None:
                return fetch
        return None

    def also_due(self, action: Fetch | Survey, via: str) -> list[Fetch]:
        """Return what else may go in the same message, at most one fetch per stream: `compose` takes them all. A line
        billed by volume then pays for one exchange. Nothing is added to the first state of a transport, nor to any to a
        backend that would not understand it."""
        if isinstance(action, Survey) and (self._vias.of(via).state_due or self._speaks < SPEAKS):
            return []
        more: list[Fetch] = []
        streams = {action.stream} if isinstance(action, Fetch) else set()
        for lane in LANES:
            fetch = self._next(lane)
            if fetch is not None and fetch.stream not in streams:
                streams.add(fetch.stream)
                more.append(fetch)
        return more

    def _next(self, lane: Lane) -> Fetch | None:
        """Return the next fetch of this lane, if its window has room."""
        most = lane.budget(self.rate.bytes_per_s, self._weights.get(lane.name, math.inf))
        if self._unacked[lane.name] > most * (lane.window - 1):
            return None
        return self._ledgers.waiting(lane, most)

    def wait(self, via: str, now: float) -> float:
        """Return the seconds until `poll` may have something new without any input."""
        transport = self._vias.of(via)
        times = [transport.until if transport.until > now else self._state_at]
        times += [flight.deadline for flight in self._flights.values()]
        return max(0.0, min(times) - now)

    def fetched(self, fetch: Fetch, stored: Iterable[Stored], via: str, now: float) -> Message | None:
        """Make the message for a `Fetch`. Numbers that the disk did not give are no longer owed (the buffer declares
        them). Returns None when it gave none at all, or only one too large for any message (then counted as
        rejected)."""
        return self.compose([(fetch, stored)], via, now)

    def surveyed(self, streams: Sequence[StreamState], via: str, now: float) -> Message:
        """Make the signed state for a `Survey`."""
        return self._stated(self._state(streams, via, now), via, now)

    def compose(
        self,
        read: Iterable[tuple[Fetch, Iterable[Stored]]],
        via: str,
        now: float,
        streams: Sequence[StreamState] | None = None,
    ) -> Message | None:
        """Make one message of several fetches, and of a `Survey` where `streams` are given; see `fetched`."""
        parts = [part for fetch, stored in read if (part := self._part(fetch, stored)) is not None]
        if not parts:
            return None if streams is None else self.surveyed(streams, via, now)
        return self._records(parts, b"" if streams is None else self._state(streams, via, now), via, now)

    def _stated(self, state: bytes, via: str, now: float) -> Message:
        return self._send(state, "state", InFlightMessage(via, now, now + ANSWER_S, state=True))

    def _records(self, parts: list[MessagePart], state: bytes, via: str, now: float) -> Message | None:
        """Make one message of these parts, and of the state that goes with them."""
        try:
            body = pack_message([group for part in parts for group in part.load.groups], state)
        except ValueError:
            if state or len(parts) > 1:  # too much for one: the first goes alone, the others wait again
                for part in parts if state else parts[1:]:
                    part.give_back()
                return self._stated(state, via, now) if state else self._records(parts[:1], b"", via, now)
            parts[0].ledger.reject(parts[0].load.spans)
            self.rejections += 1
            self.refusals["oversized"] += 1
            return None
        readings = sum(part.load.readings for part in parts)
        if len(parts) == 1 and readings:
            self._weights[parts[0].lane] = len(body) / readings
        for part in parts:
            part.load.groups.clear()
        flight = InFlightMessage(
            via, now, now + ANSWER_S, bool(state), parts, parts[-1].lane, len(body), self.rate.delivered
        )
        self._unacked[flight.lane] += flight.size
        return self._send(body, "records", flight)

    def _part(self, fetch: Fetch, stored: Iterable[Stored]) -> MessagePart | None:
        ledger = self._ledgers.of(fetch.stream, fetch.run)
        load = self._context.load(stored)
        ledger.take(fetch.first, load.spans[-1][1] if load.spans else fetch.last)
        return MessagePart(fetch.lane.name, ledger, load) if load.spans else None

    def _state(self, streams: Sequence[StreamState], via: str, now: float) -> bytes:
        carrying = {id(part.ledger) for flight in self._flights.values() for part in flight.parts}
        self._ledgers.compare(streams, carrying)
        if now >= self._retry_at:
            self._retry_at = now + REJECTED_S
            for ledger in self._ledgers.values():
                ledger.retry_rejected()
        self._state_at = now + self._state_s
        self._vias.of(via).state_due = False
        return self.stating.make(streams, self.acceptance.heard, now, self._state_s)

    # answers

    def apply_reply(self, message: int, body: bytes, now: float) -> Answer:
        """Act on the reply to a message, even a late one: an ack counts wherever it comes from.

        Returns what changed, for the buffer and the clock. Raises DecodeError when the body is no reply at all; nothing
        has changed then.
        """
        reply = read_reply(body)
        answer = Answer(trust=reply.trust, certificate=reply.certificate or b"")
        flight = self._flights.get(message)
        if flight is not None:
            self._note_reply(message, flight, now)
            if flight.state:
                self._speaks = 1 if isinstance(reply.speaks, UnsetType) else reply.speaks
        read = [self.acceptance.read(blob) for blob in reply.acks]
        answer.refused += [bad for bad in read if isinstance(bad, RefusedAck)]
        for signed, kid in sorted((ok for ok in read if not isinstance(ok, RefusedAck)), key=lambda pair: pair[0].n):
            fresh = self.stating.age(signed.nonce, now) is not None
            # each part stands for itself; all are judged before one is accepted, since they share their number
            judged = [(ack, self.acceptance.judge(ack, kid, self._ledgers, fresh=fresh)) for ack in signed.each()]
            for ack, refused in judged:
                if refused is None:
                    answer.accepted += 1
                    self._apply(ack, kid, answer, now)
                else:
                    answer.refused.append(refused)
                    if refused.reason == OTHER_DATABASE:  # a fresh nonce lets it show that it answers now
                        self._state_at = min(self._state_at, self.stating.since + RESTATE_S)
        self.refusals.update(refused.reason for refused in answer.refused)
        for eid in reply.need:
            self._context.lost(eid)
        if flight is not None and message in self._flights:  # answered, and no ack covers it
            if any(part.load.spared.intersection(reply.need) for part in flight.parts):
                self._give_back(message)  # at once: this time with the context that was spared
            else:
                flight.deadline = now + min(SETTLE_MOST_S, SETTLE_S * 2.0 ** min(self._fruitless, 8))
        return answer

    def give_up(self, message: int, now: float) -> None:
        """Put the records of a message that will not be answered back into their lane."""
        flight = self._give_back(message)
        if flight is not None:
            self._back_off(flight.via, now)

    def disconnected(self, via: str, now: float, slow: Backoff | None = None) -> float:
        """Put everything that a transport carried back into its lane. Returns the seconds before it may connect again;
        `slow` draws them from another back-off."""
        for message in [number for number, flight in self._flights.items() if flight.via == via]:
            self._give_back(message)
        self._back_off(via, now)
        transport = self._vias.of(via)
        if slow is not None:
            transport.until = max(transport.until, now + slow.next())
        return transport.until - now

    # standing

    def depth(self) -> dict[str, int]:
        """Return records waiting, by lane; `flight`: sent and not acked; `rejected`."""
        spans = [span for flight in self._flights.values() for part in flight.parts for span in part.load.spans]
        return {**self._ledgers.depth(), "flight": sum(last - first + 1 for first, last in spans)}

    def has_unanswered(self) -> bool:
        """True when a message is under way that nobody has answered yet."""
        return any(not flight.answered for flight in self._flights.values())

    def in_flight(self) -> tuple[int, int]:
        """Return messages and bytes of records sent and not acked."""
        sizes = [flight.size for flight in self._flights.values() if flight.parts]
        return len(sizes), sum(sizes)

    # inside

    def _send(self, body: bytes, kind: MessageKind, flight: InFlightMessage) -> Message:
        self._ids += 1
        self._flights[self._ids] = flight
        lane = cast("LaneName", flight.parts[0].lane if flight.parts else "")
        return Message(self._ids, kind, lane, body, sum(part.load.readings for part in flight.parts))

    def _note_reply(self, message: int, flight: InFlightMessage, now: float) -> None:
        self._vias.of(flight.via).backoff.reset()
        if not flight.parts:
            del self._flights[message]
        elif not flight.answered:
            flight.answered = True
            self.rate.sample(flight.size, flight.delivered, now - flight.sent)

    def _apply(self, ack: Ack, kid: bytes, answer: Answer, now: float) -> None:
        if self.acceptance.accept(ack, kid) and self._forget_acks():
            answer.forget = True
            answer.acked.clear()
            answer.unacked.clear()
        ledger = self._ledgers[ack.stream, ack.run]
        fresh = ledger.acknowledge(self.acceptance.committed(ack))
        ledger.reject(ack.rejected)
        self.rejections += len(ack.rejected)
        age = self.stating.age(ack.nonce, now)
        if fresh:
            self._fruitless = 0
            self.acked_records += sum(last - first + 1 for first, last in fresh)
            answer.acked.append((ack.stream, ack.run, fresh))
        if age is not None:
            answer.clock = (ack.now, self.stating.since, now)
        for message, flight in list(self._flights.items()):
            if not any(part.ledger is ledger for part in flight.parts) or any(
                part.unsettled() for part in flight.parts
            ):
                continue
            del self._flights[message]
            self._unacked[flight.lane] -= flight.size
            for part in flight.parts:
                if part.ledger.holds(part.load.spans):
                    if part.lane != ALERTS:  # rows of alerts are no readings of a device
                        self.acked_readings += part.load.readings
                    self._context.confirmed(part.load)
        if ack.want and (refused := self._want(ack, ledger, age is not None, answer, now)) is not None:
            answer.refused.append(refused)

    def _want(self, ack: Ack, ledger: RunLedger, fresh: bool, answer: Answer, now: float) -> RefusedAck | None:
        """Owe acked records again that the backend asks for, as far as they are on disk. Returns why it is refused."""
        if not fresh:
            return RefusedAck(
                "want-old",
                phrase("want-of-old-state", "it asks for records again, in answer to a state that is not the last one"),
            )
        if now < ledger.wanted_at + WANT_S:
            return RefusedAck(
                "want-often",
                phrase("want-too-often", "it asks for records again within {seconds:.0f} s", seconds=WANT_S),
            )
        ledger.wanted_at = now
        again = ledger.want(ack.want)
        if again:
            self.wanted += sum(last - first + 1 for first, last in again)
            answer.unacked.append((ack.stream, ack.run, again))
        return None

    def _forget_acks(self) -> bool:
        """Void all acks. Returns whether there were any."""
        self._context.clear()
        held = self._ledgers.forget_acks()
        for part in [part for flight in self._flights.values() for part in flight.parts]:
            for span in part.load.spans:  # on its way to the new database already
                part.ledger.no_longer_waits(*span)
        return held

    def _give_back(self, message: int) -> InFlightMessage | None:
        flight = self._flights.pop(message, None)
        if flight is None:
            return None
        if flight.state and not flight.answered:
            self._vias.of(flight.via).state_due = True
            self._speaks = 1  # perhaps it does not any more
        if not flight.parts:
            return flight
        if not flight.answered:
            self.rate.lost()
        self._unacked[flight.lane] -= flight.size
        for part in flight.parts:
            part.give_back()
        return flight

    def _expire(self, now: float) -> None:
        for message, flight in list(self._flights.items()):
            if flight.deadline <= now:
                self._give_back(message)
                self._fruitless += flight.answered

    def _back_off(self, via: str, now: float) -> None:
        transport = self._vias.of(via)
        if now >= transport.until:
            transport.until = now + transport.backoff.next()
