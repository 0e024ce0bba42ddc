"""Who holds a metric, and what is to be written yet: whatever happens, only what the rules say at that moment."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.automation.rules.write_intents import ALERT_AFTER, Hold, Holds

TARGET = ("dali:1", "level")
WHO = st.sampled_from([("a", "x"), ("a", "y"), ("b", "x")])
WHAT = st.builds(Hold, st.sampled_from([10.0, 20.0]), st.sampled_from([None, 0.0]))
ACTS = st.one_of(
    st.tuples(st.just("take"), WHO, WHAT),
    st.tuples(st.just("revise"), WHO, WHAT),
    st.tuples(st.just("release"), WHO),
    st.sampled_from([("give",), ("miss",), ("reached",), ("resend",), ("restart",)]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTS, max_size=30))
def test_what_is_to_be_written_or_on_its_way_is_what_the_rules_say_and_outlives_the_process(acts):
    holds, order, last = Holds(), {}, None
    for act, *more in acts:
        if act == "take":
            order.pop(more[0], None)
            order[more[0]] = more[1]
            holds.take(TARGET, *more)
        elif act == "revise":
            if more[0] in order:
                order[more[0]] = more[1]
            holds.revise(TARGET, *more)
        elif act == "release":
            gone = order.pop(more[0], None)
            last = gone if gone is not None else last
            holds.release(TARGET, more[0])
        elif act == "give":
            for one in holds.pending():
                holds.mark_in_flight(*one)
        elif act == "miss":
            for one in holds.in_flight():
                before = holds.failures(TARGET)
                assert holds.record_failure(*one, "1") == before + 1
                assert holds.order_at_failure(TARGET) == "1"
        elif act == "reached":
            if holds.in_flight():
                holds.confirm(TARGET)
                assert holds.failures(TARGET) == 0
        elif act == "resend":
            holds.resend()
        else:
            holds = Holds.restore(holds.snapshot())
        words = [*holds.pending(), *holds.in_flight()]
        assert len(words) <= 1
        for _, (value, rule) in words:
            top = next(reversed(order.items()), None)
            assert value == (top[1].value if top else last.otherwise)
            assert top is None or rule == top[0][0]
        assert holds.held(TARGET) == bool(order)
        assert Holds.restore(holds.snapshot()).snapshot() == holds.snapshot()


def test_another_word_for_a_device_that_takes_none_is_not_counted_from_nothing_and_is_no_retry():
    holds = Holds()
    holds.take(TARGET, ("a", "x"), Hold(10.0, 0.0))
    for _ in range(ALERT_AFTER + 3):
        for one in holds.pending():
            holds.mark_in_flight(*one)
            holds.record_failure(*one, "1")
    assert (holds.failures(TARGET), holds.order_at_failure(TARGET)) == (ALERT_AFTER + 3, "1")
    holds.take(TARGET, ("a", "y"), Hold(10.0, 0.0))
    assert (holds.failures(TARGET), holds.order_at_failure(TARGET)) == (ALERT_AFTER + 3, "1"), "the same word"
    holds.release(TARGET, ("a", "x"))
    holds.release(TARGET, ("a", "y"))
    assert (holds.failures(TARGET), holds.order_at_failure(TARGET)) == (ALERT_AFTER - 1, None)
    assert holds.pending() == [(TARGET, (0.0, "a"))]


def test_an_image_of_before_tries_were_counted_is_read():
    hold = Hold(10.0, 0.0)
    image = msgspec.msgpack.encode(
        {"holds": [(*TARGET, "a", "x", hold)], "wishes": [(*TARGET, 10.0, "a")]},
    )
    holds = Holds.restore(image)
    assert (holds.pending(), holds.in_flight(), holds.failures(TARGET)) == ([(TARGET, (10.0, "a"))], [], 0)
    assert list(holds.all()) == [(TARGET, ("a", "x"), hold)]
