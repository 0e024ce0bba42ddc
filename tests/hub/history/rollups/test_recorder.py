"""Rollups on disk: what a meter says over days, kills, swaps and clock changes, to the last unit."""

import asyncio
import random
from collections import deque

import pytest

from hub.core.errors import DiskRefuses
from hub.core.model import Device, Metric, Quality, Report
from hub.core.store import Store
from hub.history.disk_limits import DiskLimits
from hub.history.memory import Scale
from hub.history.recorder import MOST
from hub.history.rollups.counter import Part
from hub.rpc.history import HistoryCalls
from hub.sdk.testing import settle
from tests.hub.history.rollups.kit import ENERGY, TEMPERATURE, H, Hub, at, meter_place

KEY = ("tgbt", "energy")
AIR = ("salle", "temperature")


# What a heat meter of five digits (kWh, three decimals) was read to show, and what each day comes to, reckoned by hand.
SWAPPED = at("2026-10-27 14:30")
READINGS = [
    ("2026-10-24 00:00", 99_990.000, "m:1"),
    ("2026-10-24 12:00", 99_996.000, "m:1"),
    ("2026-10-25 00:00", 99_999.600, "m:1"),  # the day of 25 hours begins
    ("2026-10-26 00:00", 4.600, "m:1"),  # over the end of the dial: 0.4 + 4.6 = 5 kWh in 25 h, 0.2 an hour
    ("2026-10-27 00:00", 10.600, "m:1"),
    ("2026-10-27 14:00", 17.600, "m:1"),  # 14:30: taken down at 17.900; the new one starts at 3.000
    ("2026-10-27 15:00", 3.200, "m:2"),
    ("2026-10-28 00:00", 7.700, "m:2"),
    ("2026-10-31 00:00", 22.100, "m:2"),  # silence for three days: 14.4 kWh in 72 h, 0.2 an hour
    ("2026-11-01 00:00", 26.900, "m:2"),
]
DAYS = {
    "2026-10-24": 9_600, "2026-10-25": 5_000, "2026-10-26": 6_000, "2026-10-27": 7_000 + 300 + 200 + 4_500,
    "2026-10-28": 4_800, "2026-10-29": 4_800, "2026-10-30": 4_800, "2026-10-31": 4_800,
}  # fmt: skip


def fixture_place():
    return meter_place(swaps=[(SWAPPED, "17.9", "3")], wraps=100_000)


async def days_of(hub):
    calendar = hub.views.calendar_of(KEY)
    edges = calendar.days(at("2026-10-24 00:00"), at("2026-11-01 00:00"))
    parts = await hub.views.counter(KEY, [*edges, at("2026-11-01 00:00")])
    return {f"{calendar.local(day):%Y-%m-%d}": part for day, part in zip(edges, parts, strict=True)}


async def test_the_hand_made_meter_matches_to_the_last_unit(tmp_path):
    async with Hub(tmp_path, at("2026-10-24 00:00"), places=[fixture_place()]) as hub:
        for text, index, device in READINGS:
            hub.clock.set(at(text))
            hub.say(at(text), index, device=device)
            await hub.write(everything=True)
        days = await days_of(hub)
        assert {day: part.amount for day, part in days.items()} == DAYS
        assert [days[f"2026-10-{day}"].estimated for day in (28, 29, 30)] == [4_800] * 3
        assert days["2026-10-27"].estimated == 7_000 + 4_500  # two spans of half a day; 14:00 to 15:00 is known
        long_day = await hub.hours(at("2026-10-25 00:00"), at("2026-10-26 00:00"))
        assert [part.amount for part in long_day] == [200] * 25
        silent = await hub.hours(at("2026-10-28 00:00"), at("2026-10-31 00:00"))
        assert silent == [Part(200, 200, 0)] * 72


@pytest.mark.parametrize("seed", range(4))
async def test_the_hand_made_meter_matches_in_any_order_over_kills_and_starts(tmp_path, seed):
    chance = random.Random(seed)
    first, *mixed, last = [(at(text), index, device) for text, index, device in READINGS]
    old, new = [one for one in mixed if one[2] == "m:1"], [one for one in mixed if one[2] == "m:2"]
    chance.shuffle(old)
    chance.shuffle(new)
    order, now, life = [first, *old, *new, last], at("2026-11-01 00:10"), 1
    while order:
        async with Hub(tmp_path, now, places=[fixture_place()], life=life) as hub:
            for _ in range(min(len(order), chance.randint(1, 4))):
                time, index, device = order.pop(0)
                hub.say(time, index, device=device)
                if chance.random() < 0.5:
                    await hub.write(everything=True)
            await hub.write(everything=True)
        life += 1
    async with Hub(tmp_path, now, places=[fixture_place()], life=life) as hub:
        assert {day: part.amount for day, part in (await days_of(hub)).items()} == DAYS


async def test_a_swap_that_is_declared_later_counts_backwards(tmp_path):
    bare = meter_place(wraps=100_000)
    async with Hub(tmp_path, at("2026-11-01 00:10"), places=[bare]) as hub:
        for text, index, device in READINGS:
            hub.say(at(text), index, device=device)
        await hub.write(everything=True)
        assert (await days_of(hub))["2026-10-27"].amount == 7_000 + 4_500
    async with Hub(tmp_path, at("2026-11-01 00:20"), places=[fixture_place()], life=2) as hub:
        assert {day: part.amount for day, part in (await days_of(hub)).items()} == DAYS


async def test_a_kill_costs_no_unit_of_a_counter(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        for minute in range(115):
            hub.say(start + 60 * minute, 100 + minute)
        hub.clock.set(start + 3 * H)
        hub.observer.drain()
        hub.clock.set(start + H + 200)
        assert await hub.write() == 1  # the first hour; the second is killed with the process
    async with Hub(tmp_path, start + 2 * H, places=[meter_place()], life=2) as hub:
        for minute in range(118, 200):
            hub.say(start + 60 * minute, 100 + minute)
        parts = await hub.hours(start, start + 3 * H)
        assert [part.amount for part in parts] == [60_000, 60_000, 60_000]
        assert [part.estimated for part in parts] == [0, 0, 0]


async def test_a_gauge_is_weighted_by_time_and_says_how_complete_it_is(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, period=lambda device: 600.0) as hub:
        for minute, value in ((0, 20.0), (10, 20.0), (20, 23.0), (30, 23.0), (50, 26.0)):
            hub.say(start + 60 * minute, value, metric=TEMPERATURE, place="salle")
        hub.observer.drain()
        stats = (await hub.views.gauge(AIR, [start, start + H]))[0]
        assert stats.mean == (20 * 20 + 23 * 30 + 26 * 10) / 60 * 100
        assert (stats.low, stats.high, stats.readings, stats.covered) == (2000, 2600, 5, 3600)
        later = (await hub.views.gauge(AIR, [start + H, start + 2 * H]))[0]
        assert later.readings == 0


async def test_a_gauge_that_falls_silent_covers_no_more_than_its_periods(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, period=lambda device: 120.0) as hub:
        for minute in range(0, 20, 2):
            hub.say(start + 60 * minute, 20.0, metric=TEMPERATURE, place="salle")
        hub.observer.drain()
        stats = (await hub.views.gauge(AIR, [start, start + H]))[0]
        assert stats.covered == 18 * 60 + 300


async def test_a_life_that_writes_again_changes_nothing_and_the_next_life_adds(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, period=lambda device: 600.0) as hub:
        for minute in (0, 10):
            hub.say(start + 60 * minute, 20.0, metric=TEMPERATURE, place="salle")
            await hub.write(everything=True)
            await hub.write(everything=True)
    async with Hub(tmp_path, start + 1800, life=2, period=lambda device: 600.0) as hub:
        for minute in (30, 40, 50):
            hub.say(start + 60 * minute, 26.0, metric=TEMPERATURE, place="salle")
            await hub.write(everything=True)
        stats = (await hub.views.gauge(AIR, [start, start + H]))[0]
        assert stats.readings == 5
        assert (stats.low, stats.high) == (2000, 2600)
        assert stats.covered == 3600


async def test_late_readings_are_reckoned_into_their_hour_in_any_order(tmp_path):
    start = at("2026-03-02 08:00")
    readings = [(start + 60 * minute, float(minute % 7)) for minute in range(180)]
    results = []
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        mixed = list(readings)
        random.Random(seed).shuffle(mixed)
        async with Hub(tmp_path / str(seed), start + 4 * H, period=lambda device: 60.0) as hub:
            for n, (time, value) in enumerate(mixed):
                hub.say(time, value, metric=TEMPERATURE, place="salle")
                if n == 90:
                    await hub.write(everything=True)
            await hub.write(everything=True)
            results.append(await hub.views.gauge(AIR, [start + n * H for n in range(4)]))
    assert results[0] == results[1] == results[2]
    assert [stats.readings for stats in results[0]] == [60, 60, 60]


async def test_readings_that_come_days_late_are_added_to_what_is_there(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start + 5 * 24 * H, places=[meter_place()], period=lambda device: 600.0) as hub:
        for minute in range(0, 60, 10):
            hub.say(start + 60 * minute, 21.0, metric=TEMPERATURE, place="salle")
        await hub.write()
        stats = (await hub.views.gauge(AIR, [start, start + H]))[0]
        assert (stats.readings, stats.covered, stats.mean) == (6, 3600, 2100.0)
        hub.say(start, 10.0)
        hub.say(start + H, 12.0)
        assert [part.amount for part in await hub.hours(start, start + H)] == [2_000]


async def test_a_small_memory_loses_no_hour(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, places=[meter_place()], budget=4_000) as hub:
        for second in range(0, 4 * H, 5):
            hub.clock.set(start + second)
            hub.say(start + second, second / 10)
            hub.say(start + second, 20 + second % 3, metric=TEMPERATURE, place="salle")
        await hub.write(everything=True)
        assert hub.history.bytes <= 4_000
        assert sum(part.amount for part in await hub.hours(start, start + 4 * H)) == (4 * H - 5) * 100
        stats = await hub.views.gauge(AIR, [start + n * H for n in range(5)])
        assert [one.readings for one in stats] == [720] * 4


async def test_metrics_that_come_together_and_alone_lose_no_hour_in_a_small_memory(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, places=[meter_place()], budget=6_000) as hub:
        device = Device(id="x:1", integration="x", place="tgbt")
        both, one = hub.live.slot(device, (ENERGY, TEMPERATURE)), hub.live.slot(device, (TEMPERATURE,))
        for second in range(0, 4 * H, 5):
            hub.clock.set(start + second)
            hub.observer.see(both, start + second, True, Quality.GOOD, (second / 10, 20 + second % 3))
            if second % 20 == 0:
                hub.observer.see(one, start + second + 2, True, Quality.GOOD, (25.0,))
        await hub.write(everything=True)
        assert hub.history.bytes <= 6_000
        assert sum(part.amount for part in await hub.hours(start, start + 4 * H)) == (4 * H - 5) * 100
        stats = await hub.views.gauge(("tgbt", "temperature"), [start + n * H for n in range(5)])
        assert [one.readings for one in stats] == [900] * 4


async def test_a_number_that_no_step_can_count_is_left_out_and_counted(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        for value in (1e300, float("inf"), 2.0):
            hub.say(start, value, metric=TEMPERATURE, place="salle")
        hub.observer.drain()
        assert (hub.observer.readings, hub.observer.beyond) == (1, 2)
        assert hub.rollups.tracks[AIR].ring.points(0, 1 << 40) == [(start, 200)]


async def test_what_the_disk_refuses_waits_and_is_seen_all_the_same(tmp_path, monkeypatch):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start + 2 * H, places=[meter_place()]) as hub:
        hub.say(start, 10.0)
        hub.say(start + H, 12.5)

        async def refuse(*_):
            raise DiskRefuses("no space left on the disk")

        with monkeypatch.context() as patch:
            patch.setattr(hub.memory, "put", refuse)
            assert await hub.write(everything=True) == 0
        assert "no space left" in hub.rollups.complaints()[0]
        assert (await hub.hours(start, start + H))[0].amount == 2_500
        assert await hub.write(everything=True) == 2
        assert not hub.rollups.complaints()
        assert (await hub.hours(start, start + H))[0].amount == 2_500


async def test_what_waits_for_a_sure_clock_is_bounded_and_what_made_room_is_counted_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.history.recorder.UNDATED", 3)
    start = at("2026-03-02T10:00")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        hub.observer._undated = deque(maxlen=3)
        hub.clock.set(start, sure=False)
        for ago in range(5, 0, -1):
            hub.say(hub.clock.monotonic() - ago * 60, float(6 - ago), sure=False)
            hub.observer.drain()
        assert hub.observer.forgotten == 2
        hub.clock.set(start, sure=True)
        hub.observer.drain()
        ring = hub.rollups.tracks["tgbt", "energy"].ring
        assert ring.points(0, start + 1) == [(start - 180, 3000), (start - 120, 4000), (start - 60, 5000)]
        recalling = HistoryCalls(hub.rollups, hub.observer, hub.clock, lambda name: None, lambda place: None)
        assert recalling.status()["forgotten"] == 2
        assert any("history goes without 2 reports" in said for said in recalling.complaints())


def test_reports_that_wait_to_be_taken_are_few_though_nobody_drains(tmp_path):
    async def flood():
        async with Hub(tmp_path, at("2026-03-02T10:00"), places=[meter_place()]) as hub:
            most = 0
            for n in range(3 * MOST):
                hub.say(at("2026-03-02T10:00") + n // 100, float(n))
                most = max(most, len(hub.observer._waiting))
            return most, hub.observer.readings

    assert asyncio.run(flood()) == (MOST - 1, 3 * MOST)


async def refuse(*_):
    raise DiskRefuses("no space left on the disk")


async def test_late_readings_that_the_disk_refuses_are_bounded_counted_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.history.rollups.recorder.LATE_MOST", 3)
    start = at("2026-03-12 08:00")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        with monkeypatch.context() as patch:
            patch.setattr(hub.memory, "put", refuse)
            for n in range(5):
                hub.say(start - 5 * 86_400 + n * 600, float(n))
                assert await hub.write(everything=True) == 0
            assert hub.rollups.status()["late_lost"] == 2
            assert any("go without 2 late readings" in said for said in hub.rollups.complaints())
        assert await hub.write(everything=True) == 1
        hub.say(start - 5 * 86_400 + 4 * 600, 4.0)
        assert await hub.write(everything=True) == 1, "what was written has made room"
        begin = at("2026-03-07 08:00")
        assert [part.amount for part in await hub.hours(begin, begin + H)] == [4_000]
        assert hub.rollups.status()["late_lost"] == 2


async def test_a_crowd_of_late_readings_is_written_before_its_hour_is_over_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.history.rollups.recorder.LATE_MOST", 8)
    start = at("2026-03-12 08:10")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        task = asyncio.create_task(hub.rollups.run(hub.observer.drain, hub.observer.finish))
        await settle()
        try:
            for n in range(40):
                hub.say(start - 5 * 86_400 + n * 60, float(n))
                if n % 4 == 3:
                    written = hub.rollups.rows
                    await hub.clock.advance(1.0)
                    async with asyncio.timeout(60):
                        while hub.rollups.rows == written:
                            await asyncio.sleep(0.001)
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert hub.rollups.status()["late_lost"] == 0
        begin = at("2026-03-07 08:00")
        assert sum(part.amount for part in await hub.hours(begin, begin + H)) == 39_000


async def test_hours_that_a_disk_refuses_for_too_long_go_the_oldest_first_counted_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.history.rollups.recorder.HOURS_MOST", 3)
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        for n in range(6):
            hub.say(start + n * H, float(n))
        hub.observer.drain()
        hub.clock.set(start + 3 * 86_400)
        hub.history.expire(hub.clock.now())  # the hours leave the ring
        with monkeypatch.context() as patch:
            patch.setattr(hub.memory, "put", refuse)
            assert await hub.write(everything=True) == 0
            assert await hub.write(everything=True) == 0
        assert hub.rollups.status()["given_up"] == 3
        assert any("go without 3 hours of series" in said for said in hub.rollups.complaints())
        assert await hub.write(everything=True) == 3
        assert [part.amount for part in await hub.hours(start + 3 * H, start + 5 * H)] == [1_000, 1_000]


async def test_what_a_source_calls_bad_is_left_out_and_an_unsure_date_waits_for_the_clock(tmp_path):
    start = at("2026-03-02 08:00")
    async with Hub(tmp_path, start, places=[meter_place()]) as hub:
        hub.say(start, 10.0, quality=Quality.BAD)
        hub.clock.set(start, sure=False)
        hub.say(hub.clock.monotonic() - 600, 7.0, sure=False)
        hub.observer.drain()
        assert hub.observer.readings == 0
        hub.clock.set(start + 1000)
        hub.observer.drain()
        assert hub.rollups.tracks[KEY].ring.points(0, 1 << 40) == [(start + 400, 7000)]


async def test_months_are_frozen_when_they_are_over_and_outlive_their_hours(tmp_path):
    begin = at("2026-01-01 00:00")
    async with Hub(tmp_path, begin, places=[meter_place()], limits=DiskLimits(40 * 86_400, 1 << 30)) as hub:
        for day in range(120):
            hub.clock.set(begin + day * 86_400 + 200)
            hub.say(begin + day * 86_400, float(10 * day))
            hub.say(begin + day * 86_400, 20.0, metric=TEMPERATURE, place="salle")
            await hub.write(everything=True)
        frozen = await hub.views.months([KEY, AIR])
        found = [await hub.views.month(KEY, 2026 * 12 + n, frozen) for n in range(4)]
        # to the step: the clocks change in March, so its last day and April's first share out a night's 10 kWh
        assert sum(month.amount for month in found) == 119 * 10_000
        assert [found[0].amount, found[1].amount] == [310_000, 280_000]
        assert (await hub.hours(begin, begin + 24 * H))[0].amount == 0  # these hours are gone
        assert found[0].first == 0
        assert found[1].last == 580_000


async def test_late_readings_thaw_a_month(tmp_path):
    begin = at("2026-01-01 00:00")
    async with Hub(tmp_path, begin, places=[meter_place()]) as hub:
        hub.say(begin, 0.0)
        hub.clock.set(at("2026-02-02 00:00"))
        await hub.write()
        hub.say(at("2026-03-01 00:00"), 59.0)  # a gap over two months ends: both are known now
        hub.clock.set(at("2026-03-01 02:00"))
        await hub.write()
        frozen = await hub.views.months([KEY])
        months = [await hub.views.month(KEY, 2026 * 12 + n, frozen) for n in range(2)]
        assert [(m.amount, m.estimated, m.covered) for m in months] == [(31_000, 31_000, 0), (28_000, 28_000, 0)]
        hub.say(at("2026-02-01 00:00"), 29.0)
        await hub.write()
        frozen = await hub.views.months([KEY])
        assert [(await hub.views.month(KEY, 2026 * 12 + n, frozen)).amount for n in range(2)] == [29_000, 30_000]


async def test_a_late_reading_counts_once_in_its_month(tmp_path):
    begin, month = at("2026-01-01 00:00"), 2026 * 12
    async with Hub(tmp_path, begin, places=[meter_place()], period=lambda device: 600.0) as hub:
        hub.say(begin, 20.0, metric=TEMPERATURE, place="salle")
        hub.clock.set(at("2026-02-02 00:00"))
        await hub.write()
        hub.say(begin + 2 * H, 10.0, metric=TEMPERATURE, place="salle")
        await hub.write(everything=True)
        kept = await hub.views.month(AIR, month, await hub.views.months([AIR]))
        assert kept.stats.readings == 2
        assert kept == await hub.views.compute_month(AIR, month)


async def test_late_readings_count_once_when_the_disk_takes_their_hour_and_refuses_their_month(tmp_path, monkeypatch):
    begin, month = at("2026-01-01 00:00"), 2026 * 12
    async with Hub(tmp_path, begin, places=[meter_place()], period=lambda device: 600.0) as hub:
        hub.say(begin, 20.0, metric=TEMPERATURE, place="salle")
        hub.clock.set(at("2026-02-02 00:00"))
        await hub.write()
        hub.say(begin + 2 * H, 10.0, metric=TEMPERATURE, place="salle")

        async def refused(*_):
            raise DiskRefuses("no space left on the disk")

        with monkeypatch.context() as patch:
            patch.setattr(hub.memory, "put_months", refused)
            await hub.write(everything=True)
        assert "no space left" in hub.rollups.complaints()[0]
        await hub.write(everything=True)
        assert not hub.rollups.complaints()
        assert (await hub.views.gauge(AIR, [begin + 2 * H, begin + 3 * H]))[0].readings == 1
        kept = await hub.views.month(AIR, month, await hub.views.months([AIR]))
        assert kept == await hub.views.compute_month(AIR, month)
        assert kept.stats.readings == 2


async def test_late_readings_count_once_when_the_disk_refuses_only_the_last_sync_of_their_hour(tmp_path, monkeypatch):
    begin = at("2026-01-01 00:00")
    async with Hub(tmp_path, begin, places=[meter_place()], period=lambda device: 600.0) as hub:
        hub.say(begin + 2 * H, 20.0, metric=TEMPERATURE, place="salle")
        hub.clock.set(at("2026-01-03 00:00"))
        await hub.write()
        put = hub.memory.put

        async def done_all_the_same(*rows):
            await put(*rows)
            raise DiskRefuses("the disk refuses")

        hub.say(begin + 2 * H + 600, 10.0, metric=TEMPERATURE, place="salle")
        with monkeypatch.context() as patch:
            patch.setattr(hub.memory, "put", done_all_the_same)
            await hub.write()
            hub.say(begin + 2 * H + 1200, 30.0, metric=TEMPERATURE, place="salle")
            await hub.write()
        await hub.write()
        [stats] = await hub.views.gauge(AIR, [begin + 2 * H, begin + 3 * H])
        assert (stats.readings, stats.low, stats.high) == (3, 1000, 3000)


@pytest.mark.parametrize("step", ["bodies", "put"])
async def test_a_stop_while_hours_are_being_written_loses_none_and_counts_none_twice(tmp_path, monkeypatch, step):
    begin = at("2026-01-01 00:00")
    async with Hub(tmp_path, begin, places=[meter_place()], period=lambda device: 600.0) as hub:
        hub.say(begin + 2 * H, 20.0, metric=TEMPERATURE, place="salle")
        hub.clock.set(at("2026-01-03 00:00"))
        await hub.write()
        work = getattr(hub.memory, step)

        async def stopped(*given):
            await work(*given)
            raise asyncio.CancelledError

        hub.say(begin + 2 * H + 600, 10.0, metric=TEMPERATURE, place="salle")
        hub.say(begin + 4 * H, 1.0)
        with monkeypatch.context() as patch:
            patch.setattr(hub.memory, step, stopped)
            with pytest.raises(asyncio.CancelledError):
                await hub.write()
        await hub.write(everything=True)
    async with Hub(tmp_path, at("2026-01-03 01:00"), places=[meter_place()], life=2) as hub:
        [stats] = await hub.views.gauge(AIR, [begin + 2 * H, begin + 3 * H])
        assert (stats.readings, stats.low, stats.high) == (2, 1000, 2000)
        assert await hub.memory.bodies([(begin + 4 * H, 1), (begin + 4 * H, 2)])


class Killed(Exception):
    pass


async def test_a_kill_between_the_hours_and_their_month_loses_nothing_and_counts_nothing_twice(tmp_path, monkeypatch):
    begin, month = at("2026-01-01 00:00"), 2026 * 12

    async def killed(*_):
        raise Killed

    async with Hub(tmp_path, begin, places=[meter_place()], period=lambda device: 600.0) as hub:
        hub.say(begin, 0.0)
        hub.say(begin, 20.0, metric=TEMPERATURE, place="salle")
        hub.clock.set(at("2026-02-02 00:00"))
        await hub.write()
        hub.say(at("2026-02-01 00:00"), 31.0)  # a gap ends, which the month that is frozen does not know of
        hub.say(begin + 2 * H, 10.0, metric=TEMPERATURE, place="salle")
        monkeypatch.setattr(hub.memory, "put_months", killed)
        with pytest.raises(Killed):
            await hub.write(everything=True)
    for life in (2, 3):  # the second start finds all of it done
        async with Hub(
            tmp_path, at("2026-02-02 02:00"), places=[meter_place()], period=lambda device: 600.0, life=life
        ) as hub:
            await hub.write()
            frozen = await hub.views.months([KEY, AIR])
            assert (await hub.views.month(KEY, month, frozen)).amount == 31_000
            kept = await hub.views.month(AIR, month, frozen)
            assert kept == await hub.views.compute_month(AIR, month)
            assert kept.stats.readings == 2


@pytest.mark.parametrize("zone", ["Europe/Paris", "Pacific/Marquesas"])
async def test_five_years_of_hours_miss_no_month_and_total_what_the_meter_shows(tmp_path, zone):
    chance = random.Random(zone)
    begin, end = at("2026-01-01 00:00", zone), at("2031-01-01 00:00", zone)
    async with Hub(tmp_path, begin, places=[meter_place(wraps=100_000)], timezone=zone, life=1) as hub:
        index, truth = 99_000_000, {}
        calendar = hub.views.calendar_of(KEY)
        month = calendar.month(begin)
        batch = []
        for time in range(begin, end + 1, H):
            batch.append((time, index % 100_000_000 / 1000))
            if time == end or calendar.month_start(month + 1) == time:
                hub.clock.set(time + 200)
                chance.shuffle(batch)
                for when, value in batch:
                    hub.say(when, value)
                await hub.write(everything=True)
                month, batch = month + 1, []
            used = chance.randrange(0, 9_000)
            truth[calendar.month(time)] = truth.get(calendar.month(time), 0) + used if time < end else 0
            index += used if time < end else 0
        frozen = await hub.views.months([KEY])
        months = [await hub.views.month(KEY, n, frozen) for n in range(2026 * 12, 2031 * 12)]
        assert None not in months
        assert [one.amount for one in months] == [truth[n] for n in range(2026 * 12, 2031 * 12)]
        assert sum(one.amount for one in months) == index - 99_000_000
        first = await hub.memory.bounds()
        assert first[0] >= end - 763 * 24 * H


async def test_a_place_can_be_erased_from_memory_and_disk(tmp_path):
    begin = at("2026-01-01 00:00")
    async with Hub(tmp_path, begin, places=[meter_place()]) as hub:
        hub.say(begin, 1.0)
        hub.say(begin, 20.0, metric=TEMPERATURE, place="salle")
        hub.clock.set(at("2026-02-02 00:00"))
        await hub.write()
        hub.say(at("2026-02-01 23:00"), 2.0)
        hub.observer.drain()
        assert await hub.rollups.erase("tgbt") >= 2
        assert hub.rollups.series == [AIR]
        assert await hub.memory.months({"tgbt/energy"}) == {}
        assert hub.history.get("tgbt", "energy") is None


async def test_what_a_kill_leaves_of_a_place_that_was_being_erased_can_be_erased(tmp_path, monkeypatch):
    begin = at("2026-01-01 00:00")
    async with Hub(tmp_path, begin, places=[meter_place()]) as hub:
        hub.say(begin, 1.0)
        hub.say(begin + H, 2.0)
        hub.clock.set(at("2026-02-02 00:00"))
        await hub.write()
        calls, call = [], Store.call

        async def killed(self, work):
            calls.append(self)
            if len(calls) > 1:
                raise Killed
            return await call(self, work)

        with monkeypatch.context() as patch:
            patch.setattr(Store, "call", killed)
            with pytest.raises(Killed):
                await hub.rollups.erase("tgbt")
    async with Hub(tmp_path, at("2026-02-02 02:00"), places=[meter_place()], life=2) as hub:
        assert await hub.rollups.erase("tgbt")
        assert await hub.memory.months() == {}


async def test_the_path_shows_rollups_what_may_be_kept_once_a_second_and_nothing_else(tmp_path):
    from hub.core.model import Report
    from tests.hub.path_kit import TAG, Path

    seen = []

    class Observer:
        def see(self, slot, moment, sure, quality, values):
            seen.append((slot.metrics, moment, values))

        def hold(self, slot, moment, sure, quality, values):
            """Too soon after the last one."""

    path = Path(observer=Observer())
    await path.emit(values={"temperature": 21.5, "co2": 900, "motion": True}, time=path.clock.now())
    [(metrics, _, values)] = seen
    assert ([metric.key for metric in metrics], values) == (["temperature"], (21.5,))  # the rest is personal
    await path.emit(values={"temperature": 21.6, "co2": 900, "motion": True}, time=path.clock.now() + 0.5)
    assert len(seen) == 1
    await path.emit(values={"temperature": 21.7, "co2": 900, "motion": True}, time=path.clock.now() + 1.0)
    await path.emit(values={"temperature": 20.0, "co2": 900, "motion": True}, time=path.clock.now() - 3600)
    assert [values for _, _, values in seen[1:]] == [(21.7,), (20.0,)]
    assert path.pipeline.accept("bluetooth", Report(device=TAG.id, values={"motion": True})) is False
    assert len(seen) == 3


async def test_what_a_device_says_last_in_a_second_is_remembered_when_nothing_follows(tmp_path):
    """A lamp that answers "off" and is at once switched on is on, for as long as it says nothing else."""
    from tests.hub.path_kit import Path

    begin = at("2026-01-01 10:00")
    async with Hub(tmp_path, begin) as hub:
        path = Path(observer=hub.observer)
        path.clock.set(begin)

        async def say(after: float, temperature: float) -> None:
            await hub.clock.advance(begin + after - hub.clock.now())
            await path.emit(values={"temperature": temperature}, time=begin + after)

        def told() -> list[tuple[int, float]]:
            hub.observer.drain()
            [track] = [track for key, track in hub.rollups.tracks.items() if key[1] == "temperature"]
            scale = Scale(track.step)
            return [(second - int(begin), scale(value)) for second, value in sorted(track.ring.points(0, 1 << 40))]

        await say(0.2, 22.0)
        await say(0.4, 30.0)
        await say(0.7, 20.0)  # lower than the first: what came after stands after it
        assert told() == [(0, 22.0)]
        await hub.clock.advance(1.0)
        assert told() == [(0, 22.0), (1, 20.0)]
        await say(60.0, 21.0)
        await say(60.5, 21.5)
        await say(61.1, 23.0)  # a source that goes on costs one report a second
        await hub.clock.advance(30.0)
        assert told() == [(0, 22.0), (1, 20.0), (60, 21.0), (61, 23.0)]


async def test_what_a_device_says_last_before_a_stop_is_in_its_hour(tmp_path):
    """A lamp that is switched on within the second of its answer "off" is on, however soon the hub stops."""
    from tests.hub.path_kit import Path

    begin = at("2026-01-01 10:00")
    async with Hub(tmp_path, begin) as hub:
        path = Path(observer=hub.observer)
        path.clock.set(begin)
        task = asyncio.create_task(hub.rollups.run(hub.observer.drain, hub.observer.finish))
        await settle()
        for temperature in (22.0, 20.0):
            await path.emit(values={"temperature": temperature}, time=hub.clock.now())
        task.cancel()
        await asyncio.wait([task])
        key = next(key for key in hub.rollups.series if key[1] == "temperature")
    async with Hub(tmp_path, begin, life=2) as hub:
        [stats] = await hub.views.gauge(key, [begin, begin + H])
        assert (Scale(hub.views.series(key).step)(stats.low), stats.readings) == (20.0, 2)


@pytest.mark.parametrize("ahead", [-5.0, 0.0, 60.0])
async def test_what_a_device_says_last_stands_last_whatever_its_clock_says(tmp_path, ahead):
    """A look between two reports of one second takes nothing that the second one overtakes."""
    from tests.hub.path_kit import Path

    begin = at("2026-01-01 10:00")
    async with Hub(tmp_path, begin) as hub:
        path = Path(observer=hub.observer)
        path.clock.set(begin)
        for temperature in (20.0, 30.0, 20.5):
            await path.emit(values={"temperature": temperature}, time=hub.clock.now() + ahead)
            await hub.clock.advance(0.3)
            hub.observer.drain()
        for _ in range(3):
            await hub.clock.advance(1.0)
            hub.observer.drain()
        [track] = [track for key, track in hub.rollups.tracks.items() if key[1] == "temperature"]
        said = sorted(track.ring.points(0, 1 << 40))
        assert [Scale(track.step)(value) for _, value in said] == [20.0, 20.5]


HUMIDITY = Metric(key="humidity", unit="%", resolution="0.1", state_class="measurement")


@pytest.mark.parametrize("sure", [True, False])
async def test_what_waits_while_one_metric_is_erased_leaves_the_others_of_its_place_whole(tmp_path, sure):
    """Of a report that is held, or cannot be dated yet, what was erased does not come back."""
    begin = at("2026-01-01 10:00")
    async with Hub(tmp_path, begin) as hub:
        hub.clock.set(begin, sure=sure)
        slot = hub.live.slot(Device(id="x:1", integration="x", place="salle"), (TEMPERATURE, HUMIDITY))
        moment = begin if sure else hub.clock.monotonic()
        slot.seen = moment
        hub.observer.see(slot, moment, sure, Quality.GOOD, (20.0, 40.0))
        hub.observer.hold(slot, moment + 0.5, sure, Quality.GOOD, (21.0, 41.0))
        hub.observer.drain()
        await hub.rollups.erase("salle", "temperature")
        hub.clock.set(begin, sure=True)
        await hub.clock.advance(2.0)
        hub.observer.drain()
        await hub.clock.advance(2.0)
        hub.observer.drain()
        assert hub.rollups.series == [("salle", "humidity")]
        ring = hub.history.get("salle", "humidity")
        assert [value for _, value in sorted(ring.points(0, 1 << 40))] == [400, 410]
        for group in hub.history.groups:
            hub.history.close(group)
        assert [value for _, value in sorted(ring.points(0, 1 << 40))] == [400, 410]


async def test_what_waits_for_a_date_stays_with_its_metric_and_place_when_plans_are_made_anew(tmp_path):
    begin = at("2026-01-01 10:00")
    async with Hub(tmp_path, begin) as hub:
        hub.clock.set(begin, sure=False)
        here = Device(id="x:1", integration="x", place="salle")
        slot = hub.live.slot(here, (TEMPERATURE, HUMIDITY))
        slot.report, slot.time = Report(device="x:1", values={"temperature": 20.0, "humidity": 40.0}), 1.0
        hub.observer.see(slot, hub.clock.monotonic(), False, Quality.GOOD, (20.0, 40.0))
        hub.observer.drain()
        moved = Device(id="x:1", integration="x", place="hall")
        hub.live.rebind(moved, lambda metric: metric.key == "humidity")
        hub.clock.set(begin, sure=True)
        hub.observer.drain()
        assert hub.history.get("hall", "humidity") is None
        told = [value for _, value in hub.history.get("salle", "humidity").points(0, 1 << 40)]
        assert told == [400]
