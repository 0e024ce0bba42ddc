"""The delivery against a world that loses, repeats, reorders, delays and forges.

The world below is the oracle: it knows by itself what is on the disk and what each backend database committed,
and it fails the run as soon as the hub deletes a record that no database in force has.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.backoff import Backoff
from hub.delivery import ALERTS, BACKLOG, LIVE, Acceptance, Delivery, Fetch, Refused, Survey
from hub.errors import DecodeError
from hub.ranges import Range, Ranges
from hub.session import Message
from hub.wire import (
    MAX_MESSAGE,
    Ack,
    _decode,
    _open,
    key_id,
    pack_reply,
    read_state,
    sign_ack,
    unpack_message,
)

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

    def put(self, stream: str, run: bytes, count: int, size: int = 100) -> Range:
        held = self.records.setdefault((stream, run), {})
        first = max(held, default=0) + 1
        for seq in range(first, first + count):
            eid = f"{stream}{run[:1].decode()}{seq // EPOCH_RECORDS}".encode().ljust(32, b".")
            held[seq] = Record(2, seq, 10, eid, raw("r", stream, run, seq, bytes(size)))
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
    """The oracle's other end: commits what it can read, and signs what it committed."""

    def __init__(self) -> None:
        self.db = Database(b"0" * 16)
        self.refuses: set[Number] = set()
        self.now = 1.8e9

    def restored(self, rng: random.Random) -> None:
        old = self.db
        kept = [number for number in sorted(old.committed) if rng.random() < 0.5]
        self.db = Database(bytes([old.name[0] + 1]) * 16, kept)

    def reply(self, body: bytes) -> bytes:
        touched, need = {}, []
        for group in unpack_message(body):
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
        return pack_reply([self.ack(*key) for key in touched], need)

    def ack(self, stream: str, run: bytes, **over: Any) -> bytes:
        self.db.n += 1
        done = Ranges((n, n) for s, r, n in self.db.committed if (s, r) == (stream, run))
        through = done.head()[1] if done and done.head()[0] == 1 else 0
        rejected = Ranges((n, n) for s, r, n in self.refuses if (s, r) == (stream, run))
        made = {
            "hub": HUB,
            "stream": stream,
            "run": run,
            "db": self.db.name,
            "n": self.db.n,
            "through": through,
            "ranges": tuple(span for span in done if span[0] > max(through, 0)),
            "rejected": tuple(rejected),
            "now": self.now,
        } | over
        return sign_ack(Ack(**made), ACK_KEY)


class Faults(NamedTuple):
    lost: float = 0.0
    repeated: float = 0.0
    forged: float = 0.0
    delay_s: float = 0.05
    restore: bool = False
    refuse: float = 0.0
    outage_s: float = 0.0


class World:
    def __init__(self, seed: int, faults: Faults, kind: type[Delivery] = Delivery) -> None:
        self.rng = random.Random(seed)
        self.faults = faults
        self.disk, self.backend = Disk(), Backend()
        self.now = 0.0
        self.sent: list[tuple[float, Message]] = []
        self.replies: list[bytes] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._tokens = itertools.count(1)
        self.delivery = kind(
            hub=HUB,
            identity=IDENTITY,
            trust=TRUST,
            trust_version=1,
            boot=BOOT,
            run=RUN,
            backoff=lambda: Backoff(1.0, 60.0, self.rng),
            token=lambda size: next(self._tokens).to_bytes(size, "big"),
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
            if isinstance(action, Survey):
                self.carry(self.delivery.surveyed(self.disk.streams(), "a", self.now))
                continue
            message = self.delivery.fetched(action, self.disk.read(action), "a", self.now)
            if message is not None:
                self.carry(message)
        raise AssertionError("a thousand messages at one moment: the delivery spins")

    def carry(self, message: Message) -> None:
        self.sent.append((self.now, message))
        assert len(self.sent) < 4000, "messages beyond reason: the delivery repeats itself"
        cut = self.now < self.faults.outage_s
        if cut or self.rng.random() < self.faults.lost:
            if cut or self.rng.random() < 0.5:  # otherwise nobody notices before the time-out
                self.at(self.now + self.delay(), lambda: self.delivery.failed(message.id, self.now))
            return
        for _ in range(2 if self.rng.random() < self.faults.repeated else 1):
            self.at(self.now + self.delay(), lambda: self.arrive(message))

    def delay(self) -> float:
        return self.faults.delay_s * self.rng.expovariate(1.0)

    def arrive(self, message: Message) -> None:
        if message.kind == "state":
            read_state(message.body, IDENTITY.public_key().public_bytes_raw())
            reply = pack_reply()
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
        try:
            answer = self.delivery.answered(message, reply, self.now)
        except DecodeError:
            self.delivery.failed(message, self.now)
            return
        if answer.forget:
            self.disk.acks.clear()
        for stream, run, ranges in answer.acked:
            for first, last in ranges:
                for seq in range(first, last + 1):
                    have = (stream, run, seq) in self.backend.db.committed
                    assert have or self.faults.restore, f"told to delete {stream} {seq}, which the backend never got"
                    assert (stream, run, seq) not in self.backend.refuses, "told to delete what was rejected"
                self.disk.acks.setdefault((stream, run), Ranges()).add(first, last)

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
    world.delivery.open(world.disk.streams(), {("readings", OLD_RUN): [(3, 9)]})
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
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), bad_worlds)
def test_everything_durable_arrives_and_nothing_unacked_is_ever_deleted(seed: int, faults: Faults) -> None:
    play(seed, faults).check_all_arrived()


class BelievesUnsigned(Acceptance):
    def read(self, blob: bytes) -> tuple[Ack, bytes] | Refused:
        try:
            payload, kid, _ = _open(blob, b"ilot/ack/1\0")
            return _decode(payload, Ack), kid
        except DecodeError as error:
            return Refused("unreadable", str(error))


class BelievesAhead(Acceptance):
    def judge(self, ack: Ack, kid: bytes, ledgers: Any) -> Refused | None:
        refused = super().judge(ack, kid, ledgers)
        return None if refused is not None and refused.reason == "ahead" else refused


class BelievesOtherHubs(Acceptance):
    def judge(self, ack: Ack, kid: bytes, ledgers: Any) -> Refused | None:
        return super().judge(msgspec.structs.replace(ack, hub=self.hub), kid, ledgers)


class DeletesRejected(Acceptance):
    def committed(self, ack: Ack) -> list[Range]:
        return [*super().committed(ack), *ack.rejected]


class KeepsAcksOfAnOldDatabase(Acceptance):
    def accept(self, ack: Ack, kid: bytes) -> bool:
        super().accept(ack, kid)
        return False


class BrokenUnsigned(Delivery):
    judge = BelievesUnsigned


class BrokenAhead(Delivery):
    judge = BelievesAhead


class BrokenOtherHub(Delivery):
    judge = BelievesOtherHubs


class BrokenRejected(Delivery):
    judge = DeletesRejected


class BrokenDatabase(Delivery):
    judge = KeepsAcksOfAnOldDatabase


class BrokenLoss(Delivery):
    """Forgets a message that had no answer."""

    def _give_back(self, message: int) -> Any:
        return self._flights.pop(message, None)


class BrokenContext(Delivery):
    """Ignores that the backend lacks an epoch's context."""

    def answered(self, message: int, body: bytes, now: float) -> Any:
        self._context.lost = lambda eid: None  # type: ignore[method-assign]
        self._context.clear = lambda: None  # type: ignore[method-assign]
        return super().answered(message, body, now)


class BrokenRetry(Delivery):
    """Sends again at once, whatever happened."""

    def _hold(self, via: str, now: float) -> None:
        pass


@pytest.mark.parametrize(
    ("twin", "faults"),
    [
        (BrokenUnsigned, Faults(forged=0.4)),
        (BrokenAhead, Faults(forged=0.4)),
        (BrokenOtherHub, Faults(forged=0.4)),
        (BrokenRejected, Faults(refuse=0.05)),
        (BrokenDatabase, Faults(restore=True)),
        (BrokenLoss, Faults(lost=0.3)),
        (BrokenContext, Faults(restore=True)),
        (BrokenRetry, Faults(outage_s=590.0, delay_s=0.001)),
    ],
)
def test_a_broken_twin_is_caught_by_the_same_world(twin: type[Delivery], faults: Faults) -> None:
    def survives(seed: int, kind: type[Delivery]) -> bool:
        try:
            play(seed, faults, kind).check_all_arrived()
        except AssertionError:
            return False
        return True

    seeds = range(4)
    assert all(survives(seed, Delivery) for seed in seeds)
    assert not all(survives(seed, twin) for seed in seeds)


# the law, piece by piece


def opened(**kwargs: Any) -> World:
    """A world whose link is up and whose first state was sent."""
    world = World(1, Faults(**kwargs))
    world.delivery.open(world.disk.streams(), {})
    world.step()
    return world


def take(world: World, now: float | None = None) -> Message | None:
    """The next message, whatever it took to make it."""
    world.now = world.now if now is None else now
    action = world.delivery.poll("a", world.now)
    if isinstance(action, Survey):
        return world.delivery.surveyed(world.disk.streams(), "a", world.now)
    return world.delivery.fetched(action, world.disk.read(action), "a", world.now) if action else None


def contents(message: Message) -> list[Number]:
    out = []
    for group in unpack_message(message.body):
        out += [tuple(rest[:3]) for kind, *rest in fields(group.records) if kind == "r"]
    return out


def context(message: Message) -> list[str]:
    return [kind for group in unpack_message(message.body) for kind, *_ in fields(group.records) if kind != "r"]


def answer(world: World, message: Message, reply: bytes | None = None) -> Any:
    return world.delivery.answered(message.id, reply or world.backend.reply(message.body), world.now)


def test_the_first_message_of_a_transport_is_a_state_and_then_one_every_30_s() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 3)
    world.commit("readings", 2)
    world.delivery.open(world.disk.streams(), {})
    message = take(world)
    assert (message.kind, message.lane) == ("state", "")
    state = read_state(message.body, IDENTITY.public_key().public_bytes_raw())
    assert state.hub == HUB
    assert state.boot == BOOT
    assert state.streams == {"readings": (RUN, 2, b"d" * 32)}
    assert state.oldest == {"readings": (OLD_RUN, 1)}
    while (later := take(world)) is not None:
        assert later.kind == "records"
    again = take(world, 30.0)
    assert again.kind == "state"
    assert read_state(again.body, IDENTITY.public_key().public_bytes_raw()).nonce != state.nonce
    world.delivery.connected("a")
    assert take(world).kind == "state"


def test_alerts_leave_first_then_what_is_live_then_the_backlog_oldest_first() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 40)
    world.delivery.open(world.disk.streams(), {})
    world.commit("readings", 2)
    world.commit("alerts", 1)
    messages = [take(world) for _ in range(4)]
    assert [message.lane for message in messages] == ["", ALERTS, LIVE, BACKLOG]
    assert contents(messages[2]) == [("readings", RUN, 1), ("readings", RUN, 2)]
    assert contents(messages[3])[0] == ("readings", OLD_RUN, 1)
    world.commit("readings", 1)
    assert take(world).lane == LIVE


def test_what_waited_longer_than_ten_seconds_is_no_longer_live() -> None:
    world = opened()
    world.commit("readings", 3)
    world.now = 11.0
    world.commit("readings", 1)
    assert [take(world).lane, take(world).lane] == [LIVE, BACKLOG]


def test_a_backlog_message_is_at_most_a_second_of_the_link_and_its_window_is_counted_in_bytes() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 4000)
    world.delivery.open(world.disk.streams(), {})
    take(world)
    sent = []
    while (message := take(world)) is not None:
        sent.append(message)
    rate = world.delivery.rate.bytes_per_s
    assert rate == 8192
    assert all(len(message.body) <= rate for message in sent)
    assert sum(len(message.body) for message in sent) <= 4 * rate
    world.commit("readings", 1)
    assert take(world).lane == LIVE  # a full backlog window leaves room for news


def test_messages_grow_with_the_measured_rate_and_shrink_when_the_link_does() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 10_000, size=1000)
    world.delivery.open(world.disk.streams(), {})
    answer(world, take(world), pack_reply())
    for _ in range(12):
        message = take(world)
        world.now += 0.01
        answer(world, message)
    assert len(message.body) > 64 << 10
    fast = world.delivery.rate.bytes_per_s
    message = take(world)
    world.now += 20.0
    answer(world, message)
    assert world.delivery.rate.bytes_per_s < fast


class ThinWorld(World):
    """64 kbit/s up, first come first served, 100 ms there and back. Notes when each record arrived."""

    free = 0.0
    arrived: dict[Number, float]

    def carry(self, message: Message) -> None:
        self.sent.append((self.now, message))
        self.free = max(self.free, self.now) + len(message.body) / 8000
        self.at(self.free + 0.05, lambda: self.arrive(message))

    def arrive(self, message: Message) -> None:
        reply = pack_reply() if message.kind == "state" else self.backend.reply(message.body)
        if message.kind == "records":
            for number in contents(message):
                self.arrived.setdefault(number, self.now)
        self.at(self.now + 0.05, lambda: self.answer(message.id, reply))


def test_a_hub_back_from_a_week_of_cut_on_64_kbit_is_current_at_once_and_uses_the_link() -> None:
    world = ThinWorld(1, Faults())
    world.arrived = {}
    world.disk.put("readings", OLD_RUN, 2000, size=500)
    world.delivery.open(world.disk.streams(), {})
    committed: dict[Number, float] = {}

    def commit() -> None:
        world.disk.put("readings", RUN, 1, size=500)
        last = max(world.disk.records["readings", RUN])
        committed["readings", RUN, last] = world.now
        world.delivery.durable("readings", last, last, world.now)

    for turn in range(20):
        world.at(turn * 5.0, commit)
    world.run(100.0)
    delays = [world.arrived[number] - time for number, time in committed.items()]
    assert max(delays) < 5.0
    old = sum(number[1] == OLD_RUN for number in world.arrived)
    assert old * 530 > 0.7 * 100 * 8000


def test_context_travels_until_it_is_acked_and_again_when_the_backend_lacks_it() -> None:
    world = opened()
    world.commit("readings", 2)
    first = take(world)
    world.commit("readings", 2)
    second = take(world)
    assert context(first) == context(second)[:2] == ["e", "t"]
    answer(world, first)
    answer(world, second)
    world.commit("readings", 2)
    third = take(world)
    assert "e" not in context(third)
    world.backend.db.epochs.clear()
    assert answer(world, third).acked == []
    fourth = take(world)
    assert "e" in context(fourth)
    assert contents(fourth) == contents(third)
    assert answer(world, fourth).acked == [("readings", RUN, [(5, 6)])]


def test_a_backend_that_always_lacks_the_context_is_not_asked_in_a_circle() -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    eid = unpack_message(message.body)[0].eid
    answer(world, message, pack_reply(need=[eid]))
    assert take(world) is None
    assert 0 < world.delivery.wait("a", world.now) <= 10.0


def test_a_later_ack_makes_up_for_one_that_was_overtaken() -> None:
    world = opened()
    world.commit("readings", 2)
    first = take(world)
    world.commit("readings", 2)
    second = take(world)
    replies = [world.backend.reply(first.body), world.backend.reply(second.body)]
    assert answer(world, second, replies[1]).acked == [("readings", RUN, [(1, 4)])]
    late = answer(world, first, replies[0])
    assert late.acked == []
    assert [refused.reason for refused in late.refused] == ["stale"]
    assert world.delivery.in_flight() == (0, 0)


@pytest.mark.parametrize(
    ("over", "reason", "hostile"),
    [
        ({"hub": "hub-b"}, "other-hub", True),
        ({"stream": "gossip"}, "unknown-run", False),
        ({"run": b"x" * 16}, "unknown-run", False),
        ({"through": 9}, "ahead", False),
        ({"through": 0, "ranges": ((3, 3),)}, "ahead", False),
        ({"through": 0, "rejected": ((4, 4),)}, "ahead", False),
    ],
)
def test_an_ack_that_is_not_for_what_was_sent_changes_nothing(over: dict[str, Any], reason: str, hostile: bool) -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    world.commit("readings", 2)  # durable and not sent
    ack = {"stream": "readings", "run": RUN, "through": 2, "ranges": ()} | over
    reply = pack_reply([world.backend.ack(ack.pop("stream"), ack.pop("run"), **ack)])
    result = answer(world, message, reply)
    assert result.acked == []
    assert [(r.reason, r.hostile) for r in result.refused] == [(reason, hostile)]
    assert world.delivery.refusals == {reason: 1}
    assert world.delivery.depth()["flight"] == 2


def test_an_ack_of_a_closed_run_counts_although_this_process_sent_none_of_it() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 5)
    world.delivery.open(world.disk.streams(), {})
    ack = world.backend.ack("readings", OLD_RUN, through=4)
    assert answer(world, take(world), pack_reply([ack])).acked == [("readings", OLD_RUN, [(1, 4)])]
    beyond = world.backend.ack("readings", OLD_RUN, through=6)
    assert answer(world, take(world), pack_reply([beyond])).refused[0].reason == "ahead"


def test_a_new_database_owes_everything_and_the_old_one_never_comes_back() -> None:
    world = opened()
    world.commit("readings", 4)
    message = take(world)
    answer(world, message)
    old = world.backend.ack("readings", RUN, n=99, through=4, ranges=())
    assert world.delivery.depth()[BACKLOG] == 0
    world.backend.db = Database(b"1" * 16)
    world.commit("readings", 1)
    answer(world, take(world))  # it lacks the context, too
    result = answer(world, take(world))
    assert result.forget
    assert result.acked == [("readings", RUN, [(5, 5)])]
    assert world.delivery.depth()[BACKLOG] == 4
    again = take(world)
    assert contents(again) == [("readings", RUN, n) for n in range(1, 5)]
    refused = answer(world, again, pack_reply([old])).refused
    assert [r.reason for r in refused] == ["old-database"]


def test_what_was_accepted_is_remembered_by_the_next_process() -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    reply = world.backend.reply(message.body)
    answer(world, message, reply)
    memory = msgspec.msgpack.decode(msgspec.msgpack.encode(world.delivery.remembered()))
    later = Acceptance(HUB, TRUST, memory)
    assert later.db == world.backend.db.name
    ack, kid = later.read(msgspec.msgpack.decode(reply)["acks"][0])
    assert later.judge(ack, kid, world.delivery._ledgers).reason == "stale"


def test_rejected_records_stay_and_are_offered_again_after_an_hour() -> None:
    world = opened()
    world.backend.refuses.add(("readings", RUN, 2))
    world.commit("readings", 3)
    result = answer(world, take(world))
    assert result.acked == [("readings", RUN, [(1, 1), (3, 3)])]
    assert world.delivery.depth()["rejected"] == 1
    assert world.delivery.in_flight() == (0, 0)
    assert take(world, 1000.0).kind == "state"
    assert take(world) is None
    world.backend.refuses.clear()
    assert take(world, 3700.0).kind == "state"
    message = take(world)
    assert contents(message) == [("readings", RUN, 2)]
    assert answer(world, message).acked == [("readings", RUN, [(2, 2)])]


def test_a_late_answer_counts_although_its_message_was_given_up() -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    world.delivery.failed(message.id, world.now)
    assert answer(world, message).acked == [("readings", RUN, [(1, 2)])]
    assert world.delivery.depth()[LIVE] == 0


def test_a_hole_in_the_disk_is_stepped_over_and_evicted_records_are_no_longer_owed() -> None:
    world = opened()
    world.commit("readings", 6)
    for lost in (1, 4):
        del world.disk.records["readings", RUN][lost]
    message = take(world)
    assert [seq for _, _, seq in contents(message)] == [2, 3, 5, 6]
    done = pack_reply([world.backend.ack("readings", RUN, through=6)])  # the gap's declaration arrived
    assert answer(world, message, done).acked == [("readings", RUN, [(1, 6)])]
    world.disk.put("readings", OLD_RUN, 5)
    other = World(1, Faults())
    other.disk.records = {("readings", OLD_RUN): dict(world.disk.records["readings", OLD_RUN])}
    other.delivery.open(other.disk.streams(), {})
    for seq in (1, 2, 3):
        del other.disk.records["readings", OLD_RUN][seq]
    assert take(other).kind == "state"
    assert contents(take(other)) == [("readings", OLD_RUN, 4), ("readings", OLD_RUN, 5)]


def test_a_record_too_large_for_any_message_does_not_block_those_behind_it() -> None:
    world = opened()
    first, _ = world.disk.put("readings", RUN, 1, size=MAX_MESSAGE)
    world.delivery.durable("readings", first, first, world.now)
    world.commit("readings", 1)
    assert take(world) is None
    assert contents(take(world)) == [("readings", RUN, 2)]
    assert world.delivery.refusals == {"oversized": 1}
    assert world.delivery.depth()["rejected"] == 1


def test_a_failed_transport_is_left_alone_and_another_one_carries_on() -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    world.delivery.connected("b")
    pause = world.delivery.disconnected("a", world.now)
    assert 0.5 <= pause <= 1.0
    assert world.delivery.poll("a", world.now) is None
    assert world.delivery.wait("a", world.now) == pytest.approx(pause)
    assert isinstance(world.delivery.poll("b", world.now), Survey)
    world.delivery.surveyed(world.disk.streams(), "b", world.now)
    fetch = world.delivery.poll("b", world.now)
    assert contents(world.delivery.fetched(fetch, world.disk.read(fetch), "b", world.now)) == contents(message)


def test_a_clock_is_offered_only_with_the_current_nonce() -> None:
    world = opened()
    nonce = read_state(world.sent[0][1].body, IDENTITY.public_key().public_bytes_raw()).nonce
    world.commit("readings", 2)
    message = take(world)
    world.backend.reply(message.body)
    world.now = 2.0
    with_nonce = world.backend.ack("readings", RUN, nonce=nonce)
    assert answer(world, message, pack_reply([with_nonce])).clock == (1.8e9, 2.0)
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, nonce=b"x" * 16)])).clock is None
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN)])).clock is None
