"""The delivery's world: a disk, a backend and a link between them that loses, repeats, reorders, delays and forges.

The world is the oracle: it knows by itself what is on the disk and what each backend database committed, and it fails
the run as soon as the hub deletes a record that no database in force has.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from hub.core.backoff import Backoff
from hub.core.errors import DecodeError
from hub.protocol.link_messages import (
    Ack,
    State,
    StreamAck,
    _decode,
    _open,
    key_id,
    open_message,
    pack_reply,
    read_state,
    sign_ack,
)
from hub.protocol.ranges import Range, Ranges
from hub.sdk.transport import Message
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.delivery import Delivery, Fetch, Ledgers, Sender, StateMaker, Survey

IDENTITY = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
ACK_KEY = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
HUB, RUN, OLD_RUN, BOOT = "hub-a", b"r" * 16, b"o" * 16, b"b" * 16
EPOCH_RECORDS = 20
Number = tuple[str, bytes, int]


class Key(msgspec.Struct, frozen=True):
    kid: bytes
    public: bytes


class Trust(msgspec.Struct, frozen=True):
    ack_keys: tuple[Key, ...]


PUBLIC = ACK_KEY.public_key().public_bytes_raw()
TRUST = Trust((Key(key_id(PUBLIC), PUBLIC),))


class Record(NamedTuple):
    kind: int
    seq: int
    readings: int
    eid: bytes
    raw: bytes


class Held(NamedTuple):
    stream: str
    run: bytes
    first: int
    last: int
    digest: bytes


def raw(*fields: Any) -> bytes:
    body = msgspec.msgpack.encode(fields)
    return len(body).to_bytes(4, "big") + body


def fields(records: bytes) -> Iterator[list[Any]]:
    at = 0
    while at < len(records):
        end = at + 4 + int.from_bytes(records[at : at + 4], "big")
        yield msgspec.msgpack.decode(records[at + 4 : end])
        at = end


class Disk:
    """What the buffer does for the delivery, in a dictionary."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, bytes], dict[int, Record]] = {}
        self.acks: dict[tuple[str, bytes], Ranges] = {}
        self.reads: list[Fetch] = []

    def put(self, stream: str, run: bytes, count: int, size: int = 100, readings: int = 10) -> Range:
        held = self.records.setdefault((stream, run), {})
        first = max(held, default=0) + 1
        for seq in range(first, first + count):
            eid = f"{stream}{run[:1].decode()}{seq // EPOCH_RECORDS}".encode().ljust(32, b".")
            held[seq] = Record(2, seq, readings, eid, raw("r", stream, run, seq, bytes(size)))
        return first, first + count - 1

    def streams(self) -> list[Held]:
        runs = sorted(self.records.items(), key=lambda item: item[0][1] == RUN)
        return [Held(s, r, min(held), max(held), b"d" * 32) for (s, r), held in runs if held]

    def read(self, fetch: Fetch) -> list[Record]:
        self.reads.append(fetch)
        out: list[Record] = []
        size, eid = 0, b""
        held = self.records[fetch.stream, fetch.run]
        for seq in range(fetch.first, fetch.last + 1):
            record = held.get(seq)
            if record is None:
                continue
            if size and size + len(record.raw) > fetch.most:
                break
            if record.eid != eid:
                eid = record.eid
                out += [Record(1, 0, 0, eid, raw("e", eid)), Record(1, 0, 0, eid, raw("t", eid, seq))]
            out.append(record)
            size += len(record.raw)
        return out


class Database:
    def __init__(self, name: bytes, committed: Iterable[Number] = ()) -> None:
        self.name = name
        self.n = 0
        self.committed = set(committed)
        self.times: dict[Number, int] = {}
        self.epochs: set[bytes] = set()


class Backend:
    """The oracle's other end: commits what it can read, and signs what it committed. `speaks` 2: it takes a state with
    the records, and signs for several runs at once."""

    def __init__(self, speaks: int = 1) -> None:
        self.speaks = speaks
        self.db = Database(b"0" * 16)
        self.refuses: set[Number] = set()
        self.now = 1.8e9
        self.nonce = b""
        self.wants: dict[tuple[str, bytes], tuple[Range, ...]] = {}
        self._counted: tuple[set[Number], int, dict[tuple[str, bytes], Ranges]] = set(), 0, {}

    def restored(self, rng: random.Random) -> None:
        old = self.db
        kept = [number for number in sorted(old.committed) if rng.random() < 0.5]
        self.db = Database(bytes([old.name[0] + 1]) * 16, kept)

    def reply(self, body: bytes) -> bytes:
        touched, need = {}, []
        state, groups = open_message(body)
        if state:
            assert self.speaks > 1, "it would not understand this message"
            told = read_state(state, IDENTITY.public_key().public_bytes_raw())
            touched = dict.fromkeys(self.stated(told), True)
        for group in groups:
            missing = False
            for kind, *rest in fields(group.records):
                if kind == "e":
                    self.db.epochs.add(group.eid)
                elif kind == "r":
                    if group.eid not in self.db.epochs:
                        missing = True
                        continue
                    stream, run, seq, _ = rest
                    touched[stream, run] = True
                    if (stream, run, seq) not in self.refuses:
                        self.db.committed.add((stream, run, seq))
                        self.db.times[stream, run, seq] = self.db.times.get((stream, run, seq), 0) + 1
            need += [group.eid] * missing
        return pack_reply(self.acks(list(touched), asks=bool(state)), need, speaks=self.speaks if state else 0)

    def heard(self, state: State) -> bytes:
        """The answer to a state: what is committed of the streams that it names."""
        return pack_reply(self.acks(self.stated(state), asks=True), speaks=self.speaks if self.speaks > 1 else 0)

    def stated(self, state: State) -> list[tuple[str, bytes]]:
        self.nonce = state.nonce
        runs = {(stream, run) for stream, (run, *_) in [*state.streams.items(), *state.oldest.items()]}
        return sorted(runs.union(self.wants))

    def acks(self, runs: list[tuple[str, bytes]], *, asks: bool) -> list[bytes]:
        """One for each run, or one for all; to a state it `asks` for what it wants."""
        wants = self.wants if asks else {}
        if self.speaks == 1 or not runs:
            return [self.ack(*key, want=wants.get(key, ())) for key in runs]
        also = [self.told(*key) | {"want": wants.get(key, ())} for key in runs[1:]]
        parts = tuple(StreamAck(**{name: one[name] for name in StreamAck.__struct_fields__}) for one in also)
        return [self.ack(*runs[0], want=wants.get(runs[0], ()), also=parts)]

    def done(self, stream: str, run: bytes) -> Ranges:
        """What is committed of one run, counted again only when something came."""
        held, count, sets = self._counted
        if held is not self.db.committed or count != len(held):
            sets = {}
            for s, r, n in sorted(self.db.committed):
                sets.setdefault((s, r), Ranges()).add(n)
            self._counted = self.db.committed, len(self.db.committed), sets
        return sets.get((stream, run), Ranges())

    def ack(self, stream: str, run: bytes, **over: Any) -> bytes:
        self.db.n += 1
        return sign_ack(Ack(**(self.told(stream, run) | over)), ACK_KEY)

    def told(self, stream: str, run: bytes) -> dict[str, Any]:
        done = self.done(stream, run)
        through = done.head()[1] if done and done.head()[0] == 1 else 0
        rejected = Ranges((n, n) for s, r, n in self.refuses if (s, r) == (stream, run))
        return {
            "hub": HUB,
            "stream": stream,
            "run": run,
            "db": self.db.name,
            "n": self.db.n,
            "through": through,
            "ranges": tuple(span for span in done if span[0] > max(through, 0)),
            "rejected": tuple(rejected),
            "nonce": self.nonce,
            "now": self.now,
        }


class Faults(NamedTuple):
    lost: float = 0.0
    repeated: float = 0.0
    forged: float = 0.0
    delay_s: float = 0.05
    restore: bool = False
    refuse: float = 0.0
    outage_s: float = 0.0
    thrifty: int = 0
    """1: what waits goes in one message, as on a metered line; 2: to a backend that takes a state with it."""


class World:
    def __init__(self, seed: int, faults: Faults, kind: type[Delivery] = Delivery) -> None:
        self.rng = random.Random(seed)
        self.faults = faults
        self.disk, self.backend = Disk(), Backend(max(1, faults.thrifty))
        self.thrifty = bool(faults.thrifty)
        self.now = 0.0
        self.sent: list[tuple[float, Message]] = []
        self.replies: list[bytes] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._tokens = itertools.count(1)
        self.acked = RunRanges()
        self.delivery = kind(
            StateMaker(
                Sender(HUB, IDENTITY),
                boot=BOOT,
                trust_version=1,
                token=lambda size: next(self._tokens).to_bytes(size, "big"),
            ),
            TRUST,
            Ledgers(RUN, self.acked),
            backoff=lambda: Backoff(1.0, 60.0, self.rng),
        )

    def at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), event))

    def commit(self, stream: str, count: int) -> None:
        first, last = self.disk.put(stream, RUN, count)
        for seq in range(first, last + 1):
            if self.rng.random() < self.faults.refuse:
                self.backend.refuses.add((stream, RUN, seq))
        self.delivery.durable(stream, first, last, self.now)

    def run(self, until: float) -> None:
        wake = 0.0
        while self._events or wake < until:
            if self._events and self._events[0][0] <= wake:
                self.now, _, event = heapq.heappop(self._events)
                event()
            else:
                self.now = wake
            if self.now > until:
                return
            self.step()
            wait = self.delivery.wait("a", self.now)
            assert wait > 0, "nothing to do and no time to wait: the caller would spin"
            wake = self.now + wait

    def step(self) -> None:
        for _ in range(1000):
            action = self.delivery.poll("a", self.now)
            if action is None:
                return
            if self.thrifty:
                message = self.together(action)
                if message is not None:
                    self.carry(message)
                continue
            if isinstance(action, Survey):
                self.carry(self.delivery.surveyed(self.disk.streams(), "a", self.now))
                continue
            message = self.delivery.fetched(action, self.disk.read(action), "a", self.now)
            if message is not None:
                self.carry(message)
        raise AssertionError("a thousand messages at one moment: the delivery spins")

    def together(self, action: Fetch | Survey) -> Message | None:
        """This, and what may go with it."""
        fetches = [action] if isinstance(action, Fetch) else []
        fetches += self.delivery.also_due(action, "a")
        streams = self.disk.streams() if isinstance(action, Survey) else None
        read = [(fetch, self.disk.read(fetch)) for fetch in fetches]
        return self.delivery.compose(read, "a", self.now, streams)

    def carry(self, message: Message) -> None:
        self.sent.append((self.now, message))
        assert len(self.sent) < 4000, "messages beyond reason: the delivery repeats itself"
        cut = self.now < self.faults.outage_s
        if cut or self.rng.random() < self.faults.lost:
            if cut or self.rng.random() < 0.5:  # otherwise nobody notices before the time-out
                self.at(self.now + self.delay(), lambda: self.delivery.give_up(message.id, self.now))
            return
        for _ in range(2 if self.rng.random() < self.faults.repeated else 1):
            self.at(self.now + self.delay(), lambda: self.arrive(message))

    def delay(self) -> float:
        return self.faults.delay_s * self.rng.expovariate(1.0)

    def arrive(self, message: Message) -> None:
        if message.kind == "state":
            reply = self.backend.heard(read_state(message.body, IDENTITY.public_key().public_bytes_raw()))
        else:
            reply = self.backend.reply(message.body)
        self.replies.append(reply)
        if self.rng.random() < self.faults.forged:
            reply = self.forge(reply)
        if self.rng.random() >= self.faults.lost:
            for _ in range(2 if self.rng.random() < self.faults.repeated else 1):
                self.at(self.now + self.delay(), lambda: self.answer(message.id, reply))

    def forge(self, reply: bytes) -> bytes:
        everything = max(self.disk.records.get(("readings", RUN), {0: None}))
        n = self.backend.db.n + 1
        honest = [_decode(_open(blob, b"ilot/ack/1\0")[0], Ack) for blob in msgspec.msgpack.decode(reply)["acks"]]
        greedy = Ack(hub=HUB, stream="readings", run=RUN, db=self.backend.db.name, n=n, through=everything)
        return self.rng.choice(
            [
                pack_reply([sign_ack(greedy, STRANGER)]),  # another key
                pack_reply([self.unsigned(greedy)]),  # the right key id, no signature
                pack_reply([sign_ack(msgspec.structs.replace(ack, n=ack.n + 9), STRANGER) for ack in honest]),
                pack_reply([self.backend.ack("readings", RUN, hub="hub-b", through=everything, ranges=())]),
                pack_reply([self.backend.ack("readings", RUN, through=everything + 10**6, ranges=(), rejected=())]),
                pack_reply([self.backend.ack("gossip", RUN, through=everything, ranges=(), rejected=())]),
                self.rng.choice(self.replies),  # an old one
                pack_reply(need=[b"x" * 32, *{r.eid for r in self.disk.records["readings", RUN].values()}]),
                b"<html>sign in to the wifi</html>",
            ]
        )

    @staticmethod
    def unsigned(ack: Ack) -> bytes:
        blob = sign_ack(ack, STRANGER)
        return blob.replace(key_id(STRANGER.public_key().public_bytes_raw()), key_id(PUBLIC))

    def answer(self, message: int, reply: bytes) -> None:
        knew = self.delivery.acceptance.db == self.backend.db.name or not self.faults.restore
        try:
            answer = self.delivery.apply_reply(message, reply, self.now)
        except DecodeError:
            self.delivery.give_up(message, self.now)
            return
        if answer.forget:
            self.disk.acks.clear()
        for stream, run, ranges in answer.acked:
            for first, last in ranges:
                for seq in range(first, last + 1):
                    have = self.had((stream, run, seq))
                    assert have or not knew, f"told to delete {stream} {seq}, which the backend never got"
                    assert (stream, run, seq) not in self.backend.refuses, "told to delete what was rejected"
                self.disk.acks.setdefault((stream, run), Ranges()).add(first, last)

    def had(self, number: Number) -> bool:
        """May an ack say so?"""
        return number in self.backend.db.committed

    def check_all_arrived(self) -> None:
        for (stream, run), held in self.disk.records.items():
            wanted = {(stream, run, seq) for seq in held} - self.backend.refuses
            missing = wanted - self.backend.db.committed
            assert not missing, f"{len(missing)} records never arrived, {sorted(missing)[:3]}"
            acked = self.disk.acks.get((stream, run), Ranges())
            unacked = [n for n in wanted if acked.missing(n[2], n[2])]
            assert not unacked, f"{len(unacked)} records arrived and were never acked here"
        depth = self.delivery.depth()
        assert {k: v for k, v in depth.items() if v and k != "rejected"} == {}, depth


def play(seed: int, faults: Faults, kind: type[Delivery] = Delivery) -> World:
    """Ten minutes of commits through a bad world, then an hour and a half of a good one."""
    world = World(seed, faults, kind)
    for stream, count in (("readings", 60), ("alerts", 5)):
        world.disk.put(stream, OLD_RUN, count)
    world.acked.add_all("readings", OLD_RUN, [(3, 9)])
    world.delivery.open(world.disk.streams())
    for number in [("readings", OLD_RUN, n) for n in range(3, 10)]:
        world.backend.db.committed.add(number)
    world.disk.acks["readings", OLD_RUN] = Ranges([(3, 9)])
    for turn in range(60):
        world.at(turn * 10.0, lambda: world.commit("readings", world.rng.randint(1, 30)))
        if turn % 7 == 0:
            world.at(turn * 10.0 + 1, lambda: world.commit("alerts", 1))
    if faults.restore:
        world.at(world.rng.uniform(60, 500), lambda: world.backend.restored(world.rng))
        world.at(601.0, lambda: world.commit("readings", 1))  # its ack is how the hub learns of it
    world.run(600.0)
    world.faults = Faults(restore=faults.restore)
    world.run(2 * 3600.0)
    return world


chance = st.floats(0.0, 0.4)
bad_worlds = st.builds(
    Faults,
    lost=chance,
    repeated=chance,
    forged=chance,
    delay_s=st.sampled_from([0.001, 0.1, 5.0]),
    restore=st.booleans(),
    refuse=st.sampled_from([0.0, 0.02]),
    outage_s=st.sampled_from([0.0, 0.0, 200.0]),
    thrifty=st.sampled_from([0, 1, 2, 2]),
)


def opened(**kwargs: Any) -> World:
    """A world whose link is up and whose first state was sent."""
    world = World(1, Faults(**kwargs))
    world.delivery.open(world.disk.streams())
    world.step()
    world.backend.heard(stated(world))
    return world


def restate(world: World) -> None:
    """The next state is due, leaves, and reaches the backend."""
    world.now += 30.0
    message = world.delivery.surveyed(world.disk.streams(), "a", world.now)
    world.sent.append((world.now, message))
    world.backend.heard(stated(world))


def stated(world: World) -> State:
    """The last state that was sent."""
    sent = [blob for _, message in world.sent if (blob := state_of(message))]
    return read_state(sent[-1], IDENTITY.public_key().public_bytes_raw())


def state_of(message: Message) -> bytes:
    """The signed state that a message is or brings; empty when it is none."""
    return message.body if message.kind == "state" else open_message(message.body)[0]


def take(world: World, now: float | None = None) -> Message | None:
    """The next message, whatever it took to make it."""
    world.now = world.now if now is None else now
    action = world.delivery.poll("a", world.now)
    if isinstance(action, Survey):
        return world.delivery.surveyed(world.disk.streams(), "a", world.now)
    return world.delivery.fetched(action, world.disk.read(action), "a", world.now) if action else None


def contents(message: Message) -> list[Number]:
    out = []
    for group in open_message(message.body)[1]:
        out += [tuple(rest[:3]) for kind, *rest in fields(group.records) if kind == "r"]
    return out


def context(message: Message) -> list[str]:
    return [kind for group in open_message(message.body)[1] for kind, *_ in fields(group.records) if kind != "r"]


def answer(world: World, message: Message, reply: bytes | None = None) -> Any:
    return world.delivery.apply_reply(message.id, reply or world.backend.reply(message.body), world.now)
