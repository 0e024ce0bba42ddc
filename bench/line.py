"""A slow line with a meter: an HTTP proxy (CONNECT, RFC 9110 §9.3.6) that lets so many bytes a second pass each way."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

_PIECE = 1460
"""Bytes passed on at a time: a segment of an Ethernet line."""


class Line:
    """`rate`: bytes/s each way, None for no limit. `up` and `down` count what passed in the tunnels, in
    `pieces`: TLS included, the CONNECT itself and the headers of TCP and IP not. For the event loop it was entered in.
    """

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self.up = self.down = self.tunnels = self.pieces = 0
        self._free = {"up": 0.0, "down": 0.0}  # loop time at which that way is free again
        self._busy: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            request = (await reader.readuntil(b"\r\n\r\n")).split()
            host, _, port = request[1].decode().rpartition(":")
            try:
                there, back = await asyncio.open_connection(host, int(port))
            except OSError:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            self.tunnels += 1
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.closing(back):
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._pass("up", reader, back))
                    ways.create_task(self._pass("down", there, writer))

    async def _pass(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await source.read(65536 if self.rate is None else _PIECE):
            self.pieces += 1
            if way == "up":
                self.up += len(data)
            else:
                self.down += len(data)
            if self.rate is not None:  # one line for all tunnels: whoever comes later waits its turn
                self._free[way] = max(self._free[way], loop.time()) + len(data) / self.rate
                await asyncio.sleep(self._free[way] - loop.time())
            sink.write(data)
            await sink.drain()
        sink.close()
