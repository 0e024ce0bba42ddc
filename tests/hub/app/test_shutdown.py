"""How a hub ends: no part keeps another from being closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hub.app import shutdown
from hub.app.shutdown import Part, close_all
from hub.core.errors import StorageError
from hub.core.text import reason_of


def parts(done: list[str], first: Callable[[], Awaitable[None]], *, writes: bool) -> list[Part]:
    async def last() -> None:
        done.append("store")

    return [Part("the first could not be closed", first, writes), Part("the store could not be closed", last)]


@pytest.mark.parametrize("error", [RuntimeError("it broke"), OSError(5, "Input/output error"), StorageError("full")])
async def test_whatever_a_part_ends_with_the_later_ones_are_closed_and_what_was_not_written_is_said(
    error: Exception,
) -> None:
    async def fails() -> None:
        raise error

    done: list[str] = []
    said = await close_all(parts(done, fails, writes=True))
    assert done == ["store"]
    assert said.startswith("the first could not be closed: ")
    assert reason_of(error) in said


async def test_a_connection_that_does_not_let_go_is_left_behind_and_risks_no_reading(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(shutdown, "HANGS_S", 0.01)
    done: list[str] = []
    assert await close_all(parts(done, hangs, writes=False)) == ""
    assert done == ["store"]
    assert "the first could not be closed" in caplog.text
