"""Values, dates, units and addresses: everything that is pure."""

from __future__ import annotations

import contextlib
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

import hub
import integrations.opcua
from integrations.opcua import status, units
from integrations.opcua.addresses import MOST_STEPS, path_of, where
from integrations.opcua.decode import Point, Said, point, quality, raw, reading, reports, when
from integrations.opcua.messages import TEXT, Change, Resolved, Where
from integrations.opcua.settings import Config, DeviceSettings, NodeSettings

EXAMPLES = YAML(typ="safe").load((Path(integrations.opcua.__file__).parent / "examples.yaml").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_is_what_it_says(example: dict[str, Any]) -> None:
    node = NodeSettings.model_validate(example["node"])
    found = Resolved(0, "ns=1;s=x", **example["found"])
    change = Change(
        1, example["change"].get("status", 0), **{k: v for k, v in example["change"].items() if k != "status"}
    )

    def read() -> Any:
        return reading(point("opcua:d", "/x", node, found), change)

    if "error" in example:
        with pytest.raises(hub.DecodeError) as refused:
            read()
        assert refused.value.reason == example["error"]
        assert refused.value.detail
        return
    value = read()
    assert value == example["reading"]
    assert type(value) is type(example["reading"])
    assert quality(change).name.lower() == example.get("quality", "good")


NOW, TOLERANCE = 1_800_000_000.0, 30.0


@pytest.mark.parametrize(
    ("source", "server", "fresh", "time", "doubt"),
    [
        (-5.0, 0.0, True, -5.0, ""),
        (-5.0, 0.0, False, -5.0, ""),
        (-900.0, 1.0, True, -900.0, ""),  # a change that waited in the server
        (-900.0, 1.0, False, None, ""),  # it has been so for a while: it is so now
        (-900.0, None, True, None, ""),  # nothing says whether that clock is right
        (-900.0, -900.0, True, None, "opcua-clock"),
        (900.0, 900.0, True, None, "opcua-clock"),
        (900.0, 0.0, True, None, "opcua-clock"),
        (None, 0.0, True, None, ""),
        (None, None, True, None, ""),
        (10.0, 10.0, True, 10.0, ""),
    ],
)
def test_a_date_is_believed_as_far_as_the_servers_clock_can_be(
    source: float | None, server: float | None, fresh: bool, time: float | None, doubt: str
) -> None:
    def at(seconds: float | None) -> float | None:
        return None if seconds is None else NOW + seconds

    change = Change(1, 0, "Double", 1.0, at(source), at(server))
    assert when(change, NOW, TOLERANCE, fresh=fresh) == (at(time), doubt)


def test_values_that_became_so_together_are_one_report_and_no_value_is_lost() -> None:
    good, bad = hub.Quality.GOOD, hub.Quality.BAD
    said = [
        Said("opcua:a", "power", 1.0, NOW, good), Said("opcua:a", "energy", 2.0, NOW + 0.05, good),
        Said("opcua:b", "power", 3.0, NOW, good), Said("opcua:a", "voltage", 4.0, NOW + 0.01, bad),
        Said("opcua:a", "current", 5.0, NOW + 0.2, good), Said("opcua:a", "current", 6.0, NOW + 0.21, good),
        Said("opcua:a", "frequency", 7.0, None, good),
    ]  # fmt: skip
    made = reports(said, hub.Proof(scheme="opcua"))
    assert [(r.device, r.values, r.time, r.quality) for r in made] == [
        ("opcua:a", {"power": 1.0, "energy": 2.0}, NOW + 0.05, good),
        ("opcua:b", {"power": 3.0}, NOW, good),
        ("opcua:a", {"voltage": 4.0}, NOW + 0.01, bad),
        ("opcua:a", {"current": 5.0}, NOW + 0.2, good),
        ("opcua:a", {"current": 6.0}, NOW + 0.21, good),
        ("opcua:a", {"frequency": 7.0}, None, good),
    ]


METRICS = [NodeSettings(metric=metric) for metric in ("temperature", "running", "firmware", "energy", "co2")]
KINDS = [
    "",
    "Boolean",
    "Byte",
    "Int16",
    "UInt32",
    "Int64",
    "UInt64",
    "Float",
    "Double",
    "String",
    "DateTime",
    "Guid",
    "nope",
]
UNITS = st.sampled_from([(None, ""), (4408652, "°C"), (-1, "kWh"), (5, "furlong"), (4932940, "K")])
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), st.text(max_size=TEXT)
)


@settings.get_profile("hostile")
@given(
    st.sampled_from(METRICS), st.sampled_from(KINDS), UNITS, st.integers(0, 0xFFFFFFFF), st.sampled_from(KINDS), VALUES
)
def test_whatever_a_server_says_is_a_reading_of_the_metrics_kind_or_a_decode_error(
    node: NodeSettings, kind: str, unit: tuple[int | None, str], code: int, came: str, said: Any
) -> None:
    with contextlib.suppress(hub.DecodeError):
        made = point("opcua:d", "/x", node, Resolved(0, "i=1", kind, False, 3, *unit))
        value = reading(made, Change(1, code, came, said))
        kinds: dict[str, Any] = {"number": (int, float), "flag": bool, "text": str}
        assert value is None or isinstance(value, kinds[made.metric.kind])
        assert not isinstance(value, float) or math.isfinite(value)
        assert not isinstance(value, str) or value.isprintable()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_of_32_bits_loses_nothing(given_value: float) -> None:
    node = NodeSettings(metric="power")
    made = Point("opcua:d", "/x", node.as_metric(), node, "i=1", "Float")
    value = reading(made, Change(1, 0, "Float", given_value))
    assert isinstance(value, int | float)
    assert struct.pack("<f", value) == struct.pack("<f", given_value)


@given(st.floats(-1e6, 1e6), st.sampled_from([0.1, 1.0, 5 / 9, 1000.0]), st.sampled_from([0.0, -17.5, 273.15]))
def test_what_is_written_reads_back_as_what_was_meant(value: float, scale: float, offset: float) -> None:
    node = NodeSettings(metric="power", scale=scale, offset=offset)
    made = Point("opcua:d", "/x", node.as_metric(), node, "i=1", "Double", scale, offset)
    back = reading(made, Change(1, 0, "Double", raw(made, value)))  # type: ignore[arg-type]
    assert back == pytest.approx(value, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("unit_id", "name", "wanted", "value", "expected"),
    [
        (4932940, "K", "Cel", 273.15, 0.0),
        (4342098, "bar", "hPa", 1.01325, 1013.25),
        (4935745, "kPa", "bar", 250.0, 2.5),
        (5067080, "m³/h", "m3/h", 3.2, 3.2),
        (19506, "l/min", "m3/h", 100.0, 6.0),
        (4666673, "l/s", "m3/h", 1.0, 3.6),
        (13122, "MJ", "kW.h", 3.6, 1.0),
        (5067857, "m³", "L", 1.5, 1500.0),
        (20529, "%", "%", 55.0, 55.0),
        (13625, "ppm", "[ppm]", 800.0, 800.0),
        (None, "MW", "W", 2.0, 2e6),
        (None, "mW", "W", 2.0, 0.002),
        (-1, "kWh", "kW.h", 2.0, 2.0),
    ],
)
def test_units_become_those_of_the_catalogue(
    unit_id: int | None, name: str, wanted: str, value: float, expected: float
) -> None:
    unit = units.ucum(unit_id, name)
    assert unit
    way = units.conversion(unit, wanted)
    assert way is not None
    assert value * way.scale + way.offset == pytest.approx(expected, abs=1e-9)


def test_a_unit_that_is_not_known_is_not_guessed() -> None:
    assert units.ucum(-1, "furlong") == ""
    assert units.ucum(4607828, "ft") == ""
    assert units.ucum(None, "") is None
    assert units.ucum(0, "") is None
    assert units.conversion("bar", "Cel") is None
    for metric in hub.METRICS.values():
        assert units.conversion(metric.unit, metric.unit) == units.Conversion()


def test_every_code_is_a_unit_that_can_be_converted() -> None:
    for unit in (*units._CODES.values(), *filter(None, units._NAMES.values())):
        assert unit in units._SI, unit


@pytest.mark.parametrize(
    ("code", "quality_", "overflow"),
    [
        (0x00000000, hub.Quality.GOOD, False),
        (0x00000480, hub.Quality.GOOD, True),
        (0x00000080, hub.Quality.GOOD, False),  # those bits mean nothing here: they are about no data value
        (0x40920000, hub.Quality.UNCERTAIN, False),
        (0x808C0000, hub.Quality.BAD, False),
        (0xC0000000, hub.Quality.BAD, False),
    ],
)
def test_the_severity_of_a_status_code_is_the_quality(code: int, quality_: hub.Quality, overflow: bool) -> None:
    assert status.quality(code) is quality_
    assert status.overflowed(code) is overflow


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("ns=2;s=Boiler.Flow;1=2", Where(node="ns=2;s=Boiler.Flow;1=2")),
        ("nsu=urn:vendor;i=5", Where(node="nsu=urn:vendor;i=5")),
        ("i=2258", Where(node="i=2258")),
        ("ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a", Where(node="ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a")),
        ("ns=1;b=AQID", Where(node="ns=1;b=AQID")),
        ("/Boiler/Flow", Where(path=[("urn:x", "Boiler"), ("urn:x", "Flow")])),
        ("/2:Boiler/urn:v:w:Flow", Where(path=[("2", "Boiler"), ("urn:v:w", "Flow")])),
        ("/A&/B/C&:D/E&&", Where(path=[("urn:x", "A/B"), ("urn:x", "C:D"), ("urn:x", "E&")])),
    ],
)
def test_an_address_is_a_node_id_or_a_path(address: str, place: Where) -> None:
    assert where(address, "urn:x") == place


@pytest.mark.parametrize(
    "address",
    ["", "Boiler", "ns=2", "ns=70000;i=1", "i=4294967296", "i=x", "ns=1;g=123", "ns=1;b=*", "/", "/A//B", "/A:",
     "x" * 500, "ns=1;s=a\nb", "/" + "/".join("x" * (MOST_STEPS + 1))],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        where(address)


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "urn:x", "http://v/w", "a:b/c&d"]), st.text("aé/:&1 .", min_size=1, max_size=9)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["", "urn:x"]),
)
def test_a_path_that_is_written_is_read_back(steps: list[tuple[str, str]], namespace: str) -> None:
    written = path_of(steps, namespace)
    wanted = [(uri or ("" if not namespace else "0"), name) for uri, name in steps]
    assert where(written, namespace).path == wanted


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_is_an_address_or_a_value_error(address: str, namespace: str) -> None:
    with contextlib.suppress(ValueError):
        place = where(address, namespace)
        assert bool(place.node) != bool(place.path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "http://x"}, "opc.tcp://host:port"),
        ({"url": "opc.tcp://user:pw@x"}, "without a user"),
        ({"url": "opc.tcp://x:0"}, "opc.tcp://host:port"),
        ({"url": "opc.tcp://[x"}, "no address"),
        ({"security": "none", "user": "u", "password": "p"}, "anybody could take"),
        ({"security": "none", "trusted": ["0" * 64]}, "leave both out"),
        ({"trusted": ["AB" * 20]}, "SHA-1"),
        ({"trusted": ["12"]}, "64 hexadecimal digits"),
        ({"user": "u"}, "belong together"),
        ({"user_key": "k"}, "belong together"),
        ({"publishing": 0.01}, "publishing"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Config.model_validate({"url": "opc.tcp://x:4840", **options})


def test_a_thumbprint_may_be_written_as_servers_show_it() -> None:
    shown = ":".join(["AB"] * 32)
    assert Config(url="opc.tcp://x", trusted=(shown,)).trusted == ("ab" * 32,)
    assert Config(url="opc.tcp://x").port == 4840
    assert Config(url="opc.tcp://[fe80::1]:4841/a").host == "fe80::1"


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"metric": "own"}, "state its unit"),
        ({"metric": "temperature", "unit": "K"}, "is in Cel"),
        ({"metric": "running", "scale": 2}, "are for numbers"),
        ({"metric": "running", "kind": "number"}, "leave kind out"),
        ({"metric": "power", "scale": 0}, "scale 0"),
        ({"metric": "power", "values": {"1": "on"}}, "is no reading of power"),
        ({"metric": "running", "values": {"1": 1}}, "is no reading of running"),
        ({"metric": "co2", "privacy": "technical"}, "catalogue decides"),
    ],
)
def test_a_node_that_makes_no_such_reading_is_refused(node: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NodeSettings.model_validate(node)


def test_a_device_reads_a_metric_from_one_node_only() -> None:
    twice = {"/A": {"metric": "power"}, "/B": {"metric": "power"}}
    with pytest.raises(ValidationError, match="from /A and from /B"):
        DeviceSettings.model_validate({"nodes": twice})
    with pytest.raises(ValidationError, match="is no node"):
        DeviceSettings.model_validate({"nodes": {"Boiler": {"metric": "power"}}})
