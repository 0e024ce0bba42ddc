"""Texts of the kernel to readings: the examples, and whatever else a file may hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
import integrations.host
from integrations.host import Config, decode

HERE = Path(integrations.host.__file__).parent
EXAMPLES = YAML(typ="safe").load((HERE / "examples.yaml").read_text())


def _read(example: dict[str, Any]) -> dict[str, Any]:
    match example["source"]:
        case "temperature":
            return decode.temperature(decode.ThermalZone(**zone) for zone in example["zones"])
        case "disk":
            return decode.disk(decode.FileSystem(**example["statvfs"]))
        case "clock":
            return decode.clock(decode.ClockState(**example["timex"]))
        case source:
            parse: Callable[[str], dict[str, float]] = getattr(decode, source)
            return parse(example["text"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_reads_as_it_says(example: dict[str, Any]) -> None:
    if "error" in example:
        with pytest.raises(hub.DecodeError) as caught:
            _read(example)
        assert caught.value.reason == example["error"]
        return
    readings = _read(example)
    assert readings == pytest.approx(example["readings"])
    assert {metric: type(value) for metric, value in readings.items()} == {
        metric: type(value) for metric, value in example["readings"].items()
    }


def test_the_yaml_of_the_readme_is_a_valid_configuration() -> None:
    text = (HERE / "README.md").read_text()
    block = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0])
    config = Config.model_validate(block["integrations"]["host"])
    assert config.interval == Config().interval
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip


def test_the_readme_lists_every_metric_and_the_catalogue_knows_them() -> None:
    text = (HERE / "README.md").read_text()
    shown = {metric for example in EXAMPLES for metric in example.get("readings", {})}
    assert len(shown) == 8
    for metric in shown:
        assert f"| `{metric}` |" in text
        assert metric in hub.METRICS


def _in_bounds(readings: dict[str, Any]) -> None:
    for metric, value in readings.items():
        assert isinstance(value, (bool, float))
        assert math.isfinite(value)
        if metric in ("memory_used", "disk_used"):
            assert 0 <= value <= 100
        elif metric != "cpu_temperature":
            assert value >= 0


_DIGITS = st.text("0123456789.-+einfa_x ", max_size=12)
_TEXTS = st.text(max_size=200) | st.lists(_DIGITS, max_size=5).map(" ".join)
_MEMINFO = st.lists(st.tuples(st.sampled_from(["MemTotal", "MemAvailable", "MemFree"]), _DIGITS), max_size=5).map(
    lambda lines: "\n".join(f"{key}: {size} kB" for key, size in lines)
)


@given(st.sampled_from([decode.load, decode.uptime, decode.memory]), _TEXTS | _MEMINFO)
def test_any_text_gives_finite_readings_or_a_decode_error(parse: Callable[[str], dict[str, float]], text: str) -> None:
    try:
        readings = parse(text)
    except hub.DecodeError:
        readings = {}
    _in_bounds(readings)


@given(st.lists(st.builds(decode.ThermalZone, type=st.sampled_from(["cpu", "x"]) | st.text(), temp=_TEXTS), max_size=4))
def test_any_thermal_zones_give_a_finite_temperature_or_a_decode_error(zones: list[decode.ThermalZone]) -> None:
    try:
        readings = decode.temperature(zones)
    except hub.DecodeError:
        readings = {}
    _in_bounds(readings)


@given(st.builds(decode.FileSystem, *[st.integers(-2, 1 << 64)] * 4))
def test_any_file_system_gives_a_share_between_0_and_100(system: decode.FileSystem) -> None:
    _in_bounds(decode.disk(system))


@given(st.builds(decode.ClockState, *[st.integers(-(1 << 63), (1 << 63) - 1)] * 3))
def test_any_clock_state_gives_an_error_only_when_synchronised(state: decode.ClockState) -> None:
    try:
        readings = decode.clock(state)
    except hub.DecodeError:
        readings = {}
    _in_bounds(readings)
    assert "clock_error" not in readings or readings["clock_synchronised"] is True


@given(st.text())
def test_a_machines_name_is_short_and_printable(text: str) -> None:
    name = decode.model(text)
    assert len(name) <= 64
    assert name.isprintable()


def test_a_machines_name_loses_its_padding() -> None:
    assert decode.model("Raspberry Pi 4 Model B Rev 1.5\0") == "Raspberry Pi 4 Model B Rev 1.5"
