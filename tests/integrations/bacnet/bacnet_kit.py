"""Starts the device of `bacnet_device.py`, and tells it what to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import hub
from hub.sdk.testing import FakeSession
from integrations.bacnet import run
from integrations.bacnet.settings import Config
from tests import ports

HOST, OWN = "127.0.0.2", "127.0.0.3"
DEADLINE = 60.0


class Peer:
    """The device's process."""

    def __init__(self, process: asyncio.subprocess.Process, address: str, port: int, instance: int) -> None:
        self.port = port
        self.address = address
        self.id = f"bacnet:{instance}"
        self._process = process

    async def tell(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(DEADLINE):
            return dict(json.loads(await self._process.stdout.readline()))

    def device(self, objects: dict[str, Any], **settings: Any) -> hub.Device:
        """It, as the hub's configuration has it."""
        settings = {"address": self.address, "objects": objects, **settings}
        return hub.Device(id=self.id, integration="bacnet", place="p", settings=settings)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


@contextlib.asynccontextmanager
async def device(*options: str, instance: int = 1201, port: int = 0, host: str = HOST) -> AsyncIterator[Peer]:
    """A device that listens."""
    port = port or free_port(host)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("bacnet_device.py")),
        "--host",
        host,
        "--port",
        str(port),
        "--instance",
        str(instance),
        *options,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(DEADLINE):
            assert json.loads(await process.stdout.readline()) == {"port": port}
        yield Peer(process, f"{host}:{port}", port, instance)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def free_port(host: str = HOST) -> int:
    return ports.free_port(host, socket.SOCK_DGRAM)


def config(**options: Any) -> Config:
    """Quick, and yet a machine with others on it answers within the time-out; who counts on silence gives a shorter
    one. Intervals may be shorter than the hub allows."""
    quick = {name: options.pop(name) for name in ("interval", "lifetime", "bbmd_lifetime") if name in options}
    made = Config.model_validate({"address": OWN, "port": 0, "timeout": 10, "retries": 1, "max_rate": 500.0, **options})
    return made.model_copy(update={"interval": timedelta(seconds=0.25), **quick})


class Wall(FakeSession):
    """A session whose `every` follows the wall clock."""

    async def every(self, interval: timedelta) -> AsyncIterator[float]:  # type: ignore[override]
        while True:
            yield time.time()
            await asyncio.sleep(interval.total_seconds())


class Turns(FakeSession):
    """A session whose polls take a turn when the test says so, after a first one. For one device."""

    def __init__(self, name: str, devices: list[hub.Device]) -> None:
        super().__init__(name, devices)
        self._go, self.over = asyncio.Semaphore(0), 0

    async def every(self, interval: timedelta) -> AsyncIterator[float]:  # type: ignore[override]
        while True:
            yield time.time()
            self.over += 1
            await self._go.acquire()

    async def turn(self) -> None:
        """Let the poll take a turn, to its end."""
        over = self.over
        self._go.release()
        await until(lambda: self.over > over, "the end of a poll")


@contextlib.asynccontextmanager
async def running(options: Config, devices: list[hub.Device], made: type[Any] = Wall) -> AsyncIterator[Any]:
    """The integration over a session that keeps what it says."""
    session = made("bacnet", devices)
    task = asyncio.create_task(run(options, session))
    try:
        yield session
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], Any], what: str = "it happens") -> Any:
    """Wait for a condition, or for an awaitable one."""
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                found = condition()
                if isinstance(found, Awaitable):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {DEADLINE:.0f} s and not: {what}") from None


def last(session: FakeSession, device: str = "bacnet:1201") -> dict[str, Any]:
    """The last value of each metric."""
    return {m: v for report in session.reports if report.device == device for m, v in report.values.items()}


def qualities(session: FakeSession, device: str = "bacnet:1201") -> dict[str, hub.Quality]:
    return {m: report.quality for report in session.reports if report.device == device for m in report.values}
