"""Thermometers with ATC and pvvx firmware: frames that others recorded and read (ble_monitor, test_atc_parser.py;
Theengs decoder, tests/BLE), and whatever a stranger sends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.bluetooth import atc

ADDRESS = "A4:C1:38:02:83:F4"
OWN = bytes.fromhex(ADDRESS.replace(":", ""))


def frame(data: str | bytes, address: str = ADDRESS, **more: bytes) -> hub.Frame:
    payload = bytes.fromhex(data) if isinstance(data, str) else data
    sections = {f"service:{key.removeprefix('s')}": value for key, value in more.items()}
    return hub.Frame(kind="ble", address=address, data={"service:181a": payload, **sections})


def decode(heard: hub.Frame, key: bytes | None = None) -> hub.Decoded | None:
    return atc.decode(heard, lambda device: key)


@pytest.mark.parametrize(("address", "data", "values", "packet"), [
    (ADDRESS, "a4c1380283f400a22f5f0bf819",
     {"temperature": 16.2, "humidity": 47.0, "battery": 95, "battery_voltage": 3.064}, 25),
    ("A4:C1:38:BC:7C:4E", "a4c138bc7c4e0102284f0b6720",
     {"temperature": 25.8, "humidity": 40.0, "battery": 79, "battery_voltage": 2.919}, 32),
    ("A4:C1:38:0C:94:A9", "a4c1380c94a900e7315a0bc0d6",  # Theengs decoder
     {"temperature": 23.1, "humidity": 49.0, "battery": 90, "battery_voltage": 3.008}, 214),
    (ADDRESS, "f4830238c1a4a9066911b60b58f70d",
     {"temperature": 17.05, "humidity": 44.57, "battery": 88, "battery_voltage": 2.998}, 247),
    ("A4:C1:38:8D:18:B2", "b2188d38c1a42b089011f70a43200f",
     {"temperature": 20.91, "humidity": 44.96, "battery": 67, "battery_voltage": 2.807}, 32),
    ("A4:C1:38:63:37:8B", "8b376338c1a4ce0913107f0b521204",
     {"temperature": 25.1, "humidity": 41.15, "battery": 82, "battery_voltage": 2.943}, 18),
    ("A4:C1:38:63:37:8B", "8b376338c1a4ce0913107f0b5212",  # without flags (custom_beacon.c, no trigger)
     {"temperature": 25.1, "humidity": 41.15, "battery": 82, "battery_voltage": 2.943}, 18),
])  # fmt: skip
def test_recorded_frames_mean_what_others_read_in_them(
    address: str, data: str, values: dict[str, Any], packet: int
) -> None:
    answer = decode(frame(data, address))
    assert answer == hub.Decoded(
        device=f"ble:{address}", values=values, proof=hub.Proof("atc", packet), model="Xiaomi (ATC)"
    )


def test_below_zero_both_formats_agree() -> None:
    short = decode(frame(OWN + bytes.fromhex("ffce2f5f0bf819")))
    long = decode(frame(OWN[::-1] + bytes.fromhex("0cfe 5c12 f80b 5f 19 00".replace(" ", ""))))
    assert short is not None
    assert long is not None
    assert short.values == long.values == {
        "temperature": -5.0, "humidity": 47.0, "battery": 95, "battery_voltage": 3.064
    }  # fmt: skip


def test_the_address_inside_must_be_the_senders() -> None:
    for data in ("a4c1380283f400a22f5f0bf819", "f4830238c1a4a9066911b60b58f70d"):
        with pytest.raises(hub.DecodeError, match="address-mismatch"):
            decode(frame(data, "A4:C1:38:02:83:F5"))


@pytest.mark.parametrize("data", ["11d603fbfa7b6dfb1e26fd", "11d603fbfa7b6dfb"])
@pytest.mark.parametrize("key", [None, bytes(16)])
def test_what_is_sealed_with_a_counter_of_eight_bits_is_refused(data: str, key: bytes | None) -> None:
    with pytest.raises(hub.DecodeError, match="sealed-format"):
        decode(frame(data), key)


def test_a_device_that_has_a_key_is_not_believed_in_clear() -> None:
    with pytest.raises(hub.DecodeError, match="clear-but-keyed"):
        decode(frame("a4c1380283f400a22f5f0bf819"), bytes(16))


def test_no_battery_voltage_is_no_reading() -> None:
    answer = decode(frame(OWN + bytes.fromhex("00a22f5f000019")))
    assert answer is not None
    assert "battery_voltage" not in answer.values


def test_the_pulses_of_pvvx_are_read_its_own_way_round() -> None:
    answer = decode(frame(b"", s2a56=b"\x01", s2aeb=bytes.fromhex("000102")))
    assert answer is not None
    assert answer.values == {"count": 258}
    assert answer.proof == hub.Proof("atc", None)
    assert decode(frame(b"", s2aeb=bytes.fromhex("000102"))) is None, "without the pin it is the SIG's"


@pytest.mark.parametrize("size", [0, 1, 2, 7, 9, 10, 12, 16, 17])
def test_another_length_is_not_ours(size: int) -> None:
    assert decode(frame(bytes(size))) is None


def outcome(heard: hub.Frame) -> hub.Decoded | str | None:
    try:
        return decode(heard)
    except hub.DecodeError as error:
        return error.reason


bodies = st.binary(max_size=40) | st.builds(
    lambda body, reverse: (OWN[::-1] if reverse else OWN) + body, st.binary(min_size=7, max_size=9), st.booleans()
)


@settings.get_profile("hostile")
@given(data=bodies, pulses=st.binary(max_size=4))
def test_whatever_is_sent_is_read_refused_or_left_alone(data: bytes, pulses: bytes) -> None:
    answer = outcome(frame(data, s2a56=b"", s2aeb=pulses))
    if isinstance(answer, str):
        assert answer in ("sealed-format", "address-mismatch")
        return
    for key, value in answer.values.items() if answer else ():
        low, high = {
            "temperature": (-3276.8, 3276.7),
            "humidity": (0, 655.35),
            "battery": (0, 255),
            "battery_voltage": (0, 65.535),
            "count": (0, 2**24),
        }[key]
        assert isinstance(value, int | float)
        assert math.isfinite(value)
        assert low <= value <= high
