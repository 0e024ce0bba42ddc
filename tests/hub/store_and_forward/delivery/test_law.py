"""The law of the delivery, piece by piece."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.protocol.link_messages import (
    MAX_MESSAGE,
    Ack,
    StreamAck,
    key_id,
    open_message,
    pack_reply,
    read_state,
    sign_ack,
)
from hub.sdk.transport import Message
from hub.store_and_forward.delivery import ALERTS, BACKLOG, LIVE, Acceptance, Survey
from hub.store_and_forward.delivery.lanes import READINGS
from tests.hub.store_and_forward.delivery.delivery_kit import (
    BOOT,
    HUB,
    IDENTITY,
    OLD_RUN,
    RUN,
    TRUST,
    Database,
    Faults,
    Key,
    Number,
    Trust,
    World,
    answer,
    contents,
    context,
    opened,
    restate,
    take,
)


def test_the_first_message_of_a_transport_is_a_state_and_then_one_every_30_s() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 3)
    world.commit("readings", 2)
    world.delivery.open(world.disk.streams())
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
    world.delivery.open(world.disk.streams())
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
    world.delivery.open(world.disk.streams())
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
    world.delivery.open(world.disk.streams())
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


def test_a_message_holds_only_so_many_readings_however_small_they_are_and_three_of_them_are_under_way() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 20_000, size=600, readings=4096)
    world.delivery.open(world.disk.streams())
    answer(world, take(world), pack_reply())
    for _ in range(12):
        message = take(world)
        assert message.readings <= READINGS
        world.now += 0.001
        answer(world, message)
    assert world.delivery.rate.bytes_per_s > 10 * len(message.body), "the line would take much more"
    assert message.readings >= READINGS / 2
    under_way = []
    message_body = message.body
    while (message := take(world)) is not None:
        under_way.append(message.readings)
    assert sum(under_way) <= 3 * READINGS
    assert world.disk.reads[-1].most < 2 * len(message_body), "what is read is sent"
    world.commit("readings", 1)
    assert take(world).lane == LIVE


def test_a_message_stays_small_where_readings_become_smaller_all_at_once() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 3_000, size=600, readings=10)
    world.disk.put("readings", OLD_RUN, 3_000, size=60, readings=4096)
    world.delivery.open(world.disk.streams())
    answer(world, take(world), pack_reply())
    most = 0
    while (message := take(world)) is not None:
        most = max(most, message.readings)
        world.now += 0.001
        answer(world, message)
    assert READINGS / 2 <= most <= READINGS


def test_one_record_with_too_many_readings_for_a_message_leaves_alone() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 3, readings=READINGS + 1)
    world.delivery.open(world.disk.streams())
    answer(world, take(world), pack_reply())
    assert [take(world).readings for _ in range(3)] == [READINGS + 1] * 3
    assert take(world) is None


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
    world.delivery.open(world.disk.streams())
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
    eid = open_message(message.body)[1][0].eid
    answer(world, message, pack_reply(need=[eid]))
    assert take(world) is None
    assert 0 < world.delivery.wait("a", world.now) <= 10.0


def test_rows_of_alerts_are_not_counted_among_acked_readings() -> None:
    world = opened()
    world.commit("alerts", 2)
    alerts = take(world)
    assert alerts.lane == ALERTS
    assert alerts.readings == 20
    assert answer(world, alerts).acked == [("alerts", RUN, [(1, 2)])]
    assert (world.delivery.acked_records, world.delivery.acked_readings) == (2, 0)
    world.commit("readings", 2)
    answer(world, take(world))
    assert (world.delivery.acked_records, world.delivery.acked_readings) == (4, 20)


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


def test_a_forged_ack_in_the_name_of_a_key_that_a_new_trust_document_keeps_is_an_attack() -> None:
    world = opened()
    world.commit("readings", 1)
    message = take(world)
    world.delivery.update_trust(TRUST, 2)
    forged = bytearray(world.backend.ack("readings", RUN, through=1))
    forged[-1] ^= 1
    (refused,) = answer(world, message, pack_reply([bytes(forged)])).refused
    assert (refused.reason, refused.hostile) == ("signature", True)
    world.delivery.update_trust(Trust(()), 3)
    (refused,) = answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=1)])).refused
    assert (refused.reason, refused.hostile) == ("withdrawn-key", False)


def test_an_ack_of_a_closed_run_counts_although_this_process_sent_none_of_it() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 5)
    world.delivery.open(world.disk.streams())
    ack = world.backend.ack("readings", OLD_RUN, through=4)
    assert answer(world, take(world), pack_reply([ack])).acked == [("readings", OLD_RUN, [(1, 4)])]
    beyond = world.backend.ack("readings", OLD_RUN, through=6)
    assert answer(world, take(world), pack_reply([beyond])).refused[0].reason == "ahead"


def test_the_ack_of_what_was_on_its_way_when_its_run_left_the_disk_counts() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 2)
    world.delivery.open(world.disk.streams())
    answer(world, take(world), pack_reply([]))
    message = take(world)
    del world.disk.records["readings", OLD_RUN]
    restate(world)
    result = answer(world, message, pack_reply([world.backend.ack("readings", OLD_RUN, through=2)]))
    assert (result.accepted, result.refused) == (1, [])
    assert world.delivery.in_flight() == (0, 0)
    restate(world)
    assert ("readings", OLD_RUN) not in world.delivery._ledgers


def test_a_new_database_owes_everything_and_the_old_one_never_comes_back() -> None:
    world = opened()
    world.commit("readings", 4)
    message = take(world)
    answer(world, message)
    old = world.backend.ack("readings", RUN, n=99, through=4, ranges=())
    assert world.delivery.depth()[BACKLOG] == 0
    world.backend.db = Database(b"1" * 16)
    restate(world)
    world.commit("readings", 1)
    answer(world, take(world))  # it lacks the context, too
    result = answer(world, take(world))
    assert result.forget
    assert result.acked == [("readings", RUN, [(5, 5)])]
    assert world.delivery.depth()[BACKLOG] == 4
    again = take(world)
    assert contents(again) == [("readings", RUN, n) for n in range(1, 5)]
    refused = answer(world, again, pack_reply([old])).refused
    assert [r.reason for r in refused] == ["other-database"]


def test_what_an_old_database_rejected_is_owed_to_a_new_one_and_waits_again_when_its_message_fails() -> None:
    world = opened()
    world.backend.refuses.add(("readings", RUN, 2))
    world.commit("readings", 3)
    message = take(world)
    answer(world, message)
    world.backend.refuses.clear()
    world.backend.db = Database(b"1" * 16)
    restate(world)
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=0)])).forget
    assert (world.delivery.depth()["rejected"], world.delivery.depth()[BACKLOG]) == (0, 3)
    world.delivery.give_up(take(world).id, world.now)
    assert world.delivery.depth()[BACKLOG] == 3


def test_a_database_that_cannot_show_that_it_answers_now_is_not_followed() -> None:
    world = opened()
    world.commit("readings", 2)
    answer(world, take(world))
    first = world.backend.nonce
    world.backend.db = Database(b"1" * 16)
    restate(world)
    world.commit("readings", 1)
    message = take(world)
    for nonce in (b"", b"x" * 16, first):
        late = pack_reply([world.backend.ack("readings", RUN, nonce=nonce, through=3)])
        result = answer(world, message, late)
        assert (result.acked, result.forget) == ([], False)
        assert [refused.reason for refused in result.refused] == ["other-database"]
    assert world.delivery.wait("a", world.now) <= 10.0, "a state is due, with a nonce that it can answer"
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=0)])).forget


def test_no_nonce_is_good_for_two_changes_of_the_database() -> None:
    world = opened()
    world.commit("readings", 1)
    message = take(world)
    answer(world, message)
    world.backend.db = Database(b"1" * 16)
    restate(world)
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=0)])).forget
    world.backend.db = Database(b"2" * 16)
    result = answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=1)]))
    assert (result.acked, result.forget) == ([], False)
    assert [refused.reason for refused in result.refused] == ["other-database"]
    restate(world)
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=1)])).accepted == 1


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
    assert later.judge(ack, kid, world.delivery._ledgers, fresh=True).reason == "stale"


def test_what_an_ack_rejects_is_not_acked_by_it_though_its_ranges_cover_it() -> None:
    world = opened()
    world.commit("readings", 6)
    message = take(world)
    ack = world.backend.ack("readings", RUN, through=3, ranges=((5, 6),), rejected=((2, 2), (6, 6)))
    assert answer(world, message, pack_reply([ack])).acked == [("readings", RUN, [(1, 1), (3, 3), (5, 5)])]
    assert world.delivery.depth()["rejected"] == 2


def test_of_a_message_that_fails_what_was_rejected_meanwhile_does_not_wait_again_at_once() -> None:
    world = opened()
    world.commit("readings", 3)
    message = take(world)
    answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=0, rejected=((2, 2),))]))
    world.delivery.give_up(message.id, world.now)
    depth = world.delivery.depth()
    assert (depth["live"] + depth[BACKLOG], depth["rejected"]) == (2, 1)


def test_what_was_rejected_and_has_left_the_disk_is_rejected_no_more() -> None:
    world = opened()
    world.commit("readings", 3)
    answer(world, take(world), pack_reply([world.backend.ack("readings", RUN, through=0, rejected=((1, 3),))]))
    for seq in (1, 2):
        del world.disk.records["readings", RUN][seq]
    restate(world)
    assert world.delivery.depth()["rejected"] == 1


def test_a_message_that_was_rejected_counts_no_readings_and_proves_no_context() -> None:
    world = opened()
    world.backend.refuses.add(("readings", RUN, 1))
    world.commit("readings", 1)
    answer(world, take(world))
    assert (world.delivery.acked_readings, world.delivery.in_flight()) == (0, (0, 0))
    world.commit("readings", 1)
    message = take(world)
    assert context(message)
    answer(world, message)
    assert world.delivery.acked_readings == 10


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
    assert (world.delivery.depth()["rejected"], world.delivery.depth()[BACKLOG]) == (0, 1), "it waits in one place"
    message = take(world)
    assert contents(message) == [("readings", RUN, 2)]
    assert answer(world, message).acked == [("readings", RUN, [(2, 2)])]


def test_what_was_acked_and_is_rejected_later_stays_acked_and_is_not_offered_again() -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    answer(world, message)
    late = world.backend.ack("readings", RUN, through=0, ranges=(), rejected=((1, 2),))
    assert answer(world, message, pack_reply([late])).accepted == 1
    assert world.delivery.depth()["rejected"] == 0
    assert take(world, 3700.0).kind == "state"
    assert take(world) is None


def test_a_new_database_counts_its_acks_anew_for_each_key() -> None:
    other = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
    public = other.public_key().public_bytes_raw()
    world = opened()
    world.delivery.update_trust(Trust((*TRUST.ack_keys, Key(key_id(public), public))), 2)
    world.commit("readings", 3)
    assert take(world).kind == "state", "that the new document counts"
    message = take(world)
    answer(world, message, pack_reply([world.backend.ack("readings", RUN, n=100, through=1)]))
    world.backend.db = Database(b"1" * 16)
    restate(world)
    first = sign_ack(Ack(**world.backend.told("readings", RUN) | {"n": 5, "through": 2}), other)
    assert answer(world, message, pack_reply([first])).forget
    second = world.backend.ack("readings", RUN, n=6, through=3)
    assert answer(world, message, pack_reply([second])).acked == [("readings", RUN, [(3, 3)])]


def test_what_was_rejected_and_acked_after_all_is_not_offered_again() -> None:
    world = opened()
    world.commit("readings", 3)
    message = take(world)
    answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=1, rejected=((2, 3),))]))
    assert world.delivery.depth()["rejected"] == 2
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=2, rejected=((3, 3),))])).acked
    assert world.delivery.depth()["rejected"] == 1
    assert take(world, 3700.0).kind == "state"
    assert contents(take(world)) == [("readings", RUN, 3)]


def test_a_late_answer_counts_although_its_message_was_given_up() -> None:
    world = opened()
    world.commit("readings", 2)
    message = take(world)
    world.delivery.give_up(message.id, world.now)
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
    other.delivery.open(other.disk.streams())
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
    assert answer(world, message, pack_reply([with_nonce])).clock == (1.8e9, world.sent[0][0], 2.0)
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, nonce=b"x" * 16)])).clock is None
    assert answer(world, message, pack_reply([world.backend.ack("readings", RUN, nonce=b"")])).clock is None


# -- several things in one message -----------------------------------------------------------------------------------


def together(world: World) -> Message | None:
    action = world.delivery.poll("a", world.now)
    return world.together(action) if action is not None else None


def thrifty(speaks: int) -> World:
    """A world whose first state was answered by a backend that speaks so."""
    world = World(1, Faults(thrifty=speaks))
    world.delivery.open(world.disk.streams())
    world.commit("readings", 1)
    message = together(world)
    assert message.kind == "state", "the first message of a transport is a state alone"
    told = read_state(message.body, IDENTITY.public_key().public_bytes_raw())
    world.delivery.apply_reply(message.id, world.backend.heard(told), world.now)
    return world


def test_what_waits_in_several_streams_leaves_in_one_message_and_one_ack_answers_it() -> None:
    world = thrifty(2)
    world.commit("alerts", 1)
    world.commit("readings", 2)
    message = together(world)
    assert sorted(contents(message)) == [("alerts", RUN, 1), *(("readings", RUN, n) for n in (1, 2, 3))]
    assert together(world) is None
    reply = world.backend.reply(message.body)
    assert len(msgspec.msgpack.decode(reply)["acks"]) == 1
    result = answer(world, message, reply)
    assert sorted(result.acked) == [("alerts", RUN, [(1, 1)]), ("readings", RUN, [(1, 3)])]
    assert (world.delivery.acked_records, world.delivery.acked_readings) == (4, 30)
    assert world.delivery.in_flight() == (0, 0)


def test_a_state_that_is_due_goes_with_what_waits_only_to_a_backend_that_said_it_takes_it() -> None:
    for speaks in (1, 2):
        world = thrifty(speaks)
        world.now = 30.0
        message = together(world)
        assert message.kind == ("records" if speaks == 2 else "state")
        assert bool(message.kind == "records" and open_message(message.body)[0]) == (speaks == 2)
    state = read_state(open_message(message.body)[0], IDENTITY.public_key().public_bytes_raw())
    result = answer(world, message)
    assert world.backend.nonce == state.nonce
    assert result.clock == (1.8e9, 30.0, 30.0)
    assert result.acked == [("readings", RUN, [(1, 1)])]


def test_a_state_with_records_that_failed_goes_alone_the_next_time() -> None:
    world = thrifty(2)
    world.now = 30.0
    message = together(world)
    assert message.kind == "records"
    world.delivery.give_up(message.id, world.now)
    world.now = 40.0
    alone = together(world)
    assert alone.kind == "state", "perhaps the backend was set back to one that does not know"
    world.backend.speaks = 1
    told = read_state(alone.body, IDENTITY.public_key().public_bytes_raw())
    world.delivery.apply_reply(alone.id, world.backend.heard(told), world.now)
    world.now = 80.0
    assert together(world).kind == "state"
    assert contents(together(world)) == [("readings", RUN, 1)]


def test_acks_of_one_answer_count_in_whichever_order_they_stand() -> None:
    world = opened()
    world.commit("readings", 1)
    world.commit("alerts", 1)
    message, other = take(world), take(world)
    acks = [world.backend.ack(stream, RUN, n=n, through=1) for stream, n in (("alerts", 50), ("readings", 49))]
    result = answer(world, message, pack_reply(acks))
    assert (result.accepted, result.refused) == (2, [])
    assert other is not None
    assert world.delivery.in_flight() == (0, 0)


def test_a_part_of_an_ack_that_may_not_be_acted_on_takes_nothing_from_the_others() -> None:
    world = thrifty(2)
    world.commit("alerts", 1)
    message = together(world)
    world.commit("alerts", 1)  # durable and not sent
    also = (StreamAck("alerts", RUN, 2), StreamAck("gossip", RUN, 1))
    result = answer(world, message, pack_reply([world.backend.ack("readings", RUN, through=1, also=also)]))
    assert result.acked == [("readings", RUN, [(1, 1)])]
    assert [refused.reason for refused in result.refused] == ["ahead", "unknown-run"]
    assert world.delivery.in_flight()[0] == 1, "its alerts are not acked"


def test_an_alert_that_takes_readings_along_leaves_room_for_the_next_alert() -> None:
    world = thrifty(2)
    world.delivery.rate.bytes_per_s = 1e6
    world.disk.put("readings", RUN, 400, size=1000)
    world.delivery.durable("readings", 2, 401, world.now)
    world.commit("alerts", 1)
    big = together(world)
    assert big.lane == ALERTS
    assert len(big.body) > 4 * (64 << 10)
    world.commit("alerts", 1)
    assert world.delivery.poll("a", world.now, urgent=True).stream == ALERTS


def test_what_is_too_much_for_one_message_goes_apart() -> None:
    world = thrifty(2)
    first, _ = world.disk.put("alerts", RUN, 1, size=MAX_MESSAGE - 500)
    world.delivery.durable("alerts", first, first, world.now)
    world.disk.put("readings", RUN, 1, size=1000)
    world.delivery.durable("readings", 2, 2, world.now)
    world.now = 30.0
    kinds = [together(world) for _ in range(3)]
    assert [message.kind for message in kinds] == ["state", "records", "records"]
    assert [contents(message) for message in kinds[1:]] == [
        [("alerts", RUN, 1)],
        [("readings", RUN, 1), ("readings", RUN, 2)],
    ]


def test_a_read_only_hub_states_it_at_once_and_leaves_it_out_afterwards() -> None:
    world = World(1, Faults())
    world.disk.put("readings", OLD_RUN, 1)
    world.delivery.open(world.disk.streams())
    public = IDENTITY.public_key().public_bytes_raw()
    said = [read_state(take(world).body, public).crisis]
    while take(world) is not None:
        pass
    for crisis in ("read-only", ""):
        world.delivery.declare(crisis)
        message = take(world)  # at once, not in 30 s
        assert message.kind == "state"
        said.append(read_state(message.body, public).crisis)
    assert said == [msgspec.UNSET, "read-only", msgspec.UNSET]
