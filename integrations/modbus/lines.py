"""The connections of the running instances, which a search shares with their polls: one request at a time on a line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hub.sdk.session import Bus
from integrations.modbus.settings import Config

if TYPE_CHECKING:
    from integrations.modbus.asking import Asker

_RUNNING: dict[tuple[str, str, int], list[Asker]] = {}


@asynccontextmanager
async def opened(config: Config, bus: Callable[[str], Bus]) -> AsyncIterator[Asker]:
    """Open the host or line of an instance that polls. Raises NotReady, AuthFailed."""
    key = _key(config)
    async with _connected(config, bus) as asker:
        _RUNNING.setdefault(key, []).append(asker)
        try:
            yield asker
        finally:
            _RUNNING[key].remove(asker)
            if not _RUNNING[key]:
                del _RUNNING[key]


@asynccontextmanager
async def borrowed(config: Config, bus: Callable[[str], Bus]) -> AsyncIterator[Asker]:
    """Use the connection of an instance that polls this host or line, or open one for the time of a search."""
    running = _RUNNING.get(_key(config))
    if running:
        yield running[-1]
        return
    async with _connected(config, bus) as asker:
        yield asker


@asynccontextmanager
async def _connected(config: Config, bus: Callable[[str], Bus]) -> AsyncIterator[Asker]:
    from integrations.modbus.link import Link
    from integrations.modbus.rtu import SerialLine

    if config.bus:
        yield SerialLine(config, bus(config.bus))
    else:
        async with Link(config) as link:
            yield link


def _key(config: Config) -> tuple[str, str, int]:
    return ("bus", config.bus, 0) if config.bus else ("host", config.host.lower(), config.port)
