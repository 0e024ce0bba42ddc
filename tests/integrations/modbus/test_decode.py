"""Words to values: the examples, the orders, and whatever a hostile device may send."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML

import hub
import integrations.modbus
from integrations.modbus import Config, DeviceSettings, Register
from integrations.modbus.decode import decode
from integrations.modbus.settings import WORDS

HERE = Path(integrations.modbus.__file__).parent
EXAMPLES = YAML(typ="safe").load((HERE / "examples.yaml").read_text())
OWN = {"metric": "own_value", "unit": "1", "privacy": "technical", "address": 0}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_reads_as_it_says(example: dict[str, Any]) -> None:
    register = Register.model_validate(example["register"])
    if "error" in example:
        with pytest.raises(hub.DecodeError) as caught:
            decode(register, example["words"])
        assert caught.value.reason == example["error"]
        return
    value = decode(register, example["words"])
    expected = example["reading"]
    if isinstance(expected, float):
        assert value == pytest.approx(expected, rel=1e-6)
    else:
        assert value == expected
    assert type(value) is type(expected)


def test_the_examples_show_every_type() -> None:
    shown = {Register.model_validate(example["register"]).type for example in EXAMPLES}
    assert shown >= {*WORDS, "string"} - {"int64"}


def test_the_yaml_of_the_readme_is_a_valid_configuration() -> None:
    text = (HERE / "README.md").read_text()
    block = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0])
    config = Config.model_validate(block["integrations"]["modbus"])
    assert config.interval.total_seconds() == 30
    for device in block["devices"].values():
        DeviceSettings.model_validate(device["settings"])
    for default in ("port", "interval", "timeout", "retries", "max_rate"):
        assert getattr(config, default) == Config.model_fields[default].default, default
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip


_FORMATS = {
    "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
    "float32": ">f", "float64": ">d",
}  # fmt: skip


@given(
    st.sampled_from(sorted(_FORMATS)), st.sampled_from(["big", "little"]), st.sampled_from(["big", "little"]), st.data()
)
def test_a_number_packed_in_any_order_is_read_back(kind: str, word_order: str, byte_order: str, data: Any) -> None:
    size = 8 * struct.calcsize(_FORMATS[kind])
    if kind.startswith("float"):
        value = data.draw(st.floats(width=size, allow_nan=False, allow_infinity=False))
    elif kind.startswith("u"):
        value = data.draw(st.integers(0, (1 << size) - 1))
    else:
        value = data.draw(st.integers(-(1 << size - 1), (1 << size - 1) - 1))
    packed = struct.pack(_FORMATS[kind], value)
    pairs = [packed[i : i + 2] for i in range(0, len(packed), 2)]
    if word_order == "little":
        pairs.reverse()
    words = [int.from_bytes(pair, "big" if byte_order == "big" else "little") for pair in pairs]
    register = Register.model_validate({**OWN, "type": kind, "word_order": word_order, "byte_order": byte_order})
    assert decode(register, words) == value


def _registers() -> st.SearchStrategy[Register]:
    def build(raw: dict[str, Any]) -> Register | None:
        try:
            return Register.model_validate(raw)
        except ValidationError:
            return None

    number = st.floats(allow_nan=False, allow_infinity=False)
    raw = st.fixed_dictionaries(
        {
            "metric": st.just("own_value"),
            "unit": st.just("1"),
            "privacy": st.just("technical"),
            "address": st.integers(0, 65535),
            "type": st.sampled_from([*WORDS, "string"]),
        },
        optional={
            "table": st.sampled_from(["holding", "input", "coil", "discrete"]),
            "length": st.integers(0, 8),
            "scale": number,
            "offset": number,
            "word_order": st.sampled_from(["big", "little"]),
            "byte_order": st.sampled_from(["big", "little"]),
            "mask": st.integers(1, 1 << 16),
            "invalid": st.lists(st.integers(-(1 << 15), 1 << 16) | number, max_size=3),
        },
    )
    return raw.map(build).filter(lambda register: register is not None)  # type: ignore[return-value]


@given(_registers(), st.data())
def test_any_words_give_a_finite_value_nothing_or_a_decode_error(register: Register, data: Any) -> None:
    word = st.integers(0, 1) if register.table in ("coil", "discrete") else st.integers(0, 0xFFFF)
    right = st.lists(word, min_size=register.size, max_size=register.size)
    words = data.draw(right | st.lists(word | st.integers(), max_size=9))
    try:
        value = decode(register, words)
        reason = ""
    except hub.DecodeError as error:
        value, reason = None, error.reason
    assert reason in ("", "truncated", "bad-word", "bad-text", "not-finite")
    assert (reason == "truncated") == (len(words) != register.size)
    assert value is None or isinstance(value, (bool, int, float, str))
    assert not isinstance(value, float) or math.isfinite(value)


def test_an_invalid_float_is_compared_in_the_devices_own_precision() -> None:
    register = Register(**OWN, type="float32", invalid=(-9999.9,))
    words = struct.unpack(">HH", struct.pack(">f", -9999.9))
    assert decode(register, words) is None


def test_an_invalid_value_is_recognised_signed_or_as_a_pattern() -> None:
    for mark in (-32768, 0x8000):
        assert decode(Register(**OWN, type="int16", invalid=(mark,)), [0x8000]) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metric": "Bad Key"}, "pattern"),
        ({"metric": "unheard_of"}, "not in the catalogue"),
        ({"metric": "temperature", "unit": "K"}, "is in Cel, not K"),
        ({"metric": "temperature", "privacy": "personal"}, "the catalogue decides"),
        ({"metric": "running"}, "is a flag"),
        ({"address": 65535, "type": "uint32"}, "past 65535"),
        ({"table": "coil", "type": "uint16"}, "type must be bool"),
        ({"table": "coil", "type": "bool", "mask": 1, "metric": "running"}, "mask means nothing"),
        ({"type": "string", "metric": "firmware"}, "length"),
        ({"length": 2}, "length"),
        ({"type": "bool", "metric": "fault", "scale": 2.0}, "are for numbers"),
        ({"scale": 0.0}, "scale 0"),
        ({"scale": math.inf}, "finite"),
        ({"type": "int16", "mask": 1}, "mask is for"),
        ({"mask": 0x10000}, "wider than 16 bits"),
        ({"invalid": [70000]}, "does not fit uint16"),
        ({"invalid": [1.5]}, "does not fit uint16"),
        ({"type": "float32", "invalid": [1e40]}, "does not fit float32"),
        ({"write": True}, "Extra inputs"),
    ],
)
def test_a_wrong_register_is_refused_with_its_reason(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Register.model_validate({"metric": "temperature", "address": 0, **change})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"unit": 0}, "greater than or equal to 1"),
        ({"unit": 250}, "reserved"),
        ({"registers": []}, "nothing is read: give `registers`"),
        ({"registers": [{"metric": "power", "address": 0}, {"metric": "power", "address": 1}]}, "read twice"),
        (
            {"max_registers": 1, "registers": [{"metric": "power", "address": 0, "type": "int32"}]},
            "more than max_registers",
        ),
    ],
)
def test_wrong_device_settings_are_refused_with_their_reason(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        DeviceSettings.model_validate({"registers": [{"metric": "power", "address": 0}], **change})


@pytest.mark.parametrize(
    ("register", "resolution"),
    [
        ({"scale": 0.1}, "0.1"), ({"scale": 10}, "10"), ({"scale": 2.5}, "0.1"), ({}, "1"), ({"offset": 0.25}, "0.01"),
        ({"type": "float32"}, "0.001"), ({"type": "bool"}, "1"), ({"scale": 1e-15}, "0.000000000000001"),
    ],
)  # fmt: skip
def test_a_metric_of_ones_own_keeps_every_step_of_its_register(register: dict[str, Any], resolution: str) -> None:
    settings = DeviceSettings.model_validate({"registers": [{**OWN, **register}]})
    (metric,) = settings.own_metrics()
    assert metric.resolution == resolution
    assert (metric.key, metric.unit, metric.privacy) == ("own_value", "1", "technical")
