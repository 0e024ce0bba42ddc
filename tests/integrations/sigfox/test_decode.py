"""`ilot decode sigfox`: every example, and anything else a line may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
from hub.cli.decode import decode as command
from integrations.sigfox import decode

EXAMPLES = YAML(typ="safe").load(Path(decode.__file__).with_name("examples.yaml").read_text("utf-8"))


def lines(example: dict[str, Any]) -> dict[str, Any]:
    return {**example["callback"], **{key: example[key] for key in ("kind", "format") if key in example}}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_each_example_says_what_it_says(example: dict[str, Any]) -> None:
    frame = decode.line(lines(example))
    if "error" in example:
        with pytest.raises(hub.DecodeError) as failure:
            list(decode.explain(frame, lambda _: None))
        assert failure.value.reason == example["error"]
    else:
        assert list(decode.explain(frame, lambda _: None)) == [example["says"]]


def test_json_lines_in_are_json_lines_out() -> None:
    said = [example for example in EXAMPLES if "says" in example]
    text = "".join(json.dumps(lines(example)) + "\n" for example in said)
    done = CliRunner().invoke(command, ["sigfox"], input=text)
    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in done.output.splitlines()] == [example["says"] for example in said]


def test_a_line_that_cannot_be_read_is_an_error_with_its_number_and_the_others_are_read() -> None:
    good = json.dumps(lines(EXAMPLES[0]))
    bad = json.dumps({**lines(EXAMPLES[0]), "format": "temp::word:3"})
    done = CliRunner().invoke(command, ["sigfox"], input=f"{good}\n{bad}\nno json\n{good}\n")
    assert done.exit_code == 6
    told = [json.loads(line) for line in done.output.splitlines()]
    assert [(one.get("error"), one.get("line")) for one in told] == [
        (None, None), ("bad-format", 2), ("not-hex", 3), (None, None),
    ]  # fmt: skip
    assert "there is no type 'word'" in told[1]["detail"]


def test_what_a_decoder_gives_has_the_device_the_number_and_the_values() -> None:
    found = decode.decode(decode.line(lines(EXAMPLES[0])), lambda _: None)
    assert isinstance(found, hub.Decoded)
    assert (found.device, found.values, found.proof) == (
        "sigfox:1D2F3",
        {"temp": 2002, "hum": 45, "door": True},
        hub.Proof("sigfox", 12),
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@settings.get_profile("hostile")
@given(
    st.dictionaries(
        st.sampled_from(["device", "time", "seqNumber", "data", "kind", "format", "raw", "lqi"]),
        JSON | st.sampled_from(["1D2F3", "1760000000", "00ff", "uplink", "advanced", "a::uint:8", "7"]),
    )
)
def test_any_object_is_explained_or_a_decode_error(said: dict[str, Any]) -> None:
    try:
        told = list(decode.explain(decode.line(said), lambda _: None))
    except hub.DecodeError:
        return
    assert len(told) == 1
    json.dumps(told, allow_nan=False)
