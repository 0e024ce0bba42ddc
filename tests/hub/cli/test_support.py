"""`ilot support`: what it asks the hub for, and what it says at its end."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli import support
from hub.cli.main import ilot

ANSWER = {
    "document": base64.b64encode(b'{"part":"support"}\n').decode(),
    "contents": {"frame": 200, "kept": 1, "count": 2, "log": 3},
    "personal": "withheld",
    "raised_s": 0.0,
}


class Hub:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {"support": ANSWER}
        self.lines = [
            {"lines": [{"at": 2.0, "level": "debug", "source": "x", "text": "first"}], "raised_s": 10.0},
            {"lines": [{"at": 3.0, "level": "debug", "source": "x", "text": "second"}], "raised_s": 0.0},
        ]

    def ask(self, config: Path, state_dir: Path | None, name: str, /, *, timeout: float = 0, **arguments: Any) -> Any:
        self.asked.append((name, arguments))
        if name == "support.lines":
            return self.lines.pop(0)
        if name == "support.raise":
            return {"source": "lorawan", "raised_s": 0.0 if arguments["end"] else 3600.0}
        return self.answers[name]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    hub = Hub()
    monkeypatch.setattr(support, "ask", hub.ask)
    monkeypatch.setattr(support, "LOOK_S", 0.0)
    monkeypatch.chdir(tmp_path)
    return hub


def run(*arguments: str) -> Result:
    return CliRunner().invoke(ilot, ["support", "ble:x", *arguments])


def test_it_says_at_its_end_what_is_inside_and_that_bytes_were_withheld(hub: Hub, tmp_path: Path) -> None:
    said = run("--out", "file.jsonl")
    assert said.exit_code == 0, said.output
    assert (tmp_path / "file.jsonl").read_bytes() == b'{"part":"support"}\n'
    assert (tmp_path / "file.jsonl").stat().st_mode & 0o077 == 0, "it is nobody else's on this machine"
    assert "frames 200, payloads that no codec could read 1, reasons of refusal 2, log lines 3" in said.output
    assert "--personal WHY puts them in" in said.output
    assert hub.asked == [("support", {"device": "ble:x", "personal": False, "why": ""})]


def test_personal_bytes_are_asked_for_with_their_reason(hub: Hub) -> None:
    hub.answers["support"] = {**ANSWER, "personal": "included"}
    said = run("--personal", "the maker asks", "--out", "file.jsonl")
    assert "give it to nobody else" in said.output
    assert hub.asked == [("support", {"device": "ble:x", "personal": True, "why": "the maker asks"})]


def test_an_hour_is_begun_and_ended_without_a_file(hub: Hub, tmp_path: Path) -> None:
    assert "is raised for 1 h" in run("--hour").output
    assert "as usual again" in run("--end").output
    assert [arguments["end"] for _, arguments in hub.asked] == [False, True]
    assert list(tmp_path.iterdir()) == []


def test_lines_are_followed_until_the_hour_is_over_and_each_is_printed_once(hub: Hub) -> None:
    said = run("--follow", "--json")
    lines = [json.loads(line)["text"] for line in said.output.splitlines() if line.startswith("{")]
    assert lines == ["first", "second"]
    after = [arguments["after"] for name, arguments in hub.asked if name == "support.lines"]
    assert after[1] >= 2.0
