"""Weak signals become one explained incident."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.incidents import limits_of
from hub.config.parts.security import Security, Thresholds
from hub.core import security_events
from hub.core.security_events import SecurityEvent
from hub.i18n.catalogues import translate
from hub.operations.incidents.correlation import (
    ACK,
    ADVICE,
    BREAK_GLASS,
    CLOCK,
    CONFIG,
    CRITICAL,
    FAMILY,
    GAP,
    HOST,
    PLUGIN,
    QUIET_S,
    SENSORS,
    SIGN_IN,
    THRESHOLDS,
    WINDOW_S,
    Incidents,
    Limits,
    event_words,
)


def event(kind: str, at: float, subject: str = "lorawan:AA", count: int = 1) -> SecurityEvent:
    return SecurityEvent(kind=kind, subject=subject, evidence={"rssi": -70}, at=at, count=count)


def test_every_kind_that_has_a_family_has_its_threshold_and_its_words() -> None:
    assert FAMILY.keys() == THRESHOLDS.keys()
    assert all(event_words(kind) for kind in FAMILY)
    assert set(security_events.KINDS) - FAMILY.keys() == {security_events.ADMISSION}


@pytest.mark.parametrize("kind", sorted(THRESHOLDS))
def test_one_less_than_the_threshold_is_nothing_and_the_threshold_is_an_incident(kind: str) -> None:
    incidents = Incidents()
    for number in range(THRESHOLDS[kind] - 1):
        incidents.add(event(kind, float(number)))
        assert list(incidents.changes(float(number))) == []
    incidents.add(event(kind, 500.0))
    ((incident, over),) = incidents.changes(500.0)
    assert not over
    assert incident.kinds == {kind: THRESHOLDS[kind]}
    assert list(incidents.changes(500.0)) == []  # told once


def test_the_options_of_the_file_are_the_kinds_with_the_same_defaults_and_what_is_no_accident_cannot_be_0() -> None:
    said = limits_of(SimpleNamespace(config=SimpleNamespace(security=Security())))  # type: ignore[arg-type]
    assert (dict(said.thresholds), said.window_s, said.quiet_s) == (THRESHOLDS, WINDOW_S, QUIET_S)
    for name in Thresholds.model_fields:
        kinds = security_events.CLONES if name == "clone" else {name.replace("_", "-")}
        try:
            Thresholds.model_validate({name: 0})
            accident = True
        except ValueError:
            accident = False
        assert accident == (not (CRITICAL | {BREAK_GLASS}) & kinds), name


def test_another_threshold_counts_and_0_means_never_alone_but_named_with_others() -> None:
    incidents = Incidents(Limits({**THRESHOLDS, CONFIG: 1, PLUGIN: 0, security_events.UNKNOWN: 2000}))
    for number in range(1999):
        incidents.add(event(security_events.UNKNOWN, number / 10, f"ble:{number}"))
    for number in range(50):
        incidents.add(event(PLUGIN, float(number), "modbus"))
    assert list(incidents.changes(200.0)) == []
    incidents.add(event(security_events.UNKNOWN, 200.0, "ble:1999"))
    incidents.add(event(CONFIG, 200.0, "web:anne"))
    found = {one.family: one.kinds for one, _ in incidents.changes(200.0)}
    assert found == {SENSORS: {security_events.UNKNOWN: 2000}, "hub": {CONFIG: 1, PLUGIN: 50}}


@given(st.lists(st.tuples(st.floats(0, 300), st.integers(1, 9)), min_size=1, max_size=80), st.integers(1, 40))
def test_the_threshold_within_the_window_is_always_an_incident_and_never_one_with_less(
    told: list[tuple[float, int]], threshold: int
) -> None:
    """Against the definition, by brute force; between the window and a sixtieth more both are right."""
    incidents = Incidents(Limits({**THRESHOLDS, HOST: threshold}, window_s=60.0))
    heard = list[tuple[float, int]]()
    for at, count in sorted(told):
        heard.append((at, count))
        incidents.add(event(HOST, at, "", count))
        opened = bool(list(incidents.changes(at)))
        least = sum(n for moment, n in heard if at - moment <= 60.0)
        most = sum(n for moment, n in heard if at - moment <= 61.0)
        if opened:
            assert most >= threshold
            break
        assert least < threshold


def test_wrong_passwords_over_a_day_are_a_person() -> None:
    incidents = Incidents()
    for number in range(20):
        incidents.add(event(SIGN_IN, number * WINDOW_S, "10.0.0.7"))
    assert list(incidents.changes(20 * WINDOW_S)) == []


def test_three_ways_of_one_attack_are_one_incident_that_names_all_three() -> None:
    incidents = Incidents()
    incidents.add(event(security_events.FORGED, 0.0, count=2))
    incidents.add(event(security_events.REPLAY, 10.0, "lorawan:BB", count=5))
    ((first, _),) = incidents.changes(11.0)
    assert first.kinds == {security_events.FORGED: 2, security_events.REPLAY: 5}
    assert first.first == 0.0
    assert first.severity == "warning"
    incidents.add(event(security_events.FORK, 20.0, "lorawan:BB"))
    ((second, _),) = incidents.changes(21.0)
    assert second.severity == "critical"
    assert second.text() == (
        "1 counters of two senders, 2 forged frames, 5 replayed frames (lorawan:BB, lorawan:AA): "
        "two senders use the id of the device named: find both, change its key, somebody repeats frames of the device "
        "named, or it was reset: look at it"
    )
    assert "5 trames rejouées" in translate(second.text(), "fr")


def test_an_incident_of_a_plugin_that_claims_others_devices_names_the_plugin_and_blames_no_device() -> None:
    incidents = Incidents()
    said = {"device": "ble:AA", "own": "bluetooth"}
    incidents.add(SecurityEvent(kind=security_events.NOT_ITS_OWN, subject="acme", evidence=said, at=0.0, count=4))
    ((incident, _),) = incidents.changes(0.0)
    assert (incident.family, incident.severity, incident.subjects) == ("hub", "critical", {"acme": 4})
    assert incident.text() == (
        "4 reports of a plugin for devices of another (acme): "
        "stop, update or remove the plugin named; the devices are not to blame"
    )
    assert incident.evidence == {"not-its-own acme": "device ble:AA, own bluetooth"}


def test_each_kind_has_its_own_remedy_and_the_gravest_comes_first() -> None:
    assert ADVICE.keys() == FAMILY.keys()
    incidents = Incidents()
    for kind, count in ((PLUGIN, 9), (GAP, 5), (CONFIG, 20), (security_events.NOT_ITS_OWN, 1)):
        incidents.add(event(kind, 0.0, "acme", count))
    ((incident, _),) = incidents.changes(0.0)
    said = incident.text()
    assert said.endswith(f"{ADVICE[security_events.NOT_ITS_OWN]}, {ADVICE[CONFIG]}")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_an_alert_has_room_for_the_remedy_of_each_kind(lang: str) -> None:
    for kind in FAMILY:
        incidents = Incidents(Limits(dict.fromkeys(THRESHOLDS, 1)))
        for number in range(9):
            incidents.add(event(kind, 0.0, f"lorawan:00112233445566{number}{number}", 1000))
        ((incident, _),) = incidents.changes(0.0)
        assert len(translate(incident.text(), lang)) <= 300, kind


def test_an_incident_is_told_again_when_it_has_doubled_and_ends_when_it_is_quiet() -> None:
    incidents = Incidents()
    incidents.add(event(ACK, 0.0, ""))
    assert len(list(incidents.changes(0.0))) == 1
    incidents.add(event(ACK, 60.0, ""))
    assert len(list(incidents.changes(60.0))) == 1
    incidents.add(event(ACK, 120.0, ""))
    assert list(incidents.changes(120.0)) == []
    assert list(incidents.changes(120.0 + QUIET_S - 1)) == []
    ((_, over),) = incidents.changes(120.0 + QUIET_S)
    assert over
    incidents.add(event(ACK, 99_999.0, ""))
    assert [over for _, over in incidents.changes(99_999.0)] == [False]


def test_families_do_not_mix() -> None:
    incidents = Incidents()
    for kind in (CLOCK, GAP, ACK, security_events.IN_CLEAR):
        incidents.add(event(kind, 0.0))
    for _ in range(3):
        incidents.add(event(HOST, 0.0))
        incidents.add(event(PLUGIN, 0.0))
    families = {incident.family: set(incident.kinds) for incident, _ in incidents.changes(0.0)}
    assert families == {
        SENSORS: {security_events.IN_CLEAR}, "doors": {HOST}, "network": {ACK}, "hub": {CLOCK, GAP, PLUGIN},
    }  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(sorted(THRESHOLDS)), st.floats(0, 1e5), st.text(max_size=8)), max_size=200))
def test_whatever_happens_each_family_has_one_incident_at_most_and_texts_are_bounded(
    told: list[tuple[str, float, str]],
) -> None:
    incidents, open_ = Incidents(), set[str]()
    for kind, at, subject in sorted(told, key=lambda one: one[1]):
        incidents.add(event(kind, at, subject))
        for incident, over in incidents.changes(at):
            assert len(incident.subjects) <= 64
            assert all(len(said) <= 200 for said in incident.evidence.values())
            if over:
                open_.remove(incident.family)
            else:
                open_.add(incident.family)
    assert sum(incidents.counts.values()) == len(told)
