"""Nobody reads, counts, expands, pages or orders what is outside of their scope."""

from __future__ import annotations

from typing import Any

import pytest

from backend.city.city import City
from backend.city.people.viewer import Role, Scope

from .open_kit import CLASS_OF, Device, Series, person, serving

pytestmark = pytest.mark.real("network")

ALL = frozenset({"public", "internal", "personal"})
SCOPES = {
    "public": Scope(classes=frozenset({"public"})),
    "usual": Scope(),
    "parks": Scope(frozenset({"parks"}), classes=ALL),
    "acme": Scope(provider="acme", classes=ALL),
    "sector": Scope(sectors=frozenset({"north"}), classes=ALL),
    "nothing": Scope(frozenset(), classes=ALL),
}


def seen(devices: list[Device], scope: Scope) -> list[Device]:
    return [
        one
        for one in devices
        if one.privacy in scope.classes
        and (scope.services is None or one.service in scope.services)
        and (scope.sectors is None or ("north" in scope.sectors and one.id in (3, 4)))
        and (not scope.provider or one.provider == scope.provider)
    ]


def streams(one: Device, scope: Scope) -> list[Series]:
    """Series of a thing that a scope shows: of a thing that is not public itself, no personal ones."""
    personal = one.privacy == "public" or "personal" in scope.classes
    return [each for each in one.series if personal or CLASS_OF[each.metric] != "personal"]


def entities(told: Any) -> set[tuple[str, Any]]:
    """Return set and id of all entities in an answer, wherever they stand."""
    if isinstance(told, list):
        return set().union(*(entities(one) for one in told)) if told else set()
    if not isinstance(told, dict):
        return set()
    found = set().union(*(entities(one) for one in told.values())) if told else set()
    if "@iot.selfLink" in told:
        found.add((told["@iot.selfLink"].rpartition("/")[2].partition("(")[0], told["@iot.id"]))
    return found


PATHS = [
    "/Things", "/Locations", "/HistoricalLocations", "/Datastreams", "/Sensors", "/FeaturesOfInterest",
    "/Things?$expand=Datastreams($expand=ObservedProperty($expand=Datastreams($expand=Thing)))",
    "/ObservedProperties?$expand=Datastreams/Thing/Locations", "/ObservedProperties(1)/Datastreams?$expand=Thing",
    "/ObservedProperties?$expand=Datastreams($expand=Observations($top=1;$orderby=phenomenonTime desc))",
    "/Observations?$top=500&$expand=Datastream/Thing,FeatureOfInterest",
    "/Observations?$orderby=phenomenonTime desc&$top=20&$expand=Datastream/Thing",
    "/Datastreams?$filter=Thing/name ne 'x' or ObservedProperty/Datastreams/id gt 0&$expand=Thing",
    "/Things?$filter=not (id eq 0)&$orderby=name",
]  # fmt: skip


@pytest.mark.parametrize("name", list(SCOPES))
async def test_a_scope_shows_its_own_and_nothing_else(town: City, devices: list[Device], name: str) -> None:
    scope = SCOPES[name]
    await town.store.write(
        lambda t: t.many("insert into thing_sectors (thing, sector) values (?, ?)", [(3, "north"), (4, "north")])
    )
    mine = seen(devices, scope)
    own = {one.id for one in mine}
    series = {each.id for one in mine for each in streams(one, scope)}
    async with serving(town, person(scope)) as client:
        for path in PATHS:
            async with client.get(f"/sta/v1.1{path}") as reply:
                told = await reply.json()
                if path.startswith("/ObservedProperties(1)") and reply.status == 404:
                    continue
                assert reply.status == 200, told
            for of, number in entities(told):
                if of in ("Things", "Locations", "HistoricalLocations", "Sensors", "FeaturesOfInterest"):
                    assert number in own, (path, of, number)
                elif of == "Datastreams":
                    assert number in series, path
                elif of == "Observations":
                    assert int(number.partition("-")[0]) in series, path
        for path, count in (
            ("/Things", len(own)), ("/Datastreams", len(series)),
            ("/Observations", sum(len(each.readings) for one in mine for each in streams(one, scope))),
            ("/ObservedProperties", len({each.metric for one in mine for each in streams(one, scope)})),
        ):  # fmt: skip
            async with client.get(f"/sta/v1.1{path}?$count=true&$top=0") as reply:
                assert (await reply.json())["@iot.count"] == count, path
        for one in devices:
            for path in (
                f"/Things({one.id})",
                f"/Sensors({one.id})/Datastreams",
                f"/Datastreams({one.series[0].id})/Observations",
                f"/FeaturesOfInterest({one.id})/name/$value",
            ):
                async with client.get(f"/sta/v1.1{path}") as reply:
                    assert reply.status == (200 if one.id in own else 404), path
            for each in one.series:
                async with client.get(f"/sta/v1.1/Datastreams({each.id})/Observations") as reply:
                    assert reply.status == (200 if each.id in series else 404), each
            if one.series[0].readings:
                at = one.series[0].readings[0][0]
                async with client.get(f"/sta/v1.1/Observations('{one.series[0].id}-{at}')/Datastream/Thing") as reply:
                    assert reply.status == (200 if one.id in own else 404)


async def test_a_scope_that_shrinks_shows_less_at_once(town: City) -> None:
    async with serving(town, person()) as client:
        for scope, count in ((Scope(classes=ALL), 8), (Scope(frozenset({"roads"}), classes=ALL), 4)):
            async with client.get("/sta/v1.1/Things?$count=true&$top=0") as reply:
                assert (await reply.json())["@iot.count"] == 8
            async with (
                serving(town, person(scope, Role.PROVIDER)) as other,
                other.get("/sta/v1.1/Things?$count=true&$top=0") as reply,
            ):
                assert (await reply.json())["@iot.count"] == count


async def test_a_stranger_sees_nothing(town: City) -> None:
    async with serving(town, None) as client, client.get("/sta/v1.1/Things") as reply:
        assert reply.status != 200
        assert "value" not in await reply.text()
