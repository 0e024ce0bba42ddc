"""Alerts of several sites that are one event: what joins, what opens, what people are told, by hand too."""

from __future__ import annotations

import math
import random

import pytest
from dispatch_kit import PLAN, Clock, Ear, arrive, change, dispatcher, plan, turns

from backend.city.city import City
from backend.city.dispatch.plan import Cause
from backend.city.incidents import correlation, rules
from backend.city.incidents.correlation import NoIncident
from backend.storage.city import dispatch as alerts
from backend.storage.city import incidents as table
from backend.storage.engine import Storage

J, N, P = "jeanne@ville.example", "nour@ville.example", "paul@ville.example"


@pytest.fixture
def clock(city: City) -> Clock:
    made = Clock()
    city.clock = made
    return made


def at_site(n: int, clock: Clock, **more: object) -> object:
    return change(f"a{n}", hub=f"h{n}", site=f"site-{n}", at=clock.now, **more)


async def standing(city: City) -> list[table.Incident]:
    return await city.store.read(table.standing)


async def test_the_same_rule_at_three_sites_within_an_hour_is_one_incident_and_one_message(
    city: City, clock: Clock
) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear, hold_s=1.5)
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await turns(one)
    clock.now += 2
    await turns(one)
    [incident] = await standing(city)
    assert (incident.kind, incident.name) == ("family", "bin-full")
    assert [(e.facts.incident, e.address, e.facts.count) for e in ear.heard] == [(incident.id, J, 3)]
    evidence = await city.store.read(lambda r: table.evidence(r, incident.id))
    assert [line.what for line in evidence] == ["opened", "joined", "joined", "joined"]
    clock.now += 60
    await arrive(city, at_site(3, clock))
    await turns(one)
    clock.now += 2
    await turns(one)
    assert len(ear.heard) == 1  # listed, and not told
    assert len(await city.store.read(lambda r: alerts.children(r, incident.id))) == 4


async def test_an_alert_that_is_graver_than_its_incident_is_told_and_a_third_service_too(
    city: City, clock: Clock
) -> None:
    await plan(city, PLAN + "families: {all: ['bin-*', 'loop*']}\n")
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await turns(one)
    assert ear.told() == [("raised", J)]
    await arrive(city, at_site(4, clock, rule="loop"))
    await turns(one)
    assert ear.told()[1:] == [("raised", P)]  # its service was not told yet
    await arrive(city, at_site(5, clock, severity="critical"))
    await turns(one)
    assert sorted(ear.told()[2:]) == [("graver", J), ("graver", P)]


async def test_an_incident_is_over_with_its_last_alert_and_who_was_told_is_told_once(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await turns(one)
    for n in range(3):
        await arrive(city, change(f"a{n}", n=2, state="cleared", hub=f"h{n}", site=f"site-{n}", at=clock.now))
    await turns(one)
    assert ear.told() == [("raised", J), ("cleared", J)]
    assert await standing(city) == []


async def test_a_common_cause_comes_before_the_rule(city: City, clock: Clock) -> None:
    await plan(city, PLAN + "causes:\n  - {kind: feeder, name: poste Nord, sites: [site-0, site-1, site-2, site-3]}\n")
    one = dispatcher(city, Ear())
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await turns(one)
    [incident] = await standing(city)
    assert (incident.kind, incident.name) == ("feeder", "poste Nord")


async def test_different_rules_on_one_feeder_are_one_incident_of_it_and_an_unlike_alert_later_is_not_of_it(
    city: City, clock: Clock
) -> None:
    await plan(city, PLAN + "causes:\n  - {kind: feeder, name: poste Nord, sites: [site-0, site-1, site-2, site-3]}\n")
    ear = Ear()
    one = dispatcher(city, ear)
    kinds = ["lift", "boiler", "pump"]
    await arrive(city, *(at_site(n, clock, rule=kind) for n, kind in enumerate(kinds)))
    await turns(one)
    [incident] = await standing(city)
    assert (incident.kind, incident.family) == ("feeder", "boiler lift pump")
    await arrive(city, at_site(3, clock))  # a full bin has nothing to do with it
    await turns(one)
    assert ear.told() == [("raised", N), ("raised", J)]


async def test_hubs_of_one_carrier_are_one_incident_by_their_tags(city: City, clock: Clock) -> None:
    await plan(city)

    def enrol(storage: Storage) -> None:
        from backend.storage.tables import Hub

        with storage.transaction():
            for n in range(8):
                tags = ("carrier:nord",) if n < 4 else ()
                storage.registry.enrol(Hub(f"h{n}", bytes([n]) * 32, f"h{n}", clock.now, None, None, tags))

    await city.storage.call(enrol)
    one = dispatcher(city, Ear())
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await turns(one)
    [incident] = await standing(city)
    assert (incident.kind, incident.name) == ("operator", "carrier:nord")


@pytest.mark.parametrize(
    ("rule", "more", "sites"),
    [
        ("security", {"key": "doors"}, 2),
        ("security", {"key": "network"}, 2),
        ("default-credential", {"value": "milesight/em300 key"}, 2),
    ],
)
async def test_a_weak_signal_at_two_sites_within_its_days_is_an_incident(
    city: City, clock: Clock, rule: str, more: dict[str, str], sites: int
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    for n in range(sites):
        assert await standing(city) == []
        await arrive(city, at_site(n, clock, rule=rule, **more))
        await turns(one)
        clock.now += 20 * 3600
    [incident] = await standing(city)
    assert incident.kind == "signal"


async def test_different_default_credentials_are_no_signal(city: City, clock: Clock) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, *(at_site(n, clock, rule="default-credential", value=f"pack{n} key") for n in range(2)))
    await turns(one)
    assert await standing(city) == []


async def test_a_device_heard_at_two_hubs_is_an_alarm_and_a_signal(city: City, clock: Clock) -> None:
    await plan(city)

    def heard(t: object) -> None:
        for n, hub in enumerate(("h1", "h2"), 1):
            t.run(  # type: ignore[attr-defined]
                "insert into things (id, hub, device, site, zone, place, kind, layer, service, provider, privacy,"
                " mobile, name, seen_at, status, given) values (?, ?, 'lorawan:70b3', '', '', '', 'other', 'networks',"
                " '', '', 'internal', 0, '', ?, '', '')",
                n, hub, clock.now - 60 * n,
            )  # fmt: skip

    await city.store.write(heard)
    ear = Ear()
    one = dispatcher(city, ear)
    await turns(one, 4)
    assert [line["kind"] for line in city.views.alarms(everything=False)] == ["two-hubs"]
    [incident] = await standing(city)
    assert (incident.kind, incident.name) == ("signal", "alarm/two-hubs")


async def test_what_arrives_together_after_an_outage_but_began_days_apart_is_no_incident(
    city: City, clock: Clock
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(
        city,
        *(change(f"a{n}", hub=f"h{n}", site=f"s{n}", raised_at=clock.now - n * 86_400.0) for n in range(4)),
    )
    await turns(one)
    assert await standing(city) == []


async def test_an_alert_taken_out_by_hand_is_told_by_itself_and_never_joins_again(city: City, clock: Clock) -> None:
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await turns(one)
    await city.store.write(lambda t: correlation.split(t, 1, "h1", "a1", clock.now, "nour"))
    await turns(one)
    assert [(e.facts.alert, e.facts.what) for e in ear.heard] == [("incident:1", "raised"), ("a1", "raised")]
    await arrive(city, change("a1", n=2, hub="h1", site="site-1", severity="critical", at=clock.now))
    await turns(one)
    assert len(await city.store.read(lambda r: alerts.children(r, 1))) == 2
    with pytest.raises(NoIncident):
        await city.store.write(lambda t: correlation.split(t, 1, "h1", "a1", clock.now, "nour"))


async def test_two_incidents_are_merged_by_hand_and_the_evidence_of_both_stays(city: City, clock: Clock) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, *(at_site(n, clock) for n in range(3)))
    await arrive(city, *(at_site(n, clock, rule="loop") for n in range(10, 13)))
    await turns(one)
    assert len(await standing(city)) == 2
    await city.store.write(lambda t: correlation.merge(t, 2, 1, clock.now, "nour"))
    [left] = await standing(city)
    assert len(await city.store.read(lambda r: alerts.children(r, left.id))) == 6
    assert [e.what for e in await city.store.read(lambda r: table.evidence(r, 2))][-1] == "merged"
    with pytest.raises(NoIncident):
        await city.store.write(lambda t: correlation.merge(t, 2, 1, clock.now, "nour"))


async def test_a_rule_that_many_sites_have_by_nature_makes_no_incident_where_the_plan_says_so(
    city: City, clock: Clock
) -> None:
    await plan(city, PLAN + "alone: ['bin-*']\n")
    one = dispatcher(city, Ear())
    await arrive(city, *(at_site(n, clock) for n in range(5)))
    await turns(one)
    assert await standing(city) == []


def test_a_frequent_family_needs_more_sites_than_a_rare_one() -> None:
    assert rules.least_sites(0.001, 3600.0) == 3
    assert rules.least_sites(0.1, 3600.0) > 3
    assert rules.least_sites(10.0, 3600.0) > 15
    assert rules.least_sites(1e6, 3600.0) == rules.MOST_SITES


@pytest.mark.parametrize(("rate", "sites"), [(0.05, 3), (0.5, 5), (2.0, 8)])
def test_the_bound_of_chance_is_above_what_a_simulation_counts(rate: float, sites: int) -> None:
    draw, years = random.Random(7), 40
    count, now, recent = 0, 0.0, list[float]()
    while now < years * rules.YEAR_H:
        now += draw.expovariate(rate)
        recent = [one for one in recent if now - one <= 1.0] + [now]
        if len(recent) >= sites:
            count += 1
            recent = []
    bound = rules.chance_a_year(rate, 3600.0, sites)
    assert count / years <= bound + 3 * math.sqrt(max(bound, 1.0) / years)
    assert count / years >= bound / 10


def test_the_narrowest_cause_that_covers_all_is_named_and_never_one_that_everything_hangs_on() -> None:
    wide = Cause(kind="operator", name="wide", sites=("a", "b", "c", "d"))
    narrow = Cause(kind="feeder", name="narrow", sites=("a", "b"))
    assert rules.narrowest([wide, narrow], {("a", "1"), ("b", "2")}, {}) == narrow
    assert rules.narrowest([wide, narrow], {("a", "1"), ("c", "2")}, {}) == wide
    assert rules.narrowest([narrow], {("a", "1"), ("c", "2")}, {}) is None
    all_hubs = Cause(kind="tag", name="ville", tags=("ville",))
    tags = {f"h{n}": ("ville",) for n in range(5)}
    assert rules.narrowest([all_hubs], {("a", "h1"), ("b", "h2"), ("c", "h3")}, tags) is None
