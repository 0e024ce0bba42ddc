"""Ruuvi: the vectors its maker publishes, and whatever a stranger sends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.bluetooth import ruuvi

ADDRESS = "CB:B8:33:4C:88:4F"
G = 9.80665


def frame(data: str | bytes, address: str = ADDRESS) -> hub.Frame:
    payload = bytes.fromhex(data) if isinstance(data, str) else data
    return hub.Frame(kind="ble", address=address, data={"manufacturer:0499": payload})


def decode(data: str | bytes) -> hub.Decoded:
    answer = ruuvi.decode(frame(data), lambda device: None)
    assert isinstance(answer, hub.Decoded)
    return answer


def acceleration(x: float, y: float, z: float) -> dict[str, Any]:
    axes = {"acceleration_x": x, "acceleration_y": y, "acceleration_z": z}
    return {axis: pytest.approx(value * G, abs=0.0005) for axis, value in axes.items()}


# docs.ruuvi.com, "Test vectors" of each data format; XX (reserved) is FF here; pressures in hPa.
# C5: the published bytes begin with 05 by mistake; its table and its maker's encoder say C5.
VECTORS: list[tuple[str, dict[str, Any], int | None]] = [
    (
        "03291A1ECE1EFC18F94202CA0B53",
        {"temperature": 26.3, "humidity": 20.5, "pressure": 1027.66, "battery_voltage": 2.899,
         **acceleration(-1.000, -1.726, 0.714)},
        None,
    ),
    (
        "03FF7F63FFFF7FFF7FFF7FFFFFFF",
        {"temperature": 127.99, "humidity": 127.5, "pressure": 1155.35, "battery_voltage": 65.535,
         **acceleration(32.767, 32.767, 32.767)},
        None,
    ),
    (  # 0 V, which cannot send, is "not available"
        "0300FF6300008001800180010000",
        {"temperature": -127.99, "humidity": 0.0, "pressure": 500.0, **acceleration(-32.767, -32.767, -32.767)},
        None,
    ),
    (
        "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F",
        {"temperature": 24.3, "humidity": 53.49, "pressure": 1000.44, "battery_voltage": 2.977, "tx_power": 4,
         "movement_counter": 66, **acceleration(0.004, -0.004, 1.036)},
        205,
    ),
    (
        "057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F",
        {"temperature": 163.835, "humidity": 163.835, "pressure": 1155.34, "battery_voltage": 3.646, "tx_power": 20,
         "movement_counter": 254, **acceleration(32.767, 32.767, 32.767)},
        65534,
    ),
    (
        "058001000000008001800180010000000000CBB8334C884F",
        {"temperature": -163.835, "humidity": 0.0, "pressure": 500.0, "battery_voltage": 1.6, "tx_power": -40,
         "movement_counter": 0, **acceleration(-32.767, -32.767, -32.767)},
        0,
    ),
    ("058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF", {}, None),
    (
        "C512FC5394C37CAC364200CDCBB8334C884F",
        {"temperature": 24.3, "humidity": 53.49, "pressure": 1000.44, "battery_voltage": 2.977, "tx_power": 4,
         "movement_counter": 66},
        205,
    ),
    (
        "C57FFFFFFEFFFEFFDEFEFFFECBB8334C884F",
        {"temperature": 163.835, "humidity": 163.835, "pressure": 1155.34, "battery_voltage": 3.646, "tx_power": 20,
         "movement_counter": 254},
        65534,
    ),
    (
        "C58001000000000000000000CBB8334C884F",
        {"temperature": -163.835, "humidity": 0.0, "pressure": 500.0, "battery_voltage": 1.6, "tx_power": -40,
         "movement_counter": 0},
        0,
    ),
    ("C58000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", {}, None),
    (
        "06170C5668C79E007000C90501D9FFCD004C884F",
        {"temperature": 29.5, "humidity": 55.3, "pressure": 1011.02, "pm2_5": 11.2, "co2": 201, "voc_index": 10,
         "nox_index": 2, "illuminance": 13026.67, "calibrating": False},
        205,
    ),
    (
        "067FFF9C40FFFE27109C40FAFAFEFFFF074C884F",
        {"temperature": 163.835, "humidity": 100.0, "pressure": 1155.34, "pm2_5": 1000.0, "co2": 40000,
         "voc_index": 500, "nox_index": 500, "illuminance": 65535.0, "calibrating": True},
        255,
    ),
    (
        "0680010000000000000000000000FF00004C884F",
        {"temperature": -163.835, "humidity": 0.0, "pressure": 500.0, "pm2_5": 0.0, "co2": 0, "voc_index": 0,
         "nox_index": 0, "illuminance": 0.0, "calibrating": False},
        0,
    ),
    ("068000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", {"calibrating": True}, 255),
    (
        "E1170C5668C79E0065007004BD11CA00C90A0213E0ACFFFFFFDECDEE01FFFFFFFFFFCBB8334C884F",
        {"temperature": 29.5, "humidity": 55.3, "pressure": 1011.02, "pm1": 10.1, "pm2_5": 11.2, "pm4": 121.3,
         "pm10": 455.4, "co2": 201, "voc_index": 20, "nox_index": 4, "illuminance": 13027.0, "calibrating": True},
        14601710,
    ),
    (
        "E17FFF9C40FFFE27102710271027109C40FAFADC28F0FFFFFFFFFFFE3FFFFFFFFFFFCBB8334C884F",
        {"temperature": 163.835, "humidity": 100.0, "pressure": 1155.34, "pm1": 1000.0, "pm2_5": 1000.0,
         "pm4": 1000.0, "pm10": 1000.0, "co2": 40000, "voc_index": 500, "nox_index": 500, "illuminance": 144284.0,
         "calibrating": True},
        16777214,
    ),
    (
        "E1800100000000000000000000000000000000000000FFFFFF00000000FFFFFFFFFFCBB8334C884F",
        {"temperature": -163.835, "humidity": 0.0, "pressure": 500.0, "pm1": 0.0, "pm2_5": 0.0, "pm4": 0.0,
         "pm10": 0.0, "co2": 0, "voc_index": 0, "nox_index": 0, "illuminance": 0.0, "calibrating": False},
        0,
    ),
    (
        "E18000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFFFFFFFFFFFFFFFF",
        {"calibrating": False},
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "values", "sequence"), VECTORS)
def test_the_makers_vectors_mean_what_it_says(data: str, values: dict[str, Any], sequence: int | None) -> None:
    answer = decode(data)
    assert answer.values == values
    assert answer.device == f"ble:{ADDRESS}"
    assert answer.proof is not None
    assert answer.proof.counter == sequence
    assert not answer.proof.authenticated


# The page also gives 244.06 lx for 0x80; its own formula says 266.43, and 244.06 for 0x7E.
@pytest.mark.parametrize(("code", "lux"), [(0x00, 0.0), (0x01, 0.04), (0x10, 1.01), (0xD9, 13026.67), (0xFE, 65535.0)])
def test_the_light_scale_of_format_6_is_the_published_one(code: int, lux: float) -> None:
    assert ruuvi.LUX[code] == lux


def test_format_3_has_its_own_sign_and_refuses_impossible_hundredths() -> None:
    assert decode("0300810500000000000000000B53").values["temperature"] == -1.05
    assert "temperature" not in decode("0300016400000000000000000B53").values


def test_the_address_inside_must_be_the_senders() -> None:
    with pytest.raises(hub.DecodeError) as error:
        ruuvi.decode(
            frame("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F", "CB:B8:33:4C:88:50"), lambda device: None
        )
    assert error.value.reason == "address-mismatch"
    with pytest.raises(hub.DecodeError, match="address-mismatch"):
        ruuvi.decode(frame("06170C5668C79E007000C90501D9FFCD004C8850"), lambda device: None)


@pytest.mark.parametrize(("data", "reason"), [
    ("", "truncated"),
    ("05", "truncated"),
    ("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C88", "truncated"),
    ("08" + "00" * 23, "unsupported-format"),
])  # fmt: skip
def test_what_cannot_be_read_is_named(data: str, reason: str) -> None:
    with pytest.raises(hub.DecodeError) as error:
        ruuvi.decode(frame(data), lambda device: None)
    assert error.value.reason == reason


def test_another_company_is_not_ours() -> None:
    assert (
        ruuvi.decode(hub.Frame(kind="ble", address=ADDRESS, data={"manufacturer:004c": b"\x05"}), lambda d: None)
        is None
    )


PARTICLES = (0, 6553.4)
ACCELERATION = (-321.4, 321.4)
LOW_HIGH = {
    "temperature": (-163.835, 163.835),
    "humidity": (0, 163.835),
    "pressure": (500, 1155.35),
    "battery_voltage": (0, 65.535),
    "tx_power": (-40, 20),
    "movement_counter": (0, 254),
    "acceleration_x": ACCELERATION,
    "acceleration_y": ACCELERATION,
    "acceleration_z": ACCELERATION,
    "pm1": PARTICLES,
    "pm2_5": PARTICLES,
    "pm4": PARTICLES,
    "pm10": PARTICLES,
    "co2": (0, 65534),
    "voc_index": (0, 510),
    "nox_index": (0, 510),
    "illuminance": (0, 167772.14),
    "calibrating": (0, 1),
}
SIZES = {0x03: 14, 0x05: 24, 0x06: 20, 0xC5: 18, 0xE1: 40}
TAILS = {0x03: 0, 0x05: 6, 0x06: 3, 0xC5: 6, 0xE1: 6}


def plausible(number: int, body: bytes) -> bytes:
    """A frame of that format, of the right size and with the sender's address in its place."""
    size, tail = SIZES[number], TAILS[number]
    address = bytes.fromhex(ADDRESS.replace(":", ""))
    return bytes([number]) + body[: size - 1 - tail] + address[6 - tail :]


formats = st.builds(plausible, st.sampled_from(sorted(SIZES)), st.binary(min_size=40, max_size=40))


def outcome(data: bytes) -> hub.Decoded | str | None:
    try:
        return ruuvi.decode(frame(data), lambda device: None)
    except hub.DecodeError as error:
        return error.reason


@settings.get_profile("hostile")
@given(data=st.one_of(st.binary(max_size=60), formats))
def test_whatever_is_sent_is_read_refused_or_left_alone(data: bytes) -> None:
    known = {**hub.METRICS, **{metric.key: metric for metric in ruuvi.METRICS}}
    answer = outcome(data)
    if isinstance(answer, str):
        assert answer in ("truncated", "unsupported-format", "address-mismatch")
        return
    assert isinstance(answer, hub.Decoded)
    for key, value in answer.values.items():
        low, high = LOW_HIGH[key]
        assert isinstance(value, int | float)
        assert math.isfinite(value)
        assert low <= value <= high
        assert known[key].kind == ("flag" if isinstance(value, bool) else "number")
