"""Advertisements from the air and from the command line → frames."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.bluetooth import advert

ADDRESS = "A4:C1:38:01:02:03"


def reason(call: Any, *arguments: Any) -> str:
    with pytest.raises(hub.DecodeError) as error:
        call(*arguments)
    return error.value.reason


def test_an_advertisement_is_cut_into_its_sections() -> None:
    raw = bytes.fromhex("0201060B094449592D73656E736F720A16D2FC4002C40903BF1305FF99040507")
    frame = advert.parse(raw, ADDRESS.lower(), rssi=-61, source="hci1")
    assert frame == hub.Frame(
        kind="ble",
        address=ADDRESS,
        data={"manufacturer:0499": b"\x05\x07", "service:fcd2": bytes.fromhex("4002C40903BF13")},
        signal=hub.Signal(rssi=-61, source="hci1"),
        name="DIY-sensor",
    )


def test_one_service_has_one_name_in_all_three_widths() -> None:
    base = bytes.fromhex("0000fcd200001000800000805f9b34fb")[::-1]
    for structure in (b"\x04\x16\xd2\xfc\x40", b"\x06\x20\xd2\xfc\0\0\x40", b"\x12\x21" + base + b"\x40"):
        assert advert.parse(structure, ADDRESS).data == {"service:fcd2": b"\x40"}


def test_services_without_data_are_kept_beside_data_and_never_alone() -> None:
    raw = bytes.fromhex("0303f0ff0502aafeabfe1107b00a09ecd79db893ba42d611000009ef")
    data = advert.parse(raw + b"\x04\xff\x99\x04\x05", ADDRESS).data
    assert data == {
        "manufacturer:0499": b"\x05", "uuid:fff0": b"", "uuid:feaa": b"", "uuid:feab": b"",
        "uuid:ef090000-11d6-42ba-93b8-9dd7ec090ab0": b"",
    }  # fmt: skip
    assert advert.parse(raw, ADDRESS).data == {}
    line = {
        "address": ADDRESS,
        "manufacturer_data": {"0499": "05"},
        "service_uuids": ["0000FFF0-0000-1000-8000-00805F9B34FB"],
    }
    assert advert.line(line).data == {"manufacturer:0499": b"\x05", "uuid:fff0": b""}


def test_a_vendors_own_uuid_keeps_its_whole_name() -> None:
    own = "a62206b9-8cd9-4f02-ae53-1755928a54e1"
    raw = b"\x12\x21" + bytes.fromhex(own.replace("-", ""))[::-1] + b"\x07"
    assert advert.parse(raw, ADDRESS).data == {f"service:{own}": b"\x07"}
    assert advert.line({"address": ADDRESS, "service_data": {own.upper(): "07"}}).data == {f"service:{own}": b"\x07"}
    assert advert.parse(b"\x06\x20\x01\x02\x03\x04\x07", ADDRESS).data == {"service:04030201": b"\x07"}


def test_a_zero_length_ends_the_payload_early() -> None:
    assert advert.parse(b"\x04\x16\xd2\xfc\x40\x00\xff\xff", ADDRESS).data == {"service:fcd2": b"\x40"}
    assert advert.parse(b"", ADDRESS).data == {}


@pytest.mark.parametrize("raw", ["05", "0516D2FC", "0216D2", "02FF99", "0521000000", "0116", "01FF"])
def test_structures_that_do_not_add_up_are_truncated(raw: str) -> None:
    assert reason(advert.parse, bytes.fromhex(raw), ADDRESS) == "truncated"


def test_more_than_an_advertising_set_can_hold_is_refused() -> None:
    assert reason(advert.parse, b"\x01\x7f" * 826, ADDRESS) == "too-long"


def test_a_name_is_kept_short_and_printable() -> None:
    name = "\x1b[31m" + "x" * 100
    frame = advert.frame(ADDRESS, {}, {}, name=name)
    assert frame.name == "[31m" + "x" * 59


@pytest.mark.parametrize(
    "address", ["", "A4:C1:38:01:02", "A4:C1:38:01:02:0G", "A4C138010203", "A4:C1:38:01:02:03:04", None, 7]
)
def test_an_address_that_is_none_is_refused(address: object) -> None:
    assert reason(advert.line, {"address": address, "raw": ""}) == "bad-address"


def test_a_line_may_write_things_in_the_usual_ways() -> None:
    frame = advert.line(
        {
            "address": "a4-c1-38-01-02-03",
            "rssi": -70,
            "name": "x",
            "manufacturer_data": {"0x0499": "0x0507", "76": "02 15"},
            "service_data": {"0xFCD2": "4002", "0000FE95-0000-1000-8000-00805F9B34FB": "30"},
        }
    )
    assert frame.address == ADDRESS
    assert frame.data == {
        "manufacturer:0499": b"\x05\x07",
        "manufacturer:0076": b"\x02\x15",
        "service:fcd2": b"\x40\x02",
        "service:fe95": b"0",
    }
    assert frame.signal == hub.Signal(rssi=-70)


@pytest.mark.parametrize("more", [
    {"raw": "0x"}, {"raw": "zz"}, {"raw": 5}, {"raw": "00" * 9999}, {"rssi": "loud"}, {"rssi": True}, {"rssi": 900},
    {"name": 3}, {"service_data": []}, {"service_data": {"fcd2": 1}}, {"service_data": {"fcd": "00"}}, {"tx": 1},
    {"manufacturer_data": {"x": "00"}}, {"manufacturer_data": {"0x10000": "00"}}, {"manufacturer_data": {"-1": "00"}},
    {"raw": "", "service_data": {}}, {"raw": "", "service_uuids": []}, {"service_uuids": "fff0"},
    {"service_uuids": ["fff"]}, {"service_uuids": [1]},
])  # fmt: skip
def test_a_line_that_makes_no_sense_says_so(more: dict[str, Any]) -> None:
    if more == {"raw": "0x"}:  # nothing at all was on the air: that is a frame
        assert advert.line({"address": ADDRESS, **more}).data == {}
    else:
        assert reason(advert.line, {"address": ADDRESS, **more}) == "bad-line"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=40), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["address", "rssi", "name", "raw", "manufacturer_data", "service_data"])


@settings.get_profile("hostile")
@given(item=st.dictionaries(keys | st.text(max_size=5), json, max_size=6), sane=st.booleans())
def test_whatever_a_line_holds_it_is_a_frame_or_an_error(item: dict[str, Any], sane: bool) -> None:
    try:
        frame = advert.line({**item, "address": ADDRESS} if sane else item)
    except hub.DecodeError:
        return
    assert frame.kind == "ble"


def frame_or_reason(raw: bytes) -> hub.Frame | str:
    try:
        return advert.parse(raw, ADDRESS)
    except hub.DecodeError as error:
        return error.reason


structures = st.lists(
    st.tuples(st.sampled_from([0x01, 0x03, 0x07, 0x08, 0x09, 0x16, 0x20, 0x21, 0xFF]), st.binary(max_size=40)),
    max_size=8,
).map(lambda items: b"".join(bytes([len(data) + 1, kind]) + data for kind, data in items))


@settings.get_profile("hostile")
@given(raw=st.one_of(st.binary(max_size=300), structures))
def test_whatever_is_on_the_air_it_is_a_frame_or_an_error(raw: bytes) -> None:
    frame = frame_or_reason(raw)
    if isinstance(frame, str):
        assert frame == "truncated"
        return
    assert sum(map(len, frame.data.values())) <= len(raw)
    assert len(frame.name) <= advert.NAME
