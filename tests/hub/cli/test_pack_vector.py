"""Frames of a support file become vectors that a person confirms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.main import ilot
from hub.core.errors import ConfigError
from hub.devices.packs.support_vectors import Payload, read_support

PACK = "adeunis-comfort2"
KNOWN = "4c2000c51f00c72000c82100ca2200cc2300cd24"
"""A vector of the shipped pack."""
NEW = "4c2000c61f00c72000c82100ca2200cc2300cd24"
LINES = [
    {"part": "support", "format": 1, "made": 1_796_000_000.0, "personal": "none", "contents": {}},
    {"part": "about", "pack": PACK, "versions": {}},
    {"part": "frame", "kind": "payload", "port": 1, "bytes": KNOWN, "outcome": "read"},
    {"part": "frame", "kind": "payload", "port": 1, "bytes": NEW, "outcome": "read"},
    {"part": "frame", "kind": "payload", "port": 1, "bytes": NEW, "outcome": "read"},
    {"part": "kept", "kind": "payload", "port": 1, "bytes": "ff", "outcome": "codec-refused"},
    {"part": "frame", "kind": "payload", "port": 1, "bytes": None, "outcome": "read"},
    {"part": "frame", "kind": "ble", "port": None, "bytes": {"service:fcd2": "40"}, "outcome": "read"},
    {"part": "log", "at": 1.0, "text": "…"},
]


def text(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(ilot, [str(argument) for argument in arguments])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.jsonl").write_bytes(text(LINES))
    return tmp_path


@pytest.mark.real("processes")
def test_frames_are_vectors_of_a_copy_of_the_pack_which_passes_once_a_person_has_confirmed_them(place: Path) -> None:
    made = run("pack", "vector", "file.jsonl", "--state-dir", place / "state", "--json")
    assert made.exit_code == 6, made.output
    facts = json.loads(made.stdout.splitlines()[-1])
    assert (facts["written"], facts["left_out"]) == (2, 2)
    written = (place / PACK / "vectors" / "support.yaml").read_text()
    assert KNOWN not in written, "the pack has that one"
    assert written.count(NEW) == 1
    assert '"temperature": 19.8' in written
    assert "refused: true" in written
    assert len(facts["test"]["unconfirmed"]) == 2
    assert not [one for one in facts["test"]["outcomes"] if one["wrong"]]
    installed = run("pack", "install", PACK, "--state-dir", place / "state")
    assert "does not pass" in str(installed.exception), installed.output

    again = run("pack", "vector", "file.jsonl", PACK, "--state-dir", place / "state", "--json")
    assert json.loads(again.stdout.splitlines()[-1])["written"] == 0, "each once"
    vectors = place / PACK / "vectors" / "support.yaml"
    vectors.write_text(written.replace("  unconfirmed: true\n", ""))
    tested = run("pack", "test", PACK, "--state-dir", place / "state")
    assert tested.exit_code == 0, tested.output


@pytest.mark.real("processes")
def test_a_vector_that_nobody_confirmed_shows_nothing(place: Path) -> None:
    run("pack", "vector", "file.jsonl", "--state-dir", place / "state")
    for old in (place / PACK / "vectors").glob("*.yaml"):
        if old.name != "support.yaml":
            old.unlink()
    tested = run("pack", "test", PACK, "--state-dir", place / "state")
    assert tested.exit_code == 6
    assert "no vector shows message data" in tested.output
    assert "2 vectors are unconfirmed" in tested.output


def test_a_folder_that_is_there_is_not_overwritten_and_a_device_without_a_pack_wants_one_named(place: Path) -> None:
    (place / PACK).mkdir()
    assert "is there already" in str(run("pack", "vector", "file.jsonl", "--state-dir", place).exception)
    (place / "file.jsonl").write_bytes(text([LINES[0], *LINES[2:]]))
    assert "name a pack's folder" in str(run("pack", "vector", "file.jsonl", "--state-dir", place).exception)


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ([{"part": "frame"}], "line 1"),
        ([{"part": "support", "format": 2}], "line 1"),
        ([LINES[0], {"part": "frame", "kind": "payload", "bytes": "0g"}], "line 2"),
        ([LINES[0], {"part": "frame", "kind": "payload", "port": 256, "bytes": "00"}], "line 2"),
        ([LINES[0], LINES[1], {"no": "part"}], "line 3"),
    ],
)
def test_a_file_that_is_no_support_file_is_refused_by_its_line(lines: list[dict[str, Any]], where: str) -> None:
    with pytest.raises(ConfigError, match=where):
        read_support(text(lines))


@given(st.binary(max_size=400))
def test_whatever_a_file_holds_it_is_read_or_refused(data: bytes) -> None:
    for tried in (data, text(LINES) + data):
        try:
            found = read_support(tried)
        except ConfigError:
            continue
        assert all(isinstance(one, Payload) for one in found.payloads)
