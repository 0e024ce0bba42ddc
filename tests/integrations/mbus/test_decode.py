"""Published telegrams, and whatever else a wire or the air may carry."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
import integrations.mbus
from integrations.mbus import decode_wireless, link, radio, values
from integrations.mbus.decode import explain, readings, sender, wired, wireless
from integrations.mbus.records import parse

HERE = Path(integrations.mbus.__file__).parent
EXAMPLES = YAML(typ="safe").load((HERE / "examples.yaml").read_text())
OPENED = [example for example in EXAMPLES if "error" not in example]


def message(example: dict[str, Any]) -> Any:
    raw = bytes.fromhex(str(example["telegram"]))
    if example["kind"] == "mbus":
        return wired(raw)
    return wireless(raw, bytes.fromhex(example["key"]) if "key" in example else None)


@pytest.mark.parametrize("example", OPENED, ids=lambda example: example["name"])
def test_each_example_says_what_its_source_says(example: dict[str, Any]) -> None:
    told = list(explain(message(example)))
    assert {key: told[0][key] for key in example["header"]} == example["header"]
    assert "problem" not in told[0]
    fields = ("function", "storage", "tariff", "subunit", "quantity", "unit", "value")
    for number, expected in example["records"].items():
        assert [told[1 + number][field] for field in fields] == expected
    found = readings(message(example))
    assert found == pytest.approx(example["readings"])
    assert found.keys() <= hub.METRICS.keys()


@pytest.mark.parametrize(
    "example", [example for example in EXAMPLES if "error" in example], ids=lambda example: example["name"]
)
def test_each_wrong_one_has_its_reason(example: dict[str, Any]) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        message(example)
    assert caught.value.reason == example["error"]


def test_every_example_names_its_source_and_the_readme_has_its_headings() -> None:
    assert all(example["source"] for example in EXAMPLES)
    text = (HERE / "README.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip


def test_a_meter_behind_a_radio_adapter_keeps_its_own_id() -> None:
    (adapter,) = (example for example in EXAMPLES if "radio adapter" in example["name"])
    frame = hub.Frame(kind="wmbus", address="", data={"telegram": bytes.fromhex(adapter["telegram"])})
    asked: list[str] = []

    def keys(device: str) -> bytes:
        asked.append(device)
        return bytes.fromhex(adapter["key"])

    decoded = decode_wireless(frame, keys)
    assert isinstance(decoded, hub.Decoded)
    assert decoded.device == "mbus:ELS-12345678-33-03"
    assert asked == [decoded.device]
    assert decoded.proof == hub.Proof(scheme="oms-7", counter=2739, authenticated=True, sealed=True)
    assert decode_wireless(frame, lambda _: None) == hub.NeedKey(device=decoded.device)


@pytest.mark.parametrize("at", range(4, 60, 3))
def test_a_changed_byte_of_a_wired_telegram_is_seen(at: int) -> None:
    raw = bytearray(bytes.fromhex(str(EXAMPLES[1]["telegram"])))
    raw[at] ^= 0x04
    with pytest.raises(hub.DecodeError) as caught:
        wired(bytes(raw))
    assert caught.value.reason == "mbus-checksum"


def test_a_changed_byte_of_a_wireless_telegram_is_seen_in_its_block() -> None:
    raw = bytearray(bytes.fromhex(EXAMPLES[6]["telegram"]))
    raw[20] ^= 0x01
    with pytest.raises(hub.DecodeError) as caught:
        wireless(bytes(raw), bytes(16))
    assert (caught.value.reason, "block 2" in caught.value.detail) == ("wmbus-crc", True)


def test_the_crc_is_the_standards() -> None:
    # EN 13757-4, as three real telegrams of the air have it (rtl-wmbus sample captures)
    assert radio.crc(bytes.fromhex("29446850230020717 2f0".replace(" ", ""))) == 0x3840
    assert radio.crc(bytes.fromhex("57446850160121209408")) == 0x2BC7
    assert radio.crc(bytes.fromhex("4e44b409901213191307")) == 0x7BB8


def test_the_streams_of_a_line_are_cut_into_telegrams() -> None:
    first, second = (bytes.fromhex(str(EXAMPLES[n]["telegram"])) for n in (1, 5))
    splitter = link.Splitter()
    stream = b"\x00\xff" + first + b"\x68\x68" + bytes([link.ACK]) + second + link.short(0x5B, 1)
    found = [telegram for at in range(0, len(stream), 7) for telegram in splitter.feed(stream[at : at + 7])]
    assert found == [first, bytes([link.ACK]), second, link.short(0x5B, 1)]
    assert link.read(link.long(0x53, 1, 0x51, b"abc")) == link.Telegram(0x53, 1, 0x51, b"abc")
    assert link.read(link.short(0x5B, 254)) == link.Telegram(0x5B, 254)


@pytest.mark.parametrize(
    ("raw", "value"),
    [("78563412", 12345678), ("785634f2", -2345678), ("7856341a", None), ("ffffffff", None), ("00", 0)],
)
def test_bcd_knows_a_minus_and_what_is_no_number(raw: str, value: int | None) -> None:
    assert values.bcd(bytes.fromhex(raw)) == value


def test_dates_that_are_none_give_none() -> None:
    assert values.date(bytes.fromhex("ffff")) is None
    assert values.date(bytes.fromhex("0000")) is None
    assert values.moment(bytes.fromhex("8000011c")) is None
    assert values.date(bytes.fromhex("5f1c")) == "2010-12-31"
    assert values.date(bytes.fromhex("3fcc")) == "1997-12-31", "above 80 it is the last century"


def test_a_record_that_is_cut_ends_the_telegram_and_what_came_before_counts() -> None:
    parsed = parse(bytes.fromhex("0413e80300000413e803"))
    assert [record.value for record in parsed.records] == [1.0]
    assert parsed.problem == "mbus-record"
    for extensions in ("84" + "80" * 11 + "1300000000", "0493" + "80" * 12 + "00000000"):
        assert parse(bytes.fromhex(extensions)).problem == "mbus-record"


_BODIES = st.binary(max_size=250)
_SEEDS = st.sampled_from([bytes.fromhex(str(example["telegram"])) for example in EXAMPLES])


@st.composite
def _changed(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(_SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(1, len(raw)))]) if draw(st.booleans()) else bytes(raw)


def _check(made: Any) -> None:
    told = list(explain(made))
    assert len(told) == 1 + len(made.parsed.records)
    for value in readings(made).values():
        assert math.isfinite(value)


@settings.get_profile("hostile")
@given(_BODIES)
def test_any_records_on_the_wire_give_finite_readings(body: bytes) -> None:
    _check(wired(link.long(0x08, 1, 0x78, body)))


@settings.get_profile("hostile")
@given(st.binary(max_size=120) | _changed())
def test_any_bytes_give_a_message_or_a_decode_error(raw: bytes) -> None:
    for read in (wired, wireless, lambda data: wireless(data, bytes(range(16)))):
        with contextlib.suppress(hub.DecodeError):
            _check(read(raw))
    with contextlib.suppress(hub.DecodeError):
        assert sender(raw).startswith("mbus:")
