"""An alert from a hub to whoever is on duty, over both engines, by the clock of the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dispatch_kit import NOW, PLAN, Clock, Ear, arrive, change, dispatcher, plan, turns

from backend.city.city import City
from backend.city.dispatch.channels.channel import Later, Never, Sent
from backend.hubs.alarms import raise_alarm
from backend.hubs.alerts import requested_changes
from backend.storage.city import dispatch as table
from backend.storage.city.database import CityDatabase
from backend.storage.engine import Storage
from hub.core.text import phrase

J, N, S = "jeanne@ville.example", "nour@ville.example", "+33612345679"


@pytest.fixture
def clock(city: City) -> Clock:
    made = Clock()
    city.clock = made
    return made


async def test_an_alert_goes_to_who_is_on_duty_then_up_the_chain_and_ends_when_somebody_takes_it(
    city: City, clock: Clock
) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    assert ear.told() == [("raised", J)]
    clock.now += 14 * 60
    await turns(one)
    assert len(ear.heard) == 1
    clock.now += 61
    await turns(one)
    assert sorted(ear.told()[1:]) == [("raised", S), ("raised", N)]
    await arrive(city, change(n=2, state="acknowledged", by="backend:jeanne", at=clock.now))
    await turns(one)
    assert sorted(ear.told()[3:]) == [("taken", S), ("taken", N)]  # not she who took it
    clock.now += 86_400
    await turns(one)
    assert len(ear.heard) == 5
    await arrive(city, change(n=3, state="cleared", by="rule:bin-full", at=clock.now))
    await turns(one)
    assert sorted(ear.told()[5:]) == [("cleared", S), ("cleared", J), ("cleared", N)]


async def test_an_alert_that_is_over_before_anybody_was_told_is_told_to_nobody(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear, hold_s=1.5)
    await arrive(city, change())
    await turns(one)
    await arrive(city, change(n=2, state="cleared", at=clock.now))
    clock.now += 2
    await turns(one)
    assert ear.heard == []


async def test_what_is_taken_on_a_page_is_asked_of_the_hub_under_the_same_id(city: City, clock: Clock) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, change())
    await turns(one)
    await city.store.write(lambda t: table.add_act(t, "h1", "a1", "acknowledged", "jeanne", "j'y vais", None, NOW))
    await turns(one)
    [asked] = await city.storage.call(lambda storage: requested_changes(storage.alerts, "h1"))
    assert (asked["alert"], asked["state"], asked["by"], asked["why"]) == ("a1", "acknowledged", "jeanne", "j'y vais")
    await arrive(city, change(n=2, state="cleared", at=clock.now))
    await turns(one)
    await city.store.write(lambda t: table.add_act(t, "h1", "a1", "acknowledged", "jeanne", "", None, NOW))
    await turns(one)
    acts = await city.store.read(lambda r: table.acts_of(r, "h1", "a1"))
    assert [act.outcome for act in acts] == ["asked", "over"]


async def test_who_cannot_be_reached_lets_the_next_step_begin_at_once_and_is_an_alarm(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    ear.answers[J] = Never("no such mailbox")
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    assert sorted(ear.told()[:2]) == [("raised", S), ("raised", N)]
    assert "message-undeliverable" in {alarm["kind"] for alarm in city.views.alarms(everything=False)}


async def test_a_channel_that_is_away_is_tried_again_and_after_four_times_the_next_step_begins(
    city: City, clock: Clock
) -> None:
    await plan(city)
    ear = Ear()
    ear.answers[J] = Later("away")
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    for _ in range(3):
        assert ear.heard == []
        clock.now += 46
        await turns(one)
    assert sorted(ear.told()) == [("raised", S), ("raised", N)]  # after less than three minutes, not fifteen
    ear.answers[J] = Sent()
    clock.now += 121
    await turns(one)
    assert ear.told()[2:] == [("raised", J)]


async def test_nobody_on_duty_is_an_alarm_and_the_catch_all_is_told_until_somebody_is(city: City, clock: Clock) -> None:
    text = PLAN.replace("  - {service: waste, people: [jeanne]}\n", "").replace(
        "by: email sms, service: night", "by: email"
    )
    await plan(city, text)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    assert ("raised", N) in ear.told()
    kinds = [alarm["kind"] for alarm in city.views.alarms(everything=False)]
    assert kinds.count("nobody-on-duty") == 1
    await plan(city)
    clock.now += 61
    await turns(one)
    assert "nobody-on-duty" not in {alarm["kind"] for alarm in city.views.alarms(everything=False)}


async def test_the_chain_is_that_of_the_moment_when_the_alert_was_raised(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    await plan(city, PLAN.replace("nour@ville.example", "other@ville.example"))
    clock.now += 901
    await turns(one)
    assert ("raised", N) in ear.told()
    await arrive(city, change("a2", rule="lift", at=clock.now))
    await turns(one)
    assert ear.told()[-1] == ("raised", "other@ville.example")


async def test_a_graver_alert_is_told_anew_and_a_change_of_its_text_is_not(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    await arrive(city, change(n=2, text="bin 7 is fuller", at=clock.now))
    await turns(one)
    assert ear.told() == [("raised", J)]
    await arrive(city, change(n=3, severity="critical", at=clock.now))
    await turns(one)
    assert ear.told() == [("raised", J), ("graver", J)]


async def test_what_the_hub_escalates_begins_the_next_step(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    await arrive(city, change(n=2, state="escalated", by="hub", at=clock.now))
    await turns(one)
    assert ear.told()[0] == ("raised", J)
    assert sorted(ear.told()[1:]) == [("raised", S), ("raised", N)]


async def test_an_alarm_of_the_backend_takes_its_route_too_and_ends_when_it_is_cleared(
    city: City, clock: Clock
) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)

    def work(storage: Storage) -> None:
        with storage.transaction():
            raise_alarm(storage, "forged", "h1", phrase("old-state-again", "an old state came again"))

    await city.storage.call(work)
    await turns(one)
    assert ear.told(alarms=True) == [("raised", N)]
    number = city.views.alarms(everything=False)[0]["id"]
    await city.store.write(lambda t: table.add_act(t, "h1", f"alarm:{number}", "cleared", "nour", "", None, NOW))
    await turns(one)
    assert ear.told(alarms=True) == [("raised", N), ("cleared", N)]


async def test_an_end_that_arrives_days_late_closes_what_is_open_here(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    clock.now += 3 * 86_400
    await arrive(city, change(n=2, state="cleared", changed_at=NOW + 60, received_at=clock.now))
    await turns(one)
    assert ear.told()[-1] == ("cleared", J)


async def test_two_processes_tell_each_change_once(
    city: City, clock: Clock, open_again: Callable[[], CityDatabase]
) -> None:
    await plan(city)
    ears = Ear(), Ear()
    both = [dispatcher(city, ear) for ear in ears]
    await arrive(city, *(change(f"a{n}", hub=f"h{n}", rule=f"bin-{n}", site=f"s{n}") for n in range(40)))
    for _ in range(6):
        for one in both:
            await one.turn(wait=True)
    told = [envelope.id for ear in ears for envelope in ear.heard]
    assert len(told) == 40
    assert len(set(told)) == 40


async def test_an_intervention_opens_with_the_alert_and_closes_when_the_hub_says_that_it_is_over(
    city: City, clock: Clock
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, change())
    await turns(one)
    [task] = await city.store.read(lambda r: table.interventions(r, frozenset({"waste"}), closed_since=NOW))
    assert (task.state, task.alert) == ("open", "a1")
    clock.now += 300
    await arrive(city, change(n=2, state="acknowledged", by="backend:jeanne", at=clock.now))
    await turns(one)
    clock.now += 600
    await arrive(city, change(n=3, state="cleared", by="rule:bin-full", at=clock.now))
    await turns(one)
    task = await city.store.read(lambda r: table.intervention(r, 1))
    assert task is not None
    assert (task.state, task.person) == ("closed", "jeanne")
    [delay] = await city.store.read(lambda r: table.delays(r, NOW - 1))
    assert (delay.service, delay.ended, delay.taken, delay.closed) == ("waste", 1, 300.0, 900.0)
