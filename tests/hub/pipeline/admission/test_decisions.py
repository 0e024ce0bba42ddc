from __future__ import annotations

from typing import Any

import pytest

from hub.core.model import Candidate
from hub.core.security_events import BLOCKED, UNKNOWN, Events
from hub.pipeline.admission import decisions
from hub.pipeline.admission.decisions import BLOCK, IGNORE, Decision, Decisions, Filter
from tests.hub.path_kit import TAG, Path


def decided(*pairs, configured=()):
    return Decisions(configured, [Decision(kind=kind, filter=Filter(**said)) for kind, said in pairs])


def test_a_filter_means_all_that_it_says_whatever_the_case_of_its_letters():
    one = Filter(id="ble:A4:C1:*", model="LYWSD*")
    assert one.fits("ble:a4:c1:38:00:00:01", "bluetooth", "lywsd03mmc")
    assert not one.fits("ble:A4:C1:38:00:00:01", "bluetooth", "RuuviTag")
    assert not one.fits("ble:B4:C1:38:00:00:01", "bluetooth", "LYWSD03")
    assert Filter(id="ble:AA").one
    assert not one.one
    assert Filter().everybody


def test_blocking_wins_over_ignoring_and_the_configuration_cannot_be_taken_back():
    configured = [Decision(kind=BLOCK, filter=Filter(id="ble:BAD*"))]
    all_ = decided((IGNORE, {"id": "ble:*"}), (BLOCK, {"id": "ble:X"}), configured=configured)
    assert all_.about("ble:Y", "bluetooth").kind == IGNORE
    assert all_.about("ble:x", "bluetooth").kind == BLOCK
    assert all_.blocked("ble:bad1", "bluetooth")
    assert all_.drop(Filter(id="ble:BAD*")) is None
    assert all_.drop(Filter(id="ble:*")) is not None
    assert all_.about("ble:Y", "bluetooth") is None


def test_a_decision_about_one_does_not_lift_a_wider_block():
    all_ = decided((BLOCK, {"id": "ble:*"}), (IGNORE, {"id": "ble:X"}))
    assert all_.about("ble:X", "bluetooth").kind == BLOCK


def test_of_two_filters_that_fit_the_first_one_counts():
    all_ = decided((IGNORE, {"id": "ble:A*"}), (IGNORE, {"model": "LYWSD*"}))
    assert all_.judge("ble:A1", "bluetooth", "LYWSD03").filter == Filter(id="ble:A*")


def test_decisions_are_bounded(monkeypatch):
    monkeypatch.setattr(decisions, "MOST_IDS", 2)
    all_ = decided((IGNORE, {"id": "a:1"}), (IGNORE, {"id": "a:2"}))
    all_.put(Decision(kind=BLOCK, filter=Filter(id="a:2")))
    with pytest.raises(OverflowError):
        all_.put(Decision(kind=IGNORE, filter=Filter(id="a:3")))


def gated(*pairs):
    path: Any = Path()
    path.events = Events(path.clock.now, path.clock.monotonic)
    path.told = []
    path.events.listeners.append(path.told.append)
    path.pipeline.strangers.decisions, path.pipeline.strangers.events = decided(*pairs), path.events
    return path


async def test_ignored_and_blocked_senders_are_counted_and_never_listed():
    path = gated((IGNORE, {"id": "ble:N?"}), (BLOCK, {"id": "ble:BAD"}))
    for name in ("ble:N1", "ble:N2", "ble:BAD", "ble:NEW"):
        await path.emit(device=name, values={"temperature": 1.0})
    assert [waiting.id for waiting in path.quarantine] == ["ble:NEW"]
    assert (path.counts.of("ignored", "bluetooth"), path.counts.of("blocked", "bluetooth")) == (2, 1)
    assert [(event.kind, event.subject) for event in path.told] == [(BLOCKED, "ble:BAD"), (UNKNOWN, "bluetooth")]


async def test_no_event_names_a_stranger_that_nobody_decided_about_by_name():
    path = gated((BLOCK, {"id": "ble:BAD*"}))
    for name in ("ble:BAD:77:88", "ble:NEW:77:99"):
        await path.emit(device=name, values={"temperature": 1.0})
    assert len(path.told) == 2
    said = str(path.told)
    assert "77:88" not in said
    assert "77:99" not in said


async def test_a_blocked_device_is_not_admitted_though_it_is_known():
    path = gated((BLOCK, {"id": TAG.id}))
    assert await path.emit(values={"temperature": 1.0}) == []
    assert path.told[0].kind == BLOCKED
    path.pipeline.strangers.decisions.drop(Filter(id=TAG.id))
    assert len(await path.emit(values={"temperature": 1.0})) == 1


async def test_a_flood_of_unknown_ids_is_one_event_a_minute_and_gives_no_reading():
    path = gated()
    for n in range(1000):
        await path.emit(device=f"ble:{n}", values={"temperature": 1.0})
    assert path.buffer.rows == []
    assert len(path.quarantine) == 1000
    assert len(path.told) == 1
    assert path.events.counts[UNKNOWN] == 1000


async def test_a_neighbour_s_sensor_that_talks_all_day_is_one_stranger():
    path = gated()
    for _ in range(200):
        await path.emit(device="ble:next-door", values={"temperature": 1.0})
    assert path.events.counts[UNKNOWN] == 1
    assert [waiting.count for waiting in path.quarantine] == [200]


async def test_a_device_that_only_lacks_its_key_is_no_stranger():
    path = gated()
    path.pipeline.strangers.heard(Candidate(id=TAG.id, integration="bluetooth"), "needs a key")
    assert [waiting.id for waiting in path.quarantine] == [TAG.id]
    assert path.told == []
