"""What comes to the port of the hubs for the operator: passed on whole, bounded, and never in the hubs' way."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from backend_kit import row

from backend.api import socket as api_socket
from backend.conformance.probe import Probe
from backend.owner import directory as owners
from backend.processes import api_forwarding as passing_on
from backend.processes.api_process import answering_operators
from backend.processes.ingest_process import Running, answering_hubs
from hub.core import tls
from hub.identity.enrolment import enrol
from tests.journeys.patience import PATIENCE_S
from tests.strangers import faults_in

from ..conftest import token_for

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def ingest(tmp_path: Path) -> AsyncIterator[tuple[Running, aiohttp.ClientSession]]:
    """An ingest without an API, and a caller that trusts it."""
    owners.init(tmp_path / "owner", owner="Ville")
    async with answering_hubs(tmp_path / "owner", port=0) as running:
        context = tls.client(file=tmp_path / "owner" / "ca.pem", oldest=ssl.TLSVersion.TLSv1_3)
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            yield running, session


@asynccontextmanager
async def api(directory: Path, handler: Handler) -> AsyncIterator[None]:
    """A server at the socket of the API, all of whose answers are `handler`'s."""
    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
    await runner.setup()
    made = api_socket.listen(directory)
    assert made is not None
    await web.SockSite(runner, made).start()
    try:
        yield
    finally:
        await runner.cleanup()


@pytest.mark.real("network")
async def test_without_an_api_operators_are_told_to_come_again_and_hubs_are_answered(tmp_path: Path) -> None:
    async with ingest(tmp_path) as (running, session):
        token = token_for(running)
        await enrol(token, tmp_path / "hub")
        async with session.get(f"{running.url}/v1/hubs") as reply:
            assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
            assert json.loads(await reply.read())["error_text"]["code"] == "api-does-not-answer"
        async with aiohttp.ClientSession() as hub:
            probe = Probe(running.url, token, tmp_path / "hub", hub)
            segment = probe.segment()
            assert 1 in (await probe.post(segment.message([segment.block([row()])]))).taken(segment)
        async with answering_operators(tmp_path / "owner"):
            headers = {"Authorization": f"Bearer {running.owner.api_token}"}
            async with session.get(f"{running.url}/v1/hubs", headers=headers) as reply:
                assert (reply.status, len((await reply.json())["hubs"])) == (200, 1)
        async with session.get(f"{running.url}/v1/hubs") as reply:
            assert reply.status == 503


@pytest.mark.real("network")
async def test_method_path_headers_and_body_reach_the_api_and_its_answer_comes_back(tmp_path: Path) -> None:
    seen: list[tuple[str, str, bytes, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.raw_path, await request.read(), dict(request.headers)))
        return web.Response(status=202, body=b"zip", headers={"ETag": '"x"', "Content-Encoding": "gzip", "Link": "<n>"})

    async with ingest(tmp_path) as (running, session), api(tmp_path / "owner", handler):
        asked = {"If-None-Match": '"y"', "Last-Event-ID": "7", "Cookie": "a=b", "X-Other": "1", "Authorization": "T"}
        url = f"{running.url}/v1/series/a%2Fb%2Fc/latest?x=%ff&y=1+2"
        async with session.post(aiohttp.client.URL(url, encoded=True), headers=asked, data=b"body") as reply:
            assert (reply.status, await reply.read()) == (202, b"zip")
            assert {"ETag", "Content-Encoding", "Link"} <= reply.headers.keys()
            assert "Server" not in reply.headers
        async with session.head(f"{running.url}/v1/x") as reply:
            assert (reply.status, reply.headers["Content-Length"]) == (202, "3")
    (method, path, body, headers), (second, *_) = seen
    assert (method, path, body) == ("POST", "/v1/series/a%2Fb%2Fc/latest?x=%ff&y=1+2", b"body")
    assert (headers["If-None-Match"], headers["Last-Event-ID"]) == ('"y"', "7")
    assert not {"Cookie", "X-Other"} & headers.keys()
    assert second == "HEAD"


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "target", ["//[x", "/v1/x?//[y", "*", "http://[::1", "/%", "//api/../v1/hubs", "/v1/x?a=%ff#b"]
)
async def test_whatever_a_stranger_asks_for_is_an_answer_and_no_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    async with ingest(tmp_path) as (running, _), answering_operators(tmp_path / "owner"):
        context = tls.client(file=tmp_path / "owner" / "ca.pem", oldest=ssl.TLSVersion.TLSv1_3)
        reader, writer = await asyncio.open_connection("localhost", running.port, ssl=context)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()[1]
        writer.transport.abort()
    assert status in (b"400", b"401", b"404")
    assert faults_in(caplog.records, 1) == []


@pytest.mark.real("network")
async def test_an_answer_comes_piece_by_piece_and_half_a_one_does_not_look_whole(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await go_on.wait()
        assert request.transport is not None
        request.transport.abort()  # as one that is killed
        return response

    async with asyncio.timeout(PATIENCE_S), ingest(tmp_path) as (running, session), api(tmp_path / "owner", handler):
        reply = await session.get(f"{running.url}/v1/events")
        assert await reply.content.readany() == b"first"
        go_on.set()
        with pytest.raises(aiohttp.ClientError):
            await reply.content.read()
        reply.close()


@pytest.mark.real("network")
async def test_what_is_too_much_at_a_time_or_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_on, "MOST", 3)
    release, waiting = asyncio.Event(), asyncio.Semaphore(0)

    async def handler(request: web.Request) -> web.StreamResponse:
        waiting.release()
        await release.wait()
        return web.Response(text="late")

    async with AsyncExitStack() as stack:
        running, session = await stack.enter_async_context(ingest(tmp_path))
        await stack.enter_async_context(api(tmp_path / "owner", handler))

        async def ask() -> int:
            async with session.get(f"{running.url}/v1/slow") as reply:
                return reply.status

        asked = [asyncio.create_task(ask()) for _ in range(3)]
        async with asyncio.timeout(PATIENCE_S):
            for _ in asked:
                await waiting.acquire()
        assert await ask() == 503
        release.set()
        assert await asyncio.gather(*asked) == [200] * 3
        assert await ask() == 200
        big = bytes(passing_on.MAX_BODY + 1)
        async with session.post(f"{running.url}/v1/raised/x", data=big) as reply:
            assert reply.status == 413


async def test_only_the_user_of_the_directory_reaches_the_socket_and_a_second_api_leaves_it_to_the_first(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("d" * 100)  # a path to a socket has at most 107 bytes
    deep.mkdir()
    owners.init(deep / "owner", owner="Ville")
    async with answering_operators(deep / "owner"):
        found = deep / "owner" / api_socket.NAME
        assert found.stat().st_mode & 0o777 == 0o600
        assert api_socket.listen(deep / "owner") is None
    left = api_socket.listen(deep / "owner")
    assert left is not None
    left.close()


@pytest.mark.real("network")
async def test_the_api_has_a_port_of_its_own_with_the_same_answers(tmp_path: Path) -> None:
    async with ingest(tmp_path) as (running, session), answering_operators(tmp_path / "owner", port=0) as own:
        headers = {"Authorization": f"Bearer {running.owner.api_token}"}
        for url in (running.url, own.url):
            async with session.get(f"{url}/v1/hubs", headers=headers) as reply:
                assert (reply.status, await reply.json()) == (200, {"hubs": [], "next": None})
        async with session.get(f"{own.url}/v1/trust") as reply:
            assert reply.status == 404  # hubs are answered elsewhere
