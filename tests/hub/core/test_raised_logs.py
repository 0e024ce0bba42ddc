"""Logs raised for an hour come back by themselves, over a restart too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hub.core.raised_logs import HOUR_S, KEY, MOST_SOURCES, RaisedLogs
from hub.sdk.testing import ManualClock


class Local:
    def __init__(self, local: dict[str, Any] | None = None) -> None:
        self.local = local or {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    yield
    for n in (*range(MOST_SOURCES + 1), "lorawan"):
        logger = logging.getLogger(f"hub.{n}")
        logger.setLevel(logging.NOTSET)
        logger.handlers.clear()


def level(source: str = "lorawan") -> int:
    return logging.getLogger(f"hub.{source}").level


async def life(raised: RaisedLogs) -> asyncio.Task[None]:
    task = asyncio.create_task(raised.run())
    await asyncio.sleep(0)
    return task


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_level(wanted: int) -> None:
    for _ in range(100):
        if level() == wanted:
            return
        await asyncio.sleep(0)
    raise AssertionError(level())


async def test_an_hour_ends_by_itself() -> None:
    clock, local = ManualClock(), Local()
    raised = RaisedLogs(local, clock)
    task = await life(raised)
    raised.raise_("lorawan")
    await until_level(logging.DEBUG)
    await clock.advance(HOUR_S - 1)
    await until_level(logging.DEBUG)
    await clock.advance(2)
    await until_level(logging.NOTSET)
    assert local.local[KEY] is None
    await ended(task)


async def test_a_restart_does_not_end_it_and_does_not_lengthen_it() -> None:
    clock, local = ManualClock(), Local()
    raised = RaisedLogs(local, clock)
    task = await life(raised)
    raised.raise_("lorawan")
    await ended(task)
    assert level() == logging.NOTSET, "the process that ends leaves nothing behind"
    await clock.advance(HOUR_S - 60)
    task = await life(RaisedLogs(local, clock))
    await until_level(logging.DEBUG)
    await clock.advance(61)
    await until_level(logging.NOTSET)
    await ended(task)


@pytest.mark.parametrize("until", [-1.0, HOUR_S + 10, "soon", None, float("nan")])
async def test_an_end_that_has_passed_or_cannot_be_raises_nothing(until: Any) -> None:
    clock = ManualClock()
    kept = {"lorawan": clock.now() + until if isinstance(until, float) else until}
    local = Local({KEY: kept})
    task = await life(RaisedLogs(local, clock))
    assert level() == logging.NOTSET
    assert local.local[KEY] is None
    await ended(task)


async def test_more_sources_than_are_let_end_the_oldest() -> None:
    clock = ManualClock()
    raised = RaisedLogs(Local(), clock)
    for n in range(MOST_SOURCES + 1):
        raised.raise_(str(n))
        await clock.advance(1)
    assert level("0") == logging.NOTSET
    assert level(str(MOST_SOURCES)) == logging.DEBUG
