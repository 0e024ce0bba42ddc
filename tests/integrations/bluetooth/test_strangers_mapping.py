"""From a parser's words to the catalogue: units, numbered values, and whatever a hostile worker answers."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_state_data import BinarySensorDeviceClass, SensorDeviceClass, Units

import hub
from integrations.bluetooth import ruuvi, sig
from integrations.bluetooth.strangers import mapping
from integrations.bluetooth.strangers.mapping import FLAGS, METRICS, SENSORS, place
from integrations.bluetooth.strangers.messages import Answer, Said, at_work, label

ADDRESS = "AA:BB:CC:DD:EE:FF"
KNOWN = {
    **hub.METRICS, **{metric.key: metric for metric in (*ruuvi.METRICS, *sig.METRICS, *METRICS)},
}  # fmt: skip


def decode(answer: Answer | bytes, key: bytes | None = None) -> hub.Decoded | hub.NeedKey | None:
    data = answer if isinstance(answer, bytes) else msgspec.msgpack.encode(answer)
    heard = hub.Frame(kind="ble", address=ADDRESS, data={mapping.SECTION: data})
    return mapping.decode(heard, lambda device: key)


def sensor(key: str, value: Any, cls: str, unit: str = "", device: str = "") -> Said:
    return Said("sensor", key, value, device, cls, unit)


def test_classes_and_units_are_those_of_sensor_state_data() -> None:
    units = {unit.value for unit in Units} | {"", "dB"}
    classes = {cls.value for cls in SensorDeviceClass} | {"sound_pressure", "voc_index"}  # a parser's own
    assert {(cls, unit) for cls, unit in SENSORS if cls not in classes or unit not in units} == set()
    assert set(FLAGS) <= {cls.value for cls in BinarySensorDeviceClass}


def test_every_metric_is_known_to_the_hub() -> None:
    for metric in [*(found[0] for found in SENSORS.values()), "voltage"]:
        assert KNOWN[metric].kind == "number"
        assert KNOWN[f"{metric}_8"].unit == KNOWN[metric].unit
    assert {KNOWN[metric].kind for metric in FLAGS.values()} == {"flag"}


@pytest.mark.parametrize(("said", "metric", "value"), [
    (sensor("temperature", 21.5, "temperature", "°C"), "temperature", 21.5),
    (sensor("temperature", 212, "temperature", "°F"), "temperature", 100.0),
    (sensor("temperature", -40, "temperature", "°F"), "temperature", -40.0),
    (sensor("pressure", 101325, "pressure", "Pa"), "pressure", 1013.25),
    (sensor("mass", 100, "mass", "lb"), "mass", 45.359237),
    (sensor("formaldehyde", 0.12, "formaldehyde", "mg/m³"), "formaldehyde", 120.0),
    (sensor("voltage", 3020, "voltage", "mV"), "battery_voltage", 3.02),
    (sensor("battery_voltage", 3.5625, "voltage", "V"), "battery_voltage", 3.5625),
    (sensor("tank_level", 120, "distance", "mm"), "distance", 120),
    (sensor("light", 316, "illuminance", "lx"), "illuminance", 316),
    (sensor("temperature_probe_1", 20.0, "temperature", "°C"), "temperature", 20.0),
    (sensor("temperature_probe_2", 21.0, "temperature", "°C"), "temperature_2", 21.0),
    (sensor("battery_probe_2", 90, "battery", "%"), "battery_2", 90),
    (Said("flag", "motion", True, "", "motion"), "motion", True),
    (Said("flag", "battery", False, "", "battery"), "battery_low", False),
])  # fmt: skip
def test_what_has_a_place_gets_its_unit(said: Said, metric: str, value: object) -> None:
    assert place("a-parser", said) == (metric, value)


@pytest.mark.parametrize("said", [
    sensor("temperature", 21.5, "temperature", "K"),  # another unit
    sensor("temperature", "warm", "temperature", "°C"),
    sensor("temperature", True, "temperature", "°C"),
    sensor("temperature", float("nan"), "temperature", "°C"),
    sensor("temperature", 21.5, "temperature", "°C", "remote"),  # of another device
    sensor("temperature_ambient", 21.5, "temperature", "°C"),  # which of them is it?
    sensor("internal_temperature_probe_1", 21.5, "temperature", "°C"),
    sensor("temperature_9", 21.5, "temperature", "°C"),
    sensor("keg_size", 18.9, "keg_size", "L"),
    sensor("temperature", None, "temperature", "°C"),
    Said("flag", "motion", 1, "", "motion"),
    Said("flag", "fingerprint", True, "", "fingerprint"),
    Said("event", "button", "press"),
])  # fmt: skip
def test_what_has_none_gives_no_reading(said: Said) -> None:
    assert place("a-parser", said)[1] is None


def test_the_button_of_a_thermometer_is_nobodys_presence() -> None:
    said = Said("flag", "occupancy", True, "", "occupancy")
    assert place("thermobeacon-ble", said)[1] is None
    assert place("govee-ble", said) == ("occupancy", True)


def test_a_solar_charger_measures_voltage_and_a_thermometer_its_own_battery() -> None:
    said = sensor("voltage", 13.2, "voltage", "V")
    assert place("victron-ble-ha-parser", said) == ("voltage", 13.2)
    assert place("moat-ble", said) == ("battery_voltage", 13.2)


def test_two_values_for_one_metric_do_not_change_places() -> None:
    both = [sensor("temperature", 20.0, "temperature", "°C"), sensor("temperature_1", 30.0, "temperature", "°C")]
    answer = decode(Answer(1, "a-parser", "Acme", said=both))
    assert isinstance(answer, hub.Decoded)
    assert (answer.values, answer.skipped) == ({"temperature": 20.0}, ("unmapped-a-parser",))


def test_what_two_parsers_claim_nobody_is_believed() -> None:
    with pytest.raises(hub.DecodeError, match="ambiguous: claimed by one and two"):
        decode(Answer(1, "one", "Acme", said=[], others=["two"]))


def test_the_link_quality_is_no_reading() -> None:
    answer = decode(Answer(1, "a", "b", said=[sensor("signal_strength", -60, "signal_strength", "dBm")]))
    assert isinstance(answer, hub.Decoded)
    assert (answer.values, answer.skipped) == ({}, ())


def test_a_model_cannot_carry_control_characters() -> None:
    answer = decode(Answer(1, "a", "Ac\x1b[2Jme\u202e" + "x" * 100))
    assert isinstance(answer, hub.Decoded)
    assert answer.model.startswith("Ac\ufffd[2Jme\ufffdxxx")
    assert len(answer.model) == 64


@pytest.mark.parametrize("data", [
    b"", b"\xc1", b"\x80", b"\x90", msgspec.msgpack.encode({"number": 1, "parser": "x" * 300}),
    msgspec.msgpack.encode({"number": 1, "surprise": 1}), msgspec.msgpack.encode({"number": "1"}),
    msgspec.msgpack.encode({"number": 1, "parser": "x", "said": [{"kind": "sensor", "key": "k", "value": []}]}),
    msgspec.msgpack.encode({"number": 1, "parser": "x", "said": [{"kind": "s", "key": "k", "value": 1}] * 200}),
    b"\x91" * 5000,
])  # fmt: skip
def test_a_worker_that_talks_nonsense_is_not_believed(data: bytes) -> None:
    with pytest.raises(hub.DecodeError, match="bad-answer"):
        decode(data)


def test_frames_without_an_answer_are_left_alone() -> None:
    assert mapping.decode(hub.Frame(kind="ble", address=ADDRESS, data={"service:fe95": b""}), lambda d: None) is None
    assert decode(Answer(1)) is None


def test_the_page_names_whoever_is_at_work() -> None:
    assert at_work(label("thermopro-ble") + b"rest") == "thermopro-ble"
    assert len(label("x" * 100)) == len(label("")) == 64
    assert at_work(label("")) == at_work(b"\xff" * 64) == at_work(b"\x1b".ljust(64, b"\0")) == ""


words = st.sampled_from(
    ["temperature", "temperature_probe_2", "battery", "motion", "voltage", "°C", "%", "V", "", "x-1"]
)
text = words | st.text(max_size=210)
numbers = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5)
saids = st.builds(
    Said, st.sampled_from(["sensor", "flag", "event"]), text, numbers, st.sampled_from(["", "r"]), text, text
)
answers = st.builds(
    Answer,
    st.integers(0, 2**32),
    st.sampled_from(["", "a-parser"]) | st.text(max_size=20),
    text,
    st.booleans(),
    st.booleans(),
    st.lists(saids, max_size=6),
    st.lists(text, max_size=1),
)


def outcome(data: bytes, key: bytes | None) -> Any:
    try:
        return decode(data, key)
    except hub.DecodeError as error:
        return error.reason


@settings.get_profile("hostile")
@given(
    data=answers.map(msgspec.msgpack.encode) | st.binary(max_size=300),
    key=st.none() | st.just(bytes(16)),
    cut=st.integers(0, 400),
)
def test_whatever_the_worker_answers_it_is_read_or_refused(data: bytes, key: bytes | None, cut: int) -> None:
    for packet in (data, data[:cut]):
        answer = outcome(packet, key)
        if isinstance(answer, str):
            assert answer in ("bad-answer", "ambiguous", "bad-key", "clear-but-keyed")
        elif isinstance(answer, hub.Decoded):
            assert all(re.fullmatch(r"unmapped-[a-z0-9_.-]+", reason) for reason in answer.skipped)
            for metric, value in answer.values.items():
                assert isinstance(value, bool if KNOWN[metric].kind == "flag" else int | float)
                assert math.isfinite(value)
