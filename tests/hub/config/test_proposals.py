"""What somebody asks for becomes texts, compared with what lies there; what cannot be one is refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.config.instances import Models
from hub.config.proposals import MOST_EDITS, Conflict, Proposal, diff, load_proposal, propose
from hub.config.source import digest, digests
from hub.core.errors import ConfigError

OLD = {"config.yaml": b"sites: {old: {}}\n"}


def revisions(name: str) -> dict[str, bytes]:
    if not "4f2a".startswith(name):
        raise ConfigError("no such version")
    return OLD


@pytest.fixture
def path(write: Callable[..., Path], base: str) -> Path:
    write("room-2: {zone: rooms}\n", "more.yaml")
    return write(base.replace("places:", "# places\nplaces:"))


def asked(path: Path, **what: Any) -> Proposal:
    return propose(path, what, revisions)


def test_an_edit_becomes_one_text_and_a_diff_of_it(path: Path) -> None:
    made = asked(path, edits=[{"path": ["integrations", "meter", "host"], "value": "192.0.2.9"}])
    assert list(made.written) == ["config.yaml"]
    assert b"# places" in made.texts["config.yaml"]
    assert "+  meter: {host: 192.0.2.9}" in made.diff
    assert made.base == digest(digests(made.before)) != made.digest == digest(digests(made.texts))
    assert b"192.0.2.9" not in path.read_bytes()


def test_nothing_asked_and_the_same_asked_write_nothing(path: Path) -> None:
    for what in ({}, {"files": {"config.yaml": path.read_text()}}, {"edits": []}):
        made = asked(path, **what)
        assert (made.written, made.diff, made.base) == ({}, "", made.digest)


def test_a_version_of_the_history_replaces_what_lies_there(path: Path) -> None:
    made = asked(path, revision="4f")
    assert made.texts == OLD
    with pytest.raises(ConfigError, match="no such version"):
        asked(path, revision="77")


def test_whoever_started_from_something_else_is_told(path: Path) -> None:
    base = asked(path).base
    edit = [{"path": ["hub"], "value": {"name": "x"}}]
    assert asked(path, edits=edit, base=base[:8]).written
    path.write_text(path.read_text() + "# by hand\n")
    with pytest.raises(Conflict, match="changed meanwhile") as caught:
        asked(path, edits=edit, base=base)
    assert caught.value.exit_code == 3


def test_a_file_that_a_new_text_includes_is_written_with_it_and_a_loose_one_refused(path: Path) -> None:
    text = path.read_text().replace("places:\n", "places: !include rooms.yaml\nx-old:\n")
    made = asked(path, files={"config.yaml": text, "rooms.yaml": "room-9: {zone: rooms}\n"})
    assert made.created == ["rooms.yaml"]
    there = asked(path, files={"config.yaml": text.replace("rooms.yaml", "more.yaml")})
    assert (there.created, list(there.written)) == ([], ["config.yaml"])
    with pytest.raises(ConfigError, match=r"loose.yaml: no file of this configuration includes it"):
        asked(path, files={"loose.yaml": "a: 1\n"})


@pytest.mark.parametrize("name", ["secrets.yaml", "../other.yaml", "/etc/passwd", "", "a/../config.yaml"])
def test_no_file_is_written_but_those_of_the_configuration(path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        asked(path, files={name: "a: 1\n"})


@pytest.mark.parametrize(
    "edits",
    [
        "web", [{"value": 1}], [{"path": [], "value": 1}], [{"path": ["web"]}], [{"path": [1.5], "value": 1}], [7],
        [{"path": [True], "value": 1}], [{"path": ["web"], "value": 1}] * (MOST_EDITS + 1),
        [{"path": ["hub", "name"], "value": float("nan")}],
        [{"path": ["integrations", "meter", "password"], "value": {"!secret": "two words"}}],
        [{"path": ["integrations", "meter", "password"], "value": {"!secret": "a", "more": 1}}],
    ],
)  # fmt: skip
def test_an_edit_that_is_none_is_refused_with_a_sentence(path: Path, edits: Any) -> None:
    with pytest.raises(ConfigError):
        asked(path, edits=edits)


def test_the_line_ends_of_a_file_are_nobodys_change(path: Path) -> None:
    text = path.read_text()
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert asked(path, files={"config.yaml": text}).written == {}  # as a browser sends it back
    made = asked(path, files={"config.yaml": text.replace("192.0.2.1", "192.0.2.9")})
    assert made.written["config.yaml"] == text.replace("192.0.2.1", "192.0.2.9").replace("\n", "\r\n").encode()
    assert len([line for line in made.diff.splitlines() if line.startswith("+ ")]) == 1


def test_a_text_that_is_no_yaml_is_proposed_and_judged_wrong(path: Path, models: Models) -> None:
    made = asked(path, files={"config.yaml": "a: [1\n"})
    assert "+a: [1" in made.diff
    with pytest.raises(ConfigError) as caught:
        load_proposal(path, made, models)
    assert caught.value.problems[0].line


def test_a_diff_names_each_file_that_differs() -> None:
    text = diff({"a.yaml": b"x: 1\n", "b.yaml": b"y: 1\n"}, {"a.yaml": b"x: 1\n", "c.yaml": b"z: \xff\n"})
    assert "--- b.yaml" in text
    assert "+++ c.yaml (new)" in text
    assert "a.yaml" not in text
