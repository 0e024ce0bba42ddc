"""Weak signals become one explained incident."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import events
from hub.events import SecurityEvent
from hub.vigil.incidents import (
    ACK,
    CLOCK,
    FAMILY,
    GAP,
    HOST,
    PLUGIN,
    QUIET_S,
    SENSORS,
    SIGN_IN,
    THRESHOLDS,
    WINDOW_S,
    WORDS,
    Incidents,
)  # fmt: skip


def event(kind: str, at: float, subject: str = "lorawan:AA", count: int = 1) -> SecurityEvent:
    return SecurityEvent(kind=kind, subject=subject, evidence={"rssi": -70}, at=at, count=count)


def test_every_kind_that_has_a_family_has_its_threshold_and_its_words() -> None:
    assert FAMILY.keys() == THRESHOLDS.keys() == WORDS.keys()
    assert set(events.KINDS) - FAMILY.keys() == {events.ADMISSION}


@pytest.mark.parametrize("kind", sorted(THRESHOLDS))
def test_one_less_than_the_threshold_is_nothing_and_the_threshold_is_an_incident(kind: str) -> None:
    incidents = Incidents()
    for number in range(THRESHOLDS[kind] - 1):
        incidents.hear(event(kind, float(number)))
        assert list(incidents.changes(float(number))) == []
    incidents.hear(event(kind, 500.0))
    ((incident, over),) = incidents.changes(500.0)
    assert not over
    assert incident.kinds == {kind: THRESHOLDS[kind]}
    assert list(incidents.changes(500.0)) == []  # told once


def test_wrong_passwords_over_a_day_are_a_person() -> None:
    incidents = Incidents()
    for number in range(20):
        incidents.hear(event(SIGN_IN, number * WINDOW_S, "10.0.0.7"))
    assert list(incidents.changes(20 * WINDOW_S)) == []


def test_three_ways_of_one_attack_are_one_incident_that_names_all_three() -> None:
    incidents = Incidents()
    incidents.hear(event(events.FORGED, 0.0, count=2))
    incidents.hear(event(events.REPLAY, 10.0, "lorawan:BB", count=5))
    ((first, _),) = incidents.changes(11.0)
    assert first.kinds == {events.FORGED: 2, events.REPLAY: 5}
    assert first.first == 0.0
    assert first.severity == "warning"
    incidents.hear(event(events.FORK, 20.0, "lorawan:BB"))
    ((second, _),) = incidents.changes(21.0)
    assert second.severity == "critical"
    assert second.text(1) == (
        "1 counters of two senders, 2 forged frames, 5 replayed frames (lorawan:BB, lorawan:AA): "
        "look at the devices named, change their key"
    )
    assert "5 trames rejouées" in second.text(0)


def test_an_incident_is_told_again_when_it_has_doubled_and_ends_when_it_is_quiet() -> None:
    incidents = Incidents()
    incidents.hear(event(ACK, 0.0, ""))
    assert len(list(incidents.changes(0.0))) == 1
    incidents.hear(event(ACK, 60.0, ""))
    assert len(list(incidents.changes(60.0))) == 1
    incidents.hear(event(ACK, 120.0, ""))
    assert list(incidents.changes(120.0)) == []
    assert list(incidents.changes(120.0 + QUIET_S - 1)) == []
    ((_, over),) = incidents.changes(120.0 + QUIET_S)
    assert over
    incidents.hear(event(ACK, 99_999.0, ""))
    assert [over for _, over in incidents.changes(99_999.0)] == [False]


def test_families_do_not_mix() -> None:
    incidents = Incidents()
    for kind in (CLOCK, GAP, ACK, events.IN_CLEAR):
        incidents.hear(event(kind, 0.0))
    for _ in range(3):
        incidents.hear(event(HOST, 0.0))
        incidents.hear(event(PLUGIN, 0.0))
    families = {incident.family: set(incident.kinds) for incident, _ in incidents.changes(0.0)}
    assert families == {
        SENSORS: {events.IN_CLEAR}, "doors": {HOST}, "network": {ACK}, "hub": {CLOCK, GAP, PLUGIN},
    }  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(sorted(THRESHOLDS)), st.floats(0, 1e5), st.text(max_size=8)), max_size=200))
def test_whatever_happens_each_family_has_one_incident_at_most_and_texts_are_bounded(
    told: list[tuple[str, float, str]],
) -> None:
    incidents, open_ = Incidents(), set[str]()
    for kind, at, subject in sorted(told, key=lambda one: one[1]):
        incidents.hear(event(kind, at, subject))
        for incident, over in incidents.changes(at):
            assert len(incident.subjects) <= 64
            assert all(len(said) <= 200 for said in incident.evidence.values())
            if over:
                open_.remove(incident.family)
            else:
                open_.add(incident.family)
    assert sum(incidents.counts.values()) == len(told)
