"""Values that the Bluetooth SIG defines, against its own documents and an independent reader (bluetooth-sig).

The package carries the SIG's machine-readable GATT Specification Supplement: types, ranges and reserved values are
compared with that, values with what the package reads.
"""

from __future__ import annotations

import logging
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import bluetooth_sig
import pytest
from bluetooth_sig import BluetoothSIGTranslator
from bluetooth_sig.gatt.exceptions import CharacteristicParseError, SpecialValueDetectedError
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
from integrations.bluetooth import advert, sig
from integrations.bluetooth.sig import CHARACTERISTICS, METRICS, Kind

ADDRESS = "A4:C1:38:01:02:03"
DOCUMENTS = Path(bluetooth_sig.__file__).parent / "bluetooth_sig"
KNOWN = {**hub.METRICS, **{metric.key: metric for metric in METRICS}}
NUMBERS = {uuid: item for uuid, item in CHARACTERISTICS.items() if item.kind is Kind.NUMBER}

# Unit of the document → unit of the metric: multiply.
FACTORS = {
    "kilogram_per_cubic_meter": 10**9, "pascal": Fraction(1, 100), "litre_per_second": Fraction(36, 10),
    "meter": {"precipitation": 1000, "altitude": 1},
}  # fmt: skip


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def documents() -> dict[str, dict[str, Any]]:
    """Per characteristic of ours, the field of the Supplement that describes its value."""
    names = {
        f"{entry['uuid']:04x}": entry["id"]
        for entry in read_yaml(DOCUMENTS / "assigned_numbers" / "uuids" / "characteristic_uuids.yaml")["uuids"]
    }
    by_id = {}
    for path in (DOCUMENTS / "gss").glob("*.yaml"):
        described = read_yaml(path)["characteristic"]
        by_id[described["identifier"]] = described["structure"][0]
    return {uuid: by_id[names[uuid]] for uuid in CHARACTERISTICS if names[uuid] in by_id}


DESCRIBED = documents()


def frame(**data: str) -> hub.Frame:
    sections = {section.replace("_", ":"): bytes.fromhex(value) for section, value in data.items()}
    return hub.Frame(kind="ble", address=ADDRESS, data=sections)


def decode(heard: hub.Frame, key: bytes | None = None) -> hub.Decoded | None:
    return sig.decode(heard, lambda device: key)


def pack(uuid: str, raw: int) -> bytes:
    item = CHARACTERISTICS[uuid]
    return raw.to_bytes(item.size, "little", signed=item.signed)


def test_the_documents_describe_every_characteristic_that_is_read() -> None:
    assert set(CHARACTERISTICS) - set(DESCRIBED) == set()


@pytest.mark.parametrize("uuid", sorted(NUMBERS))
def test_type_and_scale_are_those_of_the_document(uuid: str) -> None:
    item, described = CHARACTERISTICS[uuid], DESCRIBED[uuid]
    sign, bits = re.fullmatch(r"([us])int(\d+)", described["type"]).groups()  # type: ignore[union-attr]
    assert (item.signed, 8 * item.size) == (sign == "s", int(bits))
    text = described["description"]
    scale = re.search(r"M = (\d+), d = (-? ?\d+), b ?= ?(-?\d+)", text)
    if scale is None:  # a unit and nothing else: steps of one
        assert item.divisor == item.multiplier == 1
        return
    m, d, b = (int(part.replace(" ", "")) for part in scale.groups())
    factor = next((value for unit, value in FACTORS.items() if f".{unit}" in text), 1)
    factor = factor[item.metric] if isinstance(factor, dict) else factor
    step = m * Fraction(10) ** d * Fraction(2) ** b * factor
    assert Fraction(item.multiplier, item.divisor) == step


@pytest.mark.parametrize("uuid", sorted(NUMBERS))
def test_what_the_document_reserves_gives_no_reading(uuid: str) -> None:
    """Broken twin: take the `high` of one entry away."""
    item = CHARACTERISTICS[uuid]
    reserved = re.findall(r"value of 0x([0-9A-F]+) represents", DESCRIBED[uuid]["description"])
    for code in reserved:
        data = bytes.fromhex(code.zfill(2 * item.size))[::-1]
        assert sig.value(uuid, data) == {}, code
    limit = re.search(r"[Aa]llowed range is:? (-?[\d.]+) to ([\d.]+)", DESCRIBED[uuid]["description"])
    if limit is None:
        return
    low, high = (Fraction(part.rstrip(".")) / Fraction(item.multiplier, item.divisor) for part in limit.groups())
    smallest = -(1 << 8 * item.size - 1) if item.signed else 0
    largest = (1 << 8 * item.size - item.signed) - 1
    assert sig.value(uuid, pack(uuid, int(low)))
    assert sig.value(uuid, pack(uuid, int(high)))
    for beyond in (int(low) - 1, int(high) + 1):
        if smallest <= beyond <= largest:
            assert sig.value(uuid, pack(uuid, beyond)) == {}, beyond


TRANSLATOR = BluetoothSIGTranslator()
logging.getLogger("bluetooth_sig").setLevel(logging.CRITICAL)

# What the independent reader gives → the metric's unit, where they differ. It takes the exponents of medfloats as
# offset where IEEE 11073-20601 has two's complement, so it is not asked about those.
THEIRS = {"pressure": 0.01, "volume_flow": 3.6}
COMPARABLE = sorted(NUMBERS)


def theirs(uuid: str, data: bytes) -> Any:
    """None when they refuse it or say that it is no measurement."""
    try:
        said = TRANSLATOR.parse_characteristic(uuid.upper(), data)
    except (SpecialValueDetectedError, CharacteristicParseError):
        return None
    return getattr(said, "value", said)


@settings.get_profile("hostile")
@given(uuid=st.sampled_from(COMPARABLE), raw=st.binary(min_size=4, max_size=4))
def test_both_read_the_same_value(uuid: str, raw: bytes) -> None:
    item = CHARACTERISTICS[uuid]
    data = raw[: item.size]
    ours, said = sig.value(uuid, data).get(item.metric), theirs(uuid, data)
    if ours is None:
        assert said is None
    elif said is None:
        assert uuid == "2ba8", "they refuse energies above 1e6 kW.h; the document does not"
    else:
        factor = 0.001 if uuid == "2ba8" else THEIRS.get(item.metric, 1)  # they leave out its resolution of 1 W.h
        assert ours == pytest.approx(said * factor, rel=1e-9)


@pytest.mark.parametrize(("uuid", "data", "values"), [
    ("2a1c", "006c0100ff", {"temperature": 36.4}),  # Health Thermometer Service: 364 × 10^-1 °C
    ("2a1c", "01dd0300ff", {"temperature": 37.17}),  # 98.9 °F
    ("2a1c", "06e60000ffe407010a0a000002", {"temperature": 23.0}),  # with time stamp and type
    ("2a1c", "00ffff7f00", {}),  # NaN
    ("2a1c", "0000008000", {}),  # NRes
    ("2a1c", "00feff7f00", {}),  # +INF
    ("2bd4", "0180", {"o3": 10.0}),  # 1 × 10^-8 kg/m3
    ("2bd4", "ff07", {}),  # NaN
    ("2bd4", "0008", {}),  # NRes
    ("2bd4", "ff8f", {}),  # below nothing
    ("2bd1", "d007", {"ch4": 2000.0}),
    ("2ae2", "01", {"generic_flag": True}),
    ("2ae2", "02", {}),
    ("2a19", "64", {"battery": 100}),
    ("2a19", "65", {}),
    ("2b18", "0001", {"voltage": 4.0}),
    ("2b1b", "e803", {"volume_flow": 3.6}),
    ("2a6d", "80380f00", {"pressure": 997.504}),
])  # fmt: skip
def test_values_mean_what_the_documents_say(uuid: str, data: str, values: dict[str, Any]) -> None:
    assert sig.value(uuid, bytes.fromhex(data)) == values


@pytest.mark.parametrize(("uuid", "data", "reason"), [
    ("2a6e", "", "truncated"), ("2a6e", "64", "truncated"), ("2a6e", "640900", "too-long"),
    ("2a1c", "006c0100", "truncated"),
])  # fmt: skip
def test_a_value_of_another_length_is_refused(uuid: str, data: str, reason: str) -> None:
    with pytest.raises(hub.DecodeError, match=f"^{reason}: characteristic {uuid}"):
        sig.value(uuid, bytes.fromhex(data))


def test_every_characteristic_has_a_metric_that_the_hub_knows() -> None:
    for item in CHARACTERISTICS.values():
        assert KNOWN[item.metric].kind == ("flag" if item.kind is Kind.FLAG else "number")
    assert not {metric.key for metric in METRICS} & set(hub.METRICS)


def test_an_advertisement_may_carry_several_values() -> None:
    answer = decode(frame(service_180f="5c", service_2a6e="6409", service_2a6f="bf13", service_fe95="00"))
    assert answer == hub.Decoded(
        device=f"ble:{ADDRESS}",
        values={"battery": 92, "temperature": 24.04, "humidity": 50.55},
        proof=hub.Proof("gatt"),
    )


def test_environmental_sensing_in_no_known_layout_is_counted_not_guessed() -> None:
    with pytest.raises(hub.DecodeError, match="unsupported-layout"):
        decode(frame(service_181a="6409"))
    assert decode(frame(service_181a="00" * 13)) is None, "another decoder's"


def test_a_device_that_has_a_key_is_not_believed_in_clear() -> None:
    with pytest.raises(hub.DecodeError, match="clear-but-keyed"):
        decode(frame(service_2a6e="6409"), bytes(16))


def test_what_is_no_value_of_the_sig_is_left_alone() -> None:
    assert decode(frame(service_fe95="00", manufacturer_004c="0215")) is None


own = [f"{prefix}:{uuid}" for uuid in CHARACTERISTICS for prefix in ("service", "characteristic")]
sections = st.sampled_from([*own, "service:180f", "service:181a", "manufacturer:0499"])


def outcome(data: dict[str, bytes]) -> hub.Decoded | str | None:
    try:
        return decode(hub.Frame(kind="ble", address=ADDRESS, data=data))
    except hub.DecodeError as error:
        return error.reason


@settings.get_profile("hostile")
@given(data=st.dictionaries(sections, st.binary(max_size=5) | st.binary(max_size=600), max_size=5))
def test_whatever_is_sent_is_read_refused_or_left_alone(data: dict[str, bytes]) -> None:
    answer = outcome(data)
    if isinstance(answer, str):
        assert answer in ("truncated", "too-long", "unsupported-layout")
        return
    for key, value in answer.values.items() if answer else ():
        assert isinstance(value, bool if KNOWN[key].kind == "flag" else int | float)
        assert math.isfinite(value)
        assert -32_768 * 1e4 <= value <= 2047 * 1e7 * 1e9


def test_a_line_may_hold_a_value_without_a_sender() -> None:
    heard = advert.line({"characteristic": "0x2A6E", "value": "6409"})
    assert (heard.address, heard.data) == (advert.NOBODY, {"characteristic:2a6e": b"\x64\x09"})


@pytest.mark.parametrize("line", [
    {"characteristic": "2a6", "value": "00"}, {"characteristic": "2a6e"}, {"characteristic": "2a6e", "value": "xx"},
    {"characteristic": None, "value": "00"}, {"characteristic": "2a6e", "value": "00", "raw": "00"},
])  # fmt: skip
def test_a_line_with_a_value_that_makes_no_sense_says_so(line: dict[str, Any]) -> None:
    with pytest.raises(hub.DecodeError, match="bad-line"):
        advert.line(line)
