"""What a codec returned, to readings: by a mapping, and by a proposal from names."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.devices.codecs.mapping import MAX_LEAVES, Field, apply, leaves, propose


def proposed(data: object) -> dict[str, tuple[str, float]]:
    found = leaves(data)
    values = apply({field.path: field for field in propose(found, METRICS)}, found, METRICS).values
    return {field.path: (field.metric, values[field.metric]) for field in propose(found, METRICS)}  # type: ignore[misc]


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


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # names as published codecs give them (Dragino LHT65, Milesight EM300, Elsys ERS, Decentlab)
        (
            {"TempC_SHT": 20.5, "Hum_SHT": 45, "BatV": 3.1},
            {"TempC_SHT": ("temperature", 20.5), "Hum_SHT": ("humidity", 45), "BatV": ("battery_voltage", 3.1)},
        ),
        (
            {"temperature": 21, "humidity": 40, "battery": 92},
            {"temperature": ("temperature", 21), "humidity": ("humidity", 40), "battery": ("battery", 92)},
        ),
        (
            {"light": 120, "motion": 1, "co2": 600, "vdd": 3.65},
            {
                "light": ("illuminance", 120),
                "motion": ("motion", True),
                "co2": ("co2", 600),
                "vdd": ("battery_voltage", 3.65),
            },
        ),
        ({"battery_voltage": {"value": 2.9}}, {"battery_voltage.value": ("battery_voltage", 2.9)}),
        ({"temperature_f": 68}, {"temperature_f": ("temperature", pytest.approx(20))}),
        ({"batteryMv": 3600}, {"batteryMv": ("battery_voltage", pytest.approx(3.6))}),
        ({"pressurePa": 101325}, {"pressurePa": ("pressure", pytest.approx(1013.25))}),
        ({"distance_cm": 42}, {"distance_cm": ("distance", 420)}),
        ({"water_leak": "leaking"}, {"water_leak": ("leak", True)}),
        ({"frameCounter": "x", "type": "0x43"}, {}),
    ],
)
def test_a_proposal_is_read_from_names_and_units(data: object, expected: dict[str, tuple[str, object]]) -> None:
    assert proposed(data) == expected


_KEYS = st.sampled_from(["temp", "battery", "door", "fw", "co2", "x"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.just(10**400) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_whatever_a_codec_returns_gives_finite_readings_or_a_decode_error(data: object) -> None:
    try:
        found = leaves(data)
    except DecodeError:
        return
    fields = propose(found, METRICS)
    values = apply({field.path: field for field in fields}, found, METRICS).values
    assert len({field.metric for field in fields}) == len(fields)
    for value in values.values():
        assert not isinstance(value, float) or math.isfinite(value)
