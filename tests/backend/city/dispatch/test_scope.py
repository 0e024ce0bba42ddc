"""Which alerts somebody sees: the query against a naive oracle, over both engines."""

from __future__ import annotations

import itertools
import random

import pytest
from dispatch_kit import NOW, Clock, Ear, arrive, change, dispatcher, plan, turns

from backend.city.city import City
from backend.city.people.viewer import Scope
from backend.storage.city import dispatch as table
from backend.storage.city.database import Transaction

SERVICES, SECTORS, PROVIDERS, CLASSES = (
    ("waste", "heat", "night"),
    ("n", "s"),
    ("", "acme"),
    ("public", "internal", "personal"),
)
RULES = {"bin-full": "waste", "loop": "heat", "lift": "night"}


@pytest.fixture
def clock(city: City) -> Clock:
    made = Clock()
    city.clock = made
    return made


async def test_what_somebody_sees_is_what_a_naive_look_at_each_alert_says(city: City, clock: Clock) -> None:
    draw = random.Random(11)
    things: list[dict[str, str]] = []
    for n, (service, provider, privacy, sector) in enumerate(itertools.product(SERVICES, PROVIDERS, CLASSES, SECTORS)):
        things.append({"hub": f"h{n}", "device": f"d{n}", "service": service, "provider": provider, "privacy": privacy,
                       "sector": sector, "site": f"site-{sector}"})  # fmt: skip

    def fill(t: Transaction) -> None:
        for sector in SECTORS:
            t.run("insert into site_sectors (site, sector, given) values (?, ?, 0)", f"site-{sector}", sector)
        for number, one in enumerate(things, 1):
            t.run(
                "insert into things (id, hub, device, site, zone, place, kind, layer, service, provider, privacy,"
                " mobile, name, seen_at, status, given)"
                " values (?, ?, ?, ?, '', '', 'other', 'networks', ?, ?, ?, 0, '', ?, '', '')",
                number, one["hub"], one["device"], one["site"], one["service"], one["provider"], one["privacy"], NOW,
            )  # fmt: skip
            t.run("insert into thing_sectors (thing, sector) values (?, ?)", number, one["sector"])

    await city.store.write(fill)
    await plan(city)
    routed = [draw.choice(list(RULES)) for _ in things]
    await arrive(city, *(
        change(f"a{n}", hub=one["hub"], device=one["device"], site=one["site"], rule=rule)
        for n, (one, rule) in enumerate(zip(things, routed, strict=True))
    ))  # fmt: skip
    await arrive(
        city,
        change("whole", hub="h0", device="", site="site-n", rule="lift"),
        change("nowhere", hub="hx", device="", site=""),
    )
    await turns(dispatcher(city, Ear()), 1)

    def seen(scope: Scope, one: dict[str, str], to: str) -> bool:
        """Say of a thing's alert whether somebody sees it."""
        if one["privacy"] not in scope.classes:
            return False
        if scope.sectors is not None and one["sector"] not in scope.sectors:
            return False
        if scope.provider and one["provider"] != scope.provider:
            return False
        return scope.services is None or one["service"] in scope.services or to in scope.services

    choices = itertools.product(
        (None, frozenset[str](), frozenset({"waste"}), frozenset({"heat", "night"})),
        (None, frozenset[str](), frozenset({"n"})),
        ("", "acme"),
        (frozenset({"public"}), frozenset({"public", "internal"}), frozenset(CLASSES), frozenset[str]()),
    )
    for services, sectors, provider, classes in choices:
        scope = Scope(services, sectors, provider, classes)
        condition, values = table.seen_by(scope)
        found = await city.store.read(
            lambda r, c=condition, v=values: table.listed(r, c, v, everything=True, most=1000)  # type: ignore[misc]
        )
        expected = {f"a{n}" for n, one in enumerate(things) if seen(scope, one, RULES[routed[n]])}
        if not provider and (services is None or "night" in services) and (sectors is None or "n" in sectors):
            expected.add("whole")
        if not provider and (services is None or "waste" in services) and sectors is None:
            expected.add("nowhere")
        assert {one.alert for one in found} == expected, scope
