"""Documents, paths and configurations: everything that is pure."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

import hub
import integrations.http_json
from hub.sdk.jsonpath import JsonPath
from integrations.http_json import Config, DeviceSettings, decode

EXAMPLES = YAML(typ="safe").load((Path(integrations.http_json.__file__).parent / "examples.yaml").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_is_what_it_says(example: dict[str, Any]) -> None:
    device = DeviceSettings.model_validate({"path": "/x", "values": example["values"], "time": example.get("time")})
    time = None if device.time is None else JsonPath.parse(device.time)
    if "error" in example:
        with pytest.raises(hub.DecodeError) as refused:
            decode.document(example["document"].encode())
        assert refused.value.reason == example["error"]
        return
    said = decode.read(decode.document(example["document"].encode()), device.entries(), time)
    assert said.values == example["readings"]
    assert said.skipped == example.get("skipped", [])
    assert said.time == pytest.approx(example["at"]) if "at" in example else said.time is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "power"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PATHS = ["", "a", "a.b", "a[0]", "[0].power", "power"]
DEVICES = [
    DeviceSettings.model_validate(
        {
            "path": "/x",
            "time": time,
            "values": {"power": {"path": one}, "running": {"path": two}, "firmware": {"path": one}},
        }
    )
    for one in PATHS
    for two in PATHS[:2]
    for time in (None, "a")
]


@settings.get_profile("hostile")
@given(JSON.map(msgspec.json.encode) | st.binary(max_size=60), st.sampled_from(DEVICES))
@example(b'{"a":"\xff"}', DEVICES[0])
def test_whatever_a_server_says_is_readings_of_their_kind_or_a_decode_error(
    body: bytes, device: DeviceSettings
) -> None:
    with contextlib.suppress(hub.DecodeError):
        said = decode.read(
            decode.document(body), device.entries(), None if device.time is None else JsonPath.parse(device.time)
        )
        for metric, value in said.values.items():
            kinds: dict[str, Any] = {"power": (int, float), "running": bool, "firmware": str}
            assert isinstance(value, kinds[metric])
            assert not isinstance(value, float) or math.isfinite(value)
            assert not isinstance(value, str) or value.isprintable()
        assert said.time is None or (math.isfinite(said.time) and said.time < 1e11)


def test_a_document_that_is_too_deep_or_too_long_is_refused_and_not_a_crash() -> None:
    for body in (b"[" * 100_000, b" " * (decode.MAX_BODY + 1)):
        with pytest.raises(hub.DecodeError):
            decode.document(body)


@pytest.mark.parametrize("path", ["a..b", "a[", "[x]", "a b", "a[12345]", "." * 3, "a" + "[0]" * 20])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path"):
        JsonPath.parse(path)


SECRET = "a-secret-of-more-than-twenty-characters"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing would be read"),
        ({"url": "http://u:p@x/"}, "no user in the address"),
        ({"url": "http://x/?a=1"}, "each device's `path`"),
        ({"url": "http://x", "user": "u"}, "belong together"),
        ({"url": "http://x", "user": "u", "password": "p", "token": "t"}, "leave one out"),
        ({"url": "http://x", "headers": {"Host": "y"}}, "no header that can be set"),
        ({"url": "http://x", "headers": {"A b": "y"}}, "no header that can be set"),
        ({"listen": {"secret": SECRET}, "token": "t"}, "there is none"),
        ({"listen": {"secret": "short"}}, "at least 20 characters"),
        ({"listen": {"secret": SECRET, "address": "192.0.2.1"}}, "in clear"),
        ({"listen": {"secret": SECRET, "address": "everywhere"}}, "an address of this machine"),
        ({"listen": {"secret": SECRET, "certificate": "c"}}, "belong together"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Config.model_validate(options)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"values": {"power": {}}}, "give path or hook"),
        ({"path": "status", "values": {"power": {}}}, "like /status"),
        ({"path": "//evil/x", "values": {"power": {}}}, "no other host"),
        ({"path": "/x", "values": {"own": {}}}, "state its unit"),
        ({"path": "/x", "values": {"power": {"unit": "W"}}}, "leave unit"),
        ({"path": "/x", "values": {"running": {"scale": 2}}}, "are for numbers"),
        ({"path": "/x", "values": {"power": {"path": "a b"}}}, "not a path"),
        ({"hook": "a/b", "values": {"power": {}}}, "hook"),
    ],
)
def test_a_device_that_cannot_be_read_is_refused(device: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DeviceSettings.model_validate(device)


def test_the_readme_shows_a_configuration_that_is_right_and_every_option() -> None:
    readme = (Path(integrations.http_json.__file__).parent / "README.md").read_text()
    text = readme.partition("```yaml\n")[2].partition("```")[0].replace("!secret ", "a-secret-of-twenty-characters-")
    data = YAML(typ="safe").load(text)
    for options in data["integrations"].values():
        options.pop("type", None)
        for duration in ("interval", "timeout"):
            assert options.pop(duration, "1s").endswith("s")
        Config.model_validate(options)
    for device in data["devices"].values():
        DeviceSettings.model_validate(device["settings"])
    assert [name for name in Config.model_fields if f"{name}:" not in text] == []
    assert [name for name in DeviceSettings.model_fields if f"{name}:" not in text] == []
