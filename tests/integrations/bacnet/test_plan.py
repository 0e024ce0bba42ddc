"""The fewest requests, segments put together, subscriptions followed: everything without a network."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations.bacnet import encode, names
from integrations.bacnet.assembly import WINDOW, Assembly
from integrations.bacnet.decode import Answer, Station
from integrations.bacnet.names import ObjectId, Refused
from integrations.bacnet.plan import HEADER, SEGMENTS, answer_size, batches, halves
from integrations.bacnet.point import LONGEST_SKIP, Subscription, Watched
from integrations.bacnet.settings import Point

HERE = Station("192.0.2.1", 47808)
POLL = (names.PRESENT_VALUE, names.STATUS_FLAGS, names.RELIABILITY)
references = st.lists(
    st.tuples(st.builds(ObjectId, st.sampled_from([0, 3, 19, 40, 46]), st.integers(0, 1000)), st.just(POLL)),
    max_size=200,
)


@given(references, st.sampled_from([50, 128, 206, 480, 1024, 1476]), st.booleans(), st.integers(1, 200))
def test_every_object_is_asked_for_once_within_what_the_device_can_send(
    wanted: list[encode.Reference], max_apdu: int, segments: bool, most: int
) -> None:
    made = batches(wanted, max_apdu=max_apdu, segments=segments, most=most)
    assert [one for batch in made for one in batch] == wanted
    room = max_apdu - HEADER
    for batch in made:
        assert 1 <= len(batch) <= most
        if len(batch) > 1:
            assert len(encode.read_multiple(batch)) <= room
            assert sum(map(answer_size, batch)) <= room * (SEGMENTS if segments else 1)
    for first, second in itertools.pairwise(made):  # none could have been left out
        both = [*first, second[0]]
        full = sum(map(answer_size, both)) > room * (SEGMENTS if segments else 1)
        assert len(both) > most or full or len(encode.read_multiple(both)) > room


def test_forty_seven_temperatures_take_one_request_and_a_small_device_more() -> None:
    wanted = [(ObjectId(0, n), POLL) for n in range(47)]
    assert len(batches(wanted, max_apdu=1476, segments=False, most=200)) == 1
    assert len(batches(wanted, max_apdu=480, segments=False, most=200)) == 4
    assert len(batches(wanted, max_apdu=480, segments=True, most=200)) == 2
    assert len(batches(wanted, max_apdu=50, segments=False, most=200)) == 47


def test_a_refused_batch_is_halved() -> None:
    wanted = [(ObjectId(0, n), POLL) for n in range(5)]
    first, second = halves(wanted)
    assert [*first, *second] == wanted
    assert (len(first), len(second)) == (3, 2)


def segments(count: int, window: int) -> list[Answer]:
    return [Answer(HERE, 1, 14, bytes([n]) * 3, n % 256, n < count - 1, window) for n in range(count)]


@given(st.integers(1, encode.MOST_SEGMENTS), st.integers(0, 127))
def test_segments_become_the_whole_and_each_window_is_acknowledged(count: int, window: int) -> None:
    assembly = Assembly(1)
    acks = [assembly.feed(one) for one in segments(count, window)]
    assert assembly.done
    assert assembly.whole == b"".join(bytes([n]) * 3 for n in range(count))
    actual = max(1, min(window, WINDOW))
    for n, ack in enumerate(acks):
        expected = n == 0 or n == count - 1 or n % actual == 0
        assert (ack is not None) == expected
        if ack is not None:
            assert ack == encode.segment_ack(1, n, actual)


@given(st.integers(2, encode.MOST_SEGMENTS), st.integers(1, 8), st.data())
def test_a_segment_out_of_its_order_is_asked_for_again(count: int, window: int, data: st.DataObject) -> None:
    assembly, all_of_them = Assembly(1), segments(count, window)
    good = data.draw(st.integers(1, count - 1))
    for one in all_of_them[:good]:
        assembly.feed(one)
    wrong = data.draw(st.integers(0, count - 1).filter(lambda n: n != good))
    assert assembly.feed(all_of_them[wrong]) == encode.segment_ack(1, good - 1, window, negative=True)
    for one in all_of_them[good:]:
        assembly.feed(one)
    assert assembly.whole == b"".join(one.data for one in all_of_them)


def test_an_answer_without_end_is_refused() -> None:
    assembly = Assembly(1)
    for n in range(encode.MOST_SEGMENTS):
        assembly.feed(Answer(HERE, 1, 14, b"x" * 1400, n, True, 8))
    with pytest.raises(Refused) as caught:
        assembly.feed(Answer(HERE, 1, 14, b"x" * 1400, encode.MOST_SEGMENTS, True, 8))
    assert caught.value.too_large
    assert len(assembly.whole) <= encode.MOST_SEGMENTS * encode.MAX_APDU
    with pytest.raises(hub.DecodeError, match="unsegmented"):
        Assembly(1).feed(Answer(HERE, 1, 14, b""))


def test_a_subscription_lives_while_it_is_acknowledged_heard_and_young() -> None:
    subscription = Subscription()
    assert subscription.due(0.0)
    subscription.made(0.0, 600.0)
    assert (subscription.live(1.0), subscription.open(1.0), subscription.due(1.0)) == (False, True, False)
    assert (subscription.mute(1.0, 30.0), subscription.mute(31.0, 30.0)) == (False, True)
    subscription.heard()
    assert subscription.live(299.0)
    assert subscription.due(300.0), "renewed at half of its life"
    assert subscription.live(599.0)
    assert not subscription.live(600.0)
    subscription.made(300.0, 600.0)
    assert not subscription.live(301.0), "each renewal begins with a notification, or it is not believed"
    subscription.refused(301.0)
    assert (subscription.open(302.0), subscription.due(3900.0), subscription.due(3901.0)) == (False, False, True)
    subscription.lost()
    assert subscription.due(302.0)


def test_an_object_that_cannot_be_read_is_left_in_peace_more_and_more() -> None:
    point = Watched(ObjectId(0, 1), Point(metric="co2"))
    asked = []
    for poll in range(400):
        if point.patience.due():
            asked.append(poll)
            point.failed("unknown-object")
    assert asked[:6] == [0, 2, 6, 14, 30, 62]
    assert max(b - a for a, b in itertools.pairwise(asked)) == LONGEST_SKIP + 1
    assert point.errors == {"unknown-object": len(asked)}
    point.spoke(5.0)
    assert point.patience.due()
    assert point.last_seen == 5.0
    assert point.worse("") is True, "news: good again"
    assert point.worse("") is False


def test_refusals_say_what_can_be_done() -> None:
    assert Refused("reject", 9).unsupported
    for kind, code in (("abort", 4), ("abort", 1), ("abort", 11), ("reject", 1), ("reject", 7)):
        assert Refused(kind, code).too_large
    assert not Refused("error", 31).too_large
    assert str(Refused("error", 31)) == "unknown-object: the device has no such object"
    assert Refused("error", 4000).reason == "error-4000"
