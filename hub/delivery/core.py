"""The state machine of the link: see `hub.delivery` for its law."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.backoff import Backoff
from hub.delivery.acceptance import Acceptance, Refused
from hub.delivery.lanes import ALERTS, LANES, LIVE, Lane, Ledger
from hub.delivery.ranges import Range
from hub.delivery.rate import Rate
from hub.session import Message
from hub.wire import Ack, AckKeys, State, pack_message, read_reply, sign_state

STATE_S = 30.0
LIVE_S = 10.0
"""A record that waited longer than this is no news any more: it joins the backlog, oldest first."""
ANSWER_S = 120.0
"""A message without any answer for this long is lost."""
SETTLE_S = 10.0
"""An answered message whose records no ack covers waits this long for a later ack; doubled while none comes."""
SETTLE_MOST_S = 300.0
REJECTED_S = 3600.0
"""What the backend rejected is offered again this often: a person may have changed its mind."""
_KNOWN_EPOCHS = 512


class StreamState(Protocol):
    """What the disk holds of one run of one stream; `digest` is that of its last durable record."""

    @property
    def stream(self) -> str: ...
    @property
    def run(self) -> bytes: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def digest(self) -> bytes: ...


class Stored(Protocol):
    """One record as stored. `seq` 0 = context of the epoch `eid`, needed before its records."""

    @property
    def seq(self) -> int: ...
    @property
    def readings(self) -> int: ...
    @property
    def eid(self) -> bytes: ...
    @property
    def raw(self) -> bytes: ...


class Fetch(NamedTuple):
    """Read these records, as many as fit `most` bytes but at least one, and hand them to `fetched`."""

    lane: Lane
    stream: str
    run: bytes
    first: int
    last: int
    most: int


class Survey(NamedTuple):
    """A state is due: hand the streams on disk to `surveyed`."""


@dataclass(slots=True, eq=False)
class Flight:
    """One message that was sent and is not settled."""

    via: str
    sent: float
    deadline: float
    size: int
    delivered: int  # bytes delivered by the link when this message left: what its rate sample starts from
    lane: str = ""
    ledger: Ledger | None = None
    spans: list[Range] = field(default_factory=list)
    readings: int = 0
    context: dict[bytes, set[bytes]] = field(default_factory=dict)  # epoch -> digests of context carried
    answered: bool = False


@dataclass(slots=True)
class Via:
    """One transport."""

    backoff: Backoff
    until: float = 0.0  # nothing is sent through it before this time
    state_due: bool = True


@dataclass(slots=True)
class Answer:
    """What a reply changed: `acked` to delete, in order; `forget` first, when the backend's database is new."""

    acked: list[tuple[str, bytes, list[Range]]] = field(default_factory=list)
    forget: bool = False
    refused: list[Refused] = field(default_factory=list)
    clock: tuple[float, float] | None = None  # backend's Unix time now, and how old it may be at most, in s


class Delivery:
    """`now` is monotonic seconds throughout. `boot` is 16 bytes; `run` the buffer's current run."""

    judge_acks = Acceptance

    def __init__(
        self,
        *,
        hub: str,
        identity: Ed25519PrivateKey,
        trust: AckKeys,
        trust_version: int,
        boot: bytes,
        run: bytes,
        memory: Any = None,
        backoff: Callable[[], Backoff] = Backoff,
        token: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.acceptance = self.judge_acks(hub, trust, memory)
        self.trust_version = trust_version
        self.generation = 0  # of the local store, told by the application
        self.rate = Rate()
        self.refusals: Counter[str] = Counter()
        self.acked_records = self.acked_readings = self.rejections = self.wanted = 0
        self.last_ack: float | None = None
        self._identity, self._boot, self._run = identity, boot, run
        self._new_backoff, self._token = backoff, token
        self._ledgers: dict[tuple[str, bytes], Ledger] = {}
        self._flights: dict[int, Flight] = {}
        self._unacked: Counter[str] = Counter()
        self._vias: dict[str, Via] = {}
        self._known: OrderedDict[bytes, set[bytes]] = OrderedDict()
        self._ids = self._fruitless = 0
        self._nonce, self._nonce_at = b"", 0.0
        self._state_at = self._retry_at = 0.0

    # what is on disk

    def open(self, streams: Iterable[StreamState], acked: Mapping[tuple[str, bytes], Iterable[Range]]) -> None:
        """Once, before anything else: the runs on disk, oldest first, and what was acked of each."""
        for state in streams:
            ledger = self._ledger(state.stream, state.run)
            ledger.first, ledger.last = state.first, state.last
            for first, last in acked.get((state.stream, state.run), ()):
                ledger.acked.add(first, last)
            for first, last in ledger.acked.outside(state.first, state.last) if state.first <= state.last else ():
                ledger.owed.add(first, last)

    def durable(self, stream: str, first: int, last: int, now: float) -> None:
        """Numbers first…last of the current run have just reached the disk."""
        self._ledger(stream, self._run).durable(first, last, now)

    def surveyed(self, streams: Sequence[StreamState], via: str, now: float) -> Message:
        """Answers a `Survey`: the signed state to send."""
        found = {(s.stream, s.run): s for s in streams}
        carrying = {flight.ledger for flight in self._flights.values()}
        for key, ledger in list(self._ledgers.items()):
            state = found.get(key)
            ledger.evicted(state.first if state else ledger.last + 1)
            if state is None and ledger.closed and ledger not in carrying:
                del self._ledgers[key]
        if now >= self._retry_at:
            self._retry_at = now + REJECTED_S
            for ledger in self._ledgers.values():
                ledger.retry_rejected()
        self._nonce, self._nonce_at = self._token(16), now
        self._state_at = now + STATE_S
        self._vias[via].state_due = False
        oldest: dict[str, tuple[bytes, int]] = {}
        for state in streams:
            oldest.setdefault(state.stream, (state.run, state.first))
        statement = State(
            hub=self.acceptance.hub,
            boot=self._boot,
            nonce=self._nonce,
            streams={s.stream: (s.run, s.last, s.digest) for s in streams},  # oldest first: the newest run stays
            generation=self.generation,
            trust_version=self.trust_version,
            oldest=oldest,
        )
        return self._send(sign_state(statement, self._identity), "state", Flight(via, now, now + ANSWER_S, 0, 0))

    # sending

    def connected(self, via: str) -> None:
        """A transport is there (again): its first message will be a state."""
        self._via(via).state_due = True

    def poll(self, via: str, now: float) -> Fetch | Survey | None:
        """What this transport should do next; None: nothing before `wait` seconds, an answer or a commit."""
        self._expire(now)
        transport = self._via(via)
        if now < transport.until:
            return None
        if transport.state_due or now >= self._state_at:
            return Survey()
        for ledger in self._ledgers.values():
            ledger.age(now - LIVE_S)
        for lane in LANES:
            most = lane.budget(self.rate.bytes_per_s)
            if self._unacked[lane.name] and self._unacked[lane.name] + most > most * lane.window:
                continue
            for ledger in self._ledgers.values():
                waiting = ledger.live if lane.name == LIVE else ledger.owed
                if waiting and (ledger.stream == ALERTS) == (lane.name == ALERTS):
                    return Fetch(lane, ledger.stream, ledger.run, *waiting.head(), most)
        return None

    def wait(self, via: str, now: float) -> float:
        """Seconds until `poll` may have something that it did not have now, without any input."""
        times = [self._via(via).until] if self._via(via).until > now else [self._state_at]
        times += [flight.deadline for flight in self._flights.values()]
        return max(0.0, min(times) - now)

    def fetched(self, fetch: Fetch, stored: Iterable[Stored], via: str, now: float) -> Message | None:
        """Answers a `Fetch`. Numbers that the disk did not give are no longer owed (the buffer declares them);
        None when it gave none at all. Raises ValueError when not even a message can hold the first record."""
        ledger = self._ledger(fetch.stream, fetch.run)
        flight = Flight(via, now, now + ANSWER_S, 0, self.rate.delivered, fetch.lane.name, ledger)
        groups: list[tuple[bytes, list[bytes]]] = []
        eid, raws, known = b"", [], set()  # type: bytes, list[bytes], set[bytes]
        first = last = 0
        for record in stored:
            if record.eid != eid:
                eid, raws, known = record.eid, [], self._known.get(record.eid, set())
                groups.append((eid, raws))
                flight.context.setdefault(eid, set())
            seq = record.seq
            if not seq:
                digest = hashlib.blake2b(record.raw, digest_size=16).digest()
                if digest in known:
                    continue
                flight.context[eid].add(digest)
            elif seq != last + 1:
                if first:
                    flight.spans.append((first, last))
                first = last = seq
            else:
                last = seq
            flight.readings += record.readings if seq else 0
            raws.append(record.raw)
        if not first:
            ledger.take(fetch.first, fetch.last)
            return None
        flight.spans.append((first, last))
        body = pack_message(group for group in groups if group[1])
        ledger.take(fetch.first, last)
        flight.size = len(body)
        self._unacked[flight.lane] += flight.size
        return self._send(body, "records", flight)

    # answers

    def answered(self, message: int, body: bytes, now: float) -> Answer:
        """The reply to a message, even a late one: acks count wherever they come from.

        Raises DecodeError when the body is no reply at all; nothing has changed then.
        """
        reply = read_reply(body)
        answer = Answer()
        flight = self._flights.get(message)
        if flight is not None:
            self._via(flight.via).backoff.reset()
            if not flight.answered and flight.ledger is not None:
                self.rate.sample(flight.size, flight.delivered, now - flight.sent, full=flight.size)
            flight.answered = True
            if flight.ledger is None:
                del self._flights[message]
        read = [self.acceptance.read(blob) for blob in reply.acks]
        answer.refused += [bad for bad in read if isinstance(bad, Refused)]
        for ack, kid in sorted((ok for ok in read if not isinstance(ok, Refused)), key=lambda pair: pair[0].n):
            refused = self.acceptance.judge(ack, kid, self._ledgers)
            if refused is None:
                self._apply(ack, kid, answer, now)
            else:
                answer.refused.append(refused)
        self.refusals.update(refused.reason for refused in answer.refused)
        for eid in reply.need:
            self._known.pop(eid, None)
        if message in self._flights and flight is not None:  # answered, but no ack covered it
            lacked = any(not flight.context.get(eid, True) for eid in reply.need)
            if lacked:
                self._give_back(message)  # at once: this time it will carry the context
            else:
                flight.deadline = now + min(SETTLE_MOST_S, SETTLE_S * 2.0 ** min(self._fruitless, 8))
        return answer

    def failed(self, message: int, now: float) -> None:
        """The message was not answered and will not be: its records wait in their lane again."""
        flight = self._give_back(message)
        if flight is not None:
            self._hold(flight.via, now, None)

    def disconnected(self, via: str, now: float, slow: Backoff | None = None) -> float:
        """A transport is gone, and with it all it carried. Returns the seconds before it may try again;
        `slow` draws them from another back-off (refused by the backend)."""
        for message in [id_ for id_, flight in self._flights.items() if flight.via == via]:
            self._give_back(message)
        self._hold(via, now, slow)
        return self._via(via).until - now

    # standing

    def depth(self) -> dict[str, int]:
        """Records waiting, by lane; `flight`: sent and not acked; `rejected`."""
        out = dict.fromkeys([lane.name for lane in LANES], 0) | {"flight": 0, "rejected": 0}
        for ledger in self._ledgers.values():
            out[ALERTS if ledger.stream == ALERTS else "backlog"] += ledger.owed.count()
            out[LIVE] += ledger.live.count()
            out["rejected"] += ledger.rejected.count()
        out["flight"] = sum(last - first + 1 for f in self._flights.values() for first, last in f.spans)
        return out

    def in_flight(self) -> tuple[int, int]:
        """Messages and bytes sent and not acked."""
        carrying = [flight for flight in self._flights.values() if flight.ledger is not None]
        return len(carrying), sum(flight.size for flight in carrying)

    # inside

    def _ledger(self, stream: str, run: bytes) -> Ledger:
        ledger = self._ledgers.get((stream, run))
        if ledger is None:
            ledger = Ledger(stream, run, first=1, last=0, closed=run != self._run)
            self._ledgers[stream, run] = ledger
        return ledger

    def _via(self, name: str) -> Via:
        via = self._vias.get(name)
        if via is None:
            via = self._vias[name] = Via(self._new_backoff())
        return via

    def _send(self, body: bytes, kind: str, flight: Flight) -> Message:
        self._ids += 1
        self._flights[self._ids] = flight
        return Message(self._ids, kind, flight.lane, body, flight.readings)

    def _apply(self, ack: Ack, kid: bytes, answer: Answer, now: float) -> None:
        if self.acceptance.accept(ack, kid):
            answer.forget = True
            self._known.clear()
            for ledger in self._ledgers.values():
                ledger.forget_acks()
            for flight in self._flights.values():
                for span in flight.spans if flight.ledger else ():
                    flight.ledger.no_longer_waits(*span)  # type: ignore[union-attr]
        ledger = self._ledgers[ack.stream, ack.run]
        fresh = ledger.acknowledge(self.acceptance.committed(ack))
        for span in ack.rejected:
            ledger.reject(*span)
            self.rejections += 1
        self.wanted += len(ack.want)
        self.last_ack = now
        if fresh:
            self._fruitless = 0
            self.acked_records += sum(last - first + 1 for first, last in fresh)
            answer.acked.append((ack.stream, ack.run, fresh))
        if ack.nonce and ack.nonce == self._nonce:
            answer.clock = (ack.now, now - self._nonce_at)
        for message, flight in list(self._flights.items()):
            if flight.ledger is ledger and not ledger.unsettled(flight.spans):
                self._settle(message, flight)

    def _settle(self, message: int, flight: Flight) -> None:
        del self._flights[message]
        self._unacked[flight.lane] -= flight.size
        self.acked_readings += flight.readings
        for eid, digests in flight.context.items():
            self._known.setdefault(eid, set()).update(digests)
            self._known.move_to_end(eid)
        while len(self._known) > _KNOWN_EPOCHS:
            self._known.popitem(last=False)

    def _give_back(self, message: int) -> Flight | None:
        flight = self._flights.pop(message, None)
        if flight is not None and flight.ledger is not None:
            self._unacked[flight.lane] -= flight.size
            for span in flight.spans:
                flight.ledger.give_back(span, flight.lane)
        return flight

    def _expire(self, now: float) -> None:
        for message, flight in list(self._flights.items()):
            if flight.deadline <= now:
                self._give_back(message)
                if flight.answered:
                    self._fruitless += 1
                else:
                    self.rate.lost()

    def _hold(self, via: str, now: float, slow: Backoff | None) -> None:
        transport = self._via(via)
        if now >= transport.until or slow is not None:
            transport.until = now + (slow or transport.backoff).next()
