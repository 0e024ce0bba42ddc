"""What is asked of the past: raw of the last day, hours before it, gaps as gaps, errors in words."""

import pytest

from hub.answers.recalling import Recalling
from hub.errors import HubError
from hub.model import Device
from tests.hub.rollup.kit import TEMPERATURE, H, Hub, at, meter_place

START = at("2026-03-02 08:00")


def recalling(hub):
    known = {"x:1": Device(id="x:1", integration="x", place="salle")}
    return Recalling(hub.rollups, hub.observer, hub.clock, known.get, lambda place: None)


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
        assert set(values) - {None} == {20.0, 21.0, 22.0}
        assert [cell[1] for cell in answer["cells"]][1:4] == [None, None, None]
        assert answer["cells"][0][:4] == [START, 21.0, 20.0, 22.0]
        assert answer["cells"][0][5] == 100.0


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
            ({"series": "salle/temperature", "from": START, "to": START}, "from must be before to"),
            ({"series": "salle/temperature", "step": "week"}, "step is auto"),
            ({"series": "salle/temperature", "from": "yesterday"}, "from is a number"),
            ({"series": "salle/temperature", "from": 0, "step": "hour"}, "too many"),
        ):
            with pytest.raises(HubError, match=said):
                await asked(hub, **arguments)


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
