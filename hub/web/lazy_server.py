"""Lazy server: imported and built at the first connection, so that a hub without visitors holds no templates, no words
and no web server, some 9 MiB. Until then there is only a listening socket."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.core.aiohttp_client import import_server
from hub.core.memory_tuning import SETTLED_S, settle

if TYPE_CHECKING:
    from hub.sdk.http_handler import Handler
    from hub.web.server import Server


def _load() -> None:
    import_server()
    importlib.import_module("hub.web.server")


class LazyServer:
    """Lazily built server. `build` makes it, once `hub.web.server` is imported; `port` must be set before."""

    def __init__(self, build: Callable[[int], Server]) -> None:
        self.port = 0
        self.opened: Server | None = None
        self._build = build
        self._one = asyncio.Lock()
        self._there = asyncio.Event()

    async def server(self) -> Server:
        """Return the server, building it on first use."""
        async with self._one:
            if self.opened is None:
                await asyncio.to_thread(_load)
                self.opened = self._build(self.port)
                self._there.set()
                # once more, for what this has brought and left: see there
                asyncio.get_running_loop().call_later(SETTLED_S, settle)
        return self.opened

    async def protocol(self) -> Callable[[], Handler]:
        """Return the factory of connection protocols."""
        return (await self.server()).protocol

    async def run(self) -> None:
        """Run the server's background work, once it is built."""
        await self._there.wait()
        await (await self.server()).run()
