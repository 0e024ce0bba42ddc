"""A thread that hangs holds up nobody."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hub.core.disk.hanging_calls import Aside
from hub.sdk.testing import ManualClock


async def test_work_returns_or_raises_as_anywhere() -> None:
    aside = Aside("test")
    assert await aside(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0)
    assert await aside(lambda: threading.current_thread().daemon) is True


async def test_what_hangs_is_given_up_and_nothing_is_begun_beside_it_until_it_ends() -> None:
    aside, clock, gate = Aside("test"), ManualClock(), threading.Event()
    waiting = asyncio.create_task(aside(gate.wait, clock.sleep(60.0)))
    await clock.advance(59.0)
    assert not waiting.done()
    await clock.advance(2.0)
    with pytest.raises(TimeoutError):
        await waiting
    with pytest.raises(TimeoutError):
        await aside(lambda: 8, clock.sleep(60.0))
    gate.set()
    while True:
        try:
            assert await aside(lambda: 9) == 9
        except TimeoutError:
            await asyncio.sleep(0.001)
        else:
            break


async def test_a_caller_that_is_cancelled_leaves_the_thread_busy() -> None:
    aside, gate = Aside("test"), threading.Event()
    waiting = asyncio.create_task(aside(gate.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(TimeoutError):
        await aside(lambda: 8)
    gate.set()
