from __future__ import annotations

from hub.core.security_events import KINDS, QUIET_S, RATE, REPLAY, SUBJECTS, Events, SecurityEvent
from hub.sdk.testing import ManualClock


def told(clock):
    events = Events(clock.now, clock.monotonic)
    seen: list[SecurityEvent] = []
    events.listeners.append(seen.append)
    return events, seen


async def test_an_event_is_told_at_once_and_again_only_after_a_while_with_how_many_there_were():
    clock = ManualClock()
    events, seen = told(clock)
    for _ in range(5):
        events.tell(RATE, "x:1", {"per_minute": 90})
    events.tell(RATE, "x:2")
    assert [(e.subject, e.count) for e in seen] == [("x:1", 1), ("x:2", 1)]
    assert seen[0].evidence == {"per_minute": 90}
    assert seen[0].at == clock.now()
    await clock.advance(QUIET_S + 1)
    events.tell(RATE, "x:1")
    assert (seen[-1].subject, seen[-1].count) == ("x:1", 5), "four that were not told, and this one"
    assert events.counts == {RATE: 7}


def test_a_flood_of_subjects_takes_a_bounded_memory():
    events, _ = told(ManualClock())
    for n in range(SUBJECTS * 2):
        events.tell(REPLAY, f"x:{n}")
    assert len(events._since) == SUBJECTS
    assert events.counts[REPLAY] == SUBJECTS * 2


def test_a_collector_that_fails_costs_neither_the_caller_nor_the_others():
    events, seen = told(ManualClock())
    events.listeners.insert(0, lambda event: 1 / 0)
    events.tell(REPLAY, "x:1")
    assert len(seen) == 1
    assert events.counts["listener-failed"] == 1


def test_every_kind_has_a_name_of_its_own():
    assert len(set(KINDS)) == len(KINDS)
