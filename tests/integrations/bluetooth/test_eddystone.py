"""Eddystone telemetry: frames that others published (beacontools, tests/test_parser.py; ble_monitor,
test_eddystone_tlm_parser.py), the rules of the specification, and whatever a stranger sends."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.bluetooth import eddystone

ADDRESS = "DE:AD:BE:EF:4B:49"


def decode(data: str | bytes, key: bytes | None = None) -> hub.Decoded | None:
    payload = bytes.fromhex(data) if isinstance(data, str) else data
    return eddystone.decode(hub.Frame(kind="ble", address=ADDRESS, data={"service:feaa": payload}), lambda device: key)


@pytest.mark.parametrize(("data", "values", "count"), [
    ("20000b1813000000146700002ac4", {"battery_voltage": 2.84, "temperature": 19.0, "uptime": 1094.8}, 5223),
    ("20000c6f1e000002006d41db9ab6", {"battery_voltage": 3.183, "temperature": 30.0, "uptime": 110491103.0}, 131181),
    ("20000000800000 02006d41db9ab6".replace(" ", ""), {"uptime": 110491103.0}, 131181),
    ("20000bb8ff80000000010000000a", {"battery_voltage": 3.0, "temperature": -0.5, "uptime": 1.0}, 1),  # s8.8
    ("20000bb8f640000000010000000a", {"battery_voltage": 3.0, "temperature": -9.75, "uptime": 1.0}, 1),
])  # fmt: skip
def test_published_frames_mean_what_is_said_of_them(data: str, values: dict[str, Any], count: int) -> None:
    assert decode(data) == hub.Decoded(
        device=f"ble:{ADDRESS}", values=values, proof=hub.Proof("eddystone-tlm", count), model="Eddystone beacon"
    )


@pytest.mark.parametrize("data", [
    "", "00e3123456789012346789010000000000010000", "10f803676974687562", "30e34549445f74657374",
])  # fmt: skip
def test_identities_and_pages_are_no_measurements(data: str) -> None:
    assert decode(data) is None


@pytest.mark.parametrize(("data", "reason"), [
    ("2001414141414141414141414141DEADBEFF", "sealed-format"),
    ("2002" + "00" * 12, "unsupported-version"),
    ("20", "truncated"),
    ("20000b1813000000146700002a", "truncated"),
    ("20000b1813000000146700002ac400", "truncated"),
])  # fmt: skip
def test_what_cannot_be_read_is_named(data: str, reason: str) -> None:
    with pytest.raises(hub.DecodeError, match=f"^{reason}"):
        decode(data)


def test_a_device_that_has_a_key_is_not_believed_in_clear() -> None:
    with pytest.raises(hub.DecodeError, match="clear-but-keyed"):
        decode("20000b1813000000146700002ac4", bytes(16))


def outcome(data: bytes) -> hub.Decoded | str | None:
    try:
        return decode(data)
    except hub.DecodeError as error:
        return error.reason


@settings.get_profile("hostile")
@given(data=st.binary(max_size=20) | st.binary(min_size=12, max_size=12).map(lambda body: b"\x20\x00" + body))
def test_whatever_is_sent_is_read_refused_or_left_alone(data: bytes) -> None:
    answer = outcome(data)
    if isinstance(answer, str):
        assert answer in ("truncated", "sealed-format", "unsupported-version")
        return
    for value in answer.values.values() if answer else ():
        assert isinstance(value, float)
        assert math.isfinite(value)
        assert -128 < value <= 2**32 / 10
