"""What is found is added to a file; whatever a person wrote there stays, to the byte."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.config.editing.merge import merge
from hub.config.editing.yaml_writer import block, flow, plain
from hub.config.positions import SecretRef
from hub.config.source import parse, read
from hub.core.errors import ConfigError

FOUND: dict[str, Any] = {
    "devices": {
        "bacnet:12": {
            "#": "AHU\n1",
            "integration": "bacnet",
            "settings": {
                "address": "192.0.2.4",
                "objects": {
                    "analog-input:3": {"metric": "temperature", "#": "Supply air"},
                    "# analog-value:9": "has no unit",
                },
            },
        }
    }
}

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
keys = text.filter(lambda key: key and not key.startswith("#") and key != "<<" and key != "!secret")
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    text,
    st.sampled_from(["no", "1.5", "0x10", "~", "null", "- a", "a: b", "a #b", "!secret a", "&a", "*a", "{}", ""]),
)
trees = st.dictionaries(
    keys,
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)),
    max_size=4,
)
tree = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(scalars, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3)),
    max_size=3,
)


@given(trees)
def test_plain_data_comes_back_as_it_was_written(data: dict[str, Any]) -> None:
    assert parse(block(data)) == (data or None)
    assert parse(f"a: {flow(data)}") == {"a": data}


@given(text, text)
def test_no_comment_breaks_out_of_its_line(comment: str, key: str) -> None:
    data = {"a": {"#": comment, f"# {key}": comment, "b": {"#": comment, "c": 1}}}
    assert parse(block(data)) == {"a": {"b": {"c": 1}}}


def test_text_of_strangers_cannot_refer_to_a_secret() -> None:
    assert parse("a: " + flow("!secret door")) == {"a": "!secret door"}
    assert parse("a: " + flow({"!secret": "door"})) == {"a": SecretRef("door")}
    with pytest.raises(TypeError, match="a reference to a secret"):
        flow({"!secret": "door\nb: 1"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("devices: {}\nlink:\n", "devices:\n{new}link:\n"),
        ("devices:\nlink:\n", "devices:\n{new}link:\n"),
        ("devices: # all\n\n# link\nlink:\n", "devices: # all\n{new}\n# link\nlink:\n"),
        ("devices: ~ # none yet\nlink:", "devices: # none yet\n{new}link:\n"),
        ("link:", "link:\n\ndevices:\n{new}"),
        ("", "devices:\n{new}"),
        ("# nothing yet\n", "# nothing yet\ndevices:\n{new}"),
        ("a: |\n  # text\n\n# end\n", "a: |\n  # text\n\ndevices:\n{new}\n# end\n"),
        (
            "devices:\n  x:y:\n    settings:\n      # unit: 1\n\n  # of the boiler\nlink:\n",
            "devices:\n  x:y:\n    settings:\n      # unit: 1\n{new}\n  # of the boiler\nlink:\n",
        ),
        (
            "devices:\n  'a:b': [1,\n    2]   # odd\n\n\n# The way out\nlink: {}\n",
            "devices:\n  'a:b': [1,\n    2]   # odd\n{new}\n\n# The way out\nlink: {}\n",
        ),
    ],
)
def test_new_entries_stand_at_the_end_of_their_mapping(before: str, after: str, write: Callable[..., Path]) -> None:
    new = "".join(f"  {line}\n" for line in block(FOUND["devices"]).splitlines())
    path = write(before)
    merged = merge(path, FOUND)
    assert merged.after["config.yaml"] == after.replace("{new}", new)
    assert merged.before["config.yaml"] == before
    assert path.read_text() == before, "nothing is written"


def test_what_the_file_says_stays_and_is_told(write: Callable[..., Path]) -> None:
    path = write(
        "devices:\n  bacnet:12:\n    integration: other   # mine\n    settings:\n"
        "      objects: {analog-input:3: {metric: co2}, analog-input:4: {metric: humidity}}\n"
    )
    merged = merge(path, FOUND)
    assert merged.kept == [
        'devices["bacnet:12"].integration',
        'devices["bacnet:12"].settings.objects["analog-input:3"].metric',
    ]
    diff = list(difflib.unified_diff(path.read_text().splitlines(), merged.after["config.yaml"].splitlines(), n=0))
    assert diff[3:] == ["+      address: 192.0.2.4"]


def test_a_flow_mapping_grows_in_its_line(write: Callable[..., Path]) -> None:
    path = write("devices: {bacnet:12: {integration: bacnet, settings: {objects: {b:1: {metric: co2},},}}} # short\n")
    merged = merge(path, FOUND)
    said = parse(merged.after["config.yaml"])
    assert said == merged.data
    assert said["devices"]["bacnet:12"]["settings"]["objects"]["analog-input:3"] == {"metric": "temperature"}
    assert merged.after["config.yaml"].endswith("# short\n")


def test_nothing_within_braces_becomes_something(write: Callable[..., Path]) -> None:
    path = write("devices: {bacnet:12: {settings: null, integration: b}} # short\n")
    merged = merge(path, FOUND)
    assert parse(merged.after["config.yaml"]) == merged.data
    assert merged.data["devices"]["bacnet:12"]["settings"]["address"] == "192.0.2.4"


def test_an_included_file_grows_in_the_place_of_the_first(write: Callable[..., Path]) -> None:
    write("# all of them\nx:y:\n  place: # p\r\n", "parts/devices.yaml")
    path = write("devices: !include parts/devices.yaml\n")
    merged = merge(path, FOUND)
    assert list(merged.after) == ["parts/devices.yaml"]
    assert merged.after["parts/devices.yaml"].startswith("# all of them\nx:y:\n  place: # p\r\nbacnet:12:  # AHU 1\r\n")


def test_a_second_import_of_the_same_finds_nothing_to_add(write: Callable[..., Path]) -> None:
    path = write("devices:\n")
    write(merge(path, FOUND).after["config.yaml"])
    assert merge(path, FOUND).after == {}


@pytest.mark.parametrize("before", ["- a\n- b\n", "just text\n", "devices: {a: 1, a: 2}\n", "a: [\n", "a: &b 1\n"])
def test_a_file_that_cannot_grow_is_refused(before: str, write: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError):
        merge(write(before), FOUND)


@example(old={"a": {"a": None}}, new={"a": {"a": {"a": None}}}, inline=False)
@given(old=tree, new=tree, inline=st.booleans())
def test_the_new_text_says_what_both_said(
    old: dict[str, Any], new: dict[str, Any], inline: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    text = "".join(f"{k}: {flow(v)}\n" for k, v in old.items()) if inline else block(old)
    path.write_text(text)
    merged = merge(path, new)
    path.write_text(merged.after.get("config.yaml", text))
    source = read(path)
    assert not source.problems
    assert (source.data or {}) == merged.data
    assert plain(merged.data) == merged.data
    assert _holds(merged.data, old)


def _holds(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _holds(whole[key], part[key]) for key in part)
    return part is None or bool(whole == part)
