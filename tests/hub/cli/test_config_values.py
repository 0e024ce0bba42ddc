"""A path and a value of `ilot config set` mean what they would in the file."""

from __future__ import annotations

from typing import Any

import click
import pytest

from hub.cli.config.values import parse_path, parse_value
from hub.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("web", ["web"]),
        ("integrations.modbus.interval", ["integrations", "modbus", "interval"]),
        ('devices["ble:A4:C1"].place', ["devices", "ble:A4:C1", "place"]),
        ('zones["a \\"b\\""]', ["zones", 'a "b"']),
        ("a.registers[12].name", ["a", "registers", 12, "name"]),
    ],
)
def test_a_path_has_keys_and_positions(text: str, parts: list[str | int]) -> None:
    assert parse_path(text) == parts


@pytest.mark.parametrize("text", ["", ".web", "web.", "a..b", "a[b]", "a[-1]", 'a["b', "a b"])
def test_what_is_no_path_is_told(text: str) -> None:
    with pytest.raises(click.UsageError):
        parse_path(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30s", "30s"), ("9443", 9443), ("0.5", 0.5), ("true", True), ("null", None), ("[a, 1]", ["a", 1]),
        ("{a: {b: x}}", {"a": {"b": "x"}}), ("!secret pump", {"!secret": "pump"}),
        ("{k: !secret pump}", {"k": {"!secret": "pump"}}), ("'1'", "1"), ("École: annexe", "École: annexe"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_in_the_file(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["[a", "{a: 1", "'a", "!secret two words", "&a b"])
def test_a_value_that_starts_like_yaml_must_be_yaml(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_value(text)
