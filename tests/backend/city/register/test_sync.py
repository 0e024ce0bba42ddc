"""The register follows the backend: new devices become things, new readings the latest ones."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from backend_kit import Desk, Sender

from backend.city.city import City
from backend.city.register.sync import Synchroniser
from backend.conformance.sender import Segment
from backend.readings.erasures import DEVICE, PSEUDONYM
from backend.storage.city import register
from backend.storage.city.database import Reader
from backend.storage.city.register import Newest, Thing
from backend.storage.engine import ErasureOrder
from hub.core.model import Position
from hub.protocol.records.bodies import ClockMark
from hub.protocol.records.rows import Column, Row, Shape, Subject

BIN = Subject("lora:1", "bac-12", "place-verte", "", "emplacement", "lorawan")
ROOM = Subject("ble:1", "salle-1", "ecole", "rez", "", "bluetooth")
VAN = Subject("lora:9", "fourgon", "", "", "air", "lorawan")
LEVEL = Shape((Column("fill_level", "%", "0.1", privacy="technical"), Column("battery", "%", "1", privacy="technical")))
CLIMATE = Shape((
    Column("temperature", "Cel", "0.01", device_class="temperature", privacy="environment"),
    Column("motion", kind="flag", privacy="personal"),
))  # fmt: skip
DUST = Shape((Column("pm10", "ug/m3", "0.1", privacy="environment"),))


@pytest.fixture
def now_ms() -> int:
    return int(time.time() * 1000)


def send(ingest: Desk, hub: Sender, *rows: Row, segment: Segment | None = None) -> Segment:
    segment = segment or hub.segment()
    ingest.post(hub, segment.message([segment.block(list(rows))]))
    return segment


async def things(city: City) -> dict[str, Thing]:
    return {one.device: one for one in await city.store.read(register.things)}


async def newest(city: City) -> dict[tuple[str, str], Newest]:
    def read(r: Any) -> dict[tuple[str, str], Newest]:
        found = {one.id: one.device for one in register.things(r)}
        series = register.series_of(r, list(found))
        latest = register.latest_of(r, list(found))
        return {(found[one.thing], one.metric): latest[one.id] for one in series if one.id in latest}

    return await city.store.read(read)


async def test_a_device_that_reports_becomes_a_thing_of_its_kind(city: City, ingest: Desk, now_ms: int) -> None:
    hub = ingest.enrol()
    send(ingest, hub, Row(BIN, LEVEL, now_ms, True, (72.5, 90.0)), Row(ROOM, CLIMATE, now_ms, True, (21.5, True)))
    await Synchroniser(city).round()
    found = await things(city)
    assert set(found) == {"lora:1", "ble:1"}
    one, room = found["lora:1"], found["ble:1"]
    assert (one.hub, one.kind, one.layer, one.site, one.place) == (
        hub.hub,
        "waste-container",
        "waste",
        "place-verte",
        "bac-12",
    )
    assert (one.privacy, one.mobile, one.status, one.name) == ("internal", 0, "heard", "bac-12")
    assert (room.kind, room.layer, room.privacy) == ("room", "gtb", "personal")
    assert one.seen_at == pytest.approx(now_ms / 1000)
    assert [site.id for site in await city.store.read(register.sites)] == ["ecole", "place-verte"]
    series = await city.store.read(lambda r: register.series_of(r, [room.id]))
    assert [(s.metric, s.unit, s.series, s.privacy) for s in series] == [
        ("motion", "1", f"{hub.hub}/salle-1/motion", "personal"),
        ("temperature", "Cel", f"{hub.hub}/salle-1/temperature", "environment"),
    ]
    latest = await newest(city)
    assert latest["lora:1", "fill_level"][:3] == (now_ms, "72.5", 72.5)
    assert latest["ble:1", "motion"][:3] == (now_ms, "true", 1.0)


@pytest.mark.parametrize("compacted", [False, True])
async def test_what_comes_later_is_the_newest_and_what_is_late_is_not(
    city: City, ingest: Desk, now_ms: int, compacted: bool
) -> None:
    hub, sync = ingest.enrol(), Synchroniser(city)
    segment = send(ingest, hub, Row(BIN, LEVEL, now_ms - 60_000, True, (10.0, 90.0)))
    await sync.round()
    number = (await things(city))["lora:1"].id
    send(ingest, hub, Row(BIN, LEVEL, now_ms - 30_000, True, (20.0, 89.0)), segment=segment)
    if compacted:
        ingest.compact()
    await sync.round()
    assert (await newest(city))["lora:1", "fill_level"][:2] == (now_ms - 30_000, "20.0")
    change = await city.store.read(register.newest_change)
    send(ingest, hub, Row(BIN, LEVEL, now_ms - 50_000, True, (15.0, 89.0)), segment=segment)
    await sync.round()
    assert (await newest(city))["lora:1", "fill_level"][:2] == (now_ms - 30_000, "20.0")
    assert (await things(city))["lora:1"].id == number
    assert await city.store.read(register.newest_change) > change
    assert await sync.round() == 0


async def test_another_process_goes_on_where_the_last_one_was(city: City, ingest: Desk, now_ms: int) -> None:
    hub = ingest.enrol()
    segment = send(ingest, hub, Row(BIN, LEVEL, now_ms - 60_000, True, (10.0, 90.0)))
    await Synchroniser(city).round()
    before = await things(city)
    send(ingest, hub, Row(BIN, LEVEL, now_ms, True, (99.0, 90.0)), segment=segment)
    ingest.compact()
    await Synchroniser(city).round()
    assert (await newest(city))["lora:1", "fill_level"][:2] == (now_ms, "99.0")
    assert (await things(city))["lora:1"].id == before["lora:1"].id


async def test_a_backend_with_years_of_readings_gives_the_newest_of_each_series(
    city: City, ingest: Desk, now_ms: int
) -> None:
    hub, year = ingest.enrol(), 365 * 86_400_000
    segment = send(ingest, hub, Row(BIN, LEVEL, now_ms - year, True, (10.0, 90.0)))
    for hour in range(80, 0, -1):
        send(ingest, hub, Row(ROOM, CLIMATE, now_ms - hour * 3_600_000, True, (hour / 10, False)), segment=segment)
    ingest.compact()
    await Synchroniser(city).round()
    latest = await newest(city)
    assert latest["lora:1", "fill_level"][:2] == (now_ms - year, "10.0")
    assert latest["ble:1", "temperature"][:2] == (now_ms - 3_600_000, "0.1")


async def test_a_mobile_sensor_is_where_it_was_last_and_in_that_sector(city: City, ingest: Desk, now_ms: int) -> None:
    square = '{"type":"Polygon","coordinates":[[[2,48],[3,48],[3,49],[2,49],[2,48]]]}'
    await city.store.write(lambda t: register.put_sectors(t, [("nord", "Nord", square)]))
    hub, sync = ingest.enrol(), Synchroniser(city)
    segment = send(ingest, hub, Row(VAN, DUST, now_ms - 9000, True, (12.0,), position=Position(48.5, 2.5)))
    await sync.round()
    van = (await things(city))["lora:9"]
    assert (van.kind, van.mobile, van.lat, van.lon, van.privacy) == ("air", 1, 48.5, 2.5, "personal")
    inside = "select thing from thing_sectors where sector = 'nord'"
    assert await city.store.read(lambda r: r.rows(inside)) == [(van.id,)]
    send(ingest, hub, Row(VAN, DUST, now_ms, True, (14.0,), position=Position(50.0, 2.5)), segment=segment)
    await sync.round()
    assert (await things(city))["lora:9"].lat == 50.0
    assert await city.store.read(lambda r: r.rows(inside)) == []


async def test_a_device_that_moves_keeps_its_number_and_stands_at_its_new_place(
    city: City, ingest: Desk, now_ms: int
) -> None:
    hub, sync = ingest.enrol(), Synchroniser(city)
    segment = send(ingest, hub, Row(ROOM, CLIMATE, now_ms - 9000, True, (20.0, False)))
    await sync.round()
    before = (await things(city))["ble:1"]
    moved = Subject("ble:1", "atelier", "depot", "", "", "bluetooth")
    send(ingest, hub, Row(moved, CLIMATE, now_ms, True, (18.0, False)), segment=segment)
    await Synchroniser(city).round()
    after = (await things(city))["ble:1"]
    assert (after.id, after.place, after.site) == (before.id, "atelier", "depot")


async def test_what_the_operator_gave_is_not_guessed_again(city: City, ingest: Desk, now_ms: int) -> None:
    hub, sync = ingest.enrol(), Synchroniser(city)
    segment = send(ingest, hub, Row(ROOM, CLIMATE, now_ms - 9000, True, (20.0, False)))
    await sync.round()
    given = {"kind": "weather", "layer": "weather", "name": "Toit", "privacy": "public"}
    await city.store.write(lambda t: register.put_things(t, [(hub.hub, "ble:1", given)]))
    other = Shape((*CLIMATE.columns, Column("humidity", "%", "0.1", privacy="environment")))
    send(ingest, hub, Row(ROOM, other, now_ms, True, (20.0, False, 40.0)), segment=segment)
    await sync.round()
    room = (await things(city))["ble:1"]
    assert (room.kind, room.name, room.privacy, room.site) == ("weather", "Toit", "public", "ecole")
    await city.store.write(lambda t: register.put_things(t, [(hub.hub, "ble:1", {"kind": None, "layer": None})]))
    await Synchroniser(city).round()
    room = (await things(city))["ble:1"]
    assert (room.kind, room.layer, room.name) == ("room", "gtb", "Toit")


async def test_a_thing_is_silent_after_four_of_its_usual_intervals(city: City, ingest: Desk, now_ms: int) -> None:
    hub, sync = ingest.enrol(), Synchroniser(city)
    segment = hub.segment()
    for ago in (4, 3, 2, 1, 0):
        send(ingest, hub, Row(BIN, LEVEL, now_ms - ago * 3_600_000, True, (10.0, 90.0)), segment=segment)
        await sync.round()
    for later, status in ((3.5, "heard"), (4.5, "silent")):
        await city.store.write(lambda t, at=now_ms / 1000 + later * 3600: register.put_silent(t, at))  # type: ignore[misc]
        assert (await things(city))["lora:1"].status == status
    send(ingest, hub, Row(BIN, LEVEL, now_ms + 1000, True, (10.0, 90.0)), segment=segment)
    await sync.round()
    assert (await things(city))["lora:1"].status == "heard"


@pytest.mark.parametrize("compacted", [False, True])
async def test_what_a_hub_erases_is_no_newest_reading_any_more(
    city: City, ingest: Desk, now_ms: int, compacted: bool
) -> None:
    hub, sync = ingest.enrol(), Synchroniser(city)
    send(
        ingest, hub, Row(ROOM, CLIMATE, now_ms - 9000, True, (20.0, True)), Row(BIN, LEVEL, now_ms, True, (10.0, 90.0))
    )
    await sync.round()
    assert ("ble:1", "motion") in await newest(city)
    order = ErasureOrder("e1", DEVICE, "ble:1", now_ms, now_ms / 1000)
    with ingest.ingest.storage.transaction():
        ingest.ingest.erasures.carry_out(hub.hub, order, ingest.ingest.storage.records.last())
    if compacted:
        ingest.compact()
    await sync.round()
    left = await newest(city)
    assert ("ble:1", "motion") not in left
    assert left["ble:1", "temperature"][:2] == (now_ms - 9000, "20.0")
    assert left["lora:1", "fill_level"][:2] == (now_ms, "10.0")


async def test_a_pseudonym_that_is_erased_takes_its_thing_with_it(city: City, ingest: Desk, now_ms: int) -> None:
    hub, sync = ingest.enrol(), Synchroniser(city)
    send(ingest, hub, Row(ROOM, CLIMATE, now_ms, True, (20.0, True)), Row(BIN, LEVEL, now_ms, True, (10.0, 90.0)))
    await sync.round()
    order = ErasureOrder("e1", PSEUDONYM, "salle-1", 0, now_ms / 1000)
    with ingest.ingest.storage.transaction():
        ingest.ingest.erasures.carry_out(hub.hub, order, ingest.ingest.storage.records.last())
    ingest.compact()
    await sync.round()
    assert set(await things(city)) == {"lora:1"}
    assert (
        await city.store.read(lambda r: r.rows("select series from thing_series where series like '%salle-1%'")) == []
    )


async def test_readings_without_a_clock_or_dated_ahead_are_nobodys_newest(
    city: City, ingest: Desk, now_ms: int
) -> None:
    hub = ingest.enrol()
    ahead = now_ms + 3_600_000
    send(ingest, hub, Row(BIN, LEVEL, now_ms, True, (10.0, 90.0)), Row(BIN, LEVEL, ahead, True, (99.0, 90.0)))
    boot = bytes(range(16))
    segment = hub.segment()
    ingest.post(hub, segment.message([segment.block([Row(ROOM, CLIMATE, 5000, False, (20.0, True))], boot)]))
    await Synchroniser(city).round()
    latest = await newest(city)
    assert latest["lora:1", "fill_level"][:2] == (now_ms, "10.0")
    assert ("ble:1", "temperature") not in latest
    mark = ClockMark(boot, now_ms - 10_000, 5, "ntp")
    ingest.post(hub, segment.message([segment.clock(mark)]))
    await Synchroniser(city).round()
    assert (await newest(city))["ble:1", "temperature"][:2] == (now_ms - 5000, "20.0")


async def test_what_the_backend_keeps_no_more_is_not_kept_here(city: City, ingest: Desk, now_ms: int) -> None:
    hub = ingest.enrol()
    send(ingest, hub, Row(ROOM, CLIMATE, now_ms - 400 * 86_400_000, True, (20.0, True)))
    await Synchroniser(city).round()
    assert set(await newest(city)) == {("ble:1", "temperature")}


async def test_a_thing_that_was_imported_ahead_is_waited_for(city: City, ingest: Desk, now_ms: int) -> None:
    hub = ingest.enrol()
    ahead = [(hub.hub, "lora:1", {"name": "Bac"}), (hub.hub, "lora:2", {"name": "Autre"})]
    await city.store.write(lambda t: register.put_things(t, ahead))
    send(ingest, hub, Row(BIN, LEVEL, now_ms, True, (10.0, 90.0)))
    await Synchroniser(city).round()
    found = await things(city)
    assert {one.device: (one.name, one.status) for one in found.values()} == {
        "lora:1": ("Bac", "heard"),
        "lora:2": ("Autre", "unknown"),
    }


async def test_a_hub_that_changes_has_only_its_own_things_read(
    city: City, ingest: Desk, now_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    square = {"type": "Polygon", "coordinates": [[[2, 48], [3, 48], [3, 49], [2, 49], [2, 48]]]}
    area = msgspec.json.encode(square).decode()
    await city.store.write(lambda t: register.put_sectors(t, [("centre", "Centre", area)]))
    others = [ingest.enrol() for _ in range(12)]
    for n, hub in enumerate(others):
        rows = [
            Row(Subject(f"lora:{one}", f"bac-{one}", f"site-{n}", "", "", "lorawan"), LEVEL, now_ms, True, (1.0, 9.0),
                position=Position(48.5, 2.5))
            for one in range(12)
        ]  # fmt: skip
        send(ingest, hub, *rows)
    synchroniser = Synchroniser(city)
    await synchroniser.round()
    found = await city.store.read(lambda r: r.rows("select sector, count(*) from thing_sectors group by sector"))
    assert found == [("centre", 144)]
    read: list[int] = []
    rows_of = Reader.rows

    def counted(self: Reader, sql: str, *values: object) -> list[Any]:
        rows = rows_of(self, sql, *values)  # type: ignore[arg-type]
        read.append(len(rows))
        return rows

    send(ingest, ingest.enrol(), Row(VAN, DUST, now_ms, True, (7.0,)))
    monkeypatch.setattr(Reader, "rows", counted)
    await synchroniser.round()
    assert read
    assert sum(read) < 40, "of 144 other things, none is read to write one"
