"""What is asked of the past: raw of the last day, hours before it, gaps as gaps, errors in words."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device
from hub.history.archive import RawArchive, RootKey
from hub.history.archive.folder import Folder
from hub.history.archive.table import RawSeriesTable as RawMemory
from hub.history.disk_limits import DiskLimits
from hub.rpc.history import HistoryCalls
from tests.hub.history.rollups.kit import TEMPERATURE, H, Hub, at, meter_place

START = at("2026-03-02 08:00")


def recalling(hub):
    known = {"x:1": Device(id="x:1", integration="x", place="salle")}
    return HistoryCalls(hub.rollups, hub.observer, hub.clock, known.get, lambda place: None)


async def asked(hub, **arguments):
    return await recalling(hub).calls()["history"](arguments)


async def test_a_day_is_shown_raw_with_its_gap_and_a_table_of_hours(tmp_path):
    async with Hub(tmp_path, START + 5 * H, period=lambda device: 60.0) as hub:
        for minute in [*range(60), *range(240, 300)]:
            hub.say(START + 60 * minute, 20.0 + minute % 3, metric=TEMPERATURE, place="salle")
        answer = await asked(hub, device="x:1", metric="temperature", **{"from": START})
        assert (answer["series"], answer["unit"], answer["step"]) == ("salle/temperature", "Cel", "hour")
        values = [value for _, value in answer["line"]]
        assert values.count(None) == 1
        assert answer["gaps"] == [(START + 59 * 60, START + 240 * 60)]
        assert set(values) - {None} == {20.0, 21.0, 22.0}
        assert [cell[1] for cell in answer["cells"]][1:4] == [None, None, None]
        assert answer["cells"][0][:4] == [START, 21.0, 20.0, 22.0]
        assert answer["cells"][0][5] == 100.0


async def test_the_metrics_of_a_device_that_change_come_first_and_those_that_never_do_not_at_all(tmp_path):
    async with Hub(tmp_path, START + 4 * H) as hub:
        for minute in range(60):
            at = START + 3 * H + 60 * minute
            hub.say(at, 20.0 + minute // 20, metric=TEMPERATURE, place="salle")
            hub.say(at, 50.0 + minute % 2, metric=METRICS["humidity"], place="salle")
            hub.say(at, 60.0, metric=METRICS["setpoint"], place="salle")
            hub.say(at, float(minute), metric=METRICS["pressure"], place="elsewhere")
        moving = recalling(hub).calls()["history.moving"]
        assert (await moving({"device": "x:1"}))["metrics"] == ["humidity", "temperature"]
        assert (await moving({"device": "nobody"}))["metrics"] == []


async def test_a_week_joins_hours_of_the_disk_to_raw_readings(tmp_path):
    async with Hub(tmp_path, START, period=lambda device: 600.0) as hub:
        for n in range(3 * 144):
            hub.clock.set(START + 600 * n)
            hub.say(START + 600 * n, 20.0, metric=TEMPERATURE, place="salle")
        await hub.write(everything=True)
    async with Hub(tmp_path, START + 3 * 24 * H + 900, life=2, period=lambda device: 600.0) as hub:
        hub.say(START + 3 * 24 * H + 600, 25.0, metric=TEMPERATURE, place="salle")
        answer = await asked(hub, series="salle/temperature", **{"from": START})
        times = [time for time, _ in answer["line"]]
        assert times == sorted(times)
        assert answer["line"][-1] == (START + 3 * 24 * H + 600, 25.0)
        assert len(answer["cells"]) == 73
        assert answer["raw_from"] == START + 3 * 24 * H + 600


async def test_a_counter_answers_with_what_was_used(tmp_path):
    async with Hub(tmp_path, START + 2 * H, places=[meter_place()]) as hub:
        hub.say(START, 10.0)
        hub.say(START + H, 12.25)
        answer = await asked(hub, series="tgbt/energy", **{"from": START - H, "to": START + 2 * H})
        assert answer["line"] == []
        assert [cell[1] for cell in answer["cells"]] == [None, 2.25, None]
        by_month = await asked(hub, series="tgbt/energy", step="month", **{"from": START})
        assert by_month["cells"][0][1] == 2.25


async def test_what_cannot_be_asked_is_refused_in_words(tmp_path):
    async with Hub(tmp_path, START + 2 * H) as hub:
        hub.say(START, 20.0, metric=TEMPERATURE, place="salle")
        for arguments, said in (
            ({"series": "nowhere/temperature"}, "nothing is known of the series"),
            ({"device": "x:9", "metric": "temperature"}, "give a series"),
            ({"series": "salle/temperature", "from": START, "to": START}, "`from` must be before `to`"),
            ({"series": "salle/temperature", "step": "week"}, "step is auto"),
            ({"series": "salle/temperature", "from": "yesterday"}, "from must be a number"),
            ({"series": "salle/temperature", "from": 0, "step": "hour"}, "too many"),
        ):
            with pytest.raises(HubError, match=said):
                await asked(hub, **arguments)


@pytest.mark.parametrize("step", ["hour", "day", "month"])
async def test_too_many_steps_are_refused_before_they_are_told_one_by_one(tmp_path, monkeypatch, step):
    async with Hub(tmp_path, START + 2 * H) as hub:
        hub.say(START, 20.0, metric=TEMPERATURE, place="salle")
        assert (await asked(hub, series="salle/temperature", step=step, **{"from": START}))["cells"]
        monkeypatch.setattr("hub.history.rollups.cells.edges", None)  # 17 million hours take 800 MB
        with pytest.raises(HubError, match="too many"):
            await asked(hub, series="salle/temperature", step=step, **{"from": -62_135_596_800})


async def test_an_erased_place_is_forgotten_and_a_dry_run_forgets_nothing(tmp_path):
    async with Hub(tmp_path, START + 2 * H) as hub:
        hub.say(START, 20.0, metric=TEMPERATURE, place="salle")
        calls = recalling(hub).calls()
        await hub.write(everything=True)
        assert (await calls["history.erase"]({"place": "salle", "dry_run": True}))["rows"] == 0
        assert len((await calls["history.list"]({}))["series"]) == 1
        assert (await calls["history.erase"]({"place": "salle"}))["rows"] == 2
        assert (await calls["history.list"]({}))["series"] == []
        with pytest.raises(HubError, match="nothing is remembered"):
            await calls["history.erase"]({"place": "salle"})


@contextlib.asynccontextmanager
async def kept(path, now, **options):
    """One life of a hub that keeps raw history on disk too."""
    async with Hub(path, now, **options) as hub:
        raw = RawArchive(
            Folder(path / "raw"),
            RawMemory(hub.store),
            hub.history,
            hub.clock,
            root=RootKey(lambda: b"r" * 32),
            wanted=lambda place, metric: True,
            drain=hub.observer.drain,
            limits=DiskLimits(30 * 86_400, 64 << 20),
        )
        hub.rollups.erasing = raw.erase
        await raw.write()
        yield (
            hub,
            raw,
            HistoryCalls(hub.rollups, hub.observer, hub.clock, lambda name: None, lambda place: None, [], raw),
        )


async def written(hub, raw):
    hub.observer.drain()
    hub.history.hand_over()
    await raw.write()
    await hub.write(everything=True)


async def test_a_month_is_shown_raw_over_restarts_with_its_gaps_and_each_reading_once(tmp_path):
    day = 24 * H
    for n in (0, 1, 2, 9, 10):  # a life a day; for a week it was off
        async with kept(tmp_path, START + n * day) as (hub, raw, _):
            for minute in range(0, 23 * 60, 10):
                hub.clock.set(START + n * day + 60 * minute)
                hub.say(START + n * day + 60 * minute, 20.0 + (minute == 600) * n, metric=TEMPERATURE, place="salle")
            await written(hub, raw)
    async with kept(tmp_path, START + 11 * day) as (hub, raw, recall):
        hub.say(START + 11 * day - 60, 3.0, metric=TEMPERATURE, place="salle")
        calls = recall.calls()
        answer = await calls["history"]({"series": "salle/temperature", "from": START})
        values = [value for _, value in answer["line"]]
        ends = [START + n * day + 22 * H + 50 * 60 for n in (0, 1, 2, 9, 10)]
        begins = [START + n * day for n in (1, 2, 9, 10)] + [START + 11 * day - 60]
        assert answer["gaps"] == list(zip(ends, begins, strict=True)), "of 70 minutes in eleven days too"
        assert values.count(None) == 5
        assert {21.0, 22.0, 29.0, 30.0, 3.0} <= set(values), "the extremes of every day are shown"
        assert len(values) < 500
        assert answer["raw_from"] == START
        one_day = await calls["history"]({"series": "salle/temperature", "from": START + day, "to": START + 2 * day})
        assert len(one_day["line"]) == 138  # every reading
        assert one_day["line"][60] == (START + day + 36_000, 21.0)
        found, begin = [], START
        while begin is not None:
            page = await calls["history.raw"]({"series": "salle/temperature", "from": begin, "limit": 100})
            assert len(page["readings"]) <= 100
            found += page["readings"]
            begin = page["next"]
        assert len(found) == 5 * 138 + 1
        assert found == sorted(found)
        assert found[-1] == [START + 11 * day - 60, 3.0]


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20 * H), st.integers(0, 4), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 9),
)
def test_pages_of_readings_have_each_once_in_order_wherever_they_lie(tmp_path_factory, said, limit):
    async def run():
        path = tmp_path_factory.mktemp("pages")
        for life in (0, 1):
            async with kept(path, START + 20 * H + life) as (hub, raw, recall):
                for time, value, again in said:
                    if again == bool(life):
                        hub.say(START + time, float(value), metric=TEMPERATURE, place="salle")
                        if value == 0:
                            await written(hub, raw)
                if life == 0:
                    await written(hub, raw)
                    continue
                hub.say(START, 9.0, metric=TEMPERATURE, place="salle")
                found, begin, turns = [], START, 0
                while begin is not None:
                    asked = {"series": "salle/temperature", "from": begin, "to": START + 21 * H, "limit": limit}
                    page = await recall.calls()["history.raw"](asked)
                    found += [tuple(one) for one in page["readings"]]
                    assert page["next"] is None or page["next"] > begin
                    begin, turns = page["next"], turns + 1
                    assert turns < 200
                assert found == sorted({(START + time, float(value)) for time, value, _ in said} | {(START, 9.0)})

    asyncio.run(run())


async def test_without_a_disk_the_readings_of_the_day_are_given_and_what_cannot_be_asked_is_refused(tmp_path):
    async with Hub(tmp_path, START + 2 * H) as hub:
        for minute in range(30):
            hub.say(START + 60 * minute, 20.0, metric=TEMPERATURE, place="salle")
        call = recalling(hub).calls()["history.raw"]
        page = await call({"device": "x:1", "metric": "temperature", "limit": 20})
        assert len(page["readings"]) == 20
        assert page["next"] == START + 19 * 60 + 1
        rest = await call({"series": "salle/temperature", "from": page["next"]})
        assert (len(rest["readings"]), rest["next"]) == (10, None)
        for arguments, said in (
            ({"series": "nowhere/temperature"}, "nothing is known of the series"),
            ({"series": "salle/temperature", "limit": "many"}, "limit must be a number"),
            ({"series": "salle/temperature", "from": 5, "to": 5}, "`from` must be before `to`"),
        ):
            with pytest.raises(HubError, match=said):
                await call(arguments)


async def test_an_erased_place_is_erased_on_the_disk_and_nothing_that_waited_comes_after(tmp_path):
    async with kept(tmp_path, START + H) as (hub, raw, recall):
        for minute in range(40):
            hub.say(START + 60 * minute, 20.0, metric=TEMPERATURE, place="salle")
            hub.say(START + 60 * minute, 1.0 + minute, place="salle")
            if minute == 20:
                await written(hub, raw)
        hub.observer.drain()
        hub.history.hand_over()
        real = raw.erase

        async def meanwhile(place, metric=None):
            gone = await real(place, metric)
            hub.history.hand_over()
            return gone

        hub.rollups.erasing = meanwhile
        answer = await recall.calls()["history.erase"]({"place": "salle", "metric": "temperature"})
        assert answer["series"] == ["salle/temperature"]
        assert answer["rows"] > 0
        await written(hub, raw)
        assert await raw.series() == [("salle", "energy")]
    async with kept(tmp_path, START + 2 * H) as (hub, raw, recall):
        assert len((await recall.calls()["history.raw"]({"series": "salle/energy", "from": START}))["readings"]) == 40
        assert (await recall.calls()["history.erase"]({"place": "salle"}))["series"] == ["salle/energy"]
        assert await raw.series() == []
