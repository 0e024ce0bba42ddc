"""`ilot rule replay`: how often, from when to when, and how sure that is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.rule import rule

EPISODE = {"key": "salle", "name": "Salle 1", "place": "salle", "begin": 1_792_886_400, "end": None,
           "value": "18.5 °C", "limit": "19 °C", "hourly": True}  # fmt: skip
ANSWER: dict[str, Any] = {
    "count": 1, "certainty": "at-least", "from": 1_792_800_000, "to": 1_792_890_000, "episodes": [EPISODE], "why": "",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def hub(name: str, /, **arguments: Any) -> Any:
        found.append({"call": name, **arguments})
        return {**ANSWER, "from": None} if arguments["name"] == "new" else ANSWER

    monkeypatch.setattr("hub.cli.rule.hub_of", lambda *_: hub)
    return found


def test_a_lower_bound_is_said_to_be_one(asked: list[dict[str, Any]]) -> None:
    done = CliRunner().invoke(rule, ["replay", "froid", "--last", "2d"])
    assert "froid: at least 1 time from 2026-10-24T00:00:00Z to 2026-10-25T01:00:00Z" in done.output
    assert done.output.splitlines()[-1].split() == ["2026-10-25T00:00:00Z", "–", "Salle", "1", "18.5", "°C"]
    assert (asked[0]["call"], asked[0]["name"], asked[0]["span_s"]) == ("rule.replay", "froid", 2 * 86_400.0)


def test_a_program_gets_the_answer_itself(asked: list[dict[str, Any]]) -> None:
    assert json.loads(CliRunner().invoke(rule, ["replay", "froid", "--json"]).stdout) == ANSWER


def test_a_rule_without_history_and_a_wrong_duration_are_said(asked: list[dict[str, Any]]) -> None:
    assert "no history" in CliRunner().invoke(rule, ["replay", "new"]).output
    wrong = CliRunner().invoke(rule, ["replay", "froid", "--last", "soon"])
    assert wrong.exit_code == 2
    assert "expected a duration" in wrong.output
