"""Which state is news: an old one played again fakes nothing, and a hub whose store was set back is not locked out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_kit import Desk, Sender, row
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from backend.hubs.states import OFFER_EVERY_S, HubStates
from backend.ingest.core import STATE
from hub.core.errors import AuthFailed, StorageError
from hub.protocol.documents.backup import SENT_JUMP
from hub.protocol.enrolment import make_csr
from hub.protocol.link_messages import State, pack_message, read_ack, read_reply, read_state, sign_state


@pytest.fixture
def hub(plain: Desk) -> Sender:
    return plain.enrol()


def stated(desk: Desk, hub: Sender) -> State:
    ((blob,),) = desk.sql("select state from hubs where hub = ?", hub.hub)
    return read_state(blob, hub.public)


def test_a_state_played_again_changes_nothing_and_is_counted(plain: Desk, hub: Sender) -> None:
    segment = hub.segment()
    plain.post(hub, segment.message([segment.block([row()])]))
    old, newer = hub.state(segment, nonce=b"o" * 16), hub.state(segment, nonce=b"m" * 16)
    plain.state(hub, old)
    plain.state(hub, newer)
    seen = plain.sql("select state_at from hubs")
    answer = plain.state(hub, old)
    assert [ack.nonce for ack in answer.acks] == [b"m" * 16], "an old nonce must not come back"
    assert 1 in answer.taken(segment)
    assert (stated(plain, hub).nonce, plain.sql("select state_at from hubs")) == (b"m" * 16, seen)
    assert plain.ingest.states.stale == 1
    assert plain.alarms() == []


def test_a_state_that_the_disk_has_damaged_locks_no_hub_out_and_hides_no_other(plain: Desk, hub: Sender) -> None:
    other, segment = plain.enrol(), hub.segment()
    for sender in (hub, other):
        plain.state(sender, sender.state(generation=3))
    ((kept,),) = plain.sql("select state from hubs where hub = ?", hub.hub)
    plain.sql("update hubs set state = ? where hub = ?", bytes([*kept[:-1], kept[-1] ^ 1]), hub.hub)
    plain.restart()
    told = {one["hub"]: one["generation"] for one in plain.views.hubs()}
    assert told == {hub.hub: None, other.hub: 3}
    assert 1 in plain.post(hub, segment.message([segment.block([row()])])).taken(segment)
    assert plain.alarms() == ["damaged-state"]
    answer = plain.state(hub, hub.state(segment, nonce=b"m" * 16, generation=3))
    assert [ack.nonce for ack in answer.acks] == [b"m" * 16]
    assert {one["hub"]: one["generation"] for one in plain.views.hubs()} == {hub.hub: 3, other.hub: 3}


@pytest.mark.parametrize("generation", [5, 6])
def test_a_state_of_before_a_set_back_that_stands_above_by_its_numbers_is_an_old_one(
    plain: Desk, hub: Sender, generation: int
) -> None:
    now = time.time()
    old = hub.state(n=10, generation=generation, heard=now - 1000.0, nonce=b"o" * 16)
    plain.state(hub, old)
    plain.state(hub, hub.state(n=3, generation=5, heard=now + 1000.0, nonce=b"m" * 16))
    assert (stated(plain, hub).nonce, plain.alarms()) == (b"m" * 16, ["set-back"])
    plain.state(hub, old)
    assert stated(plain, hub).nonce == b"m" * 16
    assert plain.ingest.states.stale == 1


def test_within_one_generation_a_state_that_has_heard_less_than_the_last_one_is_an_old_one(
    plain: Desk, hub: Sender
) -> None:
    now = time.time()
    plain.state(hub, hub.state(n=3, generation=5, heard=now, nonce=b"m" * 16))
    plain.state(hub, hub.state(n=4, generation=5, heard=now - 1.0, nonce=b"o" * 16))
    assert stated(plain, hub).nonce == b"m" * 16
    plain.state(hub, hub.state(n=5, generation=5, heard=now, nonce=b"k" * 16))
    assert stated(plain, hub).nonce == b"k" * 16


def test_a_state_whose_commit_failed_is_taken_when_it_comes_again(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain.state(hub, hub.state(nonce=b"o" * 16))
    state = hub.state(nonce=b"m" * 16)

    def refuse() -> None:
        raise StorageError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(plain.ingest.storage.streams, "save", refuse)
        assert isinstance(plain.answer(hub, state, STATE), StorageError)
    plain.state(hub, state)
    assert stated(plain, hub).nonce == b"m" * 16
    assert plain.ingest.states.stale == 0


def test_one_that_is_long_past_is_an_alarm_as_well(plain: Desk, hub: Sender) -> None:
    first = hub.state()
    for _ in range(5):
        plain.state(hub, hub.state())
    plain.state(hub, first)
    plain.state(hub, first)
    assert plain.alarms() == ["old-state"]
    assert plain.ingest.states.stale == 2


def test_a_new_process_begins_again_at_one_with_a_higher_generation(plain: Desk, hub: Sender) -> None:
    plain.state(hub, hub.state(n=700, generation=3))
    plain.state(hub, hub.state(n=1, generation=4))
    assert (stated(plain, hub).generation, plain.ingest.states.stale, plain.alarms()) == (4, 0, [])
    plain.state(hub, hub.state(n=2, generation=4 + SENT_JUMP))
    assert plain.alarms() == ["restored"]


def test_a_hub_restored_from_a_backup_some_generations_old_is_seen_to_be_restored(plain: Desk, hub: Sender) -> None:
    plain.state(hub, hub.state(n=1, generation=30))
    plain.state(hub, hub.state(n=1, generation=20 + SENT_JUMP))
    assert plain.alarms() == ["restored"]


@pytest.mark.parametrize(
    ("boot", "heard", "alarms"),
    [
        (b"2" * 16, 90_000.0, ["set-back"]),  # a second life of one backup: it knows what the backup knew
        (b"2" * 16, 99_000.0, []),  # a power cut took what it had heard in the last minutes
        (b"1" * 16, 90_000.0, []),  # the same life: the backend's clock was set
    ],
)
def test_a_second_life_of_one_backup_is_known_by_what_it_has_not_heard(
    plain: Desk, hub: Sender, boot: bytes, heard: float, alarms: list[str]
) -> None:
    first = 7 + SENT_JUMP
    plain.state(hub, hub.state(n=5, generation=first, heard=100_000.0, boot=b"1" * 16))
    plain.state(hub, hub.state(n=1, generation=first + 30, heard=heard, boot=boot))
    assert plain.alarms() == alarms
    told = [detail for (detail,) in plain.sql("SELECT detail FROM alarms")]
    assert [f"--lived {first}" in detail for detail in told] == [True] * len(alarms)


def test_a_hub_whose_store_was_set_back_is_believed_as_soon_as_it_has_heard_the_backend(
    plain: Desk, hub: Sender
) -> None:
    segment = hub.segment()
    plain.post(hub, segment.message([segment.block([row()])]))
    ack = plain.state(hub, hub.state(segment, n=50, generation=9)).acks[0]
    plain.state(hub, hub.state(segment, n=51, generation=9, heard=ack.now))
    set_back = plain.state(hub, hub.state(segment, n=1, generation=7, heard=ack.now - 1000, nonce=b"s" * 16))
    assert set_back.acks[0].nonce != b"s" * 16
    assert stated(plain, hub).generation == 9
    again = plain.state(hub, hub.state(segment, n=2, generation=7, heard=set_back.acks[0].now, nonce=b"t" * 16))
    assert again.acks[0].nonce == b"t" * 16
    assert (stated(plain, hub).generation, stated(plain, hub).n) == (7, 2)
    assert plain.alarms() == ["old-state", "set-back"]
    plain.state(hub, hub.state(segment, n=3, generation=7, heard=again.acks[0].now))
    assert stated(plain, hub).n == 3


def test_states_that_were_held_back_do_not_fake_presence(plain: Desk, hub: Sender) -> None:
    segment = hub.segment()
    plain.post(hub, segment.message([segment.block([row()])]))
    ack = plain.state(hub, hub.state(segment)).acks[0]
    held = [hub.state(segment, heard=ack.now) for _ in range(3)]
    for state in held:
        plain.state(hub, state)
    (seen,) = plain.views.hubs()
    assert seen["heard_at"] == ack.now < seen["state_at"]
    assert (seen["boot"], seen["trust_version"]) == (bytes(16).hex(), 0)


def test_what_was_taken_is_known_after_a_restart(plain: Desk, hub: Sender) -> None:
    old, newer = hub.state(), hub.state()
    plain.state(hub, newer)
    plain.restart()
    plain.state(hub, old)
    assert plain.ingest.states.stale == 1
    assert stated(plain, hub).n == 2


def test_another_hubs_state_is_refused(plain: Desk, hub: Sender) -> None:
    other = plain.enrol()
    with pytest.raises(AuthFailed):
        plain.state(hub, other.state())
    stolen = sign_state(read_state(other.state(), other.public), hub.identity)
    with pytest.raises(AuthFailed, match="another hub"):
        plain.state(hub, stolen)


def test_a_hub_that_states_an_old_trust_version_is_handed_the_new_document_now_and_then(plain: Desk) -> None:
    states = HubStates(plain.ingest.storage)
    stale = State(hub="hub-a", boot=bytes(16), nonce=bytes(16), n=1, streams={}, trust_version=4)
    assert [states.trust_due(stale, 5, at) for at in (0.0, 30.0, OFFER_EVERY_S - 1, OFFER_EVERY_S)] == [
        True,
        False,
        False,
        True,
    ]
    assert states.trust_due(stale, 6, OFFER_EVERY_S + 1), "a newer one is news"
    assert not states.trust_due(stale, 4, 1e9)


# -- any order -------------------------------------------------------------------------------------------------------


class Honest:
    """A hub's store, counters and memory of the backend, as a disk image may set them back."""

    def __init__(self) -> None:
        self.generation, self.n, self.heard = 1, 0, 0.0

    def start(self) -> None:
        self.generation, self.n = self.generation + 1, 0


class Believing(HubStates):
    """The twin: takes what is signed, whenever it was made."""

    def _refuse(self, state: State, last: State) -> None:
        raise AssertionError("never asked")

    def _taken_at(self, hub: str) -> float:
        return -1.0


class Forgetting(HubStates):
    """The twin: goes by the numbers alone."""

    def _taken_at(self, hub: str) -> float:
        return float("inf")


events = st.lists(
    st.sampled_from(["state", "state", "state", "lost", "start", "image", "set back", "play"]), max_size=40
)


def run(desk: Desk, kind: Callable[[Any], HubStates], told: list[str], rng: Any) -> None:
    """One hub, one broker that plays what it recorded. The oracle knows in which order states were made."""
    sender, honest, clock = desk.enrol(), Honest(), itertools.count(1000)
    states = kind(desk.ingest.storage)
    hub = desk.ingest.registry.find(sender.hub)
    assert hub is not None
    recorded: list[bytes] = []
    made: dict[bytes, int] = {}
    image = (honest.generation, honest.n, honest.heard)
    newest = 0
    for what in [*told, "state", "state"]:
        if what == "start":
            honest.start()
        elif what == "image":
            image = (honest.generation, honest.n, honest.heard)
        elif what == "set back":
            honest.generation, honest.n, honest.heard = image
            honest.start()
        elif what == "play" and recorded:
            newest = deliver(desk, states, hub, rng.choice(recorded), made, newest, next(clock))
        elif what in ("state", "lost"):
            honest.n += 1
            body = sender.state(
                n=honest.n, generation=honest.generation, heard=honest.heard, nonce=next(clock).to_bytes(16, "big")
            )
            recorded.append(body)
            made[body] = len(made) + 1
            if what == "state":
                newest = deliver(desk, states, hub, body, made, newest, next(clock))
                honest.heard = float(next(clock))
    assert newest == len(made), "the hub that lives is not believed"


def deliver(desk: Desk, states: HubStates, hub: Any, body: bytes, made: dict[bytes, int], newest: int, now: int) -> int:
    with desk.ingest.storage.transaction():
        _, taken = states.take(hub, body, float(now))
    if not taken:
        return newest
    assert made[body] > newest, "an old state was taken for news"
    return made[body]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "owner")
    yield made
    made.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(events, st.randoms(use_true_random=False))
def test_no_order_of_events_makes_an_old_state_news_or_locks_the_living_hub_out(
    store: Desk, told: list[str], rng: Any
) -> None:
    run(store, HubStates, told, rng)


@pytest.mark.parametrize(
    ("twin", "told"),
    [
        (Believing, ["state", "state", "state", "play"] * 4),
        (Forgetting, ["state", "image", *["start", "state"] * 3, "set back"]),
    ],
)
def test_a_broken_twin_is_caught(store: Desk, twin: Callable[[Any], HubStates], told: list[str]) -> None:
    import random

    run(store, HubStates, told, random.Random(1))
    with pytest.raises(AssertionError):
        run(store, twin, told, random.Random(1))


# -- with records, in one message ------------------------------------------------------------------------------------


def test_a_state_that_comes_with_records_is_taken_first_and_one_ack_answers_both(plain: Desk, hub: Sender) -> None:
    readings, alerts = hub.segment(), hub.segment(stream="alerts")
    plain.state(hub, hub.state(speaks=2))
    blocks = [(segment, segment.block([row()])) for segment in (readings, alerts)]
    groups = [(segment.eid, [*segment.context, block]) for segment, block in blocks]
    state = hub.state(readings, nonce=b"w" * 16, speaks=2)
    reply = plain.answer(hub, pack_message(groups, state))
    assert isinstance(reply, bytes)
    assert read_reply(reply).speaks == 2
    (ack,) = [read_ack(blob, plain.owner.trust)[0] for blob in read_reply(reply).acks]
    assert ack.nonce == b"w" * 16, "the state counts before the records do"
    told = {(one.stream, one.run): one.through for one in ack.each()}
    assert told == {("readings", readings.run): 1, ("alerts", alerts.run): 1}


def test_a_hub_that_does_not_say_that_it_reads_them_gets_no_ack_of_several_runs(plain: Desk, hub: Sender) -> None:
    one, two = hub.segment(), hub.segment(stream="alerts")
    plain.state(hub, hub.state())
    answer = plain.post(hub, one.message([one.block([row()])]) + two.message([two.block([row()])])[4:])
    assert [(ack.stream, ack.also) for ack in answer.acks] == [("readings", ()), ("alerts", ())]
    assert sorted(ack.n for ack in answer.acks) == [ack.n for ack in answer.acks]


def test_a_message_with_another_hubs_state_is_refused_whole(plain: Desk, hub: Sender) -> None:
    segment = hub.segment()
    other = plain.enrol()
    body = segment.message([segment.block([row()])])
    forged = b"ILM2" + len(state := other.state()).to_bytes(4, "big") + state + body[4:]
    assert isinstance(plain.answer(hub, forged), AuthFailed)
    assert plain.rows() == []
    assert read_reply(plain.answer(hub, body)).speaks is UNSET


def request() -> bytes:
    return make_csr(ec.generate_private_key(ec.SECP256R1()), "x")


@pytest.mark.parametrize("where", ["commit", "answer"])
def test_what_an_answer_that_was_never_made_was_to_hand_over_is_handed_over_with_the_next_one(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def refuse(*_: object) -> None:
        raise StorageError("disk full")

    old, ingest = plain.owner.trust.version - 1, plain.ingest
    with monkeypatch.context() as patch:
        patch.setattr(*((ingest.storage.streams, "save") if where == "commit" else (ingest, "_acks")), refuse)
        assert isinstance(plain.answer(hub, hub.state(trust_version=old, csr=request()), STATE), StorageError)
    answer = plain.answer(hub, hub.state(trust_version=old, csr=request()), STATE)
    assert isinstance(answer, bytes)
    reply = read_reply(answer)
    assert reply.trust == plain.owner.trust_document
    assert reply.certificate is not UNSET
    assert b"BEGIN CERTIFICATE" in reply.certificate
    again = plain.answer(hub, hub.state(trust_version=old, csr=request()), STATE)
    assert isinstance(again, bytes)
    assert (read_reply(again).trust, read_reply(again).certificate) == (b"", UNSET), "what was handed over counts"
