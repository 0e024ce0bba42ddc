"""Units, states, quality: what a present value means, and how it is written back."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from bacpypes3.basetypes import EngineeringUnits, ObjectType, PropertyIdentifier
from bacpypes3.basetypes import Reliability as TheirReliability
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import hub
from integrations.bacnet import names, tags
from integrations.bacnet.names import ObjectId, object_id
from integrations.bacnet.settings import Config, DeviceSettings, Point, instance_of
from integrations.bacnet.units import UCUM, conversion
from integrations.bacnet.values import Facts, Translation, facts_of, label, quality

AI, BV, MV = ObjectId(0, 1), ObjectId(5, 1), ObjectId(19, 1)


def translation(who: ObjectId, facts: Facts = Facts(), **point: Any) -> Translation:  # noqa: B008
    return Translation(who, Point(**point), facts)


def test_every_number_is_the_one_that_an_independent_stack_knows() -> None:
    assert {name: int(ObjectType(name)) for name in names.OBJECT_TYPES} == names.OBJECT_TYPES
    assert {n: int(PropertyIdentifier(name)) for n, name in names.PROPERTY_NAMES.items()} == {
        n: n for n in names.PROPERTY_NAMES
    }
    assert {n: int(TheirReliability(name)) for n, name in names.RELIABILITIES.items()} == {
        n: n for n in names.RELIABILITIES
    }


NAMED = {
    "degrees-celsius": "Cel", "degrees-fahrenheit": "[degF]", "degrees-kelvin": "K", "delta-degrees-kelvin": "K",
    "percent": "%", "percent-relative-humidity": "%", "parts-per-million": "[ppm]", "luxes": "lx", "pascals": "Pa",
    "hectopascals": "hPa", "kilopascals": "kPa", "bars": "bar", "millibars": "mbar", "pounds-force-per-square-inch":
    "[psi]", "watts": "W", "kilowatts": "kW", "megawatts": "MW", "milliwatts": "mW", "watt-hours": "W.h",
    "kilowatt-hours": "kW.h", "megawatt-hours": "MW.h", "joules": "J", "kilojoules": "kJ", "megajoules": "MJ",
    "btus": "[Btu_IT]", "btus-per-hour": "[Btu_IT]/h", "volts": "V", "millivolts": "mV", "kilovolts": "kV",
    "megavolts": "MV", "amperes": "A", "milliamperes": "mA", "ohms": "Ohm", "kilohms": "kOhm", "megohms": "MOhm",
    "volt-amperes": "V.A", "kilovolt-amperes": "kV.A", "megavolt-amperes": "MV.A", "volt-amperes-reactive": "var",
    "kilovolt-amperes-reactive": "kvar", "megavolt-amperes-reactive": "Mvar", "power-factor": "1", "hertz": "Hz",
    "kilohertz": "kHz", "cubic-meters": "m3", "liters": "L", "milliliters": "mL", "cubic-meters-per-hour": "m3/h",
    "cubic-meters-per-second": "m3/s", "cubic-meters-per-minute": "m3/min", "cubic-meters-per-day": "m3/d",
    "liters-per-second": "L/s", "liters-per-minute": "L/min", "liters-per-hour": "L/h", "cubic-feet-per-minute":
    "[cft_i]/min", "kilograms": "kg", "grams": "g", "milligrams": "mg", "tons": "t", "pounds-mass": "[lb_av]",
    "kilograms-per-second": "kg/s", "kilograms-per-minute": "kg/min", "kilograms-per-hour": "kg/h", "seconds": "s",
    "milliseconds": "ms", "minutes": "min", "hours": "h", "days": "d", "weeks": "wk", "months": "mo", "years": "a",
    "meters-per-second": "m/s", "kilometers-per-hour": "km/h", "millimeters-per-second": "mm/s", "meters": "m",
    "millimeters": "mm", "centimeters": "cm", "kilometers": "km", "inches": "[in_i]", "feet": "[ft_i]",
    "square-meters": "m2", "degrees-angular": "deg", "no-units": "1", "revolutions-per-minute": "{rev}/min",
    "grams-per-cubic-meter": "g/m3", "milligrams-per-cubic-meter": "mg/m3", "micrograms-per-cubic-meter": "ug/m3",
    "parts-per-billion": "[ppb]", "per-mille": "[ppth]", "kilowatt-hours-reactive": "kvar.h", "inches-of-water":
    "[in_i'H2O]", "lumens": "lm", "decibels": "dB", "decibels-a": "dB", "p-h": "[pH]", "micro-siemens": "uS",
    "watt-hours-reactive": "var.h", "megawatt-hours-reactive": "Mvar.h", "volt-ampere-hours": "V.A.h",
    "kilovolt-ampere-hours": "kV.A.h", "megavolt-ampere-hours": "MV.A.h", "grams-per-kilogram": "g/kg",
    "milligrams-per-liter": "mg/L", "micrograms-per-liter": "ug/L", "per-minute": "/min", "per-second": "/s",
    "per-hour": "/h", "meters-per-second-per-second": "m/s2", "pounds-mass-per-second": "[lb_av]/s",
}  # fmt: skip


def test_each_unit_is_that_of_its_number() -> None:
    spelt = {"decibels-a": "decibelsA", "p-h": "pH"}
    known = {int(EngineeringUnits(spelt.get(name, name))): unit for name, unit in NAMED.items()}
    assert known == UCUM


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        (68, "[degF]", "Cel", 20), (293.15, "K", "Cel", 20), (-40, "Cel", "[degF]", -40), (1.5, "kW", "W", 1500),
        (2, "MW.h", "kW.h", 2000), (3.6, "MJ", "kW.h", 1), (250, "kPa", "bar", 2.5), (1013.25, "mbar", "hPa", 1013.25),
        (1, "[psi]", "Pa", 6894.757293168), (1, "L/s", "m3/h", 3.6), (100, "[cft_i]/min", "m3/h", 169.901079552),
        (24, "m3/d", "m3/h", 1), (1, "[lb_av]", "kg", 0.45359237), (500, "mA", "A", 0.5), (90, "min", "h", 1.5),
        (1, "[Btu_IT]/h", "W", 0.29307107017), (50, "%", "1", 0.5), (1000, "[ppb]", "[ppm]", 1),
        (1, "mg/m3", "ug/m3", 1000),
        (36, "km/h", "m/s", 10), (1, "[in_i'H2O]", "Pa", 249.08891), (12, "[in_i]", "mm", 304.8), (5, "lx", "lx", 5),
    ],
)  # fmt: skip
def test_a_value_becomes_the_same_in_another_unit(value: float, unit: str, into: str, expected: float) -> None:
    found = conversion(unit, into)
    assert found is not None
    assert found.there(value) == pytest.approx(expected, rel=1e-9)
    assert found.back(found.there(value)) == pytest.approx(value, rel=1e-12)


def test_what_measures_something_else_is_never_converted() -> None:
    for unit, into in (("Cel", "%"), ("kW", "kW.h"), ("V", "A"), ("Pa", "Cel"), ("{rev}/min", "Hz"), ("m2", "m3")):
        assert conversion(unit, into) is None


@given(st.sampled_from(sorted(set(UCUM.values()))), st.sampled_from(sorted(set(UCUM.values()))), st.floats(-1e6, 1e6))
def test_what_can_go_there_can_come_back(unit: str, into: str, value: float) -> None:
    there, back = conversion(unit, into), conversion(into, unit)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert back.there(there.there(value)) == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_a_value_is_told_in_the_unit_of_its_metric() -> None:
    assert translation(AI, Facts(64), metric="temperature").reading([50.0]) == 10
    assert translation(AI, Facts(48), metric="power").reading([12.5]) == 12500
    assert translation(AI, Facts(62), metric="supply", privacy="technical").unit == "Cel"
    own = translation(AI, Facts(53), metric="duct_pressure", privacy="technical").metric
    assert own is not None
    assert (own.unit, own.kind, own.privacy, own.resolution) == ("Pa", "number", "technical", "0.001")
    assert translation(AI, Facts(95), metric="humidity", unit="1", scale=0.5).reading([1.0]) == 50


def test_a_unit_that_cannot_be_the_metrics_is_no_reading_at_all() -> None:
    for facts, remedy in ((Facts(98), "cannot become Cel"), (Facts(95), "says no unit"), (Facts(), "says no unit")):
        with pytest.raises(hub.DecodeError, match=remedy) as caught:
            translation(AI, facts, metric="temperature")
        assert caught.value.reason == "unit"
    with pytest.raises(hub.DecodeError, match="BACnet unit 254"):
        translation(AI, Facts(254), metric="temperature")
    assert translation(AI, Facts(95), metric="temperature", unit="[degF]").reading([50.0]) == 10


def test_states_have_the_names_that_the_device_gives_them() -> None:
    mode = translation(MV, Facts(texts=("off", "heat", "")), metric="mode", privacy="technical")
    assert [mode.reading([n]) for n in (0, 1, 2, 3, 4)] == ["0", "off", "heat", "3", "4"]
    night = translation(BV, Facts(texts=("Jour", "Nuit")), metric="night", privacy="technical", kind="text")
    assert [night.reading([n]) for n in (0, 1)] == ["Jour", "Nuit"]
    bare = translation(BV, metric="night", privacy="technical", kind="text")
    assert [bare.reading([n]) for n in (0, 1)] == ["inactive", "active"]
    number = translation(MV, metric="stage", privacy="technical", kind="number")
    assert number.reading([3]) == 3
    assert translation(BV, metric="running").reading([1]) is True
    mapped = translation(MV, metric="running", values={"1": False, "2": True})
    assert [mapped.reading([n]) for n in (1, 2, 3)] == [False, True, None]


def test_a_count_is_scaled_as_the_device_says() -> None:
    meter = ObjectId(23, 1)
    by_float, by_power = (
        facts_of([(117, [19]), (187, [b"\x3d\xcc\xcc\xcd"])]),
        facts_of([(117, [19]), (187, [b"\xff"])]),
    )
    assert translation(meter, by_power, metric="energy").reading([12345]) == 1234.5
    assert translation(meter, by_float, metric="energy").reading([10]) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [[], [1.0, 2.0], [b"\0"], [(True,)]])
def test_what_is_no_present_value_is_refused(value: list[Any]) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        translation(AI, Facts(62), metric="temperature").reading(value)
    assert caught.value.reason == "bad-value"


def test_a_device_without_a_value_gives_no_reading() -> None:
    for nothing in (math.nan, math.inf, None):
        assert translation(AI, Facts(62), metric="temperature").reading([nothing]) is None


def test_a_text_of_a_device_cannot_drive_a_terminal() -> None:
    text = translation(ObjectId(40, 1), metric="text")
    assert text.reading(["Tout va bien\0"]) == "Tout va bien"
    assert text.reading([""]) is None
    for bad in ("\x1b[31m", "a\nb", "x" * 300):
        with pytest.raises(hub.DecodeError) as caught:
            text.reading([bad])
        assert caught.value.reason == "bad-text"
    assert label("Pompe\x1b[2J\n1" + "x" * 200) == ("Pompe [2J 1" + "x" * 200)[:100]


@pytest.mark.parametrize(
    ("flags", "reliability", "expected"),
    [
        ((False,) * 4, 0, (hub.Quality.GOOD, "")),
        ((True, False, False, False), 0, (hub.Quality.GOOD, "")),
        ((False, True, False, False), 0, (hub.Quality.BAD, "fault")),
        ((False, False, True, False), None, (hub.Quality.UNCERTAIN, "overridden")),
        ((False, False, False, True), 0, (hub.Quality.UNCERTAIN, "out-of-service")),
        ((False, True, False, True), 1, (hub.Quality.BAD, "no-sensor")),
        (None, 12, (hub.Quality.BAD, "communication-failure")),
        (None, 200, (hub.Quality.BAD, "reliability-200")),
        ((False, True), 0, (hub.Quality.GOOD, "")),
    ],
)
def test_status_flags_and_reliability_become_a_quality(
    flags: Any, reliability: int | None, expected: tuple[hub.Quality, str]
) -> None:
    said = None if reliability is None else [reliability]
    assert quality(None if flags is None else [flags], said) == expected


def test_a_command_is_written_in_the_units_and_states_of_the_device() -> None:
    fahrenheit = translation(ObjectId(2, 1), Facts(64), metric="setpoint")
    assert fahrenheit.raw(20.0) == tags.application(tags.REAL, 68.0)
    assert fahrenheit.raw(None) == b"\0"
    mode = translation(ObjectId(14, 1), Facts(texts=("off", "slow")), metric="speed_step", privacy="technical")
    assert mode.raw("slow") == tags.application(tags.UNSIGNED, 2)
    assert translation(ObjectId(4, 1), metric="running").raw(True) == tags.application(tags.ENUMERATED, 1)
    mapped = translation(ObjectId(14, 1), metric="running", values={"1": False, "3": True})
    assert mapped.raw(True) == tags.application(tags.UNSIGNED, 3)
    for wrong in (mode, "fast"), (translation(ObjectId(23, 1), Facts(19), metric="energy"), 1.0):
        with pytest.raises(hub.DecodeError):
            wrong[0].raw(wrong[1])  # type: ignore[attr-defined]


@given(
    st.sampled_from([0, 1, 2, 4, 5, 14, 19, 45, 46, 48]),
    st.floats() | st.integers() | st.text(max_size=5) | st.booleans(),
)
def test_whatever_is_ordered_is_a_value_or_a_decode_error(kind: int, value: Any) -> None:
    one = translation(ObjectId(kind, 1), Facts(95), metric="thing", privacy="technical", kind="number")
    with contextlib.suppress(hub.DecodeError):
        tag, end = tags.read(one.raw(value), 0)
        assert end == len(one.raw(value))
        assert not tag.context


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"objects": {"analog-input": {"metric": "co2"}}}, "the instance of an object is a number"),
        ({"objects": {"analogue-input:1": {"metric": "co2"}}}, "an object is type:instance"),
        ({"objects": {"analog-input:4194303": {"metric": "co2"}}}, "from 0 to 4194302"),
        ({"objects": {"device:1": {"metric": "co2"}}}, "no present value"),
        ({"objects": {}}, "at least 1"),
        ({"objects": {"analog-input:1": {"metric": "mine"}}}, "state its privacy class"),
        ({"objects": {"binary-input:1": {"metric": "temperature"}}}, "map it with `values`"),
        ({"objects": {"analog-input:1": {"metric": "running"}}}, "map it with `values`"),
        ({"objects": {"binary-input:1": {"metric": "running", "scale": 2}}}, "scale, offset and unit are for numbers"),
        ({"objects": {"analog-input:1": {"metric": "co2", "priority": 6}}}, "priority 6"),
        ({"objects": {"analog-input:1": {"metric": "co2", "privacy": "technical"}}}, "the catalogue decides"),
        ({"objects": {f"analog-input:{n}": {"metric": "co2"} for n in (1, 2)}}, "one device has one value of a metric"),
        ({"objects": {"analog-input:1": {"metric": "co2"}}, "address": "controller.local"}, "expected an IPv4 address"),
        ({"objects": {"analog-input:1": {"metric": "co2"}}, "address": "192.0.2.1:99999"}, "from 1 to 65535"),
        ({"objects": {"analog-input:1": {"metric": "co2"}}, "address": "192.0.2.1", "network": 5}, "given together"),
        ({"objects": {"analog-input:1": {"metric": "co2"}}, "network": 5, "mac": "0c"}, "needs the router's address"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused_in_words(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DeviceSettings.model_validate(settings)


def test_discovery_needs_somewhere_to_ask() -> None:
    with pytest.raises(ValidationError, match="needs `broadcast`"):
        Config.model_validate({"discover": {}})
    assert Config.model_validate({"discover": {}, "bbmd": "192.0.2.1"}).discover is not None
    assert Config().discover is None


def test_the_instance_is_in_the_id() -> None:
    assert instance_of("bacnet:1201") == 1201
    assert [instance_of(wrong) for wrong in ("bacnet:x", "bacnet:4194303", "modbus:1", "bacnet:", "bacnet:²")] == [
        None
    ] * 5
    assert str(object_id("multi-state-value:7")) == "multi-state-value:7"
