"""Feeds of others: taken once, seen as everything else is, refused where they lie."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.city.city import City
from backend.city.open_api import feeds
from backend.city.people import tokens
from backend.city.people.viewer import CLASSES, Role, Scope, Viewer
from backend.storage.city import open_api as tables

from ..people.people_kit import Town, served

pytestmark = pytest.mark.real("network")

NOON = 1_800_000_000.0
POINTS = [
    {"id": "gare", "name": "Gare <b>Nord</b>", "lat": 48.85, "lon": 2.35},
    {"id": "quai", "name": "Quai", "lat": 48.86, "lon": 2.36},
]
SECTOR = {"type": "Polygon", "coordinates": [[[2.34, 48.84], [2.355, 48.84], [2.355, 48.87], [2.34, 48.84]]]}


def reading(minute: int, value: float = 20.5, point: str = "gare", metric: str = "temperature") -> dict[str, Any]:
    return {"point": point, "metric": metric, "value": value, "time": f"2027-01-15T07:{minute:02d}:00Z"}


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    city.clock = lambda: NOON
    await city.store.write(
        lambda t: t.run("insert into sectors (id, name, area) values ('north', 'North', ?)", json.dumps(SECTOR))
    )
    async with served(city, tmp_path / "tls") as found:
        yield found


async def key(town: Town, use: str, quota: int = 1000) -> dict[str, str]:
    if not await town.lines():
        await town.enter("root", Role.ADMIN, Scope(classes=CLASSES))
    who = Viewer("root", "Root", Role.ADMIN, Scope(classes=CLASSES))
    made = await town.city.store.write(lambda t: tokens.make(t, who, use, [use], NOON, quota=quota, role=Role.OPERATOR))
    return {"Authorization": f"Bearer {made}"}


async def send(town: Town, with_key: dict[str, str], readings: Any, points: Any = (), feed: str = "weather") -> Any:
    body = {"readings": readings, "points": list(points)}
    async with town.session.post(f"{town.url}/open/feeds/{feed}", json=body, headers=with_key) as reply:
        return reply.status, await reply.json()


async def test_a_feed_is_seen_by_sensorthings_and_in_exports_as_everything_is(town: Town) -> None:
    writer, reader, files = await key(town, "feeds"), await key(town, "sensorthings"), await key(town, "open")
    sent = [reading(n, 10 + n / 10) for n in range(10)] + [reading(3, 55, "quai", "humidity")]
    assert await send(town, writer, sent, POINTS) == (200, {"readings": 11, "new": 11})
    assert await send(town, writer, sent) == (200, {"readings": 11, "new": 0})  # once more, by mistake
    assert (await send(town, writer, [reading(11, 12.5)]))[1] == {"readings": 1, "new": 1}

    async def get(path: str, with_key: dict[str, str]) -> Any:
        async with town.session.get(f"{town.url}{path}", headers=with_key) as reply:
            assert reply.status == 200, await reply.text()
            return json.loads(await reply.text())

    things = await get("/sta/v1.1/Things?$expand=Locations,Datastreams", reader)
    assert [one["name"] for one in things["value"]] == ["Gare <b>Nord</b>", "Quai"]
    assert things["value"][0]["Locations"][0]["location"]["coordinates"] == [2.35, 48.85]
    stream = things["value"][0]["Datastreams"][0]["@iot.id"]
    base = f"/sta/v1.1/Datastreams({stream})/Observations"
    page = await get(f"{base}?$count=true&$orderby=phenomenonTime desc&$top=3", reader)
    assert (page["@iot.count"], [one["result"] for one in page["value"]]) == (11, [12.5, 10.9, 10.8])
    page = await get(f"{base}?$filter=phenomenonTime lt 2027-01-15T07:02:00Z", reader)
    assert [one["result"] for one in page["value"]] == [10, 10.1]
    newest = await get(
        f"/sta/v1.1/Datastreams({stream})?$expand=Observations($top=1;$orderby=phenomenonTime desc)", reader
    )
    assert newest["Observations"][0]["result"] == 12.5
    features = (await get("/open/things?kind=weather", files))["features"]
    assert features[1]["properties"]["values"]["humidity"]["value"] == 55
    entities = await get("/open/ngsi-ld?type=WeatherObserved", files)
    assert {one["temperature"]["value"] for one in entities if "temperature" in one} == {12.5}
    sectors = await town.city.store.read(lambda r: r.rows("select thing, sector from thing_sectors"))
    assert sectors == [(things["value"][0]["@iot.id"], "north")]


async def test_a_point_that_moves_keeps_its_numbers(town: Town) -> None:
    writer = await key(town, "feeds")
    await send(town, writer, [reading(1)], POINTS)
    before = await town.city.store.read(lambda r: r.rows("select id, lat from things order by id"))
    series = await town.city.store.read(lambda r: r.rows("select id from thing_series order by id"))
    moved = [POINTS[0] | {"lat": 48.9}]
    assert (await send(town, writer, [reading(2), reading(2, 40, metric="humidity")], moved))[0] == 200
    after = await town.city.store.read(lambda r: r.rows("select id, lat from things order by id"))
    assert [one[0] for one in after] == [one[0] for one in before]
    assert after[0][1] == 48.9
    assert (await town.city.store.read(lambda r: r.rows("select id from thing_series order by id")))[:1] == series


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([reading(1) | {"time": "2027-01-15T09:00:00Z"}], "readings[0]: time"),  # an hour ahead
        ([reading(1), reading(2) | {"time": "2026-01-15T09:00:00Z"}], "readings[1]: time"),  # a year ago
        ([reading(1) | {"time": "2027-01-15T07:00:00"}], "readings[0]: time"),  # of which zone?
        ([reading(1) | {"time": "yesterday"}], "readings[0]: time"),
        ([reading(1) | {"value": 4000}], "readings[0]: value 4000"),
        ([reading(1) | {"metric": "nonsense"}], "readings[0]: metric"),
        ([reading(1) | {"metric": "motion"}], "readings[0]: metric"),
        ([reading(1) | {"point": "elsewhere"}], "readings[0]: point"),
        ([reading(1) | {"value": "hot"}], "Expected `float`"),
        ([reading(1) | {"colour": 1}], "unknown field"),
        ([], "length >= 1"),
        ([reading(1)] * (feeds.MOST_LINES + 1), "length <= 2000"),
    ],
)
async def test_a_feed_that_lies_is_refused_whole_and_told_where(town: Town, readings: Any, said: str) -> None:
    writer = await key(town, "feeds")
    status, told = await send(town, writer, readings, POINTS)
    assert (status, said in told["error"]) == (400, True), told
    assert await town.city.store.read(lambda r: r.rows("select * from open_readings")) == []
    assert await town.city.store.read(lambda r: r.rows("select * from things")) == []


async def test_a_point_at_no_place_a_body_too_long_and_another_feed_are_refused(town: Town) -> None:
    writer = await key(town, "feeds")
    assert (await send(town, writer, [reading(1)], [POINTS[0] | {"lat": 91}]))[0] == 400
    assert (await send(town, writer, [reading(1)], POINTS, feed="spies"))[0] == 404
    async with town.session.post(f"{town.url}/open/feeds/weather", data=b" " * 600_000, headers=writer) as reply:
        assert reply.status == 413


async def test_who_may_read_may_not_write_and_a_quota_ends(town: Town) -> None:
    reader = await key(town, "sensorthings")
    assert (await send(town, reader, [reading(1)], POINTS))[0] == 401
    assert (await send(town, {}, [reading(1)], POINTS))[0] in (401, 403)
    writer = await key(town, "feeds", quota=3)
    assert [(await send(town, writer, [reading(n)], POINTS))[0] for n in range(4)] == [200] * 3 + [429]


async def test_old_readings_of_feeds_are_forgotten(town: Town) -> None:
    await send(town, await key(town, "feeds"), [reading(1), reading(5)], POINTS)
    cut = int(NOON * 1000) - 57 * 60_000
    assert await town.city.store.write(lambda t: tables.forget_feeds(t, cut)) == 1
