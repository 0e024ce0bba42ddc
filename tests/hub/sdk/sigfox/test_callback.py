"""Callbacks in all their forms, and whatever else a request may hold."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.core.model import Position
from hub.sdk.sigfox.callback import KINDS, MAX_BODY, Callback, fields, identity, read, reply, written

SAID: dict[str, Any] = {"device": "1D2F3", "time": 1_760_000_000, "seqNumber": 12, "data": "d2072d01"}


def test_json_a_form_and_a_query_with_quotes_and_without_say_the_same() -> None:
    texts = {name: str(value) for name, value in SAID.items()}
    given_ = [
        fields(json.dumps(SAID).encode(), "application/json"),
        fields(json.dumps(texts).encode(), "application/json; charset=utf-8"),
        fields(json.dumps(texts).encode(), ""),
        fields(urlencode(texts).encode(), "application/x-www-form-urlencoded"),
        fields(b"", "", urlencode(texts)),
        fields(
            json.dumps({"seqNumber": 12, "data": "d2072d01"}).encode(),
            "application/json",
            "device=1D2F3&time=1760000000",
        ),
    ]
    assert {read("uplink", said) for said in given_} == {
        Callback(kind="uplink", device="1D2F3", said="1D2F3", time=1_760_000_000, seq=12, data=b"\xd2\x07\x2d\x01")
    }


@pytest.mark.parametrize("nothing", [None, "", "null", "NULL", "{lqi}"])
def test_a_variable_without_a_value_is_none_however_it_comes(nothing: Any) -> None:
    found = read("uplink", {**SAID, "lqi": nothing, "rssi": None if nothing == "{lqi}" else nothing})
    assert (found.link, found.rssi) == (None, None)


@pytest.mark.parametrize(
    ("said", "link"),
    [
        ({"lqi": "GOOD"}, 2), ({"lqi": "Excellent"}, 3), ({"lqi": "Limit"}, 0), ({"lqi": "NA"}, None),
        ({"linkQuality": "1"}, 1), ({"linkQuality": 4}, None), ({"linkQuality": 3, "lqi": "Limit"}, 3),
    ],
)  # fmt: skip
def test_link_quality_by_its_word_or_its_number(said: dict[str, Any], link: int | None) -> None:
    assert read("advanced", {**SAID, **said}).link == link


def test_the_station_that_heard_best_comes_first() -> None:
    heard = [{"bsId": "27B9", "rssi": -138.0, "nbRep": 2}, {"bsId": "1A2B", "rssi": "-121", "snr": 17.2}, {"bsId": ""}]
    found = read("advanced", {**SAID, "duplicates": heard})
    assert found.heard == (("1A2B", -121.0), ("27B9", -138.0))
    assert (found.rssi, found.snr) == (-121.0, 17.2)
    quoted = read("advanced", {**SAID, "duplicates": json.dumps(heard)})
    assert quoted == found
    assert read("uplink", {**SAID, "station": "27B9", "rssi": "-130.00"}).heard == (("27B9", -130.0),)


@pytest.mark.parametrize(
    ("computed", "position"),
    [
        ({"lat": 48.5, "lng": 2.25, "radius": 4500, "source": 2, "status": 1}, Position(48.5, 2.25, 4500.0)),
        ({"lat": "48.5", "lng": "2.25"}, Position(48.5, 2.25, None)),
        ('{"lat": 48.5, "lng": 2.25, "radius": 1, "status": 1}', Position(48.5, 2.25, 1.0)),
        ({"status": 0}, None),
        ({"lat": 48.5, "lng": 2.25, "status": 2}, None),
        (None, None),
    ],
)
def test_a_position_is_read_where_the_network_found_one(computed: Any, position: Position | None) -> None:
    assert read("advanced", {**SAID, "computedLocation": computed}).position == position


def test_a_geoloc_has_its_position_beside_and_an_uplink_s_is_that_of_a_station() -> None:
    place = {"lat": "48.5", "lng": "2.25", "radius": "900"}
    assert read("geoloc", {**SAID, **place}).position == Position(48.5, 2.25, 900.0)
    assert read("uplink", {**SAID, **place}).position is None


def test_only_a_bidir_waits_for_an_answer() -> None:
    for ack, waits in ((True, True), ("true", True), ("false", False), (0, False), (None, False)):
        assert read("bidir", {**SAID, "ack": ack}).waits is waits
    assert not read("uplink", {**SAID, "ack": True}).waits


def test_a_device_s_number_has_one_form_and_the_answer_the_operator_s_own() -> None:
    assert {identity(text) for text in ("1d2f3", "01D2F3", "0001D2F3", "1D2F3")} == {"1D2F3"}
    assert identity("0000") == "0"
    found = read("bidir", {**SAID, "device": "0001d2f3"})
    assert (found.device, found.said) == ("1D2F3", "0001d2f3")
    assert json.loads(reply(found.said, bytes(range(8)))) == {"0001d2f3": {"downlinkData": "0001020304050607"}}


def test_a_device_of_digits_alone_may_come_as_a_number() -> None:
    assert read("uplink", {**SAID, "device": 12345}).device == "12345"


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("downlink", {}, "unknown-kind"),
        ("uplink", {"device": "nobody"}, "bad-device"),
        ("uplink", {"device": None}, "bad-device"),
        ("uplink", {"device": "123456789"}, "bad-device"),
        ("uplink", {"time": None}, "bad-time"),
        ("uplink", {"time": "soon"}, "bad-time"),
        ("uplink", {"time": -1}, "bad-time"),
        ("uplink", {"time": 1.5}, "bad-time"),
        ("uplink", {"time": 1_760_000_000_000}, "bad-time"),
        ("uplink", {"seqNumber": None}, "no-seq-number"),
        ("uplink", {"seqNumber": True}, "bad-field"),
        ("uplink", {"data": "0"}, "bad-data"),
        ("uplink", {"data": "xx"}, "bad-data"),
        ("uplink", {"data": "00" * 13}, "bad-data"),
        ("uplink", {"rssi": "loud"}, "bad-field"),
        ("uplink", {"rssi": [1]}, "bad-field"),
        ("uplink", {"rssi": "Infinity"}, "bad-field"),
        ("bidir", {"ack": "perhaps"}, "bad-field"),
        ("advanced", {"duplicates": {}}, "bad-field"),
        ("advanced", {"duplicates": [[]]}, "bad-field"),
        ("advanced", {"duplicates": [{}] * 65}, "bad-field"),
        ("advanced", {"computedLocation": "[" * 5000}, "bad-field"),
        ("advanced", {"computedLocation": [1]}, "bad-field"),
        ("geoloc", {"lat": 91, "lng": 0}, "bad-field"),
        ("geoloc", {"lat": 0, "lng": 0, "radius": -1}, "bad-field"),
    ],
)
def test_what_cannot_be_a_callback_is_refused_by_reason(kind: str, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(DecodeError) as failure:
        read(kind, {**SAID, **change})
    assert failure.value.reason == reason
    assert failure.value.detail


@pytest.mark.parametrize(
    ("body", "kind", "query", "reason"),
    [
        (b"{", "application/json", "", "bad-body"),
        (b"[1]", "application/json", "", "bad-body"),
        (b'{"a": \xff}', "application/json", "", "bad-body"),
        (b'{"a":' * 5000, "application/json", "", "bad-body"),
        (b"\xff\xfe", "", "", "bad-body"),
        (b"", "", "&".join(f"a{n}=1" for n in range(65)), "bad-body"),
        (json.dumps({f"a{n}": 1 for n in range(65)}).encode(), "application/json", "", "bad-body"),
        (b"a" * (MAX_BODY + 1), "", "", "oversized"),
        (b"", "", "a" * (MAX_BODY + 1), "oversized"),
    ],
)
def test_what_is_no_body_is_refused(body: bytes, kind: str, query: str, reason: str) -> None:
    with pytest.raises(DecodeError) as failure:
        fields(body, kind, query)
    assert failure.value.reason == reason


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["null", "NaN", "true", "1D2F3", "00", "1760000000", "GOOD", '{"lat": 1}', "[]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["lat", "lng", "bsId", "rssi", "status"]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = (
    "device", "time", "seqNumber", "data", "ack", "rssi", "snr", "station", "lqi", "linkQuality", "duplicates", "info",
    "computedLocation", "lat", "lng", "radius", "batt", "temp", "infoCode", "infoMessage", "severity",
)  # fmt: skip
HOSTILE = st.builds(
    lambda right, wrong: {**(SAID if right else {}), **wrong},
    st.booleans(),
    st.dictionaries(st.sampled_from(NAMES), ANY, max_size=6),
)


@settings.get_profile("hostile")
@given(st.sampled_from(KINDS), HOSTILE)
def test_any_fields_give_a_callback_within_its_bounds_or_a_decode_error(kind: str, said: dict[str, Any]) -> None:
    try:
        found = read(kind, said)
    except DecodeError:
        return
    assert len(found.data) <= 12
    assert 0 <= found.time < 2**32
    for number in (found.rssi, found.snr, found.battery, found.temperature):
        assert number is None or math.isfinite(number)
    assert read(kind, written(found)) == found, "what is kept for a hub says the same"


@settings.get_profile("hostile")
@given(
    st.binary(max_size=200),
    st.sampled_from(["", "application/json", "application/x-www-form-urlencoded"]),
    st.text(max_size=60),
)
def test_any_body_gives_fields_or_a_decode_error(body: bytes, kind: str, query: str) -> None:
    try:
        found = fields(body, kind, query)
    except DecodeError as error:
        found, reason = {}, error.reason
    else:
        reason = ""
    assert reason in {"", "bad-body", "oversized"}
    assert all(isinstance(name, str) for name in found)
