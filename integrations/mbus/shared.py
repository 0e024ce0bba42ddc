"""The open line of a bus, which a search shares with the polls of a running instance, meter by meter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from hub.sdk import serial_line

if TYPE_CHECKING:
    from integrations.mbus import Config


class Shared(NamedTuple):
    """An open line. `turn` is held from the selection of a meter to the end of its answer."""

    line: serial_line.SerialLine
    turn: asyncio.Lock


_OPEN: dict[str, Shared] = {}
"""Port → the line."""


@asynccontextmanager
async def opened(config: Config, holder: str) -> AsyncIterator[Shared]:
    """Open the line of a bus. Raises NotReady, AuthFailed."""
    async with serial_line.open_serial_line(
        config.port, baudrate=config.baudrate, parity=config.parity, holder=holder
    ) as line:
        _OPEN[config.port] = one = Shared(line, asyncio.Lock())
        try:
            yield one
        finally:
            del _OPEN[config.port]


@asynccontextmanager
async def borrowed(config: Config) -> AsyncIterator[Shared]:
    """Use the line that is open, or open it for the time of a search. Raises NotReady, AuthFailed."""
    if config.port in _OPEN:
        yield _OPEN[config.port]
        return
    async with opened(config, "a search") as one:
        yield one
