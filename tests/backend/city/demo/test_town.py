"""The simulated town: its files say nothing wrong, and what it promises happens, over a backend of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from backend.city.people.viewer import Role
from backend.city.register import files, kinds
from backend.city.register.geometry import Areas, read_area
from backend.demo import town
from backend.demo.district import Town, running
from backend.storage.city import dispatch, incidents, publication, register
from backend.storage.city.database import CityDatabase, Reader, open_city
from tests.backend.city.people.people_kit import Browser


def test_the_town_has_twenty_sites_each_in_a_sector_and_every_layer() -> None:
    found = town.sites()
    sectors = json.loads(town.sectors_geojson())["features"]
    areas = Areas({one["properties"]["id"]: read_area(one["geometry"]) for one in sectors})
    assert len({one.id for one in found}) == 20
    assert all(areas.of(one.longitude, one.latitude) for one in found)
    layers = set()
    for site in found:
        for one in site.devices:
            subject, shape = one.subject, one.shape
            names = (subject.device, subject.place, subject.model)
            layers.add(kinds.guess([c.metric for c in shape.columns], [c.device_class for c in shape.columns], names))
    assert {one.layer for one in layers} == {"gtb", "energy", "water", "lighting", "waste", "parking", "weather", "air"}
    devices = [one.subject.device for site in found for one in site.devices]
    assert len(devices) == len(set(devices))


def test_its_files_are_without_problems() -> None:
    hubs = {one.id: f"hub-{one.id}" for one in town.sites()}
    texts = (town.services_csv(), town.sectors_geojson(), town.sites_csv(), town.things_csv(hubs))
    parsed = [files.parse(text.encode()) for text in texts]
    assert [one.what for one in parsed] == ["services", "sectors", "sites", "things"]
    assert [one.problems for one in parsed] == [[], [], [], []]


@pytest.mark.parametrize("hour", range(0, 48, 5))
def test_what_it_measures_lies_within_what_its_metrics_allow(hour: int) -> None:
    for site in town.sites():
        for row in town.rows(site, 1_800_000_000 + hour * 3600.0, {}):
            values = dict(zip([one.metric for one in row.shape.columns], row.values, strict=True))
            assert 0 <= values.get("fill_level", 0) <= 100
            assert -20 < values.get("temperature", 20) < 40
            assert 0 <= values.get("water_level", 0) < town.RIVER_LOW_M


@pytest.mark.long("a whole town for a minute or two")
async def test_the_town_does_what_it_promises(tmp_path: Path) -> None:
    said: list[str] = []
    async with running(tmp_path, said.append, pace=4.0) as it:
        database = open_city(it.directory, it.directory / "backend.db")
        try:
            await _wait(database, lambda r: len(_alerts(r, it)) >= 3)
            await _wait(database, lambda r: any(one.state in ("done", "closed") for one in _interventions(r)))
            await _wait(database, lambda r: any(one.name == "security/doors" for one in incidents.listed(r, 50)))
            await _wait(database, lambda r: all(publication.Published(r).latest(id) for id in ("bacs", "riviere")))
            with database.snapshot() as r:
                things = register.things(r)
                sectors = r.rows("select distinct sector from thing_sectors")
            assert {one.hub for one in things} == set(it.hubs)
            assert all(one.lat is not None and one.status == "heard" for one in things)
            assert len(sectors) == len(town.SECTORS)
        finally:
            database.close()
        await _everybody_may_enter(it)
    codes = [getattr(one, "code", "") for one in said]
    assert codes.count("demo-district-told") >= 3
    assert {"demo-bin-emptied", "demo-river-taken", "demo-published"} <= set(codes)
    assert not {"demo-district-trouble", "demo-phone-trouble"} & set(codes)


async def _everybody_may_enter(it: Town) -> None:
    trust = ssl.create_default_context(cafile=str(it.directory / "ca.pem"))
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        assert {one.role for one in it.accounts} == set(Role)
        for one in it.accounts:
            browser = Browser(session, it.url)
            answer = await browser.post("/signin", {"name": one.name, "password": one.password})
            assert answer.status == 303, (one.role, answer.text)
            assert (await browser.get("/account")).status == 200, one.role
            if one.role in (Role.OPERATOR, Role.CREW):  # what hubs call technical has values for both
                assert "Fill level" in (await browser.get("/things?layer=waste&lang=en")).text, one.role


def _alerts(r: Reader, it: Town) -> list[object]:
    return [one for one in dispatch.recent(r, time.time() - 600) if one.hub in it.hubs]


def _interventions(r: Reader) -> list[dispatch.Intervention]:
    numbers = range(1, 20)
    return [one for number in numbers if (one := dispatch.intervention(r, number)) is not None]


async def _wait(database: CityDatabase, holds: object, seconds: float = 300.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            with database.snapshot() as r:
                if holds(r):  # type: ignore[operator]
                    return
            await asyncio.sleep(0.5)
