"""The list of a hub's parts: what runs, what answers, what is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hub.app.service import Service, calls, run_coroutines, status_of
from hub.core.calls import Call


class Clock:
    def status(self) -> dict[str, Any]:
        return {"sure": False}

    def complaints(self) -> list[str]:
        return ["the clock is not sure"]


class Desk:
    def __init__(self, *names: str) -> None:
        self._names = names

    async def run(self) -> None:
        return

    def calls(self) -> Mapping[str, Call]:
        return dict.fromkeys(self._names, self._call)

    async def _call(self, arguments: dict[str, Any]) -> Any:
        return arguments


def test_a_part_that_has_a_name_answers_under_it_and_its_sentences_are_said() -> None:
    assert status_of([Service(Clock(), "clock"), Service(Clock()), Service(Desk(), "desk")]) == (
        {"clock": {"sure": False}},
        ["the clock is not sure"],
    )


def test_what_runs_is_run_and_what_does_not_is_left() -> None:
    running = run_coroutines([Service(Clock(), "clock"), Service(Desk())])
    assert len(running) == 1
    running[0].close()


def test_two_parts_with_one_call_are_refused_by_its_name() -> None:
    assert sorted(calls([Service(Desk("stop")), Service(Desk("go"))])) == ["go", "stop"]
    with pytest.raises(ValueError, match="two parts of the hub have the call stop"):
        calls([Service(Desk("stop")), Service(Desk("stop", "go"))])
