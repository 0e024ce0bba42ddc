"""`ilot history`: which moments it asks for, and how it writes those of the hour that comes twice."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli.history import history

FIRST = 1_792_886_400
"""2026-10-25, 02:00 in Paris for the first time: UTC+2."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def hub(name: str, **arguments: Any) -> Any:
        found.append(arguments)
        cells = [[FIRST + hour * 3600, 1.0 + hour, None, None, 0.0, 100.0] for hour in range(-1, 3)]
        return {"timezone": "Europe/Paris", "counter": True, "unit": "kW.h", "cells": cells}

    monkeypatch.setattr("hub.cli.history.hub_of", lambda *_: hub)
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(history, ["tgbt/energy", *arguments])


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2026-10-25", FIRST - 2 * 3600), ("2026-10-26", FIRST + 23 * 3600),  # a day of 25 hours
        ("2026-10-25T02:00", FIRST), ("2026-10-25T02:00:00+01:00", FIRST + 3600), ("2026-10-25T00:00Z", FIRST),
        ("2026-10-24T20:00-04:00", FIRST),
    ],
)  # fmt: skip
def test_a_date_that_says_its_offset_is_that_moment_and_another_is_the_sites(
    asked: list[dict[str, Any]], text: str, second: int
) -> None:
    assert run("--from", text, "--to", "2026-10-28").exit_code == 0
    assert asked[-1]["from"] == second


def test_the_two_hours_that_bear_one_name_are_told_apart(asked: list[dict[str, Any]]) -> None:
    table = run("--from", "2026-10-25").stdout.splitlines()
    assert [row[:23].rstrip() for row in table[1:]] == [
        "2026-10-25 01:00", "2026-10-25 02:00 UTC+2", "2026-10-25 02:00 UTC+1", "2026-10-25 03:00",
    ]  # fmt: skip
