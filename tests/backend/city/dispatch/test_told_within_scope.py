"""Nobody is told of an alert whose page refuses them, and an alert that nobody may see is escalated."""

from __future__ import annotations

from typing import Any

import pytest
from dispatch_kit import PLAN, Clock, Ear, arrive, change, dispatcher, plan, turns

from backend.city.city import City
from backend.city.people import accounts
from backend.city.people.viewer import CLASSES, Role, Scope
from backend.storage.city import dispatch as table
from backend.storage.city import people
from hub.core import password_hash

J, P, N, S = "jeanne@ville.example", "paul@ville.example", "nour@ville.example", "+33612345679"
WITH_NOUR = PLAN.replace("service: night, language: en", "service: night, account: nour, language: en")
WASTE, HEAT, NIGHT = (Scope(services=frozenset({name})) for name in ("waste", "heat", "night"))


@pytest.fixture
def clock(city: City) -> Clock:
    made = Clock()
    city.clock = made
    return made


async def account(city: City, name: str, scope: Scope, role: Role = Role.CREW) -> None:
    """Let somebody have this scope from now on."""

    def work(t: Any) -> None:
        known = people.person_named(t, name)
        if known is None:
            accounts.add(t, "test", name, role, scope, password_hash.make("code"), city.clock())
        else:
            accounts.change(t, "test", name, role, scope, city.clock())

    await city.store.write(work)


def kinds(city: City) -> list[str]:
    return [alarm["kind"] for alarm in city.views.alarms(everything=False)]


@pytest.mark.parametrize("scope", [WASTE, Scope(), Scope(classes=CLASSES)], ids=["own", "all", "unlimited"])
async def test_who_sees_the_page_is_told(city: City, clock: Clock, scope: Scope) -> None:
    await account(city, "jeanne", scope, Role.OPERATOR)
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    assert ear.told() == [("raised", J)]
    assert kinds(city) == []


@pytest.mark.parametrize(
    ("scope", "role"),
    [
        (HEAT, Role.CREW),
        (Scope(sectors=frozenset({"elsewhere"})), Role.HEAD),
        (Scope(provider="acme"), Role.PROVIDER),
        (Scope(), Role.ELECTED),
    ],
    ids=["service", "sector", "provider", "elected"],
)
async def test_who_does_not_see_the_page_is_not_told_and_the_next_step_begins_at_once(
    city: City, clock: Clock, scope: Scope, role: Role
) -> None:
    await account(city, "jeanne", scope, role)
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    assert sorted(ear.told()) == [("raised", S), ("raised", N)]
    assert kinds(city) == ["nobody-may-see"]
    [chain] = await city.store.read(lambda r: table.chains_of(r, "h1", "a1"))
    assert [step.barred for step in table.steps_of(chain)] == [("Jeanne",), ()]


async def test_a_disabled_account_is_told_nothing(city: City, clock: Clock) -> None:
    await account(city, "jeanne", Scope(classes=CLASSES), Role.OPERATOR)
    await city.store.write(lambda t: accounts.disable(t, "test", "jeanne", clock()))
    await plan(city)
    ear = Ear()
    await arrive(city, change())
    await turns(dispatcher(city, ear))
    assert ("raised", J) not in ear.told()
    assert ("raised", N) in ear.told()


async def test_what_nobody_of_a_route_may_see_is_told_to_nobody_and_the_last_route_hears_that_it_is_so(
    city: City, clock: Clock
) -> None:
    await account(city, "jeanne", HEAT)
    await account(city, "nour", NIGHT)
    await plan(city, WITH_NOUR)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one, 5)
    assert ear.told() == []
    assert set(kinds(city)) == {"nobody-may-see"}
    assert ("raised", N) in ear.told(alarms=True)
    await turns(one, 5)
    assert kinds(city).count("nobody-may-see") == 2, "of waste and of night, each once"


async def test_who_sees_it_no_more_is_not_told_that_it_is_over(city: City, clock: Clock) -> None:
    await account(city, "jeanne", WASTE)
    await plan(city)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    assert ear.told() == [("raised", J)]
    await account(city, "jeanne", HEAT)
    await arrive(city, change(n=2, state="cleared", at=clock.now))
    await turns(one)
    assert ear.told() == [("raised", J)]


async def test_a_step_that_begins_later_looks_at_scopes_anew(city: City, clock: Clock) -> None:
    await account(city, "nour", Scope(classes=CLASSES), Role.OPERATOR)
    await plan(city, WITH_NOUR)
    ear = Ear()
    one = dispatcher(city, ear)
    await arrive(city, change())
    await turns(one)
    await account(city, "nour", NIGHT, Role.OPERATOR)
    clock.now += 901
    await turns(one)
    assert ear.told() == [("raised", J)]
    assert kinds(city) == ["nobody-may-see"]


async def test_of_an_incident_each_is_told_the_sites_that_they_see(city: City, clock: Clock) -> None:
    def fill(t: Any) -> None:
        for n in range(4):
            t.run("insert into site_sectors (site, sector, given) values (?, ?, 0)", f"s{n}", f"sector-{n}")

    await city.store.write(fill)
    await account(city, "jeanne", Scope(sectors=frozenset({"sector-1"})))
    await account(city, "paul", Scope(sectors=frozenset({"elsewhere"})))
    text = PLAN.replace("people: [jeanne]", "people: [jeanne, nour, paul]")
    await plan(city, text + "families: {bins: ['bin-*']}\n")
    ear = Ear()
    one = dispatcher(city, ear, hold_s=1.5)
    await arrive(city, *(change(f"a{n}", hub=f"h{n}", site=f"s{n}", device=f"d{n}") for n in range(4)))
    await turns(one)
    clock.now += 2
    await turns(one)
    told = {e.address: e.facts for e in ear.heard if e.facts.alert.startswith("incident:")}
    assert {name: (facts.count, len(facts.sites)) for name, facts in told.items()} == {N: (4, 4), J: (1, 1)}
    assert told[J].sites == ("s1",)
