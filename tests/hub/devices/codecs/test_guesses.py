"""What a codec's leaves probably are: right, or nothing. Examples are our own, after the habits of published codecs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.core.model import METRIC_KEY, Value
from hub.devices.codecs import guesses
from hub.devices.codecs.guesses import Guess, guess, propose
from hub.devices.codecs.mapping import apply, leaves
from hub.devices.codecs.names import read_name
from hub.devices.codecs.rules import RULES, Rule
from hub.devices.codecs.units import OF_UCUM, UNITS, read_unit
from hub.devices.codecs.vocabulary import CONCEPTS


def guessed(*samples: Any) -> dict[str, Guess]:
    return {one.path: one for one in guess([leaves(sample) for sample in samples])}


def readings(*samples: Any) -> dict[str, Value]:
    """What the sure guesses make of the first sample that shows each."""
    told: dict[str, Value] = {}
    for one in guessed(*samples).values():
        if one.confidence == "sure":
            metrics = {one.key: one.defined()}
            values = apply({one.path: one.field()}, {one.path: one.sample}, metrics).values
            told |= {key: round(value, 6) if isinstance(value, float) else value for key, value in values.items()}
    return told


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        # names in English, French and German, and the ways to write them
        ({"temperature": 21.5, "humidity": 40}, {"temperature": 21.5, "humidity": 40}),
        ({"TempC_SHT": 20.5, "Hum_SHT": 45}, {"temperature": 20.5, "humidity": 45}),
        ({"airTemperature": -3, "relative_humidity": 81}, {"temperature": -3, "humidity": 81}),
        ({"Température": 19, "Humidité": 55}, {"temperature": 19, "humidity": 55}),
        ({"Raumtemperatur": 22.4, "Luftfeuchtigkeit": 51}, {"temperature": 22.4, "humidity": 51}),
        ({"soil_moisture": 31.5}, {"moisture": 31.5}),
        ({"bodenfeuchte": 31.5}, {"moisture": 31.5}),
        ({"consigne_temperature": 19, "temperature": 21}, {"setpoint": 19, "temperature": 21}),
        ({"targetTemperature": 19, "valveOpening": 40}, {"setpoint": 19, "valve_position": 40}),
        ({"tDew": 9.5, "tempC": 21, "vBat": 3.6}, {"dew_point": 9.5, "temperature": 21, "battery_voltage": 3.6}),
        ({"pm": {"2.5": 2.5, "10": 4}}, {"pm2_5": 2.5, "pm10": 4}),
        ({"soil_vwc": {"unit": "m³⋅m⁻³", "value": 0.25}}, {"moisture": 25}),
        ({"power_factor": 82}, {"power_factor": 0.82}),
        ({"sollTemperatur": 19, "istTemperatur": 21}, {"setpoint": 19, "temperature": 21}),
        ({"PM2.5": 12, "PM10": 20, "pm1_0": 4}, {"pm2_5": 12, "pm10": 20, "pm1": 4}),
        ({"co2": 612, "lux": 310}, {"co2": 612, "illuminance": 310}),
        ({"LAeq": 47.4}, {"sound_level": 47.4}),
        ({"pt100_1": 25.8}, {"temperature": 25.8}),
        # the unit beside a value, nested or flat
        ({"energy": {"value": 4660, "unit": "Wh"}}, {"energy": 4.66}),
        ({"energy": 4660, "energy_unit": "Wh"}, {"energy": 4.66}),
        ({"energy": {"value": 4660, "unit": "kWh"}}, {"energy": 4660}),
        ({"air_temperature": {"displayName": "Air", "unit": "°F", "value": 68}}, {"temperature": 20}),
        ({"wind_speed": {"unit": "m⋅s⁻¹", "value": 3}}, {"speed": 3}),
        ({"barometric_pressure": {"unit": "Pa", "value": 96412}}, {"pressure": 964.12}),
        ({"total_voc": {"unit": "µg/m³", "value": 30}}, {"tvoc": 30}),
        ({"water_level": {"unit": "cm", "value": 250}}, {"water_level": 2.5}),
        # the unit in a name
        ({"energy_kWh": 1.5, "power_W": 1497, "acVoltage_V": 231, "acCurrent_mA": 6482},
         {"energy": 1.5, "power": 1497, "voltage": 231, "current": 6.482}),
        ({"temperature_f": 68}, {"temperature": 20}),
        ({"pressurePa": 101325}, {"pressure": 1013.25}),
        ({"distance_cm": 42}, {"distance": 420}),
        ({"wind_speed_kmh": 36}, {"speed": 10}),
        ({"current_volume_m3": 6.054}, {"volume": 6054}),
        ({"waterConsumption_m3": 2}, {"water": 2000}),
        # a battery, by its values
        ({"battery": 3.2}, {"battery_voltage": 3.2}),
        ({"battery": 92}, {"battery": 92}),
        ({"battery": 3216}, {"battery_voltage": 3.216}),
        ({"batteryVoltage": 3.5}, {"battery_voltage": 3.5}),
        ({"batt_mv": 3600}, {"battery_voltage": 3.6}),
        ({"battery": {"voltage": 3.6, "level": 90}}, {"battery_voltage": 3.6, "battery": 90}),
        ({"batteriespannung": 3.6}, {"battery_voltage": 3.6}),
        # pressures
        ({"barometer": 1008.6}, {"pressure": 1008.6}),
        ({"pressure": 1008.6, "temperature": 20}, {"pressure": 1008.6, "temperature": 20}),
        ({"pression_eau": {"unit": "bar", "value": 2.5}}, {"water_pressure": 2.5}),
        # states
        ({"water_leak": "leaking"}, {"leak": True}),
        ({"waterleak": 0}, {"leak": False}),
        ({"flood": False}, {"leak": False}),
        ({"alarm": {"waterLeak": False, "lowBattery": True}}, {"leak": False, "battery_low": True}),
        ({"smoke_alarm": True}, {"smoke": True}),
        ({"pir": "trigger"}, {"motion": True}),
        ({"occupied": False}, {"occupancy": False}),
        ({"door": "open"}, {"door": True}),
        ({"DOOR_OPEN_STATUS": 0}, {"door": False}),
        ({"openWindow": False}, {"window": False}),
        ({"boxTamper": True}, {"tamper": True}),
        # counts and people
        ({"count": 14986}, {"count": 14986}),
        ({"people_count": 3}, {"people": 3}),
        ({"total_in": 18, "total_out": 22, "period_in": 1, "period_out": 0}, {"people_in": 18, "people_out": 22}),
        ({"firmware_version": "v1.1"}, {"firmware": "v1.1"}),
        ({"press": "short"}, {"button": "short"}),
        ({"temperature": "21.5"}, {"temperature": 21.5}),
        # a slip of the pen, a key that is a number, a list whose first is of now, letters among their kind
        ({"voltate": 228.5, "humdity": 41, "temprature": 20.5},
         {"voltage": 228.5, "humidity": 41, "temperature": 20.5}),
        ({"temperatureSensor": {"1": 25, "2": 21}}, {"temperature": 25, "temperature_2": 21}),
        ({"bytes": {"decodingInfo": "values: [t=0, t-1]", "temperature": {"unit": "°C", "values": [21.5, 20]}}},
         {"temperature": 21.5}),
        ({"t": 20.3, "rh": 48, "p": 1013.2}, {"temperature": 20.3, "humidity": 48, "pressure": 1013.2}),
        ({"tProbeOne": 20, "tProbeTwo": 21}, {"temperature": 20, "temperature_probe_2": 21}),
        ({"factor": 82, "voltage": 230}, {"power_factor": 0.82, "voltage": 230}),
        ({"battery": "25%", "temp": {"unit": "oc", "value": 22.7}}, {"battery": 25, "temperature": 22.7}),
        ({"EAST": 104066, "EASF01": 66, "PAPP": 480}, {"energy": 104.066, "energy_1": 0.066}),
        ({"disposable_battery_voltage": 3.688, "charging": False}, {"battery_voltage": 3.688, "charging": False}),
        # a word that begins the names of several quantities is a place
        ({"roof_temp_c": 20.3, "roof_humidity": 42, "shed_temp_c": 24.9, "shed_humidity": 45},
         {"temperature": 20.3, "humidity": 42, "temperature_shed": 24.9, "humidity_shed": 45}),
    ],
)  # fmt: skip
def test_a_name_with_its_unit_or_its_usual_values_is_a_reading(sample: object, expected: dict[str, Value]) -> None:
    assert readings(sample) == expected


TRAPS: list[tuple[object, str]] = [
    # a part of a name is the name of a metric, but the value is none of its readings
    ({"temperature_alarm": 1}, "temperature_alarm"),
    ({"temperature_max": 31, "temperature": 21}, "temperature_max"),
    ({"TempChange": 0.5}, "TempChange"),
    ({"seuil_temperature": 25}, "seuil_temperature"),
    ({"co2threshold": 1}, "co2threshold"),
    ({"min_battery": 20}, "min_battery"),
    ({"history": [{"temperature": 19.5}]}, "history.0.temperature"),
    ({"previous": {"humidity": 44}}, "previous.humidity"),
    ({"log_volume_m3": 5.9}, "log_volume_m3"),
    ({"config": {"temperature": 21}}, "config.temperature"),
    ({"co2_interval": 600}, "co2_interval"),
    ({"battery_status": 3}, "battery_status"),
    ({"humidity_sensor_error": 0}, "humidity_sensor_error"),
    ({"delta_pressure": {"unit": "Pa", "value": 500}, "temperature": 20}, "delta_pressure.value"),
    ({"temperature_time": 12}, "temperature_time"),
    ({"power_exported_W": 300}, "power_exported_W"),
    # the unit says something else
    ({"luminosity": {"unit": "%", "value": 50}}, "luminosity.value"),
    ({"presence": {"unit": "%", "value": 1}}, "presence.value"),
    ({"humidity": {"unit": "g/m3", "value": 9}}, "humidity.value"),
    ({"current": {"unit": "Ah", "value": 12}}, "current.value"),
    ({"tvoc": {"unit": "ppb", "value": 30}}, "tvoc.value"),
    ({"battery": {"unit": "days", "value": 90}}, "battery.value"),
    # the values say something else, or the name says more than is known
    ({"humidity": 215}, "humidity"),
    ({"motion": 6}, "motion"),
    ({"temperature": True}, "temperature"),
    ({"co2": "high"}, "co2"),
    ({"light_level": 2}, "light_level"),
    ({"pressure": 10, "battery": 100}, "pressure"),
    ({"pressure": {"unit": "bar", "value": 1.0}, "temperature": 21}, "pressure.value"),
    ({"temperature": 215}, "temperature"),
    ({"voltage": 3312}, "voltage"),
    ({"current": 1000}, "current"),
    ({"energy": 512}, "energy"),
    ({"energy_mwh": 512}, "energy_mwh"),
    ({"distance": 42}, "distance"),
    ({"battery": 3}, "battery"),
    ({"humidity": 0.45}, "humidity"),
    ({"door": 1}, "door"),
    ({"mcu_temperature": 31}, "mcu_temperature"),
    ({"battery_temperature": 31}, "battery_temperature"),
    ({"mcu_temperature": 31, "mcu_voltage": 3.3}, "mcu_temperature"),
    ({"raw_temperature": 31, "raw_humidity": 44}, "raw_humidity"),
    ({"roof_temperature": 31, "roof_temperature_2": 30}, "roof_temperature"),
    ({"t": 12, "x": 4}, "t"),
    ({"t": 12, "p": 3}, "t"),
    ({"leading": 1}, "leading"),
    ({"factor": 82, "temperature": 20}, "factor"),
    ({"temperature": {"values": [21.5, 20.0]}, "decodingInfo": "values: [t-1, t=0]"}, "temperature.values.0"),
    ({"eco2": 500}, "eco2"),
    ({"ambient_counts": 32912}, "ambient_counts"),
    (
        {"temperature_head": {"unit": "°C", "value": 22}, "temperature_target": {"unit": "°C", "value": 27}},
        "temperature_target.value",
    ),
    ({"payload_counter": 106}, "payload_counter"),
    ({"counter": 25}, "counter"),
    ({"average_temperature": 21}, "average_temperature"),
    ({"temperature": {"unit": "°C", "values": [21.5, 21.0]}}, "temperature.values.0"),
    ({"sensors": [{"name": "a", "temperature": 21}, {"name": "b", "temperature": 25}]}, "sensors.0.temperature"),
]


@pytest.mark.parametrize(("sample", "path"), TRAPS)
def test_a_value_that_only_looks_like_a_reading_gives_none(sample: object, path: str) -> None:
    one = guessed(sample)[path]
    assert one.confidence != "sure"
    assert str(one.reason)
    assert all(field.path != path for field in propose(leaves(sample), METRICS))


@pytest.mark.parametrize(
    ("sample", "read"),
    [
        ({"temperature": 60, "battery": 20}, {"temperature", "battery"}),
        ({"luminosity_4": 20, "temperature_3": 72.5}, {"luminosity_4", "temperature_3"}),
        ({"battery": 3}, set()),  # volts as well as per cent
        ({"energy": 512, "current": 2}, set()),
        ({"temperature": {"unit": "km", "value": 20}}, set()),
        ({"humidity": 150, "temperature_limit": 30}, set()),
    ],
)
def test_a_reading_of_a_pack_in_the_catalogues_units_does_not_come_and_go(sample: object, read: set[str]) -> None:
    assert {field.path for field in propose(leaves(sample), METRICS)} == read


def test_the_traps_catch_a_mapping_without_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin knows neither kinds nor doubts, and takes every value for one of the metric's own unit."""
    monkeypatch.setattr(guesses, "KINDS", frozenset())
    monkeypatch.setattr(guesses, "_doubt", lambda *_: None)
    monkeypatch.setattr(guesses, "_named_units", lambda *_: set())
    monkeypatch.setattr(guesses, "within", lambda *_: True)
    fallen = [path for sample, path in TRAPS if guessed(sample)[path].confidence == "sure"]
    assert len(fallen) > len(TRAPS) // 2


@pytest.mark.parametrize(
    ("sample", "path", "metric", "scale"),
    [
        ({"energy": 512}, "energy", "energy", 1.0),
        ({"BASE": {"unit": "Wh", "value": 4660}}, "BASE.value", "energy", 0.001),
        ({"mcu_temperature": 31}, "mcu_temperature", "temperature", 1.0),
        ({"average_temperature": 21}, "average_temperature", "temperature", 1.0),
        ({"temperature": {"unit": "°C", "values": [21.5, 21.0]}}, "temperature.values.0", "temperature", 1.0),
        ({"pressure": {"unit": "kPa", "value": 250}}, "pressure.value", "water_pressure", 0.01),
        ({"door": 1}, "door", "door", 1.0),
        ({"alarm": True}, "alarm", "alarm", 1.0),
        ({"level": {"unit": "cm", "value": 31}}, "level.value", "water_level", 0.01),
        ({"tvoc": 37}, "tvoc", "tvoc", 1.0),
    ],
)
def test_what_is_unsure_is_proposed_and_waits(sample: object, path: str, metric: str, scale: float) -> None:
    one = guessed(sample)[path]
    assert (one.confidence, one.metric, one.scale) == ("unsure", metric, pytest.approx(scale))


def test_all_samples_together_tell_more_than_one() -> None:
    assert guessed({"battery": 3})["battery"].confidence == "unsure"
    assert guessed({"battery": 3}, {"battery": 97})["battery"].key == "battery"
    assert guessed({"battery": 3}, {"battery": 2.9})["battery"].key == "battery_voltage"
    assert guessed({"motion": 1}, {"motion": 6})["motion"].confidence == "none"
    one = guessed({"t": 1}, {"temperature": -5}, {"temperature": 31.5})["temperature"]
    assert (one.sample, one.low, one.high, one.confidence) == (-5, -5, 31.5, "sure")


def test_channels_phases_and_places_are_channels_of_one_metric() -> None:
    def keys(sample: dict[str, object]) -> dict[str, str]:
        return {path: one.key for path, one in guessed(sample).items() if one.confidence == "sure"}

    assert keys({"Temp1": 25.3, "Temp2": 36.5}) == {"Temp1": "temperature", "Temp2": "temperature_2"}
    assert keys({"temperature_chn3": 25.3, "temperature_chn7": 20}) == {
        "temperature_chn3": "temperature", "temperature_chn7": "temperature_7",
    }  # fmt: skip
    assert keys({f"voltage_l{n}": 230 + n for n in (1, 2, 3)}) == {f"voltage_l{n}": f"voltage_l{n}" for n in (1, 2, 3)}
    assert keys({"soil_temperature": 9.5, "air_temperature": 12}) == {
        "soil_temperature": "temperature_soil", "air_temperature": "temperature",
    }  # fmt: skip
    assert keys({f"line_{n}_total_in": n for n in (1, 2)} | {"line_1_period_in": 0}) == {
        "line_1_total_in": "people_in", "line_2_total_in": "people_in_2",
    }  # fmt: skip
    assert keys({"count_1": 1, "total_count_1": 9}) == {"total_count_1": "count"}


def test_a_channel_is_a_metric_of_its_own_with_the_name_of_the_first() -> None:
    one = guessed({"Temp1": 25.3, "Temp2": 36.5})["Temp2"]
    metric = one.defined()
    assert (metric.key, metric.number, metric.unit, one.field().metric) == (
        "temperature_2",
        "2",
        "Cel",
        "temperature_2",
    )


def test_one_value_in_two_units_is_read_once() -> None:
    told = guessed({"temperature_c": 24.5, "temperature_f": 76.1}, {"temperature_c": 29.1, "temperature_f": 84.38})
    assert [told[path].confidence for path in ("temperature_c", "temperature_f")] == ["sure", "none"]
    assert readings({"flood": 0, "floodAlarm": False}) == {"leak": False}
    assert guessed({"flood": 0, "floodAlarm": False})["flood"].confidence == "unsure"


def test_two_leaves_that_nothing_tells_apart_are_not_both_read() -> None:
    told = guessed({"temperature": 21, "sensorTemperature": 25})
    assert [one.confidence for one in told.values()] == ["sure", "unsure"]


@pytest.mark.parametrize(
    ("text", "dimension", "scale"),
    [
        ("kWh", "energy", 1), ("kwh", "energy", 1), ("MJ", "energy", 1 / 3.6), ("°C", "temperature", 1),
        ("℃", "temperature", 1), ("% RH", "percent", 1), ("µg⋅m⁻³", "density", 1), ("m/s", "speed", 1),
        ("mA", "current", 0.001), ("pa", "pressure", 0.01), ("m³/h", "flow", 1), ("dB(A)", "sound", 1),
    ],
)  # fmt: skip
def test_a_unit_is_read_as_codecs_write_it(text: str, dimension: str, scale: float) -> None:
    unit = read_unit(text)
    assert unit is not None
    assert (unit.dimension, unit.scale) == (dimension, pytest.approx(scale))


@pytest.mark.parametrize("text", ["mw", "mj", "mhz", "days", "furlong", "", "x" * 1000])
def test_a_unit_that_is_unknown_or_hides_its_size_is_none(text: str) -> None:
    assert read_unit(text) is None


def test_every_unit_of_the_rules_metrics_is_known_and_every_metric_too() -> None:
    for rule in RULES:
        for option in rule.options:
            assert METRICS[option.metric].unit in OF_UCUM
            assert all(usual.unit == "" or usual.unit in UNITS for usual in option.usual)
        assert rule.needs | rule.also <= {concept for concepts in CONCEPTS.values() for concept in concepts}


# -- properties ---------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(sorted(CONCEPTS)) | st.sampled_from(
    ["foo", "node", "x1", "l2", "3", "b", "mV", "kWh", "ppm", "°C"]
)
_NAMES = st.lists(_WORDS, min_size=1, max_size=4).map("_".join)
_NUMBERS = (
    st.floats(-1e5, 1e5) | st.integers(-5000, 120_000) | st.sampled_from([0, 1, 3, 3.6, 21.5, 55, 230, 1013, 3600])
)
_VALUES = (
    _NUMBERS | st.booleans() | st.sampled_from(["open", "closed", "leak", "normal", "21.5", "NoSensor", "v1.2", ""])
)
_UNIT_TEXTS = st.sampled_from(sorted(UNITS)) | st.sampled_from(["mw", "days", "", "1"])
_LEAVES = _VALUES | st.builds(lambda value, unit: {"value": value, "unit": unit}, _VALUES, _UNIT_TEXTS)
_SAMPLES = st.lists(st.dictionaries(_NAMES, _LEAVES, max_size=6), min_size=1, max_size=3)


@given(_SAMPLES)
def test_a_value_never_maps_outside_the_bounds_of_its_metric(samples: list[dict[str, object]]) -> None:
    found = [leaves(sample) for sample in samples]
    sure = [one for one in guess(found) if one.confidence == "sure"]
    assert len({one.key for one in sure}) == len(sure)
    assert all(METRIC_KEY.fullmatch(one.key) for one in sure)
    metrics = {one.key: one.defined() for one in sure}
    for sample in found:
        for key, value in apply({one.path: one.field() for one in sure}, sample, metrics).values.items():
            low, high = metrics[key].low, metrics[key].high
            if metrics[key].kind == "number":
                assert isinstance(value, float | int)
                assert (-math.inf if low is None else low) <= value <= (math.inf if high is None else high)


def _plain(rule: Rule) -> str:
    """A name of exactly the words that a rule needs."""
    first = {concept: word for word, concepts in reversed(CONCEPTS.items()) if concepts == (concept := concepts[0],)}
    return "_".join(first[need] for need in sorted(rule.needs))


_NUMERIC = [rule for rule in RULES if METRICS[rule.options[0].metric].kind == "number"]


@given(st.sampled_from(_NUMERIC), st.sampled_from(sorted(UNITS)), _NUMBERS)
def test_a_field_with_a_contradicting_unit_never_maps(rule: Rule, unit: str, value: float) -> None:
    dimensions = {OF_UCUM[METRICS[option.metric].unit].dimension for option in rule.options}
    told = guessed({_plain(rule): {"value": value, "unit": unit}})[f"{_plain(rule)}.value"]
    if UNITS[unit].dimension not in dimensions:
        assert (told.confidence, told.metric) == ("none", "")


@given(
    st.sampled_from(RULES),
    st.sampled_from(
        ["threshold", "min", "max", "previous", "history", "config", "interval", "seuil", "changed", "timestamp"]
    ),
    st.booleans(),
    _VALUES,
)
def test_a_limit_a_former_value_or_a_setting_never_maps(rule: Rule, kind: str, above: bool, value: Value) -> None:
    name = _plain(rule)
    sample = {kind: {name: value}} if above else {f"{name}_{kind}": value}
    assert all((one.confidence, one.metric) == ("none", "") for one in guessed(sample).values())


@given(st.sampled_from(RULES), st.sampled_from(["quux", "mcu", "frame", "supplier"]), _VALUES)
def test_a_word_that_nobody_knows_makes_a_person_decide(rule: Rule, word: str, value: Value) -> None:
    assert all(one.confidence != "sure" for one in guessed({f"{word}_{_plain(rule)}": value}).values())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.just(10**400) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(_JSON, max_size=3))
def test_whatever_a_codec_returns_gives_guesses_for_its_leaves(answers: list[object]) -> None:
    samples = []
    for answer in answers:
        try:
            samples.append(leaves(answer))
        except DecodeError:
            continue
    told = guess(samples)
    assert [one.path for one in told] == list(dict.fromkeys(path for sample in samples for path in sample))
    for one in told:
        assert (one.confidence == "none") == (one.metric == "" or one.reason.code == "guess-same-value")


@given(st.text(max_size=64))
def test_any_name_can_be_read(path: str) -> None:
    name = read_name(path)
    assert name.concepts <= {concept for concepts in CONCEPTS.values() for concept in concepts}
