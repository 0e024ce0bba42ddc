"""The open sockets of running instances, which a search uses too: one port of a machine has one owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hub
from integrations.bacnet.link import Dropped, Heard, Link
from integrations.bacnet.settings import Config

_RUNNING: dict[tuple[str, int], Link] = {}
"""The hub's own address and port, as configured → the socket there."""


@asynccontextmanager
async def opened(config: Config, dropped: Dropped, heard: Heard) -> AsyncIterator[Link]:
    """Open the socket of an instance, registered with its BBMD. Raises NotReady, AuthFailed."""
    key = (config.address, config.port)
    async with Link(config, dropped=dropped, heard=heard) as link:
        await link.register()
        _RUNNING[key] = link
        try:
            yield link
        finally:
            del _RUNNING[key]


@asynccontextmanager
async def borrowed(config: Config, *, broadcasts: bool = False) -> AsyncIterator[Link]:
    """Use the socket of a running instance, or open one for the time of a search. One that `broadcasts` where the
    instance may not is opened beside it: only answers to itself are heard there. Raises NotReady, AuthFailed."""
    running = _RUNNING.get((config.address, config.port))
    if running is not None and not broadcasts:
        yield running
        return
    try:
        opened = await Link(config).__aenter__()
    except hub.NotReady:  # the instance, or another program, has the port
        opened = await Link(config.model_copy(update={"port": 0})).__aenter__()
    try:
        await opened.register()
        yield opened
    finally:
        await opened.__aexit__(None, None, None)
