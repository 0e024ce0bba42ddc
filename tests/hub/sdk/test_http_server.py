"""A server that anybody may call, called by node's client, and by callers who stop wherever they like."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from hub.core.errors import AuthFailed
from hub.sdk.http_server import HttpServer
from hub.web.sockets import certificate

pytestmark = pytest.mark.real("network, processes")

ANYBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE
ASK = """
require("https").get({port: PORT, rejectUnauthorized: false}, (answer) => {
  answer.on("data", (data) => process.stdout.write(`${answer.statusCode} ${data}`));
});
"""


class Patient(HttpServer):
    """Cuts nobody for being slow while a test lasts: what happens does not happen for that."""

    MOST_OPEN, MOST_AT_ONCE = 16, 4
    HANDSHAKE_S = KEEP_S = 600.0

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.came, self.go_on = asyncio.Event(), asyncio.Event()
        super().__init__(self.refused.append, rate=100)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        with self.at_work(request):
            self.came.set()
            if request.path == "/slow":
                await self.go_on.wait()
            return web.Response(text="here")


@pytest.fixture
async def tls(tmp_path: Path) -> ssl.SSLContext:
    made, _ = await asyncio.to_thread(certificate.prepare, tmp_path, "hub-test", (), 1_790_000_000.0)
    return made


async def ask(port: int) -> str:
    """What node's client is answered."""
    asking = await asyncio.create_subprocess_exec(
        "node", "-e", ASK.replace("PORT", str(port)), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        return (await asking.communicate())[0].decode()


def hello() -> bytes:
    """A whole ClientHello."""
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ANYBODY.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


@contextlib.asynccontextmanager
async def calling(port: int, says: list[bytes]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """One caller for each, who says that and no more; a task of each ends when it is cut."""

    async def until_cut(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(1 << 16):
                pass

    writers, ends = [], []
    for text in says:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text)
        writers.append(writer)
        ends.append(asyncio.create_task(until_cut(reader)))
    try:
        yield ends
    finally:
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*ends)


@pytest.mark.parametrize("stops", ["before its first byte", "within its first record", "after its hello"])
async def test_callers_who_stop_in_their_handshake_are_few_and_keep_nobody_out(tls: ssl.SSLContext, stops: str) -> None:
    said = {"before its first byte": b"", "within its first record": b"\x16\x03\x01\x02"}.get(stops, hello())
    door = Patient()
    async with door.serving("127.0.0.1", 0, tls) as port, calling(port, [said] * 40) as ends:
        async with asyncio.timeout(60):
            while sum(end.done() for end in ends) < 40 - door.MOST_OPEN:
                await asyncio.sleep(0.01)
        assert await ask(port) == "200 here"
        assert not all(end.done() for end in ends), "who gives way is one at a time"
    assert set(door.refused) == {door.PUSHED_OUT}
    assert len(door.refused) >= 40 - door.MOST_OPEN


async def test_one_that_does_not_go_on_is_cut_wherever_it_stopped(tls: ssl.SSLContext) -> None:
    door = Patient()
    door.HANDSHAKE_S = door.KEEP_S = 0.2  # type: ignore[misc]
    async with asyncio.timeout(60):
        async with door.serving("127.0.0.1", 0, tls) as port, calling(port, [b"", b"\x16\x03", hello()]) as ends:
            await asyncio.gather(*ends)
        async with door.serving("127.0.0.1", 0) as port, calling(port, [b"", b"POST / HTTP/1.1\r\nHost: x"]) as ends:
            await asyncio.gather(*ends)
    assert door.refused == [], "it gave way to nobody"


async def test_at_the_end_a_request_under_way_is_answered_and_who_says_nothing_is_cut(tls: ssl.SSLContext) -> None:
    door = Patient()
    async with asyncio.timeout(60):
        async with door.serving("127.0.0.1", 0, tls) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            silent[1][1].write(hello())
            assert await silent[1][0].read(1), "it shakes hands"
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ANYBODY)
            writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await door.came.wait()
            asyncio.get_running_loop().call_later(0.1, door.go_on.set)
        assert (await reader.read()).endswith(b"here")
        for one, _ in silent:
            with contextlib.suppress(OSError):
                await one.read()
    for _, each in (*silent, (reader, writer)):
        each.transport.abort()


async def test_what_goes_wrong_meanwhile_comes_out_as_it_is() -> None:
    with pytest.raises(AuthFailed, match="a wrong token"):
        async with Patient().serving("127.0.0.1", 0):
            raise AuthFailed("a wrong token")
