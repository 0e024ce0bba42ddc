"""A line whose other end is a simulated bus in this process. What the bus answers is there when the question has left,
so that only silence takes its time-out, however busy the machine is. The same bus in another process, over TCP and a
terminal, is in test_bus.py and test_search.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hub.sdk import serial_line
from integrations.mbus.sim import Bus


class Wire:
    def __init__(self, bus: Bus) -> None:
        self._bus, self._said = bus, b""

    async def send(self, data: bytes) -> None:
        self._said += self._bus.hear(data)

    async def receive(self) -> bytes:
        if not self._said:
            await asyncio.Event().wait()
        said, self._said = self._said, b""
        return said


def plug(monkeypatch: pytest.MonkeyPatch, bus: Bus) -> str:
    """The port of a line to `bus`, whatever opens it."""
    real = serial_line.open_serial_line

    @asynccontextmanager
    async def open_line(port: str, **options: Any) -> AsyncIterator[Any]:
        if port == "/dev/wire":
            yield Wire(bus)
            return
        async with real(port, **options) as line:
            yield line

    monkeypatch.setattr(serial_line, "open_serial_line", open_line)
    return "/dev/wire"
