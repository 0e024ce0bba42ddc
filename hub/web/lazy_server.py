"""The server behind the door. It is imported and built when the first caller comes: a hub that nobody looks at holds no
templates, no words and no web server, some 5 MiB. Until then a listening socket is all there is of the pages."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.sdk.http_handler import Handler
    from hub.web.server import Server


class Opening:
    """`build` makes the server, once `hub.web.server` is imported; `port` must be set before."""

    def __init__(self, build: Callable[[int], Server]) -> None:
        self.port = 0
        self.opened: Server | None = None
        self._build = build
        self._one = asyncio.Lock()
        self._there = asyncio.Event()

    async def server(self) -> Server:
        """The server, which is there from now on."""
        async with self._one:
            if self.opened is None:
                await asyncio.to_thread(importlib.import_module, "hub.web.server")
                self.opened = self._build(self.port)
                self._there.set()
        return self.opened

    async def protocol(self) -> Callable[[], Handler]:
        """What makes the protocol of a connection."""
        return (await self.server()).protocol

    async def run(self) -> None:
        """What the server does beside answering, once it is there."""
        await self._there.wait()
        await (await self.server()).run()
