"""A web server and client of node's in a process of its own, and a session whose way out is the hub's real one."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import hub
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import FakeSession, ManualClock
from hub.store_and_forward.egress import Egress, Host
from hub.store_and_forward.egress_http import EgressHttp

HERE = Path(__file__).parent


class Peer:
    """`page` sets what a path answers; `asked` are the requests that came; `send` makes one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._told = asyncio.Condition()
        self._lines: list[dict[str, Any]] = []
        self._number = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [line["asked"] for line in self._lines if "asked" in line]

    async def read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            async with self._told:
                self._lines.append(json.loads(line))
                self._told.notify_all()

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(60), self._told:
            await self._told.wait_for(lambda: any(map(condition, self._lines)))
        return next(filter(condition, self._lines))

    async def page(self, path: str, body: Any = "", status: int = 200, **headers: str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        before = len([line for line in self._lines if "set" in line])
        await self._write({"page": path, "status": status, "headers": headers, "body": text})
        async with asyncio.timeout(60), self._told:
            await self._told.wait_for(lambda: len([line for line in self._lines if "set" in line]) > before)

    async def send(self, url: str, body: Any = None, **asked: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        text = body if isinstance(body, str | None) else json.dumps(body)
        await self._write({"id": number, "url": url, "body": text, **asked})
        return await self.until(lambda line: line.get("id") == number)

    async def _write(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        await self._process.stdin.drain()


class Session(FakeSession):
    """Its `http` is the hub's own, to the peer and nowhere else; each `every` turns when the test says so."""

    def __init__(self, port: int) -> None:
        super().__init__("http_json")
        trust = Trust(version=1, owner="o", recipients=(), ack_keys=())
        self.http = EgressHttp(Egress(trust, ManualClock(), hosts=[Host(host="127.0.0.1", port=port, plain=True)]))  # type: ignore[assignment]
        self._turn = asyncio.Condition()
        self._given, self._waiting = 0, False

    def put(self, device: str, **settings: Any) -> None:
        self.devices.put(hub.Device(id=device, integration="http_json", place="p1", settings=settings))

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        while True:
            async with self._turn:
                self._waiting = True
                self._turn.notify_all()
                await self._turn.wait_for(lambda: self._given > 0)
                self._given, self._waiting = self._given - 1, False
            yield self.clock.now()

    async def turn(self, running: asyncio.Task[None]) -> None:
        """Let the poller take one turn, and wait until it is done. Raises what the run raised."""

        async def go() -> None:
            async with self._turn:
                await self._turn.wait_for(lambda: self._waiting)
                self._given += 1
                self._waiting = False
                self._turn.notify_all()
                await self._turn.wait_for(lambda: self._waiting)

        going = asyncio.ensure_future(go())
        await asyncio.wait({going, running}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        if not going.done():
            going.cancel()
        if running.done():
            running.result()
        await going

    def take(self) -> dict[str, dict[str, Any]]:
        """The values reported since the last call, by device."""
        reports, self.reports = self.reports, []
        return {report.device: report.values for report in reports}


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    if shutil.which("node") is None:
        pytest.fail("node is not on this machine; install it with: apt-get install -y nodejs")
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "peer.mjs"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22
    )
    made = Peer(process)
    reading = asyncio.ensure_future(made.read())
    made.port = (await made.until(lambda line: "port" in line))["port"]
    yield made
    if process.returncode is None:
        process.kill()
    await process.wait()
    await reading


@pytest.fixture
async def session(peer: Peer) -> AsyncIterator[Session]:
    made = Session(peer.port)
    yield made
    await made.http.close()  # type: ignore[attr-defined]


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., asyncio.Task[None]]]:
    tasks: list[asyncio.Task[None]] = []

    def begin(run: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.ensure_future(run))
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)
