"""BTHome v2: the published vectors, the rules of the format, and whatever a stranger sends."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import hub
from integrations.bluetooth import bthome
from integrations.bluetooth.objects import METRICS, OBJECTS, SAME, Kind

ADDRESS = "54:48:E6:8F:80:A5"
DEVICE = f"ble:{ADDRESS}"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
SEALED = "41e445f3c9962b332211006c7c4519"


def frame(payload: str | bytes, address: str = ADDRESS, name: str = "") -> hub.Frame:
    data = bytes.fromhex(payload) if isinstance(payload, str) else payload
    return hub.Frame(kind="ble", address=address, data={"service:fcd2": data}, name=name)


def no_keys(device: str) -> bytes | None:
    return None


def with_key(device: str) -> bytes | None:
    return KEY if device == DEVICE else None


def decoded(payload: str | bytes) -> hub.Decoded:
    answer = bthome.decode(frame(payload), no_keys)
    assert isinstance(answer, hub.Decoded)
    return answer


def values(objects: str) -> dict[str, Any]:
    return decoded("40" + objects).values


def refused(payload: str | bytes, keys: Any = no_keys) -> str:
    with pytest.raises(hub.DecodeError) as error:
        bthome.decode(frame(payload), keys)
    return error.value.reason


def outcome(heard: hub.Frame, keys: Any) -> hub.Decoded | hub.NeedKey | str | None:
    """The answer, or the reason of the refusal."""
    try:
        return bthome.decode(heard, keys)
    except hub.DecodeError as error:
        return error.reason


# The "Example" and "Result" columns of bthome.io/format, in the catalogue's units.
SPECIFICATION = [
    ("518756", "acceleration", 22.151),
    ("0161", "battery", 97),
    ("12E204", "co2", 1250),
    ("56E803", "conductivity", 1000),
    ("0960", "count", 96),
    ("3D0960", "count", 24585),
    ("3E2A2C0960", "count", 1611213866),
    ("59EA", "count", -22),
    ("5AEAEA", "count", -5398),
    ("5BEA0234EA", "count", -365690134),
    ("434E34", "current", 13.39),
    ("5D02EA", "current", -5.63),
    ("08CA06", "dew_point", 17.38),
    ("400C00", "distance", 12),
    ("414E00", "distance", 7800),
    ("424E3400", "duration", 13.39),
    ("4d12138a14", "energy", 344593.17),
    ("0A138A14", "energy", 1346.067),
    ("4B138A14", "gas", 1346.067),
    ("4C41018A01", "gas", 25821.505),
    ("528756", "gyroscope", 22.151),
    ("03BF13", "humidity", 50.55),
    ("2E23", "humidity", 35),
    ("05138A14", "illuminance", 13460.67),
    ("065E1F", "mass", 80.3),
    ("073E1D", "mass", 33.9559248182),
    ("14020C", "moisture", 30.74),
    ("2F23", "moisture", 35),
    ("0D120C", "pm2_5", 3090),
    ("0E021C", "pm10", 7170),
    ("0B021B00", "power", 69.14),
    ("5C02FBFFFF", "power", -12.78),
    ("04138A01", "pressure", 1008.83),
    ("540C48656C6C6F20576F726C6421", "raw", "48656c6c6f20576f726c6421"),
    ("3F020C", "rotation", 307.4),
    ("444E34", "speed", 133.90),
    ("57EA", "temperature", -22),
    ("58EA", "temperature", -7.7),
    ("451101", "temperature", 27.3),
    ("02CA09", "temperature", 25.06),
    ("530C48656C6C6F20576F726C6421", "text", "Hello World!"),
    ("505d396164", "timestamp", 1684093277),
    ("133301", "tvoc", 307),
    ("0C020C", "voltage", 3.074),
    ("4A020C", "voltage", 307.4),
    ("4E87562A01", "volume", 19551.879),
    ("478756", "volume", 2215.1),
    ("48DC87", "volume", 34.78),
    ("5587562A01", "volume_storage", 19551.879),
    ("49DC87", "volume_flow", 34.78),
    ("4632", "uv_index", 5.0),
    ("4F87562A01", "water", 19551.879),
    ("5E9F8C", "direction", 359.99),
    ("5FA00F", "precipitation", 400.0),
    ("1501", "battery_low", True),
    ("1601", "charging", True),
    ("1700", "co_detected", False),
    ("1801", "cold", True),
    ("1900", "connectivity", False),
    ("1A00", "door", False),
    ("1B01", "garage_door", True),
    ("1C01", "gas_detected", True),
    ("0F01", "generic_flag", True),
    ("1D00", "heat", False),
    ("1E01", "light", True),
    ("1F01", "lock", True),
    ("2001", "leak", True),
    ("2100", "motion", False),
    ("2201", "moving", True),
    ("2301", "occupancy", True),
    ("1100", "opening", False),
    ("2400", "plugged", False),
    ("1001", "powered", True),
    ("2500", "presence", False),
    ("2601", "fault", True),
    ("2701", "running", True),
    ("2800", "safe", False),
    ("2901", "smoke", True),
    ("2A00", "sound", False),
    ("2B00", "tamper", False),
    ("2C01", "vibration", True),
    ("2D01", "window", True),
    ("3A01", "button", "press"),
    ("3A02", "button", "double_press"),
    ("3A03", "button", "triple_press"),
    ("3A04", "button", "long_press"),
    ("3A05", "button", "long_double_press"),
    ("3A06", "button", "long_triple_press"),
    ("3A80", "button", "hold_press"),
    ("3B010305", "command", "step_up 05"),
    ("3B0002", "command", "toggle"),
    ("3C0103", "dimmer", -3),
    ("3C020A", "dimmer", 10),
    ("F00100", "device_type", 1),
    ("F100010204", "firmware", "4.2.1.0"),
    ("F2000106", "firmware", "6.1.0"),
]


@pytest.mark.parametrize(("objects", "metric", "value"), SPECIFICATION)
def test_the_examples_of_the_specification_mean_what_it_says(objects: str, metric: str, value: object) -> None:
    said = values(objects)
    assert said == {metric: value}
    assert type(said[metric]) is type(value)


def test_every_object_has_a_metric_that_the_hub_knows() -> None:
    known = {**hub.METRICS, **{metric.key: metric for metric in METRICS}}
    kinds = {Kind.NUMBER: "number", Kind.DIMMER: "number", Kind.FLAG: "flag"}
    for item in OBJECTS.values():
        if item.kind is not Kind.PACKET_ID:
            assert known[item.metric].kind == kinds.get(item.kind, "text"), item.metric
            assert known[f"{item.metric}_{SAME}"].unit == known[item.metric].unit
    assert not {metric.key for metric in METRICS} & set(hub.METRICS)


def test_the_encrypted_example_of_the_specification_opens() -> None:
    answer = bthome.decode(frame(SEALED), with_key)
    assert answer == hub.Decoded(
        device=DEVICE,
        values={"temperature": 25.06, "humidity": 50.55},
        proof=hub.Proof("bthome-ccm", 1122867, True),
        model="BTHome",
    )


def test_a_sealed_frame_without_a_key_asks_for_it_and_says_who_speaks() -> None:
    answer = bthome.decode(frame(SEALED, name="SBHT-003C"), no_keys)
    assert answer == hub.NeedKey(DEVICE, "Shelly BLU H&T")


@pytest.mark.parametrize("bit", range(8 * len(SEALED) // 2))
def test_any_bit_changed_in_a_sealed_frame_is_noticed(bit: int) -> None:
    forged = bytearray.fromhex(SEALED)
    forged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(hub.DecodeError) as error:
        bthome.decode(frame(bytes(forged)), with_key)
    if bit == 0:
        assert error.value.reason == "clear-but-keyed"
    else:
        assert error.value.reason == ("unsupported-version" if bit in (5, 6, 7) else "bad-mic")


def test_a_sealed_frame_replayed_from_another_address_is_refused() -> None:
    other = "54:48:E6:8F:80:A6"
    with pytest.raises(hub.DecodeError, match="bad-mic"):
        bthome.decode(frame(SEALED, other), lambda device: KEY)


def test_what_a_device_with_a_key_says_in_clear_is_refused() -> None:
    assert refused("4002CA09", with_key) == "clear-but-keyed"


def test_a_key_of_another_length_is_named_as_the_fault() -> None:
    assert refused(SEALED, lambda device: KEY[:8]) == "bad-key"


def test_an_error_never_holds_the_bytes_or_the_key() -> None:
    with pytest.raises(hub.DecodeError) as error:
        bthome.decode(frame(SEALED), lambda device: bytes(16))
    assert "e445f3" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("payload", ["", "41", "4133221100", "41332211006c7c45"])
def test_a_frame_too_short_for_what_it_claims_is_truncated(payload: str) -> None:
    assert refused(payload, with_key) == "truncated"


def test_a_cut_object_refuses_the_whole_packet() -> None:
    assert refused("4002CA0903BF") == "truncated"
    assert refused("4053") == "truncated"
    assert refused("40530C4865") == "truncated"
    assert refused("403B01") == "truncated"
    assert refused("4000") == "truncated"


@pytest.mark.parametrize("info", ["00", "20", "60", "E1"])
def test_other_versions_are_not_guessed_at(info: str) -> None:
    assert refused(info + "02CA09") == "unsupported-version"


def test_another_service_is_not_ours() -> None:
    other = hub.Frame(kind="ble", address=ADDRESS, data={"service:181c": b"\x02\x10\x00"})
    assert bthome.decode(other, no_keys) is None


def test_values_of_one_metric_are_numbered_in_their_order() -> None:
    assert values("02CA0945110102CA09") == {"temperature": 25.06, "temperature_2": 27.3, "temperature_3": 25.06}


def test_a_button_that_was_not_pressed_keeps_its_place() -> None:
    assert values("3A003A01") == {"button_2": "press"}


def test_the_ninth_value_of_one_metric_is_left_out_and_said() -> None:
    answer = decoded("40" + "0161" * 9)
    assert list(answer.values) == ["battery"] + [f"battery_{n}" for n in range(2, 9)]
    assert answer.skipped == ("too-many-battery",)


def test_an_unknown_object_keeps_what_came_before_and_is_named() -> None:
    answer = decoded("4002CA097003BF13")
    assert answer.values == {"temperature": 25.06}
    assert answer.skipped == ("unknown-object-70",)


def test_a_packet_of_unknown_objects_only_is_an_error_to_count() -> None:
    assert refused("4070") == "unknown-object-70"


def test_what_the_format_does_not_define_gives_no_reading() -> None:
    answer = decoded("40016121023A073C05013B0109FF5302FFFE")
    assert answer.values == {"battery": 97}
    assert answer.skipped == ("bad-motion", "bad-button", "bad-dimmer", "bad-command", "bad-text")


def test_a_device_may_be_alive_and_say_nothing() -> None:
    answer = decoded("4000073A00")
    assert (answer.values, answer.skipped) == ({}, ())
    assert answer.proof == hub.Proof("bthome", 7, False)


def test_text_cannot_carry_control_or_direction_characters() -> None:
    text = "a\x1b[2J\u202eb c\n".encode()
    assert values(f"53{len(text):02x}{text.hex()}") == {"text": "a�[2J�b c�"}


def test_an_address_in_the_payload_is_stepped_over_only_when_it_is_the_senders() -> None:
    own = bytes.fromhex(ADDRESS.replace(":", ""))[::-1].hex()
    assert values("") == {}
    assert decoded("42" + own + "02CA09").values == {"temperature": 25.06}
    assert refused("42" + "A6" + own[2:] + "02CA09") == "unknown-object-a6"


clear = st.builds(
    lambda info, rest: bytes([info]) + rest, st.sampled_from([0x40, 0x41, 0x42, 0x44]), st.binary(max_size=255)
)
chunks = st.lists(
    st.tuples(st.sampled_from(sorted(OBJECTS)), st.binary(min_size=4, max_size=4)), min_size=1, max_size=40
).map(lambda items: b"\x40" + b"".join(bytes([i]) + (d[: OBJECTS[i].size] or b"\x02" + d[:2]) for i, d in items))


@settings.get_profile("hostile")
@given(
    payload=st.one_of(st.binary(max_size=260), clear, chunks),
    keyed=st.booleans(),
    address=st.sampled_from([ADDRESS, "", "xx"]),
)
def test_whatever_is_sent_is_read_refused_or_left_alone(payload: bytes, keyed: bool, address: str) -> None:
    answer = outcome(frame(payload, address), (lambda device: KEY) if keyed else no_keys)
    if isinstance(answer, str):
        assert re.fullmatch(r"[a-z0-9_-]+", answer)
        return
    assert isinstance(answer, hub.Decoded | hub.NeedKey)
    if isinstance(answer, hub.Decoded):
        check_values(answer)


@settings.get_profile("hostile")
@given(objects=st.one_of(chunks.map(lambda p: p[1:]), st.binary(max_size=200)), counter=st.integers(0, 2**32 - 1))
def test_a_sealed_packet_says_exactly_what_it_would_say_in_clear(objects: bytes, counter: int) -> None:
    nonce = bytes.fromhex("5448E68F80A5D2FC41") + counter.to_bytes(4, "little")
    sealed = AESCCM(KEY, tag_length=4).encrypt(nonce, objects, None)
    payload = b"\x41" + sealed[:-4] + nonce[-4:] + sealed[-4:]
    clear_answer = outcome(frame(b"\x40" + objects), no_keys)
    if isinstance(clear_answer, str):
        assert refused(payload, with_key) == clear_answer
        return
    assert isinstance(clear_answer, hub.Decoded)
    assert bthome.decode(frame(payload), with_key) == replace(
        clear_answer, proof=hub.Proof("bthome-ccm", counter, True)
    )


def check_values(answer: hub.Decoded) -> None:
    """Finite, of the metric's kind, and within what the object's type can say."""
    known = {**hub.METRICS, **{metric.key: metric for metric in METRICS}}
    for key, value in answer.values.items():
        kind = known[key].kind
        assert isinstance(value, {"number": int | float, "flag": bool, "text": str}[kind])
        if kind == "number":
            metric = key if key in hub.METRICS else key.rstrip("0123456789").rstrip("_")
            assert math.isfinite(value)
            assert -most(metric) <= value <= most(metric)


def most(metric: str) -> float:
    sizes = [
        2 ** (8 * item.size) * item.multiplier / item.divisor
        for item in OBJECTS.values()
        if item.metric == metric and item.kind in (Kind.NUMBER, Kind.DIMMER)
    ]
    return max(sizes)
