"""The backend asks again: what its database lost arrives once more, and nobody else can make the hub send."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.protocol.link_messages import MAX_RANGES, Ack, State, _decode, _open, pack_reply, read_reply, read_state
from hub.protocol.ranges import Ranges
from hub.store_and_forward.delivery import BACKLOG, Delivery, RefusedAck
from hub.store_and_forward.delivery.lanes import RunLedger
from hub.store_and_forward.delivery.timeouts import WANT_S
from tests.hub.store_and_forward.delivery.delivery_kit import (
    HUB,
    IDENTITY,
    OLD_RUN,
    RUN,
    Database,
    Faults,
    Number,
    World,
    answer,
    contents,
    opened,
    restate,
    state_of,
    stated,
    take,
)


class WantWorld(World):
    """Its backend loses what it had committed, under the same database id, and asks for it in answer to a state. Its
    broker then holds every answer back for a while, and plays those that ask. The oracle is what the hub was told to
    take for unacked."""

    def __init__(self, seed: int, faults: Faults, kind: type[Delivery] = Delivery) -> None:
        super().__init__(seed, faults, kind)
        self.again: dict[tuple[str, bytes], float] = {}
        self.held: list[tuple[int, bytes]] = []
        self.holds_until = 0.0

    def lose(self) -> None:
        if self.faults.forged:
            self.holds_until = self.now + 70.0
            self.at(self.holds_until, self.play_held)
        kept = [number for number in sorted(self.backend.db.committed) if self.rng.random() < 0.5]
        self.backend.db.committed = set(kept)

    def had(self, number: Number) -> bool:
        return number in self.backend.db.times  # an ack from before the loss may come late

    def arrive(self, message: Any) -> None:
        if state := state_of(message):
            self.backend.wants = holes(self, read_state(state, IDENTITY.public_key().public_bytes_raw()))
        super().arrive(message)

    def play_held(self) -> None:
        held, self.held = self.held, []
        for message, reply in held:
            if any(ack.want for ack in acks_in(reply)):
                self.answer(message, reply)

    def answer(self, message: int, reply: bytes) -> None:
        if self.now < self.holds_until:
            self.held.append((message, reply))
            return
        result: Any = None
        real = self.delivery.apply_reply

        def answered(*arguments: Any) -> Any:
            nonlocal result
            result = real(*arguments)
            return result

        self.delivery.apply_reply = answered  # type: ignore[method-assign]
        super().answer(message, reply)
        self.delivery.apply_reply = real  # type: ignore[method-assign]
        for stream, run, ranges in result.unacked if result is not None else ():
            asked = [ack for ack in acks_in(reply) if (ack.stream, ack.run) == (stream, run) and ack.want]
            assert any(ack.nonce == stated(self).nonce for ack in asked), "sent again for an old request"
            last = self.again.get((stream, run))
            assert last is None or self.now - last >= WANT_S, "sent again twice within a minute"
            self.again[stream, run] = self.now
            wanted = Ranges(span for ack in asked for span in ack.want)
            for first, end in ranges:
                assert wanted.covers(first, end), "sent again what nobody asked for"
                self.disk.acks[stream, run].discard(first, end)


def holes(world: World, state: State) -> dict[tuple[str, bytes], tuple[tuple[int, int], ...]]:
    """What the backend lacks of the runs that the state and its own records name."""
    ends = {(stream, run): last for stream, (run, last, _) in state.streams.items()}
    for (stream, run), held in world.disk.records.items():
        ends.setdefault((stream, run), max(held))
    return {key: tuple(world.backend.done(*key).missing(1, last))[:MAX_RANGES] for key, last in ends.items()}


def acks_in(reply: bytes) -> list[Ack]:
    try:
        acks = [_decode(_open(blob, b"ilot/ack/1\0")[0], Ack) for blob in read_reply(reply).acks]
        return [one for ack in acks for one in ack.each()]
    except DecodeError:
        return []


def play(seed: int, faults: Faults, losses: int, kind: type[Delivery] = Delivery) -> WantWorld:
    """Ten minutes in which the backend loses half of what it had, so many times; then an hour of a good world."""
    world = WantWorld(seed, faults, kind)
    world.disk.put("readings", OLD_RUN, 40)
    world.delivery.open(world.disk.streams())
    for turn in range(30):
        world.at(turn * 20.0, lambda: world.commit("readings", world.rng.randint(1, 20)))
        if turn % 7 == 0:
            world.at(turn * 20.0 + 1, lambda: world.commit("alerts", 1))
    for _ in range(losses):
        world.at(world.rng.uniform(60, 580), world.lose)
    world.run(600.0)
    world.faults = Faults()
    world.run(3600.0)
    return world


bad_worlds = st.builds(
    Faults,
    lost=st.floats(0.0, 0.3),
    repeated=st.floats(0.0, 0.4),
    forged=st.floats(0.0, 0.4),
    delay_s=st.sampled_from([0.001, 0.1, 5.0]),
    thrifty=st.sampled_from([0, 1, 2]),
)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), bad_worlds, st.sampled_from([1, 2, 30]))
def test_what_the_backend_lost_arrives_again_and_only_a_fresh_request_makes_the_hub_send(
    seed: int, faults: Faults, losses: int
) -> None:
    play(seed, faults, losses).check_all_arrived()


class HeedsOldRequests(Delivery):
    def _want(self, ack: Ack, ledger: RunLedger, fresh: bool, *more: Any) -> RefusedAck | None:
        return super()._want(ack, ledger, True, *more)


class HeedsEveryRequest(Delivery):
    def _want(self, ack: Ack, ledger: RunLedger, *more: Any) -> RefusedAck | None:
        ledger.wanted_at = -WANT_S
        return super()._want(ack, ledger, *more)


class HeedsNoRequest(Delivery):
    def _want(self, *arguments: Any) -> RefusedAck | None:
        return None


@pytest.mark.parametrize(
    ("twin", "faults", "losses"),
    [
        (HeedsOldRequests, Faults(repeated=0.3, forged=0.2), 2),
        (HeedsEveryRequest, Faults(), 30),
        (HeedsNoRequest, Faults(), 1),
    ],
)
def test_a_broken_twin_is_caught(twin: type[Delivery], faults: Faults, losses: int) -> None:
    def survives(seed: int, kind: type[Delivery]) -> bool:
        try:
            play(seed, faults, losses, kind).check_all_arrived()
        except AssertionError:
            return False
        return True

    seeds = [random.Random(n).getrandbits(32) for n in range(3)]
    assert all(survives(seed, Delivery) for seed in seeds)
    assert not all(survives(seed, twin) for seed in seeds)


# piece by piece


def acked_world(count: int = 10) -> World:
    """Ten records, sent and acked."""
    world = opened()
    world.commit("readings", count)
    answer(world, take(world))
    return world


def test_what_is_asked_for_again_joins_the_backlog_and_leaves_the_ack_set() -> None:
    world = acked_world()
    ack = world.backend.ack("readings", RUN, through=3, ranges=((8, 10),), want=((4, 7),))
    result = world.delivery.apply_reply(99, pack_reply([ack]), world.now)
    assert result.unacked == [("readings", RUN, [(4, 7)])]
    assert (world.delivery.wanted, world.delivery.depth()[BACKLOG]) == (4, 4)
    message = take(world)
    assert (message.lane, [seq for *_, seq in contents(message)]) == (BACKLOG, [4, 5, 6, 7])
    assert answer(world, message).acked == [("readings", RUN, [(4, 7)])]


def test_what_waits_or_is_on_its_way_is_not_sent_twice_because_it_is_asked_for() -> None:
    world = acked_world(4)
    world.commit("readings", 3)
    message = take(world)
    world.commit("readings", 2)
    ack = world.backend.ack("readings", RUN, through=4, want=((5, 9),))
    assert world.delivery.apply_reply(99, pack_reply([ack]), world.now).unacked == []
    assert [seq for *_, seq in contents(message)] == [5, 6, 7]
    assert [seq for *_, seq in contents(take(world))] == [8, 9]
    assert take(world) is None


def test_a_request_in_answer_to_an_older_state_or_to_none_changes_nothing() -> None:
    world = acked_world()
    old = world.backend.nonce
    restate(world)
    for nonce in (old, b"", b"x" * 16):
        ack = world.backend.ack("readings", RUN, through=0, want=((1, 10),), nonce=nonce)
        result = world.delivery.apply_reply(99, pack_reply([ack]), world.now)
        assert (result.unacked, [refused.reason for refused in result.refused]) == ([], ["want-old"])
        assert not any(refused.hostile for refused in result.refused)
    assert world.delivery.wanted == 0
    assert world.delivery.refusals == {"want-old": 3}


def test_what_an_older_database_acked_is_void_where_a_new_one_answers_beside_it() -> None:
    world = acked_world(2)
    world.commit("readings", 3)
    message = take(world)
    restate(world)
    old = world.backend.ack("readings", RUN, through=5)
    world.backend.db = Database(b"1" * 16)
    new = world.backend.ack("readings", RUN, through=1, ranges=(), n=99)
    result = world.delivery.apply_reply(message.id, pack_reply([old, new]), world.now)
    assert result.forget
    assert result.acked == [("readings", RUN, [(1, 1)])], "the rest may not be deleted"
    assert world.delivery.depth()[BACKLOG] == 4


def test_what_an_older_database_asked_for_is_void_where_a_new_one_answers_beside_it() -> None:
    world = acked_world()
    restate(world)
    old = world.backend.ack("readings", RUN, through=10, want=((1, 5),))
    world.backend.db = Database(b"1" * 16)
    new = world.backend.ack("readings", RUN, through=10, n=99)
    result = world.delivery.apply_reply(99, pack_reply([old, new]), world.now)
    assert result.forget
    assert (result.acked, result.unacked) == ([("readings", RUN, [(1, 10)])], [])


def test_a_run_is_asked_for_at_most_once_a_minute() -> None:
    world = acked_world()

    def asked(first: int, last: int) -> tuple[int, list[str]]:
        ack = world.backend.ack("readings", RUN, through=0, want=((first, last),))
        result = world.delivery.apply_reply(99, pack_reply([ack]), world.now)
        return len(result.unacked), [refused.reason for refused in result.refused]

    assert asked(1, 2) == (1, [])
    assert asked(3, 4) == (0, ["want-often"])
    restate(world)
    assert asked(3, 4) == (0, ["want-often"])
    restate(world)
    assert asked(3, 4) == (1, [])


def test_what_the_disk_no_longer_holds_cannot_be_sent_and_is_not_asked_of_it_in_a_circle() -> None:
    world = acked_world()
    held = world.disk.records["readings", RUN]
    world.backend.db.committed.clear()
    for gone in (1, 2, 3, 6):  # the oldest segments, and one in between
        del held[gone]
    restate(world)
    ack = world.backend.ack("readings", RUN, through=0, want=((1, 10),))
    assert world.delivery.apply_reply(99, pack_reply([ack]), world.now).unacked == [("readings", RUN, [(4, 10)])]
    message = take(world)
    assert [seq for *_, seq in contents(message)] == [4, 5, 7, 8, 9, 10]
    answer(world, message)
    assert take(world) is None
    restate(world)
    restate(world)
    again = world.backend.ack("readings", RUN, through=0, want=((1, 6),))
    result = world.delivery.apply_reply(99, pack_reply([again]), world.now)
    assert result.unacked == [("readings", RUN, [(4, 5)])]


def test_a_request_for_another_hub_or_run_is_no_request() -> None:
    world = acked_world()
    other = world.backend.ack("readings", RUN, hub="hub-b", through=0, want=((1, 10),))
    stranger = world.backend.ack("readings", b"x" * 16, through=0, want=((1, 10),))
    result = world.delivery.apply_reply(99, pack_reply([other, stranger]), world.now)
    assert result.unacked == []
    assert [refused.reason for refused in result.refused] == ["other-hub", "unknown-run"]
    assert HUB != "hub-b"


def test_ranges_that_wait_anew_are_not_moved_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """After acks of thousands of single records as many wait between them."""
    singles = [(n, n) for n in range(2, 2000, 2)]
    ledger = RunLedger("readings", RUN, closed=False, acked=Ranges())
    ledger.durable(1, 2000, 0.0)
    ledger.acknowledge(singles)
    ledger.durable(2001, 2001, 9.0)
    moved: list[int] = []
    real = Ranges.add
    monkeypatch.setattr(Ranges, "add", lambda self, *span: (moved.append(span[0]), real(self, *span))[1])
    ledger.age(5.0)
    assert (ledger.owed.parts(), list(ledger.live)) == (1000, [(2001, 2001)])
    ledger.forget_acks()
    assert (list(ledger.owed), list(ledger.live)) == ([(1, 2000)], [(2001, 2001)])
    assert ledger.want(singles) == []
    assert len(moved) <= 1
