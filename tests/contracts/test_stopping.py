"""Whatever the hub listens with ends when it is told, though peers stay connected, say nothing or half of something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from hub.rpc import control_socket
from hub.sdk.testing import FakeView
from hub.web.sockets import redirect
from plugins import modbus_server, prometheus
from plugins.modbus_server.serving import serve
from plugins.prometheus.serving import serving

from ..ports import free_port

pytestmark = pytest.mark.real("network")

FOR_EVER_S = 40.0
"""An ending that waits for its peers takes as long as they like; those of aiohttp by its default take 60 s."""


@asynccontextmanager
async def controlled(path: Path) -> AsyncIterator[str]:
    async with control_socket.serving(path / "hub.sock", {}):
        yield str(path / "hub.sock")


@asynccontextmanager
async def redirecting(_: Path) -> AsyncIterator[int]:
    async with redirect.serving("127.0.0.1", 0, frozenset(), 443) as port:
        yield port


@asynccontextmanager
async def scraped(_: Path) -> AsyncIterator[int]:
    async with serving(prometheus.Config(port=0), FakeView()) as url:
        yield int(url.split(":")[2].split("/")[0])


@asynccontextmanager
async def asked(_: Path) -> AsyncIterator[int]:
    port = free_port()
    task = asyncio.create_task(serve(modbus_server.Config(port=port), FakeView()))
    try:
        while True:
            with suppress(OSError):
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            await asyncio.sleep(0.01)
        yield port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


SERVERS = {"control": controlled, "redirect": redirecting, "prometheus": scraped, "modbus_server": asked}
SAID = {
    "nothing": b"",
    "half": b"GET /met",
    "a request that may be followed by others": b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("server", SERVERS)
async def test_it_ends_though_a_peer_stays_connected(server: str, said: str, tmp_path: Path) -> None:
    made = SERVERS[server](tmp_path)
    where = await made.__aenter__()
    connect = partial(asyncio.open_unix_connection, where) if isinstance(where, str) else None
    _, peer = await (connect() if connect else asyncio.open_connection("127.0.0.1", where))
    peer.write(SAID[said])
    await peer.drain()
    await asyncio.sleep(0.1)  # for it to be read
    async with asyncio.timeout(FOR_EVER_S):
        await made.__aexit__(None, None, None)
    peer.close()
    with suppress(OSError):
        await peer.wait_closed()
