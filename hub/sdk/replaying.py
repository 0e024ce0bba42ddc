"""A TCP port that says again what a serial line said, for replayers of such protocols (`hub.sdk.simulation`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from typing import Any


class Line:
    """Whoever is connected hears each line, as bytes of `encode`, which raises DecodeError."""

    environment: Mapping[str, str] = {}

    def __init__(self, encode: Callable[[Mapping[str, Any]], bytes]) -> None:
        self.options: dict[str, Any] = {}
        self._encode = encode
        self._writers: set[asyncio.StreamWriter] = set()
        self._connected = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, as `asyncio.start_server` calls it."""
        self._writers.add(writer)
        self._connected.set()
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def joined(self) -> None:
        """Wait until somebody is connected."""
        await self._connected.wait()

    async def say(self, line: Mapping[str, Any]) -> None:
        """Send one captured line to all who are connected."""
        data = self._encode(line)
        for writer in list(self._writers):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def serial_line(encode: Callable[[Mapping[str, Any]], bytes], port: int) -> AsyncIterator[Line]:
    """Listen on loopback; the option `port` of the integration is where."""
    line = Line(encode)
    server = await asyncio.start_server(line.talk, "127.0.0.1", port)
    line.options["port"] = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with closing(server):  # `async with` would wait until the hub hangs up
        yield line
