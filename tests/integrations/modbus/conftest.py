"""A session with a clock that only the test moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

import hub
from hub.sdk.testing import FakeSession


class Ticker:
    """One `session.every`: waits for the test's tick."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self._go = asyncio.Event()

    def release(self) -> None:
        self.idle.clear()
        self._go.set()

    def __aiter__(self) -> Ticker:
        return self

    async def __anext__(self) -> float:
        self.idle.set()
        await self._go.wait()
        self._go.clear()
        return 1_790_000_000.0


class Session(FakeSession):
    """Each `every` turns when the test says so, and has an end of its turn that the test can wait for."""

    def __init__(self) -> None:
        super().__init__("modbus")
        self.tickers: list[Ticker] = []

    def every(self, interval: timedelta) -> Ticker:
        self.tickers.append(Ticker())
        return self.tickers[-1]

    def put(self, device: str, settings: dict[str, Any]) -> None:
        """Add or change a device."""
        self.devices.put(hub.Device(id=device, integration="modbus", place="p1", settings=settings))

    def take(self) -> dict[str, dict[str, Any]]:
        """The values reported since the last call, by device."""
        reports, self.reports = self.reports, []
        return {report.device: report.values for report in reports}


class Running:
    """A run in the background; `tick` lets every poller poll once and waits until all have."""

    def __init__(self, session: Session, task: asyncio.Task[None]) -> None:
        self._session = session
        self.task = task

    async def settle(self, count: int) -> None:
        """Wait until `count` pollers are waiting for their tick."""
        async with asyncio.timeout(60):
            while len(self._session.tickers) < count:
                await asyncio.sleep(0)
            for ticker in self._session.tickers:
                await ticker.idle.wait()

    async def tick(self) -> None:
        """Raises what the run raised."""
        for ticker in self._session.tickers:
            ticker.release()
        idle = asyncio.gather(*(ticker.idle.wait() for ticker in self._session.tickers))
        try:
            async with asyncio.timeout(60):
                await asyncio.wait({idle, self.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            idle.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await idle
        if self.task.done():
            await self.task


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
async def start(session: Session) -> AsyncIterator[Callable[[Awaitable[None]], Running]]:
    """Start a run beside the test; it is cancelled, and must end, when the test ends."""
    tasks: list[asyncio.Task[None]] = []

    def begin(run: Any) -> Running:
        tasks.append(asyncio.ensure_future(run))
        return Running(session, tasks[-1])

    yield begin
    for task in tasks:
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)
