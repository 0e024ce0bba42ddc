"""Whatever strangers say to any listener of the hub: no traceback, a line or two, and it goes on. The backend's are in
`tests/backend/processes/test_strangers_log.py`."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import logging
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web

import hub
from hub.core.request_log import MALFORMED, RequestLog
from hub.rpc import control_socket
from hub.sdk.http_server import HttpServer
from hub.sdk.testing import FakeSession, FakeView
from hub.web.sockets import certificate, redirect
from integrations import lorawan
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.settings import Config as LoraConfig
from plugins import bacnet_server, modbus_server
from plugins.prometheus import Config as PrometheusConfig
from plugins.prometheus.serving import serving as scraped
from tests import ports
from tests.hub.web.web_kit import Pages
from tests.strangers import assail, faults_in, noise, requests, send_datagrams

ROOT = Path(__file__).parents[2]
GATEWAY = "0102030405060708"
MOST_LINES = 3


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture(autouse=True)
async def handled() -> AsyncIterator[None]:
    """As in a hub: what no task catches is told by the loop's handler."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(RequestLog(logging.getLogger("asyncio")).uncaught)
    yield
    loop.set_exception_handler(None)


class Door(HttpServer):
    """The one that all webhooks and callbacks stand on."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        super().__init__(lambda reason: self.refused.update([reason]), rate=1e6)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        with contextlib.suppress(hub.DecodeError, TimeoutError), self.at_work(request):
            await self.body(request)
        return web.Response(text="here")


@pytest.mark.real("network")
async def test_the_pages(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    async with Pages(tmp_path) as pages:
        await assail("127.0.0.1", int(pages.url.rpartition(":")[2]), tls=True)
        assert (await pages.browser().get("/"))[0] in (303, 401, 200)
    assert faults_in(told.records, MOST_LINES) == []


@pytest.mark.real("network")
async def test_the_redirect_to_the_pages(told: pytest.LogCaptureFixture) -> None:
    async with redirect.serving("127.0.0.1", 0, frozenset(), 443) as port:
        await assail("127.0.0.1", port, tls=False)
    assert faults_in(told.records, 0) == []


@pytest.mark.real("network")
@pytest.mark.parametrize("tls", [False, True])
async def test_the_door_of_webhooks_and_callbacks(tmp_path: Path, told: pytest.LogCaptureFixture, tls: bool) -> None:
    context = (await asyncio.to_thread(certificate.prepare, tmp_path, "hub-test", (), 1_790_000_000.0))[0]
    door = Door()
    async with door.serving("127.0.0.1", 0, context if tls else None) as port:
        await assail("127.0.0.1", port, tls=tls)
    assert faults_in(told.records, 1) == []
    assert door.refused[MALFORMED] > 100, "and each was counted"


@pytest.mark.real("network")
async def test_the_prometheus_exporter(told: pytest.LogCaptureFixture) -> None:
    async with scraped(PrometheusConfig(port=0), FakeView()) as url:
        await assail("127.0.0.1", int(url.split(":")[2].split("/")[0]), tls=False)
        async with ClientSession() as client, client.get(url) as reply:
            assert reply.status == 200
    assert faults_in(told.records, 1) == []


@asynccontextmanager
async def exporting(run: Callable[[Any, Any], Any], config: Any, told: pytest.LogCaptureFixture) -> AsyncIterator[int]:
    """Run an exporter; yields its port once its log names it."""
    task = asyncio.create_task(run(config, FakeView()))
    try:
        async with asyncio.timeout(60):
            while not (found := re.search(r"may ask \S+ port (\d+)", told.text)):
                if task.done():
                    task.result()
                await asyncio.sleep(0.01)
        yield int(found[1])
        assert not task.done(), "it goes on"
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.real("network")
async def test_the_modbus_exporter(told: pytest.LogCaptureFixture) -> None:
    async with exporting(modbus_server.run, modbus_server.Config(port=0), told) as port:
        await assail("127.0.0.1", port, tls=False)
    assert faults_in(told.records, MOST_LINES) == []


@pytest.mark.real("network")
async def test_the_bacnet_exporter(told: pytest.LogCaptureFixture) -> None:
    port = ports.free_port(kind=socket.SOCK_DGRAM)
    options = {"address": "127.0.0.1", "port": port, "instance": 5, "allow": ["127.0.0.0/8"]}
    async with exporting(bacnet_server.run, bacnet_server.Config.model_validate(options), told):
        for seed in range(8):
            send_datagrams("127.0.0.1", port, list(noise(seed)))
            await asyncio.sleep(0.05)  # its queue is short; what does not fit is dropped
    assert faults_in(told.records, MOST_LINES) == []


@asynccontextmanager
async def gateways(options: dict[str, Any], listens: Callable[[], bool]) -> AsyncIterator[FakeSession]:
    session = FakeSession("lorawan", metrics=METRICS)
    config = LoraConfig.model_validate({"gateways": {GATEWAY: {}}, "status": 0, **options})
    task = asyncio.create_task(lorawan.run(config, session))
    try:
        async with asyncio.timeout(60):
            while not listens():
                if task.done():
                    task.result()
                await asyncio.sleep(0.01)
        yield session
        assert not task.done(), "it goes on"
    finally:
        task.cancel()
        await asyncio.wait([task])


HEARD = (
    b"", b"{", b'{"rxpk":[{}]}', b'{"rxpk":5}', b"[" * 2000, b'{"stat":{"lati":1e999}}', b'{"txpk_ack":{"error":[]}}',
    b'{"rxpk":[{"data":"","tmst":-1,"rssi":1e300,"lsnr":null,"freq":"x","datr":5}]}',
    b'{"rxpk":[{"tmst":4294967296,"freq":868.5,"stat":1,"modu":"LORA","datr":"SF12BW125","rssi":-1e9,"data":"AAAA"}]}',
)  # fmt: skip


@pytest.mark.real("network")
async def test_gateways_by_udp(told: pytest.LogCaptureFixture) -> None:
    port = ports.free_port(kind=socket.SOCK_DGRAM)

    def listens() -> bool:
        return f"port {port}" in told.text

    async with gateways({"udp": {"port": port}}, listens) as session:
        frames = [b"\x02\x00\x01%c" % kind + bytes.fromhex(GATEWAY) + said for kind in (0, 2, 5) for said in HEARD]
        for seed in range(4):
            send_datagrams("127.0.0.1", port, [*noise(seed), *frames])
            await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            while not session.drops:
                await asyncio.sleep(0.01)
    assert faults_in(told.records, MOST_LINES) == []


MESSAGES = (
    b"{", b"[]", b"5", b'{"router": 5}', b'{"router": "::1::2"}', b'{"msgtype": []}', b'{"msgtype": "updf"}',
    b'{"msgtype": "jreq", "MIC": 1e999}', b'{"msgtype": "timesync", "txtime": "x"}', b'{"msgtype": "version"}',
    b'{"msgtype": "dntxed", "diid": -1}', b"[" * 3000, b"\xff\xfe",
)  # fmt: skip


@pytest.mark.real("network")
async def test_gateways_by_web_socket(told: pytest.LogCaptureFixture) -> None:
    port = ports.free_port()

    def listens() -> bool:
        return f":{port}" in told.text

    async with gateways({"udp": None, "station": {"port": port}}, listens) as session, ClientSession() as client:
        await assail("127.0.0.1", port, tls=False)
        assert session.drops.count(("", MALFORMED)) > 100
        for path in ("/router-info", f"/router/{GATEWAY}"):
            for said in MESSAGES:
                async with client.ws_connect(f"ws://127.0.0.1:{port}{path}") as line:
                    await line.send_bytes(said)
                    with contextlib.suppress(UnicodeDecodeError):
                        await line.send_str(said.decode())
        async with client.ws_connect(f"ws://127.0.0.1:{port}/router/{GATEWAY}") as line:
            for _ in range(2000):  # it asks all the time, and does not read
                await line.send_str('{"msgtype": "timesync", "txtime": 5}')
            assert line.closed or (await line.receive()).type in (WSMsgType.TEXT, WSMsgType.CLOSE, WSMsgType.CLOSED)
    assert faults_in(told.records, MOST_LINES) == []


async def test_the_control_socket(tmp_path: Path, told: pytest.LogCaptureFixture) -> None:
    async with control_socket.serving(tmp_path / "control", {}):
        for said in [*noise(), *requests()]:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control"))
                writer.write(said)
                writer.write_eof()
                await reader.read(100)
                writer.close()
    assert faults_in(told.records, 0) == []


LISTENERS = {
    "hub/rpc/control_socket.py": "test_the_control_socket", "hub/sdk/connections.py": "test_the_pages",
    "hub/web/sockets/redirect.py": "test_the_redirect_to_the_pages",
    "plugins/prometheus/serving.py": "test_the_prometheus_exporter",
    "plugins/modbus_server/serving.py": "test_the_modbus_exporter",
    "plugins/bacnet_server/ears.py": "test_the_bacnet_exporter", "integrations/lorawan/udp.py": "test_gateways_by_udp",
    "integrations/lorawan/lns.py": "test_gateways_by_web_socket",
    "integrations/lorawan/listening.py": "tests/integrations/lorawan/test_stations.py",
    "integrations/bacnet/link.py": "tests/integrations/bacnet/test_hostile.py",
    "backend/processes/tls_listener.py": "tests/backend/processes/test_strangers_log.py",
    "backend/processes/metrics.py": "tests/backend/processes/test_metrics.py",
}  # fmt: skip
"""File that opens a listener → the test that has strangers call it."""
PLAYED = ("playing", "replaying")
"""Modules that play the other end."""
OPENS = {
    "start_server", "start_unix_server", "create_server", "create_datagram_endpoint", "TCPSite", "SockSite",
    "sock_accept", "serve_forever",
}  # fmt: skip


def test_each_file_that_opens_a_listener_has_its_strangers() -> None:
    found = set()
    for room in ("hub", "backend", "integrations", "plugins"):
        for path in (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if "/sim" in name or "/testing/" in name or name.startswith("backend/demo/") or path.stem in PLAYED:
                continue  # devices that only a demonstration or a test runs
            calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            if OPENS & {getattr(call, "attr", getattr(call, "id", "")) for call in calls}:
                found.add(name)
    assert found == LISTENERS.keys()
    here = {name for name in dir(sys.modules[__name__]) if name.startswith("test_")}
    assert all(test in here or (ROOT / test).exists() for test in LISTENERS.values())
