"""What is read over a connection: layouts as an operator writes them, and bytes of every kind."""

from __future__ import annotations

import math
import struct
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

import hub
from integrations.bluetooth import advert, gatt_layout
from integrations.bluetooth.gatt_layout import SIZES, Characteristic, Field, Settings, Type

OWN = "ebe0ccc1-7a0a-4b0c-8a1a-6ff2997da3a6"

# Two public layouts: Airthings Wave Plus, whose value is the C structure <4B8H, and Xiaomi LYWSD03MMC, <hBH.
WAVE_PLUS = """
gatt:
    - service: b42e1c08-ade7-11e4-89d3-123b93f75cba
      characteristic: B42E2A68-ADE7-11E4-89D3-123B93F75CBA
      interval: 300
      fields:
          - {metric: humidity, at: 1, type: u8, scale: 0.5}
          - {metric: temperature, at: 8, type: u16le, scale: 0.01}
          - {metric: pressure, at: 10, type: u16le, scale: 0.02}
          - {metric: co2, at: 12, type: u16le, invalid: [65535]}
          - {metric: tvoc, at: 14, type: u16le}
"""
XIAOMI = """
gatt:
    - service: ebe0ccb0-7a0a-4b0c-8a1a-6ff2997da3a6
      characteristic: ebe0ccc1-7a0a-4b0c-8a1a-6ff2997da3a6
      mode: notify
      fields:
          - {metric: temperature, type: i16le, scale: 0.01}
          - {metric: humidity, at: 2, type: u8}
          - {metric: battery_voltage, at: 3, type: u16le, scale: 0.001}
    - {service: 180f, characteristic: "0x2A19", interval: 86400}
"""


def layout(text: str) -> tuple[Characteristic, ...]:
    return Settings(**YAML(typ="safe").load(text)).gatt


def item(*fields: dict[str, Any], **more: Any) -> Characteristic:
    return Characteristic(service="180a", characteristic=OWN, fields=fields, **more)


def one(data: str, **field: Any) -> Any:
    """The value of one field, None when it gave none."""
    values, skipped = gatt_layout.read(item({"metric": "x", **field}), bytes.fromhex(data))
    assert (values == {}) == (skipped == ("unknown-x",))
    return values.get("x")


def why(**data: Any) -> str:
    with pytest.raises(ValidationError) as error:
        Settings(gatt=[data])
    return str(error.value)


def test_a_public_layout_reads_what_its_structure_holds() -> None:
    [wave] = layout(WAVE_PLUS)
    assert (wave.characteristic, wave.mode, wave.interval) == (
        "b42e2a68-ade7-11e4-89d3-123b93f75cba",
        "read",
        timedelta(minutes=5),
    )
    data = struct.pack("<4B8H", 1, 81, 0, 0, 100, 90, 2187, 50443, 713, 96, 0, 0)
    assert gatt_layout.read(wave, data) == (
        {"humidity": 40.5, "temperature": 21.87, "pressure": 1008.86, "co2": 713, "tvoc": 96},
        (),
    )
    values, skipped = gatt_layout.read(wave, struct.pack("<4B8H", 1, 81, 0, 0, 0, 0, 2187, 50443, 65535, 96, 0, 0))
    assert ("co2" in values, skipped) == (False, ("unknown-co2",))


def test_a_characteristic_of_bluetooth_needs_no_fields() -> None:
    xiaomi, battery = layout(XIAOMI)
    data = struct.pack("<hBH", -512, 48, 2988)
    assert gatt_layout.read(xiaomi, data)[0] == {"temperature": -5.12, "humidity": 48, "battery_voltage": 2.988}
    assert (battery.service, battery.characteristic) == ("180f", "2a19")
    assert gatt_layout.read(battery, b"\x5c") == ({"battery": 92}, ())
    assert gatt_layout.read(battery, b"\xff") == ({}, ("unknown-battery",))


@pytest.mark.parametrize(("data", "field", "value"), [
    ("ff", {"type": "u8"}, 255), ("ff", {"type": "i8"}, -1),
    ("0102", {"type": "u16be"}, 258), ("0102", {"type": "u16le"}, 513), ("fffe", {"type": "i16be"}, -2),
    ("010203", {"type": "u24be"}, 66051), ("ffffff", {"type": "i24le"}, -1),
    ("00000080", {"type": "i32le"}, -(2**31)), ("ffffffffffffffff", {"type": "u64be"}, 2**64 - 1),
    ("0000c03f", {"type": "f32le"}, 1.5), ("3fc00000", {"type": "f32be"}, 1.5),
    ("000000000000f83f", {"type": "f64le"}, 1.5), ("0000807f", {"type": "f32le"}, None),  # infinity
    ("0000c07f", {"type": "f32le"}, None),  # NaN
    ("6cf1", {"type": "medfloat16"}, 36.4), ("6c0100ff", {"type": "medfloat32"}, 36.4),
    ("ff07", {"type": "medfloat16"}, None),
    ("6cf1", {"type": "medfloat16", "scale": 1.8, "offset": 32}, 97.52),
    ("0003", {"type": "bit", "at": 1, "bit": 1}, True), ("0003", {"type": "bit", "at": 1, "bit": 2}, False),
    ("ff7f", {"type": "i16le", "invalid": [0x7FFF]}, None), ("0080", {"type": "i16le", "invalid": [0x7FFF]}, -32768),
    ("d007", {"type": "u16le", "scale": 0.01, "offset": -40}, -20.0),
    ("41626300ff", {"type": "utf8"}, "Abc"), ("ff41626320", {"type": "utf8", "at": 1, "length": 3}, "Abc"),
    ("c3", {"type": "utf8"}, None), ("00", {"type": "utf8"}, None), ("1b5b41", {"type": "utf8"}, "\ufffd[A"),
])  # fmt: skip
def test_each_type_means_what_its_name_says(data: str, field: dict[str, Any], value: Any) -> None:
    said = one(data, **field)
    assert said == value
    assert type(said) is type(value)


def test_a_decimal_scale_gives_the_nearest_double() -> None:
    raws = range(65536)
    field = Field(metric="x", type="u16le", scale="0.01")
    said = [gatt_layout.read_fields((field,), raw.to_bytes(2, "little"))[0]["x"] for raw in raws]
    assert said == [raw / 100 for raw in raws]
    assert said != [raw * 0.01 for raw in raws], "what a double as scale would give"


def test_a_value_too_short_names_the_field_and_its_place() -> None:
    short = item({"metric": "temperature", "type": "i16le"}, {"metric": "co2", "at": 2, "type": "u32le"})
    with pytest.raises(hub.DecodeError) as error:
        gatt_layout.read(short, bytes(5))
    assert (error.value.reason, error.value.detail) == (
        "truncated",
        "field co2 is bytes 2 to 5 of a value that has 5 bytes",
    )
    with pytest.raises(hub.DecodeError, match="field x is byte 3 of a value that has 0 bytes"):
        gatt_layout.read(item({"metric": "x", "at": 3, "type": "u8"}), b"")


def test_more_than_an_attribute_can_hold_is_refused() -> None:
    with pytest.raises(hub.DecodeError, match="too-long"):
        gatt_layout.read(item({"metric": "x", "type": "u8"}), bytes(513))


def fields(*written: dict[str, Any]) -> dict[str, Any]:
    return {"service": "181a", "characteristic": "2a6e", "fields": written}


@pytest.mark.parametrize(("data", "says"), [
    ({"service": "18", "characteristic": "2a6e"}, "a UUID has 4 or 8 hexadecimal digits"),
    ({"service": "181a", "characteristic": OWN}, "it needs fields"),
    ({"service": "181a", "characteristic": "2a6e", "interval": 1}, "greater than or equal to 10 seconds"),
    ({"service": "181a", "characteristic": "2a6e", "mode": "poll"}, "'read' or 'notify'"),
    (fields({"metric": "x", "type": "i17le"}), "fields.0.type"),
    (fields({"metric": "X", "type": "u8"}), "fields.0.metric"),
    (fields({"metric": "x", "type": "bit", "scale": 2}), "bit has no scale"),
    (fields({"metric": "x", "type": "u8", "bit": 2}), "belongs to type: bit"),
    (fields({"metric": "x", "type": "u8", "length": 2}), "type: utf8"),
    (fields({"metric": "x", "type": "u32le", "at": 510}), "behind byte 512"),
    (fields({"metric": "x", "type": "u8"}, {"metric": "x", "type": "u8"}), "name the second x_2"),
    (fields({"metric": "x", "type": "f32le", "scale": "nan"}), "scale"),
])  # fmt: skip
def test_a_layout_that_cannot_work_says_what_is_wrong(data: dict[str, Any], says: str) -> None:
    assert says in why(**data)


def test_every_type_has_a_size_or_a_length() -> None:
    assert set(get_args(Type)) == {*SIZES, "utf8"}
    assert (SIZES["u24le"], SIZES["f64be"], SIZES["medfloat16"], SIZES["bit"]) == (3, 8, 2, 1)


LINE = {"characteristic": OWN, "value": "e607", "fields": [{"metric": "temperature", "type": "i16le", "scale": 0.01}]}


def decode(line: dict[str, Any]) -> hub.Decoded | None:
    return gatt_layout.decode(advert.line(line), lambda device: None)


def test_a_line_may_bring_its_own_fields() -> None:
    assert decode(LINE) == hub.Decoded(
        device=f"ble:{advert.NOBODY}", values={"temperature": 20.22}, proof=hub.Proof("gatt")
    )
    assert decode({**LINE, "characteristic": "2a6e", "fields": LINE["fields"]}) is not None
    assert decode({"characteristic": "2a6e", "value": "e607"}) is None, "what Bluetooth defines has its own decoder"


@pytest.mark.parametrize(("fields", "says"), [
    ([], "fields: Tuple should have at least 1"),
    ({}, "fields: Input should be a valid tuple"),
    ([{"metric": "x"}], r"fields\[0\].type: Field required"),
    ([{"metric": "x", "type": "u8", "length": 4}], r"fields\[0\]: length belongs to type: utf8"),
])  # fmt: skip
def test_fields_that_are_wrong_say_which_and_why(fields: Any, says: str) -> None:
    with pytest.raises(hub.DecodeError, match=f"^bad-fields: {says}"):
        decode({**LINE, "fields": fields})


def test_no_radio_can_bring_fields() -> None:
    heard = advert.frame("A4:C1:38:01:02:03", {0x0499: b"x"}, {"fields": b"[]"})
    assert "fields" not in heard.data


some_field = st.builds(
    lambda type_, at, length, bit, invalid: {
        "metric": "x",
        "type": type_,
        "at": at,
        "invalid": [] if type_ in ("bit", "utf8") else invalid,
        "length": length if type_ == "utf8" else 0,
        "bit": bit if type_ == "bit" else 0,
        "scale": "1" if type_ in ("bit", "utf8") else "0.001",
    },
    st.sampled_from(get_args(Type)),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 7),
    st.lists(st.integers(), max_size=2),
)


def outcome(field: dict[str, Any], data: bytes) -> dict[str, Any] | str:
    try:
        return gatt_layout.read(item(field), data)[0]
    except hub.DecodeError as error:
        return error.reason


@settings.get_profile("hostile")
@given(field=some_field, data=st.binary(max_size=40))
def test_whatever_a_device_answers_it_is_read_or_refused(field: dict[str, Any], data: bytes) -> None:
    said = outcome(field, data)
    if isinstance(said, str):
        assert said == "truncated"
        return
    for value in said.values():
        assert isinstance(value, str) if field["type"] == "utf8" else math.isfinite(value)


names = st.sampled_from(list(Field.model_fields))
noise = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None)
@given(text=st.text(max_size=30), noise=noise)
def test_whatever_fields_a_line_brings_they_are_read_or_refused(text: str, noise: Any) -> None:
    try:
        decode({**LINE, "fields": [{"metric": text, "type": "u8"}, noise]})
    except hub.DecodeError as error:
        reason = error.reason
    else:
        reason = ""
    assert reason in ("bad-fields", "truncated", "")
