"""`ilot decode mbus` and `ilot decode wmbus`, as a technician types them."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from ruamel.yaml import YAML

import integrations.mbus
from hub.cli.decode import decode

HERE = Path(integrations.mbus.__file__).parent
EXAMPLES = YAML(typ="safe").load((HERE / "examples.yaml").read_text())


def test_each_example_is_shown_as_a_header_and_its_records(tmp_path: Path) -> None:
    for example in EXAMPLES:
        arguments = [example["kind"], str(example["telegram"])]
        if "key" in example:
            (tmp_path / "key").write_text(example["key"])
            arguments += ["--key-file", str(tmp_path / "key")]
        done = CliRunner().invoke(decode, arguments)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if "error" in example:
            assert (lines[0]["error"], done.exit_code) == (example["error"], 6)
            continue
        assert done.exit_code == 0
        assert lines[0]["id"] == example["header"]["id"]
        assert [line["record"] for line in lines[1:]] == list(range(lines[0]["records"]))


def test_a_bad_line_costs_itself_and_says_its_number() -> None:
    good = str(EXAMPLES[5]["telegram"])
    done = CliRunner().invoke(decode, ["mbus"], input=f"{good}\nnonsense\n" + json.dumps({"telegram": good}) + "\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("error", "") for line in lines] == ["", "", "not-hex", "", ""]
    assert lines[2]["line"] == 2
    assert done.exit_code == 6
