"""Profiles against an independent implementation and its table of EnOcean's own; packets; whatever a line may carry."""

from __future__ import annotations

import math
import random
import warnings
from typing import Any

import pytest
from enocean.protocol.constants import PACKET
from enocean.protocol.eep import EEP
from enocean.protocol.packet import Packet as Peer
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.enocean import esp3
from integrations.enocean.decode import METRICS, decode, teach_in
from integrations.enocean.eep import KNOWN, METERS, PROFILES, RORG, SWITCHES, Field
from integrations.enocean.esp3 import Splitter, Telegram

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:enocean")

with warnings.catch_warnings(action="ignore"):
    TABLE = EEP()
    PEERS = [eep for eep in sorted(PROFILES) if TABLE.find_profile([], *(int(part, 16) for part in eep.split("-")))]
ALL_METRICS = hub.METRICS | {metric.key: metric for metric in METRICS}
SHORTCUTS = {
    "TMP": "temperature", "HUM": "humidity", "ILL": "illuminance", "ILL1": "illuminance", "SVC": "battery_voltage",
    "Conc": "co2", "CV": "valve_position",
}  # fmt: skip


def telegram(rorg: int, payload: bytes, status: int = 0x20) -> Telegram:
    return Telegram(rorg, payload, "018F2B3C", status, -60)


def theirs(rorg: int, payload: bytes, eep: str) -> dict[str, Any]:
    """What the independent implementation reads, by its shortcuts."""
    data = bytes([rorg]) + payload + bytes.fromhex("018f2b3c20")
    _, _, packet = Peer.parse_msg(list(esp3.pack(1, data, bytes.fromhex("03ffffffff3c00"))))
    _, func, type_ = (int(part, 16) for part in eep.split("-"))
    packet.parse_eep(func, type_)
    return {shortcut: found["value"] for shortcut, found in packet.parsed.items()}


def test_most_profiles_have_a_peer() -> None:
    assert len(PEERS) >= 45
    assert set(PROFILES) - set(PEERS) == {
        "A5-04-02", "A5-06-03", "A5-07-02", "A5-07-03", "A5-08-02", "A5-08-03",
        *(f"A5-10-{n:02X}" for n in range(1, 14) if n not in (3, 5, 6)),
        "A5-10-11", "A5-10-13", "A5-10-14",
    }  # fmt: skip


@pytest.mark.parametrize("eep", [eep for eep in PEERS if any(isinstance(entry, Field) for entry in PROFILES[eep])])
def test_numbers_are_those_of_the_independent_implementation(eep: str) -> None:
    rorg = RORG[eep[:2]]
    size = {0xA5: 4, 0xD5: 1, 0xF6: 1, 0xD2: 9}[rorg]
    rng = random.Random(eep)
    told = 0
    for _ in range(60):
        payload = bytearray(rng.randbytes(size))
        if rorg == 0xA5:
            payload[3] |= 0x08  # no teach-in
            payload[3] |= 0x06 if eep == "A5-09-04" else 0  # it says that it has both sensors
        ours = decode(telegram(rorg, bytes(payload)), eep)
        peer = theirs(rorg, bytes(payload), eep)
        for shortcut, metric in SHORTCUTS.items():
            if shortcut in peer and metric in ours:
                assert ours[metric] == pytest.approx(peer[shortcut]), payload.hex()
                told += 1
    assert told > 10


def test_a_raw_value_outside_of_its_range_gives_no_reading() -> None:
    assert decode(telegram(0xA5, bytes.fromhex("00fffb08")), "A5-04-01") == {}
    assert decode(telegram(0xA5, bytes.fromhex("00fafa08")), "A5-04-01") == {"humidity": 100, "temperature": 40}


@pytest.mark.parametrize(
    ("eep", "rorg", "payload", "status", "values"),
    [  # values of the enumerations: EnOcean's own table, as published with the independent implementation
        ("D5-00-01", 0xD5, "09", 0x00, {"opening": False}),
        ("D5-00-01", 0xD5, "08", 0x00, {"opening": True}),
        ("A5-14-01", 0xA5, "c8000009", 0x00, {"battery_voltage": 4.0, "opening": True}),
        ("A5-08-01", 0xA5, "b4000008", 0x00,
         {"battery_voltage": pytest.approx(3.6), "illuminance": 0, "temperature": 0, "motion": True}),
        ("F6-05-01", 0xF6, "11", 0x20, {"leak": True}),
        ("F6-05-02", 0xF6, "10", 0x20, {"smoke": True}),
        ("F6-05-02", 0xF6, "30", 0x20, {}),
        ("F6-10-00", 0xF6, "f0", 0x20, {"window": False}),
        ("F6-10-00", 0xF6, "e0", 0x20, {"window": True}),
        ("F6-02-01", 0xF6, "30", 0x30, {"button": "A0 pressed"}),
        ("F6-02-01", 0xF6, "50", 0x30, {"button": "BI pressed"}),
        ("F6-02-01", 0xF6, "00", 0x20, {"button": "released"}),
        ("A5-12-01", 0xA5, "0000d20f", 0x00, {"power": pytest.approx(0.21)}),
        ("A5-12-01", 0xA5, "0030390b", 0x00, {"energy": pytest.approx(12.345)}),
        ("A5-12-03", 0xA5, "0030390b", 0x00, {"water": pytest.approx(12345)}),
        ("A5-12-01", 0xA5, "0030391b", 0x00, {}),
        ("D2-01-12", 0xD2, "0460e4", 0x00, {"powered": True}),
        ("D2-01-12", 0xD2, "046080", 0x00, {"powered": False}),
        ("D2-01-0B", 0xD2, "076000000064", 0x00, {"power": 100}),
        ("D2-01-0B", 0xD2, "074000000064", 0x00, {"energy": 100}),
        ("A5-04-01", 0xD4, "a0ff460001040a5", 0x00, None),
    ],
)  # fmt: skip
def test_each_kind_of_telegram_says_what_its_profile_says(
    eep: str, rorg: int, payload: str, status: int, values: dict[str, object] | None
) -> None:
    if values is None:
        assert decode(telegram(rorg, bytes.fromhex(payload + "0" * (len(payload) % 2))), eep) == {}
        return
    assert decode(telegram(rorg, bytes.fromhex(payload), status), eep) == values


@pytest.mark.parametrize("payload", ["321e0004", "64000004", "7f7f0004", "00640004", "32000003"])
def test_blinds_stand_where_the_independent_implementation_says(payload: str) -> None:
    raw = bytes.fromhex(payload)
    data = b"\xd2" + raw + bytes.fromhex("018f2b3c20")
    _, _, packet = Peer.parse_msg(list(esp3.pack(1, data, bytes.fromhex("03ffffffff3c00"))))
    packet.parse_eep(0x05, 0x00, command=4)
    said = {"blind_position": packet.parsed["POS"]["raw_value"], "blind_angle": packet.parsed["ANG"]["raw_value"]}
    replied = packet.parsed["CMD"]["raw_value"] == 4
    assert decode(telegram(0xD2, raw), "D2-05-00") == {
        metric: value for metric, value in said.items() if replied and value <= 100
    }


def test_a_secured_switch_says_which_buttons_are_down() -> None:
    said = {n: decode(telegram(0xD2, bytes([n])), "D2-03-00").get("button") for n in range(16)}
    assert said[15] == "released"
    assert {n for n, words in said.items() if words is None} == set(range(5))
    assert {said[n] for n in SWITCHES} == {f"{words} pressed" for words in SWITCHES.values()}


def test_each_channel_has_its_own_readings() -> None:
    for channel in (0, 3):
        payload = bytes([0x07, 0x60 | channel, 0, 0, 0, 100])
        assert decode(telegram(0xD2, payload), "D2-01-0B", channel) == {"power": 100}
        assert decode(telegram(0xD2, payload), "D2-01-0B", channel + 1) == {}
    assert decode(telegram(0xA5, bytes.fromhex("0030391b")), "A5-12-01", 1) == {"energy": pytest.approx(12.345)}


def test_a_device_that_wants_to_be_forgotten_is_no_candidate() -> None:
    assert teach_in(telegram(0xD4, bytes.fromhex("a00146001201d2"))) is not None
    assert teach_in(telegram(0xD4, bytes.fromhex("900146001201d2"))) is None


def test_teach_in_telegrams_tell_their_profile() -> None:
    packet = Peer.create(PACKET.RADIO, rorg=0xA5, rorg_func=0x04, rorg_type=0x01, learn=True)
    payload = bytes(packet.data[1:5])
    taught = teach_in(telegram(0xA5, payload))
    assert taught is None or taught.eep in ("A5-04-01", "")
    # function 4, type 1, maker 00B: EEP 3.3, variation 3, as a published capture of a room sensor has it
    assert teach_in(telegram(0xA5, bytes.fromhex("10080b80"))) == ("A5-04-01", 0x00B)
    assert teach_in(telegram(0xA5, bytes.fromhex("10080b88"))) is None
    assert teach_in(telegram(0xA5, bytes.fromhex("00000000"))) == ("", 0)
    assert teach_in(telegram(0xD5, b"\x00")) == ("D5-00-01", 0)
    # EEP 3.6, as the independent implementation's tests have it
    assert teach_in(telegram(0xD4, bytes.fromhex("a0014600120 1d2".replace(" ", "")))) == ("D2-01-12", 0x046)


def test_a_secured_telegram_and_one_of_another_profile_are_refused() -> None:
    for rorg, eep, reason in (
        (0x33, "A5-04-01", "enocean-secure"),
        (0xF6, "A5-04-01", "enocean-profile"),
        (0xA5, "FF-00-00", "enocean-profile"),
    ):
        with pytest.raises(hub.DecodeError) as caught:
            decode(telegram(rorg, bytes(4)), eep)
        assert caught.value.reason == reason


def test_packets_are_the_peers_packets() -> None:
    made = Peer.create(
        PACKET.RADIO, rorg=0xA5, rorg_func=0x04, rorg_type=0x01, sender=[1, 0x8F, 0x2B, 0x3C], TMP=20.0, HUM=50
    )
    raw = bytes(made.build())
    (packet,) = Splitter().feed(raw)
    assert esp3.pack(packet.type, packet.data, packet.optional) == raw
    found = esp3.radio(packet)
    assert found is not None
    assert found.sender == "018F2B3C"
    assert decode(found, "A5-04-01") == {
        "temperature": pytest.approx(20, abs=0.2),
        "humidity": pytest.approx(50, abs=0.4),
    }


def test_noise_before_between_and_inside_costs_only_what_it_hits() -> None:
    one, two = esp3.pack(1, b"\xa5" + bytes(9), bytes(7)), esp3.pack(2, b"\x00", b"")
    splitter = Splitter()
    broken = bytearray(one)
    broken[10] ^= 1
    stream = b"\x55\x00\x55" + one + b"\xff" + bytes(broken) + two + b"\x55"
    found = [packet for at in range(0, len(stream), 5) for packet in splitter.feed(stream[at : at + 5])]
    assert [packet.type for packet in found] == [1, 2]
    assert splitter.bad == 1


_EEPS = st.sampled_from(sorted(KNOWN))


@settings.get_profile("hostile")
@given(_EEPS, st.binary(max_size=16), st.integers(0, 255), st.none() | st.integers(0, 255))
def test_any_payload_gives_finite_readings_in_bounds_or_a_decode_error(
    eep: str, payload: bytes, status: int, rorg: int | None
) -> None:
    try:
        values = decode(telegram(RORG[eep[:2]] if rorg is None else rorg, payload, status), eep)
    except hub.DecodeError as error:
        assert error.reason  # noqa: PT017 - every refusal can be counted
        return
    for metric, value in values.items():
        known = ALL_METRICS[metric]
        if isinstance(value, str | bool):
            continue
        assert math.isfinite(value)
        assert known.low is None or value >= known.low
        assert known.high is None or value <= known.high


@settings.get_profile("hostile")
@given(st.binary(max_size=200), st.integers(1, 20))
def test_any_bytes_of_a_line_give_packets_and_nothing_else(data: bytes, step: int) -> None:
    splitter = Splitter()
    for at in range(0, len(data), step):
        for packet in splitter.feed(data[at : at + step]):
            assert esp3.pack(packet.type, packet.data, packet.optional) in data


def test_meters_have_metrics() -> None:
    for count, _, momentary, _ in METERS.values():
        assert {count, momentary} - {""} <= hub.METRICS.keys()
