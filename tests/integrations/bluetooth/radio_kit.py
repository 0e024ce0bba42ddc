"""A session, and waiting, for tests of the radio."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import hub
from integrations import bluetooth
from integrations.bluetooth import DeviceSettings, bthome, ruuvi


class Devices:
    def __init__(self, keys: dict[str, bytes | None], settings: dict[str, dict[str, Any]]) -> None:
        self._devices = {
            device: hub.Device(
                id=device,
                integration="bluetooth",
                place="p",
                key=key,
                settings=DeviceSettings(**settings.get(device, {})).model_dump(),
            )
            for device, key in keys.items()
        }
        self._changed: asyncio.Queue[hub.Device] = asyncio.Queue()

    def get(self, device: str) -> hub.Device | None:
        return self._devices.get(device)

    def all(self) -> list[hub.Device]:
        return list(self._devices.values())

    def put(self, device: hub.Device) -> None:
        self._devices[device.id] = device
        self._changed.put_nowait(device)

    async def changes(self) -> AsyncIterator[hub.Device]:
        while True:
            yield await self._changed.get()


class Session:
    """As much of a session as this integration uses; `tick` lets `every` go round once."""

    name = "bluetooth"

    def __init__(self, keys: dict[str, bytes | None], settings: dict[str, dict[str, Any]] | None = None) -> None:
        self.log = logging.LoggerAdapter(logging.getLogger("test"), {})
        self.devices = Devices(keys, settings or {})
        self.reports: asyncio.Queue[hub.Report] = asyncio.Queue()
        self.now = 0.0
        self.frames: asyncio.Queue[hub.Frame] = asyncio.Queue()
        self.lost: Counter[tuple[str, str]] = Counter()
        self.radio = self
        self._ticks: list[asyncio.Event] = []
        self._idle: set[asyncio.Event] = set()

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        """At once, then after each `tick`."""
        tick = asyncio.Event()
        self._ticks.append(tick)
        while True:
            yield self.now
            self._idle.add(tick)
            await tick.wait()
            self._idle.discard(tick)
            tick.clear()

    def tick(self) -> None:
        for tick in self._ticks:
            tick.set()

    async def turn(self) -> None:
        """As `tick`, and wait until all who waited for it wait again."""
        waited = set(self._idle)
        self.tick()
        await until(lambda: waited <= self._idle and not any(tick.is_set() for tick in waited))

    async def emit(self, report: hub.Report, *, durable: bool = False) -> None:
        await self.reports.put(report)

    async def submit_frame(self, frame: hub.Frame) -> None:
        await self.frames.put(frame)

    def report_decode_error(self, device: str, error: Exception) -> None:
        assert isinstance(error, hub.DecodeError)
        self.lost[device, error.reason] += 1

    async def decoded(self, count: int) -> list[hub.Decoded | hub.NeedKey | None]:
        def key(device: str) -> bytes | None:
            known = self.devices.get(device)
            return known.key if known else None

        answers = []
        async with asyncio.timeout(60):
            for _ in range(count):
                frame = await self.frames.get()
                answers.append(bthome.decode(frame, key) or ruuvi.decode(frame, key))
        return answers


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(session: Session, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    """The integration, as long as the block lasts."""
    task = asyncio.create_task(bluetooth.run(bluetooth.Config(**options), session))
    try:
        yield task
    except BaseException:
        if task.done() and not task.cancelled():
            task.print_stack()  # why nothing came
        raise
    finally:
        task.cancel()
        await asyncio.wait([task])
