"""Rules on the straight path: raw values, before privacy; durations by the clock; silence; a broken rule alone."""

from __future__ import annotations

import pytest

from hub.automation.rules import Rules, Surroundings, compile_rules
from hub.config.load import Models, load
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Metric, Place, Quality, Report
from hub.devices.places import Places
from tests.hub.path_kit import METER, TAG, Path

BASE = """\
sites: {ecole: {}}
zones: {classes: {site: ecole}, technique: {site: ecole}}
places: {classe-1: {zone: classes, name: Salle 1}, compteur: {zone: technique}}
schedules: {night: {site: ecole, weekly: {mon-sun: ["22:00-06:00"]}}}
rules:
"""


class Ruled(Path):
    """The straight path with rules; `fired` lists (rule, key, on, value)."""

    def __init__(
        self, rules, tmp_path, *, devices=(), places=(), periods=None, open=(), on_duty=lambda device: True, **more
    ):
        super().__init__(**more)
        self.file, self.places = tmp_path / "config.yaml", list(places)
        self.fired = []
        self.events = []
        for device in devices:
            self.devices.adopt(device)
        self.periods, self.on_duty = periods or {}, on_duty
        self.rules = self.made(rules, open)
        self.planner.use_rules(self.rules)

    def made(self, rules, open=(), base=BASE):
        """The rules of a configuration."""
        self.file.write_text(base + "".join(f"  {line}\n" for line in rules.splitlines()))
        loaded = load(self.file, Models())
        self.planner._place = Places([*loaded.places, *self.places]).get
        return Rules(
            compile_rules(loaded.config),
            Surroundings(
                place=self.planner._place,
                devices=lambda: self.devices,
                period=lambda device: self.periods.get(device.id),
                on_duty=self.on_duty,
                zone_name=lambda zone: {"classes": "Salles de classe"}.get(zone, ""),
            ),
            may_keep=self.planner.may_keep,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            fired=self._fired,
            open=open,
        )

    def reload(self, rules, base=BASE):
        """The configuration is another one now."""
        former, self.rules = self.rules, self.made(rules, base=base)
        self.rules.inherit(former)
        self.planner.use_rules(self.rules)
        self.pipeline.recompile()

    def _fired(self, fired):
        self.events.append(fired)
        self.fired.append((fired.rule.name, fired.where.key, fired.on, fired.value))

    async def pass_(self, seconds, step=1.0):
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            await self.clock.advance(min(step, end - self.clock.monotonic()))
            self.rules.tick()


async def test_a_threshold_has_hysteresis_and_a_duration(tmp_path):
    path = Ruled("cold: {metric: temperature, below: 3, clears: 5, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 2.5})
    await path.pass_(599)
    assert path.fired == []
    await path.pass_(1)
    assert path.fired == [("cold", "classe-1", True, "2.5 °C")]
    await path.emit(values={"temperature": 4.0})
    assert len(path.fired) == 1
    await path.emit(values={"temperature": 5.0})
    assert path.fired[1:] == [("cold", "classe-1", False, "5 °C")]


async def test_a_value_that_became_private_while_a_duration_ran_is_not_told(tmp_path):
    path = Ruled("cold: {metric: temperature, below: 3, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 2.5})
    await path.pass_(300)
    path.rules._may_keep = lambda metric, zone: False  # a change of the configuration; its device is silent
    await path.pass_(300)
    assert path.fired == [("cold", "classe-1", True, "")]


async def test_a_break_starts_the_duration_anew(tmp_path):
    path = Ruled("cold: {metric: temperature, below: 3, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 2.5})
    await path.pass_(500)
    await path.emit(values={"temperature": 3.5})
    await path.emit(values={"temperature": 2.5})
    await path.pass_(599)
    assert path.fired == []


async def test_rules_see_what_may_not_be_kept_and_do_not_tell_its_value(tmp_path):
    path = Ruled("air: {template: co2_high, inputs: {for: 1s}}", tmp_path)
    await path.emit(values={"co2": 1500})
    await path.pass_(1)
    assert path.buffer.rows == []  # CO2 says when somebody is in: it goes no further
    assert path.fired == [("air", "classe-1", True, "")]


async def test_with_a_purpose_its_value_is_told(tmp_path):
    path = Ruled("air: {template: co2_high, inputs: {for: 1s}}", tmp_path, purposes={"classes": {"co2": "air"}})
    await path.emit(values={"co2": 1500})
    await path.pass_(1)
    assert path.fired == [("air", "classe-1", True, "1500 ppm")]


async def test_a_late_report_does_not_speak_for_now(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30}", tmp_path)
    await path.emit(values={"temperature": 20.0})
    await path.emit(values={"temperature": 40.0}, time=path.clock.now() - 3600)
    assert path.fired == []


async def test_a_report_whose_date_cannot_be_speaks_for_now(tmp_path):
    path = Ruled("cold: {metric: temperature, below: 3, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 2.5}, time=-1e9)
    await path.pass_(599)
    assert path.fired == []
    await path.pass_(1)
    assert path.fired == [("cold", "classe-1", True, "2.5 °C")]


async def test_a_value_that_its_source_does_not_believe_fires_nothing(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30}", tmp_path)
    await path.emit(values={"temperature": 40.0}, quality=Quality.BAD)
    assert path.fired == []


async def test_outside_its_hours_a_rule_raises_nothing_and_forgets_nothing(tmp_path):
    path = Ruled("open: {metric: door, equals: true, during: night, for: 5min}", tmp_path)
    path.clock.set(1_780_000_000.0)  # 2026-05-28 22:26 in Paris
    path.rules.tick()
    await path.emit(values={"door": True})
    await path.pass_(300)
    assert path.fired == [("open", "classe-1", True, "")]
    path.clock.set(1_780_000_000.0 + 12 * 3600)
    path.rules.tick()
    await path.emit(values={"door": False})
    assert path.fired[1:] == [("open", "classe-1", False, "")]
    await path.emit(values={"door": True})
    await path.pass_(600)
    assert len(path.fired) == 2


async def test_the_mean_of_a_zone_and_the_difference_of_two_series(tmp_path):
    second = Device(id="ble:BB", integration="bluetooth", place="classe-2")
    place = Place(id="classe-2", site="ecole", zone="classes")
    path = Ruled(
        "zone: {metric: temperature, zones: [classes], aggregate: mean, above: 25}\n"
        "loss: {metric: flow_temperature, places: [classe-1], minus: compteur/return_temperature, above: 20}",
        tmp_path,
        devices=[second],
        places=[place],
    )
    await path.emit(values={"temperature": 24.0})
    await path.emit(device=second.id, values={"temperature": 27.0})
    assert path.fired == [("zone", "zone:classes", True, "25.5 °C")]
    assert path.events[0].where.name == "Salles de classe"  # as people call it: it begins the alert's text
    await path.emit(integration="modbus", device=METER.id, values={"return_temperature": 40.0})
    await path.emit(values={"flow_temperature": 65.0})
    assert path.fired[1:] == [("loss", "classe-1", True, "25 °C")]
    assert path.events[1].where.device == TAG.id


async def test_a_leak_at_night_is_a_flow_that_does_not_stop(tmp_path):
    path = Ruled("leak: {template: water_leak_night, during: night, inputs: {above: 10}}", tmp_path)
    path.clock.set(1_780_000_000.0)
    litres = 1000.0
    for _ in range(11):  # 5 L every quarter of an hour: 20 L/h; over 30 min first, then 2 h
        await path.emit(values={"water": litres})
        litres += 5
        await path.pass_(900, step=30)
    assert [(name, on) for name, _, on, _ in path.fired] == [("leak", True)]


async def test_a_stuck_sensor_is_one_that_speaks_and_says_the_same(tmp_path):
    path = Ruled("stuck: {metric: temperature, stuck: 1h}", tmp_path)
    for _ in range(7):
        await path.emit(values={"temperature": 20.0})
        await path.pass_(600, step=60)
    assert [(name, on) for name, _, on, _ in path.fired] == [("stuck", True)]
    await path.emit(values={"temperature": 20.1})
    assert len(path.fired) == 2


def sensors(count, integration="radio"):
    devices = [Device(id=f"ble:{n:02}", integration=integration, place=f"room-{n}") for n in range(count)]
    return devices, [Place(id=f"room-{n}", site="ecole", zone="classes") for n in range(count)]


async def test_one_silent_sensor_is_one_alert_and_a_dead_gateway_is_one_too(tmp_path):
    devices, places = sensors(18)
    path = Ruled(
        "silent: {template: silent_sensor, zones: [classes], inputs: {after: 1h}}",
        tmp_path,
        devices=devices,
        places=places,
    )
    path.devices.remove(TAG.id)

    async def heard(some, minutes):
        for _ in range(minutes // 10):
            for device in some:
                await path.emit(integration="radio", device=device.id, values={"temperature": 20.0})
            await path.pass_(600, step=30)

    await heard(devices, 60)
    assert path.fired == []
    await heard(devices[1:], 70)
    assert path.fired == [("silent", "ble:00", True, "")]
    assert path.events[0].limit == "1h"
    await heard(devices, 10)
    assert path.fired[1:] == [("silent", "ble:00", False, "")]
    path.fired.clear()
    await path.pass_(7200, step=30)  # the gateway dies
    assert path.fired == [("silent", "integration:radio", True, "")]
    await heard(devices[:9], 50)  # it is back; nine sensors are not heard yet
    assert path.fired[1:] == [("silent", "integration:radio", False, "")]
    await heard(devices[:9], 20)
    assert sorted(key for _, key, on, _ in path.fired[2:] if on) == [f"ble:{n:02}" for n in range(9, 18)]


async def test_patience_is_a_multiple_of_the_devices_period(tmp_path):
    devices, places = sensors(1)
    path = Ruled(
        "silent: {silent_periods: 3, zones: [classes]}",
        tmp_path,
        devices=devices,
        places=places,
        periods={"ble:00": 600.0},
    )
    path.devices.remove(TAG.id)
    await path.pass_(1799, step=30)
    assert path.fired == []
    await path.pass_(60, step=30)
    assert path.fired == [("silent", "ble:00", True, "")]


async def test_a_device_that_is_no_more_is_not_silent(tmp_path):
    devices, places = sensors(1)
    path = Ruled("silent: {silent: 1h, zones: [classes]}", tmp_path, devices=devices, places=places)
    path.devices.remove(TAG.id)
    await path.pass_(3601, step=30)
    path.devices.remove("ble:00")
    await path.pass_(2)
    assert [on for _, _, on, _ in path.fired] == [True, False]


@pytest.mark.parametrize("rule", ["above: 30", "above: 30, aggregate: max, zones: [classes]"])
async def test_what_holds_is_over_when_no_device_stands_there_any_more(tmp_path, rule):
    path = Ruled(f"hot: {{metric: temperature, {rule}}}", tmp_path)
    await path.emit(values={"temperature": 31.0})
    await path.pass_(5)
    assert [on for _, _, on, _ in path.fired] == [True]
    path.devices.remove(TAG.id)
    await path.pass_(5)
    assert [on for _, _, on, _ in path.fired] == [True, False]


@pytest.mark.parametrize(
    ("where", "held"), [("", "classe-9"), ("places: [compteur]", "classe-1"), ("zones: [technique]", "classe-1")]
)
async def test_what_held_in_an_earlier_life_where_its_rule_looks_no_more_is_over(tmp_path, where, held):
    path = Ruled(f"hot: {{metric: temperature, above: 30, {where}}}", tmp_path, open=[("hot", held)])
    await path.pass_(5)
    assert path.fired == [("hot", held, False, "")]


async def test_what_held_in_an_earlier_life_is_over_with_the_first_word_of_this_one(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30}", tmp_path, open=[("hot", "classe-1")])
    await path.emit(values={"temperature": 31.0})
    assert path.fired == []
    await path.emit(values={"temperature": 20.0})
    assert path.fired == [("hot", "classe-1", False, "20 °C")]


async def test_a_rule_that_fails_is_said_once_and_stops_no_other(tmp_path, monkeypatch, caplog):
    path = Ruled("bad: {metric: temperature, above: 30}\ngood: {metric: temperature, above: 30}", tmp_path)
    await path.emit(values={"temperature": 20.0})
    watch = path.rules._watches["bad", "classe-1"]
    watch.operand = None
    for value in (31.0, 20.0, 31.0):
        await path.emit(values={"temperature": value})
    assert [name for name, *_ in path.fired] == ["good"] * 3
    assert len([one for one in caplog.records if "rule bad failed" in one.message]) == 1
    assert "rule bad is not watched" in path.rules.complaints()[0]


async def test_a_plugins_metric_in_another_unit_is_said_and_not_compared(tmp_path):
    path = Ruled('odd: {metric: reserve, unit: "L", above: 3}', tmp_path)
    path.planner.declare(TAG.id, metrics=[Metric(key="reserve", unit="m3")])
    await path.emit(values={"reserve": 4.0})
    assert path.fired == []
    assert "measured in m3, the rule counts in L" in path.rules.complaints()[0]


async def test_a_rule_that_is_not_compared_for_one_device_is_watched_for_the_others_when_another_rule_fails(tmp_path):
    path = Ruled('odd: {metric: reserve, unit: "L", above: 3}\nbad: {metric: temperature, above: 30}', tmp_path)
    path.planner.declare(TAG.id, metrics=[Metric(key="reserve", unit="m3")])
    await path.emit(values={"reserve": 4.0, "temperature": 20.0})
    path.rules._watches["bad", "classe-1"].operand = None
    await path.emit(values={"temperature": 31.0})
    path.planner.declare(TAG.id, metrics=[Metric(key="reserve", unit="L")])
    path.pipeline.recompile()
    await path.emit(values={"reserve": 4.0})
    assert [name for name, *_ in path.fired] == ["odd"]
    assert [said.split(" ")[1] for said in path.rules.complaints()] == ["odd", "bad"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "warm", True, 10**400])
async def test_no_value_of_any_kind_breaks_a_rule(tmp_path, value):
    path = Ruled(
        "hot: {metric: temperature, above: 30}\n"
        "zone: {metric: temperature, zones: [classes], aggregate: mean, above: 3}",
        tmp_path,
    )
    device = path.devices.get(TAG.id)
    binding = path.rules.bind(device, path.planner._metrics, ["temperature"])
    binding.rules.evaluate(binding, Report(device=TAG.id, values={"temperature": value}), 3)
    assert [on for name, _, on, _ in path.fired if name == "hot"] in ([], [True])
    assert path.rules.complaints() == []


async def test_a_device_off_duty_is_absent_by_design_and_gets_its_full_time_when_its_hours_begin(tmp_path):
    devices, places = sensors(2)
    duty = {device.id: True for device in devices} | {TAG.id: False}
    path = Ruled(
        "silent: {silent: 1h, zones: [classes]}",
        tmp_path,
        devices=devices,
        places=places,
        on_duty=lambda device: duty[device.id],
    )
    for device in devices:
        await path.emit(integration="radio", device=device.id, values={"temperature": 20.0})
    duty["ble:00"] = False
    for _ in range(14):
        await path.pass_(3000, step=60)
        await path.emit(integration="radio", device="ble:01", values={"temperature": 20.0})
    assert path.fired == []
    duty["ble:00"] = True
    for _ in range(3):
        await path.pass_(1190, step=10)
        await path.emit(integration="radio", device="ble:01", values={"temperature": 20.0})
    assert path.fired == []  # not even though it was heard twelve hours ago
    await path.pass_(60, step=10)
    assert path.fired == [("silent", "ble:00", True, "")]


async def test_a_gateway_whose_devices_are_all_off_duty_is_not_away(tmp_path):
    devices, places = sensors(18)
    path = Ruled(
        "silent: {silent: 1h, zones: [classes]}",
        tmp_path,
        devices=devices,
        places=places,
        on_duty=lambda device: False,
    )
    await path.pass_(10 * 3600, step=60)
    assert path.fired == []


async def test_what_the_hub_reckons_of_a_device_is_looked_at_and_is_not_heard(tmp_path):
    path = Ruled(
        "often: {template: low_availability}\nsoon: {template: battery_empty_soon, inputs: {below: 20}}", tmp_path
    )
    device = path.devices.get(TAG.id)
    path.rules.derived(device, {"availability": 71.5, "battery_days": 12}, METRICS)
    assert path.fired == [("often", "classe-1", True, "71.5 %"), ("soon", "classe-1", True, "12 d")]
    path.rules.derived(device, {"availability": 99.0, "battery_days": 400}, METRICS)
    assert [on for _, _, on, _ in path.fired] == [True, True, False, False]


@pytest.mark.parametrize(
    "now",
    [
        'cold: {metric: temperature, below: 3, for: 10min, text: "Cold!", severity: critical, escalate: 1h}',
        "cold: {metric: temperature, below: 3, for: 10min, places: [classe-1, compteur]}",
        "cold: {metric: temperature, below: 3, for: 10min, zones: [classes]}",
        "cold: {metric: temperature, below: 3, for: 10min, during: night}",
    ],
    ids=["what is told of it", "more places", "a zone", "hours that it is in"],
)
async def test_what_is_changed_beside_what_a_rule_looks_for_begins_no_duration_anew(tmp_path, now):
    path = Ruled("cold: {metric: temperature, below: 3, for: 10min, places: [classe-1]}", tmp_path)
    path.clock.set(1_780_000_000.0)  # 22:26 in Paris
    await path.emit(values={"temperature": 2.5})
    await path.pass_(300)
    path.reload(now)
    await path.pass_(299)
    assert path.fired == []
    await path.pass_(2)
    assert path.fired == [("cold", "classe-1", True, "2.5 °C")]


async def test_another_limit_begins_the_duration_anew_and_what_held_holds_until_it_is_looked_at(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 35.0})
    await path.pass_(300)
    path.reload("hot: {metric: temperature, above: 28, for: 10min}")
    await path.pass_(900)
    assert path.fired == [], "nobody has looked by the new limit yet"
    await path.emit(values={"temperature": 35.0})
    await path.pass_(601)
    assert path.fired == [("hot", "classe-1", True, "35 °C")]
    path.reload("hot: {metric: temperature, above: 33, for: 10min}")
    await path.pass_(60)
    assert len(path.fired) == 1
    await path.emit(values={"temperature": 32.0})
    assert path.fired[1:] == [("hot", "classe-1", False, "32 °C")]


async def test_a_place_that_a_rule_is_about_no_more_is_over_and_its_duration_too(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30, for: 10min, places: [classe-1]}", tmp_path)
    await path.emit(values={"temperature": 35.0})
    await path.pass_(300)
    path.reload("hot: {metric: temperature, above: 30, for: 10min, places: [compteur]}")
    await path.pass_(900)
    assert path.fired == []
    path.reload("hot: {metric: temperature, above: 30, for: 10min, places: [classe-1]}")
    await path.emit(values={"temperature": 35.0})
    await path.pass_(601)
    path.reload("hot: {metric: temperature, above: 30, for: 10min, places: [compteur]}")
    await path.pass_(2)
    assert [on for _, _, on, _ in path.fired] == [True, False]


async def test_hours_that_a_new_configuration_takes_away_end_a_duration(tmp_path):
    rule = "open: {metric: door, equals: true, during: night, for: 10min}"
    path = Ruled(rule, tmp_path)
    path.clock.set(1_780_000_000.0)
    path.rules.tick()
    await path.emit(values={"door": True})
    await path.pass_(300)
    path.reload(rule, BASE.replace("22:00-06:00", "23:00-06:00"))
    await path.pass_(900)
    assert path.fired == []


SILENT = "silent: {silent: 1h, zones: [classes]}"


def radio(tmp_path, rules, count=2, **more):
    devices, places = sensors(count)
    path = Ruled(rules, tmp_path, devices=devices, places=places, **more)
    path.devices.remove(TAG.id)
    path.devices.remove(METER.id)
    return path, devices


async def heard(path, devices, minutes):
    for _ in range(minutes // 10):
        for device in devices:
            await path.emit(integration="radio", device=device.id, values={"temperature": 20.0})
        await path.pass_(600, step=60)


async def test_a_device_that_is_added_later_gets_its_full_time_to_be_heard(tmp_path):
    path, devices = radio(tmp_path, SILENT)
    await heard(path, devices, 120)
    path.devices.adopt(Device(id="ble:new", integration="radio", place="room-0"))
    await heard(path, devices, 50)
    assert path.fired == []
    await heard(path, devices, 20)
    assert path.fired == [("silent", "ble:new", True, "")]


@pytest.mark.parametrize(
    "before",
    ["hot: {metric: temperature, above: 30}", "silent: {silent: 1h, places: [compteur]}",
     "silent: {metric: humidity, silent: 1h, places: [compteur]}"],
    ids=["nothing", "another place", "another metric of another place"],
)  # fmt: skip
@pytest.mark.parametrize("now", [SILENT, "silent: {metric: temperature, silent: 1h, zones: [classes]}"])
async def test_a_rule_about_silence_that_is_added_later_calls_nobody_silent_at_once(tmp_path, before, now):
    path, devices = radio(tmp_path, before)
    await heard(path, devices, 120)
    path.reload(now)
    await path.pass_(3500, step=60)
    assert path.fired == []
    await path.pass_(180, step=60)
    assert path.fired == [("silent", "integration:radio", True, "")]


async def test_a_reload_does_not_forget_who_was_heard_when(tmp_path):
    path, devices = radio(tmp_path, SILENT)
    await heard(path, devices, 60)
    await heard(path, devices[:1], 40)
    path.reload(SILENT[:-1] + ", severity: critical}")
    await heard(path, devices[:1], 30)
    assert path.fired == [("silent", "ble:01", True, "")]


async def test_a_reload_soon_after_the_hours_of_a_rule_began_calls_nobody_silent(tmp_path):
    rule = SILENT[:-1] + ", during: night}"
    path, _ = radio(tmp_path, rule, count=1)
    path.clock.set(1_780_000_000.0 - 7200)  # 20:26 in Paris
    await path.pass_(2 * 3600, step=60)  # nobody speaks before night
    path.reload(rule)
    await path.pass_(1800, step=60)
    assert path.fired == []
    await path.pass_(1800, step=60)
    assert path.fired == [("silent", "ble:00", True, "")]


async def test_a_silent_device_that_its_rule_is_about_no_more_is_over(tmp_path):
    path, devices = radio(tmp_path, SILENT)
    await heard(path, devices[:1], 120)
    assert path.fired == [("silent", "ble:01", True, "")]
    path.reload("silent: {silent: 1h, zones: [technique]}")
    await path.pass_(2)
    assert path.fired[1:] == [("silent", "ble:01", False, "")]


async def test_what_lasts_where_its_device_was_removed_begins_nothing(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 31.0})
    await path.pass_(300)
    path.devices.remove(TAG.id)
    await path.pass_(900)
    assert path.fired == []


async def test_what_a_removed_device_told_is_over_though_another_one_stands_at_its_place(tmp_path):
    other = Device(id="ble:valve", integration="bluetooth", place="classe-1")
    path = Ruled("open: {metric: door, equals: true}", tmp_path, devices=[other])
    await path.emit(device=other.id, values={"temperature": 20.0})
    await path.emit(values={"door": True})
    path.devices.remove(TAG.id)
    await path.pass_(2)
    assert [on for _, _, on, _ in path.fired] == [True, False]


async def test_what_a_replaced_device_told_holds_until_the_next_one_speaks(tmp_path):
    path = Ruled("open: {metric: door, equals: true}", tmp_path)
    await path.emit(values={"door": True})
    path.devices.remove(TAG.id)
    path.devices.adopt(Device(id="ble:next", integration="bluetooth", place="classe-1"))
    await path.pass_(60)
    assert [on for _, _, on, _ in path.fired] == [True]
    await path.emit(device="ble:next", values={"door": False})
    assert [on for _, _, on, _ in path.fired] == [True, False]


async def test_a_difference_is_over_when_one_of_the_two_is_not_there_any_more(tmp_path):
    path = Ruled("loss: {metric: temperature, places: [classe-1], minus: compteur/temperature, above: 5}", tmp_path)
    await path.emit(integration="modbus", device=METER.id, values={"temperature": 20.0})
    await path.emit(values={"temperature": 30.0})
    path.devices.remove(METER.id)
    await path.pass_(2)
    assert [on for _, _, on, _ in path.fired] == [True, False]


async def test_a_door_that_was_open_before_the_hours_of_its_rule_began_is_told_in_them(tmp_path):
    path = Ruled("open: {metric: door, equals: true, during: night, for: 5min}", tmp_path)
    path.clock.set(1_780_000_000.0 - 3600)  # 21:26 in Paris
    path.rules.tick()
    await path.emit(values={"door": True})  # it says no more: nothing changes
    await path.pass_(2000, step=10)
    assert path.fired == []
    await path.pass_(400, step=10)
    assert path.fired == [("open", "classe-1", True, "")]


async def test_hours_that_a_new_configuration_gives_a_rule_count_from_then_on(tmp_path):
    path = Ruled(
        "open: {metric: door, equals: true, during: night, for: 5min}",
        tmp_path,
    )
    path.clock.set(1_780_000_000.0 - 3600)
    path.rules.tick()
    await path.emit(values={"door": True})
    path.reload("open: {metric: door, equals: true, during: night, for: 5min}", BASE.replace("22:00", "20:00"))
    await path.pass_(299)
    assert path.fired == []
    await path.pass_(2)
    assert path.fired == [("open", "classe-1", True, "")]


async def test_a_rate_of_before_the_hours_of_its_rule_is_none_of_them(tmp_path):
    path = Ruled("fast: {metric: temperature, rate_over: 10min, above: 6, during: night, for: 5min}", tmp_path)
    path.clock.set(1_780_000_000.0 - 3600)
    path.rules.tick()
    for value in (10.0, 20.0):
        await path.emit(values={"temperature": value})
        await path.pass_(600, step=10)
    await path.pass_(2 * 3600, step=10)
    assert path.fired == []


async def test_a_rule_that_failed_begins_nothing_by_the_clock_alone(tmp_path):
    path = Ruled("hot: {metric: temperature, above: 30, for: 10min}", tmp_path)
    await path.emit(values={"temperature": 31.0})
    [rule] = path.rules._rules
    path.rules._break(rule, ValueError("x"))
    await path.pass_(900)
    assert path.fired == []


async def test_the_limits_of_a_metric_are_those_of_the_rules_that_judge_it_at_its_place(tmp_path):
    path = Ruled(
        "hot: {metric: temperature, above: 26, clears: 25, zones: [classes]}\n"
        "mean: {metric: temperature, aggregate: mean, zones: [classes], below: 17}\n"
        "there: {metric: temperature, below: 3, places: [compteur]}\n"
        "damp: {metric: humidity, above: 70}\n"
        "fast: {metric: temperature, rate_over: 1h, above: 5}\n"
        "apart: {metric: temperature, places: [classe-1], minus: compteur/temperature, above: 4}\n"
        "same: {metric: temperature, stuck: 6h}\n"
        "quiet: {metric: temperature, silent: 3h}\n"
        "off: {metric: temperature, above: 1, enabled: false}",
        tmp_path,
    )

    def judged(place, metric):
        return [(rule.name, test.limit, test.clears, test.up) for rule, test in path.rules.limits(place, metric)]

    assert judged("classe-1", "temperature") == [("hot", 26.0, 25.0, True), ("mean", 17.0, 17.0, False)]
    assert judged("compteur", "temperature") == [("there", 3.0, 3.0, False)]
    assert judged("compteur", "humidity") == [("damp", 70.0, 70.0, True)]
    assert judged("nowhere", "co2") == []


async def test_a_rule_at_a_place_where_nothing_stands_is_said_until_a_device_does(tmp_path):
    rule, base = (
        "leak: {metric: water, places: [cave], rate_over: 10min, above: 3}",
        BASE.replace("places: {", "places: {cave: {zone: technique}, "),
    )
    path = Ruled("cold: {metric: temperature, below: 3}", tmp_path)
    path.reload(rule, base)
    assert path.rules.complaints() == ["rule leak: no device stands at cave"]
    path.devices.adopt(Device(id="x:new", integration="x", place="cave"))  # added by a command: no file knows it
    assert path.rules.complaints() == []
