"""Availability by hand-counted days: duty hours, an unknown period, a hub that was off, a new process."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hub.core.errors import HubError
from hub.core.model import Device
from hub.rpc.availability import DAYS, STEP_S, Availability, Reporting
from hub.sdk.testing import ManualClock

PARIS = ZoneInfo("Europe/Paris")
SENSOR = Device(id="ble:1", integration="ble", place="p")
STRANGER = Device(id="ble:2", integration="ble", place="q")
MORNING = datetime(2027, 3, 27, 8, 0, tzinfo=PARIS).timestamp()  # the day before the clocks change


class Local:
    def __init__(self):
        self.local = {}

    def put_local(self, key, value):
        self.local[key] = value


class Building:
    def __init__(self, local=None, now=MORNING):
        self.clock, self.local = ManualClock(now), local or Local()
        self.seen, self.duty, self.told, self.battery = {}, True, [], None
        self.part = Availability(
            devices=lambda: [SENSOR, STRANGER],
            reporting=Reporting(
                seen=self.seen.get,
                period=lambda device: 600.0 if device is SENSOR else None,
                on_duty=lambda device: self.duty,
                battery_days=lambda device: self.battery,
            ),
            tell=lambda device, values: self.told.append((device.id, values)),
            local=self.local,
            clock=self.clock,
            zone=PARIS,
        )

    async def pass_(self, minutes, heard):
        for _ in range(minutes):
            if heard:
                self.seen[SENSOR.id] = self.clock.now()
            await self.clock.advance(STEP_S)
            self.part.step()

    async def days(self):
        found = (await self.part.calls()["availability"]({}))["devices"]
        return [(day["percent"], day["hours"]) for one in found for day in one["days"]]


async def test_three_hours_heard_and_one_and_a_half_silent_are_seventy_seven_percent():
    building = Building()
    building.part.step()
    await building.pass_(180, heard=True)
    await building.pass_(90, heard=False)  # the first 30 minutes of them the last report is still young
    assert await building.days() == [(77.4, 4.5)]  # 209 of 270 minutes: the last report came in minute 179
    assert building.told[-1] == ("ble:1", {"availability": building.told[-1][1]["availability"]})
    assert {device for device, _ in building.told} == {"ble:1"}  # nobody knows how often the other one speaks


async def test_hours_off_duty_do_not_count():
    building = Building()
    building.part.step()
    await building.pass_(60, heard=True)
    building.duty = False
    await building.pass_(600, heard=False)
    assert await building.days() == [(100.0, 1.0)]


async def test_the_time_when_the_hub_was_off_does_not_count_and_a_new_process_goes_on():
    building = Building()
    building.part.step()
    await building.pass_(120, heard=True)
    again = Building(building.local, building.clock.now() + 3 * 3600)
    again.part.step()
    await again.pass_(60, heard=True)
    [(percent, hours)] = await again.days()
    assert percent == 100.0
    assert 2.5 <= hours <= 3.0  # what was not written down yet is lost: a quarter of an hour at the most


async def test_a_day_is_the_sites_and_no_more_than_a_month_of_them_is_kept():
    building = Building()
    building.part.step()
    await building.pass_(60, heard=True)
    for _ in range(DAYS + 5):
        building.clock.set(building.clock.now() + 86_400)
        await building.pass_(20, heard=True)
    assert len(await building.days()) == DAYS
    unsure = Building()
    unsure.clock.set(MORNING, sure=False)
    unsure.part.step()
    await unsure.pass_(60, heard=True)
    assert await unsure.days() == []


async def test_the_days_of_a_battery_are_told_for_rules():
    building = Building()
    building.battery = 17.4
    building.part.step()
    await building.pass_(90, heard=True)
    assert building.told[-2:] == [
        ("ble:1", {"availability": 100.0, "battery_days": 17}),
        ("ble:2", {"battery_days": 17}),
    ]


async def test_a_device_that_nobody_knows_is_an_error_and_not_an_empty_table():
    building = Building()
    with pytest.raises(HubError, match=r"no device 'ble:11' is known \(did you mean ble:1\?\)"):
        await building.part.calls()["availability"]({"device": "ble:11"})
    assert await building.part.calls()["availability"]({"device": STRANGER.id}) == {"devices": []}


async def test_a_day_that_has_not_come_is_none_and_the_one_before_it_goes_on():
    building = Building(now=datetime(2026, 12, 31, 22, 59, tzinfo=PARIS).timestamp())
    building.part.step()
    await building.pass_(60, heard=True)
    building.clock.set(datetime(2027, 1, 1, 0, 1, tzinfo=PARIS).timestamp())  # two minutes ahead
    await building.pass_(5, heard=True)
    building.clock.set(datetime(2026, 12, 31, 23, 30, tzinfo=PARIS).timestamp())  # and back
    await building.pass_(90, heard=True)
    found = (await building.part.calls()["availability"]({}))["devices"]
    assert [(day["day"], day["percent"], day["hours"]) for one in found for day in one["days"]] == [
        ("2027-01-01", 100.0, 1.0),
        ("2026-12-31", 100.0, 1.5),
    ]
