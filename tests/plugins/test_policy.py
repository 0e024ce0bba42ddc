"""Who is told of what, and when: the hub's own manners, the same for every notifier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.automation.alerts import ACKNOWLEDGED, CLEARED, ESCALATED, RAISED, Alert
from hub.automation.alerts.lifecycle import SEVERITIES, STATES, transition
from hub.automation.alerts.policy import NEVER, TELL, Policy, notification_decision
from hub.core.errors import HubError, NotReady
from hub.plugin_host.notifier_queue import NotifierQueue, Notifiers
from hub.plugin_host.supervisor import Health
from hub.sdk.testing import ManualClock, settle

from .notify_kit import Local, alert, notifying


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.deaf = False

    async def run(self, config: None, notices: Any) -> None:
        async for notice in notices:
            if self.deaf:
                raise NotReady("nobody answers")
            self.heard.append(notice.key)
            notices.done(notice)


@asynccontextmanager
async def told(
    policy: Policy, local: Local | None = None
) -> AsyncIterator[tuple[Ear, NotifierQueue, ManualClock, Health]]:
    ear = Ear()
    async with notifying("ear", ear.run, None, policy=policy, local=local) as (queue, clock, health):
        yield ear, queue, clock, health


def next_of(one: Alert, state: str) -> Alert:
    after = transition(one, state, one.changed + 1, "cli:a")
    assert after is not None
    return after


async def test_who_is_told_of_escalations_hears_nothing_of_what_was_acknowledged_in_time() -> None:
    async with told(Policy(when=ESCALATED)) as (ear, queue, _, _):
        calm, loud = alert("calm"), alert("loud")
        for one in (calm, loud, next_of(calm, ACKNOWLEDGED), next_of(loud, ESCALATED)):
            queue.offer(one)
            await settle()
        queue.offer(next_of(next_of(calm, ACKNOWLEDGED), CLEARED))
        queue.offer(next_of(next_of(loud, ESCALATED), CLEARED))
        await settle()
        assert ear.heard == ["loud-2", "loud-3"]


async def test_what_holds_after_quiet_hours_is_told_then_and_what_is_over_is_not() -> None:
    night = [True]
    async with told(Policy(quiet=lambda now: night[0])) as (ear, queue, clock, _):
        stays, goes = alert("stays"), alert("goes")
        queue.offer(stays)
        queue.offer(goes)
        queue.offer(alert("fire", "critical"))
        await settle()
        assert ear.heard == ["fire-1"]
        queue.offer(next_of(goes, CLEARED))
        await clock.advance(5)
        assert queue.status()["kept_back"] == 1
        night[0] = False
        await clock.advance(2)
        assert ear.heard == ["fire-1", "stays-1"]
        assert queue.status()["waiting"] == 0


async def test_only_the_zones_and_states_that_were_asked_for_are_told() -> None:
    async with told(Policy(zones=frozenset({"plant"}), states=frozenset({RAISED}))) as (ear, queue, _, _):
        here, there = alert("here"), alert("there", zone="classes")
        queue.offer(here)
        queue.offer(there)
        await settle()
        queue.offer(next_of(here, CLEARED))
        await settle()
        assert ear.heard == ["here-1"]


async def test_of_a_storm_so_many_an_hour_are_told_the_most_severe_first_and_the_rest_wait() -> None:
    local = Local()
    async with told(Policy(per_hour=3), local) as (ear, queue, clock, _):
        for n in range(5):
            queue.offer(alert(f"w{n}"))
        queue.offer(alert("fire", "critical"))
        await settle()
        assert ear.heard == ["fire-1", "w0-1", "w1-1"]
        assert "3 an hour" in queue.complaints()[0]
        await clock.advance(3599)
        assert len(ear.heard) == 3
        await clock.advance(3)
        assert ear.heard[3:] == ["w2-1", "w3-1", "w4-1"]
        assert queue.complaints() == []


async def test_a_new_process_remembers_what_was_kept_back_and_does_not_tell_its_end() -> None:
    local, one = Local(), alert("a", "info")
    async with told(Policy(least="warning"), local) as (ear, queue, _, _):
        queue.offer(one)
        await settle()
        assert ear.heard == []
    async with told(Policy(least="info"), local) as (ear, queue, _, _):
        queue.restore([next_of(one, CLEARED)])
        await settle()
        assert ear.heard == []


async def test_a_test_passes_all_limits_and_tells_whether_it_got_through() -> None:
    policy = Policy(least="critical", quiet=lambda now: True, quiet_least="critical", per_hour=1)
    async with told(policy) as (ear, queue, _, health):
        parts = Notifiers([queue], [health])
        assert await parts.calls()["notify.test"]({"name": "ear", "by": "cli:a"}) == {"name": "ear", "told": True}
        assert len(ear.heard) == 1
        assert queue.status()["told_hour"] == 0  # a test costs no alert its place
        with pytest.raises(HubError, match="there is no notifier 'nose'; there are ear"):
            await parts.calls()["notify.test"]({"name": "nose"})
        [row] = (await parts.calls()["notify.list"]({}))["notifiers"]
        assert (row["name"], row["state"]) == ("ear", "running")


async def test_a_test_that_does_not_get_through_says_why_in_the_words_of_the_notifier(monkeypatch: Any) -> None:
    monkeypatch.setattr("hub.plugin_host.notifier_queue.TEST_S", 0.05)
    async with told(Policy()) as (ear, queue, _, health):
        ear.deaf = True
        with pytest.raises(NotReady, match="nobody answers"):
            await queue.test("cli:a", health)


STORIES = st.lists(st.sampled_from([s for s in STATES if s != RAISED]), max_size=4)


@given(
    st.sampled_from(SEVERITIES),
    STORIES,
    st.sampled_from(SEVERITIES),
    st.sampled_from([RAISED, ESCALATED]),
    st.frozensets(st.sampled_from(STATES), min_size=1),
)
def test_no_end_is_told_of_what_was_kept_back_and_nothing_below_the_least_severity(
    severity: str, story: list[str], least: str, when: str, states: frozenset[str]
) -> None:
    policy = Policy(least=least, when=when, states=states)
    one, spoken, passed = alert("a", severity), [], False
    for state in [RAISED, *story]:
        if state != RAISED:
            after = transition(one, state, one.changed + 1, "cli:a", until=one.changed + 100)
            if after is None:
                continue
            one = after
        verdict = notification_decision(policy, one, 0.0, sent=bool(spoken), held_back=passed)
        if verdict == TELL:
            spoken.append(one.state)
        passed = passed or verdict == NEVER
    assert set(spoken) <= states
    if SEVERITIES.index(severity) < SEVERITIES.index(least):
        assert spoken == []
    if spoken:
        assert spoken[0] in (RAISED, ESCALATED)
        assert when == RAISED or spoken[0] == ESCALATED
