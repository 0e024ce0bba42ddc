"""A serial line as a TCP port, as a converter or ser2net offers one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from hub.sdk.testing.peers.beginning import Beginning
from hub.sdk.testing.peers.missing import free_port


class Line(Beginning):
    """`port` is what the option of an integration wants (`tcp://127.0.0.1:…`). `send` says bytes to whoever has it;
    `heard` is what came, and `answer` gives the bytes with which to answer a piece of it."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda heard: b"") -> None:
        self.heard = b""
        self._answer = answer
        self._number = free_port()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._somebody = asyncio.Event()

    @property
    def port(self) -> str:
        """Its address, as an option has it."""
        return f"tcp://127.0.0.1:{self._number}"

    async def begin(self) -> None:
        """Listen."""
        self._somebody = asyncio.Event()
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self._number)

    async def end(self) -> None:
        """Hang up and listen no more."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await server.wait_closed()

    async def send(self, data: bytes) -> None:
        """Say bytes, once somebody listens. Waits while it is not read."""
        while not self._open:
            self._somebody.clear()
            await self._somebody.wait()
        for writer in list(self._open):
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self._somebody.set()
        try:
            while data := await reader.read(4096):
                self.heard += data
                if said := self._answer(data):
                    writer.write(said)
                    await writer.drain()
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()
