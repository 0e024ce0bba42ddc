"""Cells are made once, corrected under the ledger, and taken back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import nullcontext
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backend.city import server
from backend.city.city import City
from backend.city.people import journal
from backend.city.people.viewer import Role, Scope, Viewer
from backend.city.publication import desk, making
from backend.city.publication.calendar import DAY_S, HOUR_S, MONTH_S
from backend.city.publication.definition import DefinitionRefused, Family
from backend.storage.city import publication as table
from backend.storage.city.publication import Cell, Published

from .attack import START, Thing, data_set
from .publication_kit import AIR, HEAD, OFFICER, air, passes, publish, put, wave

WORKER = Path(__file__).parent / "killed_worker.py"


def homes(count: int, first: int = 1, site: str = "tower") -> list[Thing]:
    return [Thing(first + n, "energy", "energy-meter", "personal", site, f"flat-{n}") for n in range(count)]


async def cells(city: City, id: str) -> list[Cell]:
    return await city.store.read(lambda r: Published(r).cells(id, 0, 1e12))


async def test_cells_of_air_are_told_at_once_and_each_once(city: City) -> None:
    await put(city, AIR)
    await publish(city, air())
    source = wave(AIR, 30)
    assert await passes(city, source, START + 5.5 * HOUR_S) == 1
    found = await cells(city, "air")
    assert len(found) == 15, "three sensors, five whole hours"
    assert {cell.release for cell in found} == {1}
    assert await passes(city, source, START + 5.9 * HOUR_S) == 0
    await passes(city, source, START + 10 * DAY_S)
    assert len(await cells(city, "air")) == 90
    assert await city.store.read(lambda r: Published(r).releases("air")) == [], "looking again found nothing new"


async def test_a_day_without_an_hour_and_a_month_are_told_whole(city: City) -> None:
    await put(city, AIR)
    march = datetime(2027, 3, 1, tzinfo=ZoneInfo("Europe/Paris")).timestamp()
    await publish(city, air("jours", cell_s=DAY_S, since=march))
    await publish(city, air("mois", cell_s=MONTH_S, since=march - HOUR_S))
    source = wave(AIR, 24 * 32, march)
    await passes(city, source, march + 32 * DAY_S)
    days = [cell for cell in await cells(city, "jours") if cell.area == "1"]
    assert [round((after.starts - one.starts) / HOUR_S) for one, after in pairwise(days)] == [24] * 27 + [23] + [24] * 3
    month = [cell for cell in await cells(city, "mois") if cell.area == "1"]
    assert [cell.starts for cell in month] == [march], "the hour before belongs to a month that is not whole"
    files = await city.store.read(lambda r: Published(r).months("mois"))
    assert {one.month for one in files} == {"2027-03"}


async def test_cells_whose_readings_are_being_deleted_are_not_made_of_what_is_left(city: City) -> None:
    await put(city, AIR)
    await publish(city, air(cell_s=DAY_S))
    source, kept = wave(AIR, 24 * 40), {"environment": 6}
    await passes(city, source, START + 2 * DAY_S, kept)
    before = await cells(city, "air")
    source.values = {(thing, at): value for (thing, at), value in source.values.items() if at > START + 1.5 * DAY_S}
    await passes(city, source, START + 7.5 * DAY_S, kept)
    after = await cells(city, "air")
    assert [cell for cell in after if cell.starts < START + 2 * DAY_S] == before, "looked at again, it was left"
    assert len(after) == 3 * 7
    await passes(city, source, START + 30 * DAY_S, kept)
    told = {cell.starts for cell in await cells(city, "air")}
    assert told == {START + n * DAY_S for n in (0, 1, 2, 3, 4, 5, 6, *range(24, 30))}, (
        "those that came due too late are not told"
    )


def test_a_cell_that_would_come_due_after_its_readings_were_deleted_is_refused() -> None:
    for days, refused in ((37, True), (38, False), (0, False)):
        one = data_set("energie", Family.HOMES, "energy", cell_s=MONTH_S)
        with pytest.raises(DefinitionRefused, match="37") if refused else nullcontext():
            desk.refuse_deleted(one, {"personal": days, "technical": 0})


async def test_a_reading_that_comes_late_corrects_air(city: City) -> None:
    await put(city, AIR)
    await publish(city, air())
    source = wave(AIR, 30)
    late = source.values.pop((2, START))
    await passes(city, source, START + 2 * HOUR_S)
    source.values[2, START] = late
    await passes(city, source, START + 2 * DAY_S)
    found = [cell for cell in await cells(city, "air") if cell.starts == START and cell.area == "2"]
    assert [(cell.value, cell.release) for cell in found] == [(late, 2)]
    told = await city.store.read(lambda r: Published(r).releases("air"))
    assert [(one.number, one.kind, one.cells) for one in told] == [(2, "correction", 1)]


async def test_energy_of_homes_is_a_week_late_masked_and_rounded(city: City) -> None:
    things = [*homes(12), *homes(4, 20, "villa"), *homes(11, 40, "court")]
    await put(city, things)
    await publish(city, data_set("energie", Family.HOMES, "energy", total=True))
    source = wave(things, 48)
    await passes(city, source, START + 7 * DAY_S)
    assert await cells(city, "energie") == []
    await passes(city, source, START + 7 * DAY_S + HOUR_S)
    found = {cell.area: cell for cell in await cells(city, "energie")}
    assert set(found) == {"tower", "villa", "court", making.TOTAL}
    assert (found["villa"].value, found["villa"].mark) == (None, "masked")
    masked = [area for area, cell in found.items() if cell.mark]
    assert len(masked) == 2, "another one is masked, since the total is told"
    assert found[making.TOTAL].value is not None
    assert all(cell.value % 5 == 0 for cell in found.values() if cell.value is not None)


async def test_one_home_that_comes_late_never_changes_what_was_told(city: City) -> None:
    things = homes(12)
    await put(city, things)
    await publish(city, data_set("energie", Family.HOMES, "energy"))
    source = wave(things, 24)
    late = {key: source.values.pop(key) for key in list(source.values) if key[0] == 5}
    await passes(city, source, START + 8 * DAY_S + HOUR_S)
    before = [cell for cell in await cells(city, "energie") if cell.starts < START + DAY_S]
    source.values |= dict.fromkeys(late, 500.0)
    await city.store.write(lambda t: desk.recompute(t, "energie", START, START + DAY_S, OFFICER, START + 9 * DAY_S))
    assert await passes(city, source, START + 9 * DAY_S) > 0
    await passes(city, source, START + 60 * DAY_S)
    assert [cell for cell in await cells(city, "energie") if cell.starts < START + DAY_S] == before


async def test_what_cells_were_computed_from_is_forgotten_once_they_are_final(city: City) -> None:
    things = homes(12)
    await put(city, things)
    await publish(city, data_set("energie", Family.HOMES, "energy", until=START + DAY_S))
    source = wave(things, 24)
    await passes(city, source, START + 20 * DAY_S)
    assert all(await city.store.read(lambda r: table.ledger(r, "energie", START)))
    await passes(city, source, START + 60 * DAY_S)
    assert await city.store.read(lambda r: table.ledger(r, "energie", START)) == [None]
    source.values = {key: value * 3 for key, value in source.values.items()}
    before = await cells(city, "energie")
    await city.store.write(lambda t: desk.recompute(t, "energie", START, START + DAY_S, OFFICER, START + 61 * DAY_S))
    await passes(city, source, START + 61 * DAY_S)
    assert await cells(city, "energie") == before


async def test_the_second_person_is_another_one_and_one_of_both_is_the_officer(city: City) -> None:
    await put(city, AIR)
    line = await city.store.write(lambda t: desk.propose(t, air(), HEAD, START))
    other = Viewer("other", "Autre", Role.HEAD, Scope())
    program = Viewer("token:1", "Programme", Role.DPO, Scope())
    for who, code in ((HEAD, "two-persons"), (other, "officer"), (program, "program")):
        with pytest.raises(DefinitionRefused) as refused:
            await city.store.write(lambda t, who=who: desk.allow(t, "air", line.digest, who, START))
        assert [one.code for one in refused.value.problems] == [f"publication-{code}"]
    with pytest.raises(DefinitionRefused) as refused:
        await city.store.write(lambda t: desk.allow(t, "air", "0" * 64, OFFICER, START))
    assert [one.code for one in refused.value.problems] == ["publication-changed"]
    assert await city.store.read(lambda r: Published(r).sets()) == []
    await city.store.write(lambda t: desk.allow(t, "air", line.digest, OFFICER, START))
    assert [one.id for one in await city.store.read(lambda r: Published(r).sets())] == ["air"]
    verdict = await city.store.read(lambda r: journal.verify(r, {}))
    assert (verdict.lines, verdict.whole) == (2, True)


async def test_nobody_proposes_or_allows_what_is_outside_their_scope(city: City) -> None:
    things = homes(12)
    await put(city, things)
    one = data_set("energie", Family.HOMES, "energy")
    narrow = Viewer("narrow", "Autre", Role.DPO, Scope())  # not what is personal
    with pytest.raises(DefinitionRefused) as refused:
        await city.store.write(lambda t: desk.propose(t, one, narrow, START))
    assert [problem.code for problem in refused.value.problems] == ["publication-nothing"]
    line = await city.store.write(lambda t: desk.propose(t, one, HEAD, START))
    with pytest.raises(DefinitionRefused) as refused:
        await city.store.write(lambda t: desk.allow(t, "energie", line.digest, narrow, START))
    assert [problem.code for problem in refused.value.problems] == ["publication-scope"]


async def test_a_sensor_that_comes_later_is_not_published_by_itself(city: City) -> None:
    await put(city, AIR[:2])
    await publish(city, air())
    await put(city, AIR[2:])
    await passes(city, wave(AIR, 3), START + 3 * HOUR_S)
    assert {cell.area for cell in await cells(city, "air")} == {"1", "2"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"delay_s": 6 * DAY_S}, "publication-delay"),
        ({"cell_s": 900}, "publication-cell-short"),
        ({"space": "thing"}, "publication-space"),
        ({"metrics": ("occupancy",)}, "publication-metric"),
        ({"metrics": ("energy", "gas")}, "publication-one-metric"),
        ({"id": "sensors"}, "publication-id"),
        ({"mail": "nobody"}, "publication-contact"),
        ({"licence": "free"}, "publication-licence"),
        ({"until": START - 1}, "publication-period"),
    ],
)
async def test_a_data_set_outside_the_rules_is_refused(city: City, change: dict[str, object], code: str) -> None:
    from msgspec.structs import replace

    await put(city, homes(12))
    one = replace(data_set("energie", Family.HOMES, "energy"), **change)
    with pytest.raises(DefinitionRefused) as refused:
        await city.store.write(lambda t: desk.propose(t, one, HEAD, START))
    assert code in [problem.code for problem in refused.value.problems]
    assert await city.store.read(table.data_sets) == []


async def test_rooms_vehicles_and_homes_are_in_no_data_set_of_air(city: City) -> None:
    await put(
        city,
        [
            Thing(1, "pm2_5", "air", "public", "square", ""),
            Thing(2, "pm2_5", "air", "personal", "tower", "flat-1"),
            Thing(3, "pm2_5", "room", "public", "school", "class-1"),
        ],
    )
    await city.store.write(lambda t: t.run("update things set mobile = 1 where id = 1"))
    with pytest.raises(DefinitionRefused) as refused:
        await city.store.write(lambda t: desk.propose(t, air(), HEAD, START))
    assert [one.code for one in refused.value.problems] == ["publication-nothing"]


@pytest.mark.parametrize(
    ("kind", "metric", "change", "code"),
    [
        ("waste-container", "fill_level", {}, ""),
        ("waste-container", "fill_level", {"cell_s": 900}, "publication-cell-short"),
        ("waste-container", "battery", {}, "publication-metric"),
        ("water-level", "water_level", {"cell_s": 300}, ""),
        ("street-light", "light", {"delay_s": DAY_S}, ""),
        ("street-light", "light", {}, "publication-delay"),
        ("street-light", "light", {"delay_s": DAY_S, "cell_s": 300}, "publication-cell-short"),
        ("street-light", "power", {"delay_s": DAY_S}, "publication-metric"),
        ("energy-meter", "energy", {}, "publication-kind"),
    ],
)
async def test_bins_rivers_and_lamps_are_told_as_finely_as_says_nothing_of_one_person(
    city: City, kind: str, metric: str, change: dict[str, object], code: str
) -> None:
    await put(city, [Thing(1, metric, kind, "public", "square", ""), Thing(2, metric, kind, "personal", "tower", "1")])
    one = air(kinds=(kind,), metrics=(metric,), **change)
    if code:
        with pytest.raises(DefinitionRefused) as refused:
            await city.store.write(lambda t: desk.propose(t, one, HEAD, START))
        assert code in [problem.code for problem in refused.value.problems]
    else:
        await city.store.write(lambda t: desk.propose(t, one, HEAD, START))
        assert [one.thing for one in await city.store.read(lambda r: table.members(r, "air"))] == [1], "not the tower's"


async def test_taking_cells_back_and_withdrawing_a_data_set(city: City) -> None:
    await put(city, AIR)
    await publish(city, air())
    source = wave(AIR, 40)
    await passes(city, source, START + 10 * HOUR_S)
    taken = await city.store.write(
        lambda t: desk.take_back(t, "air", "2", START, START + 12 * HOUR_S, "capteur en panne", OFFICER, START + 1)
    )
    assert taken == 10
    await passes(city, source, START + 10 * DAY_S)
    found = await cells(city, "air")
    gone = [cell for cell in found if cell.mark == "withdrawn"]
    assert len(gone) == 12, "also those that were made later, and none came back when it was looked at again"
    assert {(cell.area, cell.value) for cell in gone} == {("2", None)}
    assert await city.store.write(lambda t: desk.withdraw(t, "air", "erreur", OFFICER, START + 1))
    assert await cells(city, "air") == []
    assert await passes(city, source, START + 20 * DAY_S) == 0
    with pytest.raises(DefinitionRefused):
        await publish(city, air())


async def test_what_was_told_and_withdrawn_is_not_told_again_in_another_partition(city: City) -> None:
    things = [one._replace(sectors=("north",)) for one in homes(12)]
    await put(city, things)
    await publish(city, data_set("energie", Family.HOMES, "energy", until=START + DAY_S))
    await passes(city, wave(things, 24), START + 9 * DAY_S)
    await city.store.write(lambda t: desk.withdraw(t, "energie", "erreur", OFFICER, START))
    other = data_set("energie-secteurs", Family.HOMES, "energy", space="sector", until=START + DAY_S)
    with pytest.raises(DefinitionRefused) as refused:
        await publish(city, other)
    assert [one.code for one in refused.value.problems] == ["publication-claimed"]
    later = data_set("energie-secteurs", Family.HOMES, "energy", space="sector", since=START + DAY_S)
    await publish(city, later)


async def test_two_workers_make_each_cell_once(city: City) -> None:
    await put(city, AIR)
    await publish(city, air())
    source = wave(AIR, 200)
    done = await asyncio.gather(*(passes(city, source, START + 200 * HOUR_S) for _ in range(3)))
    assert sum(done) >= 3
    found = await cells(city, "air")
    assert len(found) == 600
    assert {cell.release for cell in found} == {1}


@pytest.mark.real("clock, processes")
async def test_a_worker_that_is_killed_at_any_moment_makes_each_cell_once(city: City) -> None:
    things = [*homes(12), *homes(4, 20, "villa"), *homes(11, 40, "court")]
    await put(city, things)
    await publish(city, data_set("energie", Family.HOMES, "energy", total=True, until=START + 8 * DAY_S))
    kills = 0
    while True:
        command = [sys.executable, str(WORKER), str(city.directory), str(city.address)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if process.stdout.readline():  # it begins to make cells
                try:
                    process.wait(0.1 * 1.4**kills)  # longer each time: a busy machine gets there too
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
        if process.returncode == 0:
            break
        assert kills < 25
    assert kills >= 2
    found = await cells(city, "energie")
    assert len(found) == 8 * 24 * 4
    releases = await city.store.read(
        lambda r: r.rows("select count(*), max(release) from publication_ledger where dataset = 'energie'")
    )
    assert releases == [(8 * 24, 1)]
    first = await city.store.read(lambda r: table.pointer(r, "energie", table.FIRST))
    assert first is not None
    assert first.next == START + 8 * DAY_S


async def test_the_room_makes_cells_beside_requests(city: City) -> None:
    await put(city, homes(12))
    await publish(city, data_set("energie", Family.HOMES, "energy", until=START + 2 * DAY_S), city.clock())
    working = asyncio.create_task(server.work(city, tuple(one for one in server.ROOMS if one.name == "publication")))
    try:
        while len(await cells(city, "energie")) < 48:
            assert not working.done()
            await asyncio.sleep(0.05)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    found = await cells(city, "energie")
    assert {(cell.value, cell.mark) for cell in found} == {(None, "masked")}, "no reading came: masked like few homes"
