"""Puts the peers of these tests where they can be imported, and starts knxd, which is one of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from knxd_kit import Knxd
from xknx.io.request_response.request_response import RequestResponse

from hub.sdk.testing import FakeSession


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """xknx waits a second for most answers; a machine with other work takes longer."""
    monkeypatch.setattr(RequestResponse.__init__, "__defaults__", (5.0,))


@pytest.fixture
async def knxd() -> AsyncIterator[Knxd]:
    """A real knxd with a dummy bus: tunnels over UDP on a free port of loopback."""
    peer = Knxd()
    try:
        await peer.start()
        yield peer
    finally:
        await peer.stop()


@pytest.fixture
def session() -> FakeSession:
    return FakeSession("knx", holds_keys=True)


@pytest.fixture
async def start() -> AsyncIterator[Callable[[Any], asyncio.Task[None]]]:
    """Start a run beside the test; it is cancelled, and must end, when the test ends."""
    tasks: list[asyncio.Task[None]] = []

    def begin(run: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.ensure_future(run))
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)
