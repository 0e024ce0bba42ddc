"""The log of a server that strangers may call: few lines, no traceback but of our own faults, and each counted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from hub.core.request_log import EVERY_S, MALFORMED, MOST_PLACES, RequestLog


class Unreadable(Exception):
    """As aiohttp.http_exceptions.HttpProcessingError."""

    code = 400


class Told:
    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self.now, self.counted = 0.0, list[str]()
        self._caplog = caplog
        self.log = RequestLog(logging.getLogger("test"), self.counted.append, lambda: self.now)

    def lines(self) -> list[tuple[str, bool]]:
        found = [(record.getMessage(), bool(record.exc_info)) for record in self._caplog.records]
        self._caplog.clear()
        return found


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


@pytest.mark.parametrize("error", [Unreadable("400:\n  \x1b[2J"), ConnectionResetError("lost"), TimeoutError()])
def test_what_a_stranger_did_wrong_is_one_line_in_a_while_and_each_is_counted(told: Told, error: Exception) -> None:
    for _ in range(1000):
        told.log.exception("Error handling request from %s", "192.0.2.7", exc_info=error)
    kind = type(error).__name__
    said = f"1 request could not be read ({kind}), the last of 192.0.2.7; more are counted"
    assert told.lines() == [(said, False)]
    assert told.counted == [MALFORMED] * 1000
    told.now = EVERY_S
    told.log.exception("Error handling request from %s", "192.0.2.8", exc_info=error)
    said = f"1000 requests could not be read ({kind}), the last of 192.0.2.8; more are counted"
    assert told.lines() == [(said, False)]


def fault(number: int) -> Exception:
    """One of a place of its own."""
    try:
        exec(compile("\n" * number + "1 / 0", "asked.py", "exec"))
    except ZeroDivisionError as error:
        return error
    raise AssertionError


def test_a_fault_of_ours_has_its_traceback_once_and_then_a_line_in_a_while(told: Told) -> None:
    for _ in range(50):
        told.log.fault(fault(4))
    assert told.lines() == [("1 fault of this program: ZeroDivisionError at <module>:5; more are counted", True)]
    told.now = EVERY_S
    told.log.exception("Unhandled exception", exc_info=fault(4))
    assert told.lines() == [("50 faults of this program: ZeroDivisionError at <module>:5; more are counted", False)]
    assert told.counted == []


def test_faults_at_ever_new_places_cost_a_bounded_number_of_lines(told: Told) -> None:
    for number in range(3 * MOST_PLACES):
        told.log.fault(fault(number))
    assert len(told.lines()) == MOST_PLACES


async def test_what_no_task_caught_is_told_in_the_same_way(told: Told) -> None:
    loop, former = asyncio.get_running_loop(), asyncio.get_running_loop().get_exception_handler()
    loop.set_exception_handler(told.log.uncaught)
    try:
        for _ in range(20):
            loop.call_soon(fault_in_callback)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        loop.call_exception_handler({"message": "something without an exception"})
    finally:
        loop.set_exception_handler(former)
    (first, second) = told.lines()
    assert first[0].startswith("1 fault of this program: IndexError at fault_in_callback:")
    assert second == ("something without an exception", False)


async def test_a_generator_that_could_not_be_closed_is_named(told: Told) -> None:
    async def turns() -> Any:
        yield 1

    context = {"message": "an error", "asyncgen": turns(), "exception": RuntimeError("aclose(): already running")}
    told.log.uncaught(asyncio.get_running_loop(), context)
    ((line, _),) = told.lines()
    assert "RuntimeError at test_a_generator_that_could_not_be_closed_is_named.<locals>.turns;" in line


def fault_in_callback() -> Any:
    """As a library's protocol that does not expect what a datagram holds."""
    return b""[0]
