"""cEMI frames and datapoint types: examples, xknx as the oracle of frames, an encoder of our own as that of values."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from xknx.cemi import CEMIFrame
from xknx.dpt import DPTBase
from xknx.exceptions import XKNXException
from xknx.telegram.address import GroupAddress, IndividualAddress
from xknx.telegram.apci import GroupValueRead, GroupValueResponse, GroupValueWrite, SecureAPDU
from xknx.telegram.tpci import TDataGroup

import hub
import integrations.knx
from integrations import knx
from integrations.knx import addresses, decode, points, values
from integrations.knx.settings import DeviceSettings, Group

EXAMPLES: list[dict[str, Any]] = YAML(typ="safe").load(
    (Path(integrations.knx.__file__).parent / "examples.yaml").read_text()
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e["name"])
def test_every_example_says_what_it_says(example: dict[str, Any]) -> None:
    fields = {"cemi": example["cemi"], **({"dpt": example["dpt"]} if "dpt" in example else {})}
    if "refused" in example:
        with pytest.raises(hub.DecodeError) as caught:
            list(knx.explain(knx.line(fields), None))
        assert caught.value.reason == example["refused"]
        return
    [told] = knx.explain(knx.line(fields), None)
    assert {key: told[key] for key in example["says"]} == example["says"]
    assert told.get("value") == example.get("value")
    assert knx.read(knx.line(fields), None).device == f"knx:{told['source']}"
    if (reading := example.get("reading")) is not None:
        group = Group(dpt=example["dpt"], metric=reading["metric"])
        payload = decode.cemi(bytes.fromhex(example["cemi"])).payload
        assert payload is not None
        assert values.value(group, payload) == reading["value"]
        assert values.payload(group, reading["value"]) == payload, "and written back it is the same"


def test_without_a_type_a_payload_is_shown_as_what_it_might_be() -> None:
    [told] = knx.explain(knx.line({"raw": "2900bcd011f30a030300800c1a"}), None)
    assert told["could_be"] == {"7": 3098, "8": 3098, "9": 21.0}
    assert "value" not in told


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"raw": "zz"}, "not-hex"),
        ({"cemi": 7}, "not-hex"),
        ({}, "no-cemi"),
        ({"raw": "29"}, "truncated"),
        ({"raw": "2b00bcd011f30a030300800c1a"}, "not-l-data"),
        ({"raw": "2900bcd011f30a030400800c1a"}, "bad-length"),
        ({"raw": "2900bcd011f30a030200800c1a"}, "bad-length"),
        ({"raw": "29ffbcd011f30a030300800c1a"}, "truncated"),
        ({"raw": "2900bcd411f30a030300800c1a"}, "bad-format"),
        ({"raw": "2900bcd011f30a030300c10c1a"[:20] + "81" + "0c1a"}, "bad-length"),
        ({"raw": "29" + "00" * 300}, "too-long"),
        ({"raw": "2900bcd011f30a030300800c1a", "dpt": "99.1"}, "no-type"),
        ({"source": "1.1.1", "destination": "1/2/3"}, "no-cemi"),
        ({"gateway": "127.0.0.1:3671"}, "no-cemi"),
    ],
)
def test_what_is_no_telegram_is_refused_with_a_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        list(knx.explain(knx.line(fields), None))
    assert caught.value.reason == reason
    assert caught.value.detail


def test_a_gateway_that_answered_a_search_is_a_candidate_with_its_services() -> None:
    frame = knx.line({"gateway": "192.0.2.5:3671", "source": "1.1.250", "name": "Router (1.1.250) at …: routing"})
    said = knx.read(frame, None)
    assert (said.device, said.model) == ("knx:1.1.250", "Router (1.1.250) at …: routing")


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[Any, str]:
    """What it gives and "", or None and the reason of its refusal."""
    try:
        return call(*arguments), ""
    except hub.DecodeError as error:
        return None, error.reason


# frames, against xknx


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Mostly right, now and then wrong in one place."""
    more = draw(st.binary(max_size=4))
    apci = draw(st.sampled_from([0x0000, 0x0040, 0x0041, 0x0080, 0x00BF, 0x0100, 0x03D5]) | st.integers(0, 0x3FF))
    body = draw(st.binary(max_size=16))
    tpdu = (apci | draw(st.sampled_from([0, 0, 0, 0x4000, 0x0400, 0x8000]))).to_bytes(2, "big") + body
    control = bytes((draw(st.integers(0, 255)), draw(st.integers(0, 15)) << 4 | draw(st.sampled_from([0, 0, 0, 4]))))
    raw = (
        bytes((draw(st.sampled_from([0x11, 0x2E, 0x29, 0x29, 0x29])), len(more)))
        + more
        + control
        + draw(st.binary(min_size=4, max_size=4))
        + bytes((len(tpdu) - 1,))
        + tpdu
    )
    data = bytearray(raw)
    if draw(st.booleans()) and draw(st.booleans()):
        data[draw(st.integers(0, len(data) - 1))] ^= draw(st.integers(1, 255))
    return bytes(data)


def theirs(raw: bytes) -> tuple[Any, ...] | None:
    """What xknx makes of a group telegram; None when it makes nothing of the frame."""
    try:
        data = CEMIFrame.from_knx(raw).data
    except XKNXException:
        return None
    except IndexError:  # additional information that runs past the frame
        return None
    if not isinstance(data.dst_addr, GroupAddress) or not isinstance(data.tpci, TDataGroup):
        return ("other",)
    payload = data.payload
    if isinstance(payload, SecureAPDU):
        return ("secure", int.from_bytes(payload.secured_data.sequence_number_bytes, "big"))
    kinds = {GroupValueRead: "read", GroupValueWrite: "write", GroupValueResponse: "response"}
    if type(payload) not in kinds:
        return ("other",)
    value = getattr(payload, "value", None)
    raw_value = None if value is None else value.value if isinstance(value.value, int) else bytes(value.value)
    return (kinds[type(payload)], data.src_addr.raw, data.dst_addr.raw, raw_value, bool(data.flags.confirm_error))


@settings(max_examples=500, deadline=None)
@given(frames())
def test_frames_say_what_xknx_says_of_them(raw: bytes) -> None:
    ours, reason = outcome(decode.cemi, raw)
    found = theirs(raw)
    if ours is None:  # nothing that xknx takes for a group's value is refused, but one in two places at once
        assert found is None or found[0] in ("other", "secure") or reason == "bad-length"
        return
    if found is None or found[0] == "other":
        assert found is not None or ours.service in ("other", "secure", "read")
        return
    if found[0] == "secure":
        assert (ours.service, ours.sequence) == found
        return
    refused = ours.message == "con" and found[4]
    assert (ours.service, ours.source, ours.destination, ours.payload) == found[:4]
    assert ours.confirmed is not refused


@settings.get_profile("hostile")
@given(st.binary(max_size=300))
def test_any_bytes_are_a_telegram_or_a_decode_error(raw: bytes) -> None:
    try:
        told = decode.describe(decode.cemi(raw))
    except hub.DecodeError:
        return
    assert told["source"]


def test_a_frame_is_decoded_in_far_less_than_five_milliseconds() -> None:
    raw = bytes.fromhex("2900bcd011f620010f00804b4e58206973204f4b0000000000")
    began = time.process_time()
    for _ in range(1000):
        decode.cemi(raw)
    assert time.process_time() - began < 5


# addresses


@given(st.integers(1, 0xFFFF))
def test_group_addresses_read_and_write_as_xknx_does(raw: int) -> None:
    for levels in (1, 2, 3):
        text = addresses.show_group(raw, levels)
        assert addresses.group(text) == raw == GroupAddress(text).raw
        assert addresses.levels(text) == levels
    assert addresses.show_group(raw) == str(GroupAddress(raw))


@given(st.integers(0, 0xFFFF))
def test_individual_addresses_read_and_write_as_xknx_does(raw: int) -> None:
    text = addresses.show_individual(raw)
    assert addresses.individual(text) == raw == IndividualAddress(text).raw


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{1,6}([/.][0-9]{1,6}){0,3}", fullmatch=True))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    for read in (addresses.group, addresses.individual):
        try:
            assert 0 <= read(text) <= 0xFFFF
        except ValueError:
            continue


# datapoint types

_SIGNED = {6: ">b", 8: ">h", 13: ">i", 29: ">q"}
_UNSIGNED = {7: ">H", 12: ">I"}
_PARTS = {"7.003": 10, "7.004": 100, "8.003": 10, "8.004": 100}


def float16(mantissa: int, exponent: int) -> bytes:
    return ((mantissa & 0x800) << 4 | exponent << 11 | mantissa & 0x7FF).to_bytes(2, "big")


@pytest.mark.parametrize("point", [p for p in points.POINTS.values() if p.kind == "number"], ids=lambda p: p.dpt)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_numbers_are_what_the_standard_says_of_their_bytes(point: points.Point, data: st.DataObject) -> None:
    """An encoder of our own, from the layouts of 03_07_02, against the transcoders of xknx that the product uses."""
    main = int(point.dpt.partition(".")[0])
    expected: float
    if main in _SIGNED or main in _UNSIGNED:
        form = _SIGNED.get(main) or _UNSIGNED[main]
        bits = 8 * struct.calcsize(form)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if main in _SIGNED else (0, (1 << bits) - 1)
        raw = data.draw(st.integers(low, high))
        payload: int | bytes = struct.pack(form, raw)
        expected = raw * _PARTS.get(point.dpt, 1)
        if point.dpt == "8.010":
            expected = raw / 100
    elif main == 9:
        exponent, mantissa = data.draw(st.integers(0, 15)), data.draw(st.integers(-2048, 2047))
        payload, expected = float16(mantissa, exponent), mantissa * (1 << exponent) / 100
    elif main == 14:
        expected = data.draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
        payload = struct.pack(">f", expected)
    elif main == 5:
        raw = data.draw(st.integers(0, 255))
        payload = bytes((raw,))
        expected = {"5.001": raw / 2.55, "5.003": raw * 360 / 255}.get(point.dpt, raw)
    elif main == 3:
        up, step = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 7))
        payload, expected = up << 3 | step, step if up else -step
    else:
        assert main == 17, "a main type without a layout here"
        raw = data.draw(st.integers(0, 63))
        payload, expected = bytes((raw,)), raw + 1
    found, reason = outcome(values.read, point, payload)
    if reason:
        assert reason == "knx-invalid"
        assert main == 9 or point.dpt in ("5.006",), "only these have a range narrower than their bytes"
        return
    tolerance = {"5.001": 0.51, "5.003": 0.71}.get(point.dpt, 1e-5 * abs(expected) + 1e-6 if main == 14 else 1e-9)
    assert abs(float(found) - expected) <= tolerance  # type: ignore[arg-type]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(points.POINTS)), st.integers(0, 63) | st.binary(max_size=16))
def test_any_payload_of_any_type_is_a_value_of_its_kind_or_a_decode_error(dpt: str, payload: int | bytes) -> None:
    point = points.POINTS[dpt]
    found, reason = outcome(values.read, point, payload)
    if reason:
        assert reason in ("knx-size", "knx-invalid", "knx-not-finite")
        return
    kinds = {"flag": bool, "number": (int, float), "text": str}
    assert isinstance(found, kinds[point.kind])
    if isinstance(found, str):
        assert found.isprintable()


UCUM = {
    "°C": "Cel", "ppm": "[ppm]", "°F": "[degF]", "°": "deg", "Wh": "W.h", "kWh": "kW.h", "MWh": "MW.h", "VAh": "V.A.h",
    "kVAh": "kV.A.h", "VARh": "var.h", "kVARh": "kvar.h", "m³/h": "m3/h", "m³": "m3", "m³/s": "m3/s", "m/s²": "m/s2",
    "W/m²": "W/m2", "L/m²": "L/m2", "g/m³": "g/m3", "μg/m³": "ug/m3", "rad/s²": "rad/s2", "s⁻¹": "/s", "J s": "J.s",
    "m²": "m2", "C/m²": "C/m2", "C/m³": "C/m3", "m²/N": "m2/N", "kg/m³": "kg/m3", "A/m²": "A/m2", "C m": "C.m",
    "c": "C", "A m²": "A.m2", "Ω": "Ohm", "lm s": "lm.s", "cd/m²": "cd/m2", "Ωm": "Ohm.m", "W/mK": "W/m/K", "Nm": "N.m",
    "VA": "V.A", "counter pulses": "1", "pulses": "1",
}  # fmt: skip
"""Units as xknx writes them, in UCUM."""


def test_the_table_of_types_has_the_units_of_the_library_and_leaves_out_only_what_it_says() -> None:
    theirs = {c.dpt_number_str(): c for c in DPTBase.dpt_class_tree() if c.has_distinct_dpt_numbers()}
    assert set(points.POINTS) <= set(theirs)
    # three are no types of the standard, or are a command over time
    assert set(theirs) - set(points.POINTS) == {"9.60000", "20.60102", "243.600"}
    for dpt, point in points.POINTS.items():
        unit = theirs[dpt].unit
        milliseconds = dpt in ("7.003", "7.004", "8.003", "8.004")
        expected = "ms" if milliseconds else UCUM.get(unit, unit) if unit else None
        assert point.unit in ((expected,) if expected else (None, "1")), dpt


def test_every_metric_that_is_proposed_is_of_the_catalogue_and_its_unit_can_be_reached() -> None:
    for point in points.POINTS.values():
        if point.metric:
            known = hub.METRICS[point.metric]
            assert known.kind == point.kind, point
            if point.kind == "number":
                assert points.conversion(point, known.unit) is not None, point
            Group(dpt=point.dpt, metric=point.metric)


@pytest.mark.parametrize(
    ("dpt", "metric", "payload", "expected"),
    [
        ("9.006", "pressure", float16(1125, 13), 921.6),  # Pa → hPa
        ("9.024", "power", "0096", 1500.0),  # kW → W
        ("9.027", "temperature", float16(1925, 2), 25.0),  # 77 °F
        ("14.069", "temperature", "43951333", 25.0),  # 298.15 K
        ("13.016", "energy", "00000007", 7000),  # MWh → kWh
        ("14.077", "volume_flow", "3a83126f", 3.6),  # 0.001 m³/s → m³/h
        ("9.028", "speed", float16(1800, 1), 10.0),  # 36 km/h
        ("7.012", "current", "05dc", 1.5),
        ("12.1201", "volume", "00000003", 3000),
    ],
)
def test_values_come_in_the_unit_of_the_metric(dpt: str, metric: str, payload: str | bytes, expected: float) -> None:
    raw = payload if isinstance(payload, bytes) else bytes.fromhex(payload)
    assert values.value(Group(dpt=dpt, metric=metric), raw) == pytest.approx(expected)


def test_scale_offset_and_invert_are_the_operators_word() -> None:
    pulses = Group(dpt="12.001", metric="energy", scale=0.5, offset=100)
    assert values.value(pulses, bytes.fromhex("0000000a")) == 105
    assert values.payload(pulses, 105.0) == bytes.fromhex("0000000a")
    flag = Group(dpt="1.001", metric="running", invert=True)
    assert values.value(flag, 0) is True
    assert values.payload(flag, True) == 0
    both = Group(dpt="1.009", metric="opening", invert=True)
    assert values.value(both, 1) is True
    assert values.payload(both, True) == 1


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["1.001", "1.009", "5.001", "9.001", "14.056", "13.013", "7.001", "20.102"]), st.data())
def test_what_is_written_reads_back_as_the_same(dpt: str, data: st.DataObject) -> None:
    metric = {
        "1.001": "light",
        "1.009": "opening",
        "5.001": "valve_position",
        "9.001": "setpoint",
        "14.056": "power",
        "13.013": "energy",
        "7.001": "count",
        "20.102": "text",
    }[dpt]
    group = Group(dpt=dpt, metric=metric)
    wanted: Any = {
        "flag": st.booleans(),
        "number": st.integers(0, 100),
        "text": st.sampled_from(["comfort", "standby", "economy"]),
    }[points.POINTS[dpt].kind]
    value = data.draw(wanted)
    found = values.value(group, values.payload(group, value))
    assert values.same(group, found, values.value(group, values.payload(group, value)))
    assert found == value if not isinstance(value, int) else abs(float(found) - value) <= 0.51  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dpt", "metric", "wanted"),
    [("9.001", "setpoint", 1e9), ("5.001", "valve_position", 300), ("1.001", "light", "on"),
     ("9.001", "setpoint", True), ("20.102", "text", "tropical")],
)  # fmt: skip
def test_what_a_type_cannot_say_is_not_written(dpt: str, metric: str, wanted: Any) -> None:
    with pytest.raises(hub.DecodeError) as caught:
        values.payload(Group(dpt=dpt, metric=metric), wanted)
    assert caught.value.reason == "knx-cannot-say"


# settings


@pytest.mark.parametrize(
    ("written", "expected"),
    [(9.001, "9.001"), (9.01, "9.010"), (12.12, "12.1200"), (14.1201, "14.1201"), ("DPST-9-1", "9.001"), ("DPT-5", "5"),
     (7, "7"), ("1.1", "1.001")],
)  # fmt: skip
def test_a_type_may_be_written_as_yaml_and_ets_write_it(written: Any, expected: str) -> None:
    assert points.canonical(written) == expected


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (1.1, "1.1 may mean 1.001 or 1.100: write the datapoint type in quotes"),
        (7.6, "7.6 may mean 7.006 or 7.600"),
        (1.11, "is it 1.011?"),
        ("15.000", "is no datapoint type that is read here"),
        (True, "is no datapoint type"),
    ],
)
def test_a_type_that_yaml_made_ambiguous_is_asked_about(written: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        points.canonical(written)


def test_no_shortened_type_is_taken_for_another() -> None:
    for dpt in points.POINTS:
        if "." not in dpt:
            continue
        try:
            found = points.canonical(float(dpt))
        except ValueError as error:
            found = str(error).partition(" may mean ")[2]
        assert dpt in found


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ({}, "nothing is read: give `groups`"),
        ({"1/2/3": {"dpt": "9.001", "metric": "power"}}, "9.001 is in Cel, metric power in W"),
        ({"1/2/3": {"dpt": "9.002", "metric": "temperature"}}, "9.002 is in K, metric temperature in Cel"),
        ({"1/2/3": {"dpt": "1.001", "metric": "power"}}, "metric power is a number: 1.001 makes a flag"),
        ({"1/2/3": {"dpt": "9.001", "metric": "mine"}}, "state its unit"),
        ({"1/8/3": {"dpt": "9.001", "metric": "temperature"}}, "is no group address"),
        ({"0/0/0": {"dpt": "9.001", "metric": "temperature"}}, "reaches every device"),
        ({"1/2/3": {"dpt": "1.001", "metric": "light", "scale": 2}}, "scale and offset are for numbers"),
        ({"1/2/3": {"dpt": "9.001", "metric": "temperature", "invert": True}}, "invert is for flags"),
        ({"1/2/3": {"dpt": "9.001", "metric": "temperature", "scale": 0}}, "the same"),
        ({"1/2/3": {"dpt": "3.007", "metric": "dimmer", "write": "1/2/4"}}, "has no value to write"),
        ({"1/2/3": {"dpt": "9.001", "metric": "temperature", "every": 1}}, "greater than or equal to 10"),
        ({"1/2/3": {"dpt": "9.001", "metric": "temperature", "unit": "K"}}, "is in Cel, not K"),
        ({"1/2/3": {"dpt": "1.018", "metric": "occupancy", "privacy": "technical"}}, "the catalogue decides"),
        ({"1/2/3": {"dpt": "10.001", "metric": "text", "write": "1/2/3"}}, "nothing is written to 10.001"),
        (
            {"1/2/3": {"dpt": "9.001", "metric": "temperature"}, "1/2/4": {"dpt": "9.001", "metric": "temperature"}},
            "metric temperature stands at 1/2/3 and at 1/2/4",
        ),
        (
            {"1/2/3": {"dpt": "9.001", "metric": "temperature"}, "1/515": {"dpt": "9.007", "metric": "humidity"}},
            "group address 1/515 says both temperature and humidity",
        ),
    ],
)
def test_wrong_settings_say_what_is_wrong(groups: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DeviceSettings.model_validate({"groups": groups})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"connection": "tunnelling"}, "tunnelling needs `host`; `ilot discover knx` searches"),
        ({"host": "192.0.2.1", "connection": "routing"}, "`host` is for tunnelling"),
        ({"route_back": True}, "`route_back` is for tunnelling over UDP"),
        ({"individual_address": "1.16.1"}, "is no individual address"),
        ({"max_rate": 100}, "less than or equal to 20"),
    ],
)
def test_wrong_options_say_what_is_wrong(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        knx.Config.model_validate(options)


def test_an_interface_that_is_named_is_reached_by_a_tunnel_over_udp() -> None:
    assert knx.Config(host="192.0.2.1").connection == "tunnelling"
    assert knx.Config().connection == "routing"


def test_a_metric_of_ones_own_is_declared_with_its_unit_and_class() -> None:
    group = Group(dpt="5.001", metric="blind_position", unit="%", privacy="personal")
    metric = group.own_metric()
    assert metric is not None
    assert (metric.unit, metric.kind, metric.privacy) == ("%", "number", "personal")
    assert Group(dpt="9.001", metric="temperature").own_metric() is None
