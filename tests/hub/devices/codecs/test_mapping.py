"""What a codec returned, to readings, by a mapping."""

from __future__ import annotations

import pytest

from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.devices.codecs.mapping import MAX_LEAVES, Field, apply, leaves


def test_leaves_are_found_by_their_path() -> None:
    data = {"env": {"temp": 21.5, "ok": True}, "channels": [{"v": 1}, {"v": None}], "name": "x"}
    assert leaves(data) == {"env.temp": 21.5, "env.ok": True, "channels.0.v": 1, "name": "x"}


@pytest.mark.parametrize("data", [None, 5, [1], {str(n): n for n in range(MAX_LEAVES + 1)}])
def test_what_is_no_object_or_too_large_or_too_deep_is_refused(data: object) -> None:
    with pytest.raises(DecodeError) as caught:
        leaves(data)
    assert caught.value.reason == "codec-shape"
    deep: dict[str, object] = {"x": 1}
    for _ in range(20):
        deep = {"x": deep}
    with pytest.raises(DecodeError):
        leaves(deep)


def test_a_mapping_scales_translates_and_leaves_out() -> None:
    fields = [
        Field(path="t", metric="temperature", scale=0.1, invalid=(-999,)),
        Field(path="h", metric="humidity"),
        Field(path="door", metric="door", values={"OPEN": True, "SHUT": False}),
        Field(path="leak", metric="leak"),
        Field(path="p", metric="pressure"),
        Field(path="fw", metric="firmware"),
    ]
    by_path = {field.path: field for field in fields}
    found = leaves({"t": 215, "h": "55.5", "door": "OPEN", "leak": "dry", "p": "high", "fw": "1.2", "x": 3})
    mapped = apply(by_path, found, METRICS)
    assert mapped.values == {"temperature": 21.5, "humidity": 55.5, "door": True, "leak": False, "firmware": "1.2"}
    assert mapped.skipped == ("codec-value",)
    assert mapped.unmapped == ("x",)
    assert apply(by_path, {"t": -999}, METRICS).values == {}
    assert apply(by_path, {"door": "AJAR"}, METRICS).skipped == ("codec-value",)


def test_a_boolean_is_no_number_and_values_name_it_as_javascript_does() -> None:
    number, named = Field(path="a", metric="count"), Field(path="a", metric="count", values={"true": 1.0, "false": 0.0})
    for raw in (True, False):
        assert apply({"a": number}, {"a": raw}, METRICS) == ({}, ("codec-value",), ())
        assert apply({"a": named}, {"a": raw}, METRICS).values == {"count": float(raw)}
    assert apply({"a": Field(path="a", metric="door")}, {"a": True}, METRICS).values == {"door": True}
