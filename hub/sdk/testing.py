"""For plugin authors: a session and a clock that live in a test.

async def test_it_reads_the_thermometer():
    session = hub.sdk.testing.FakeSession("acme_thermo", devices=[…])
    await session.run(acme_thermo.run, config, turns=1)
    assert session.reports[0].values == {"temperature": 21.5}
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from hub.core.clock import BUILD_FLOOR
from hub.core.errors import AuthFailed, DecodeError, NotReady
from hub.core.model import (
    Candidate,
    Command,
    Device,
    Frame,
    LastValue,
    Metric,
    PackFacts,
    Proof,
    Report,
    Sample,
    Series,
)
from hub.i18n.reasons import words
from hub.sdk.hookspecs import Reasons
from hub.sdk.session import Bus, Reply


class ManualClock:
    """A clock that moves only when told. `advance` wakes the sleepers that are due, in order."""

    def __init__(self, now: float = BUILD_FLOOR + 86400.0, *, sure: bool = True) -> None:
        self.boot = b"manual-clock-boo"
        self.floor = BUILD_FLOOR
        self._now = now
        self._monotonic = 1000.0
        self._sure = sure
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._n = 0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def sure(self) -> bool:
        return self._sure

    def date(self) -> float | None:
        return self._now if self._sure else None

    def exact(self) -> bool:
        return True

    def set(self, now: float, *, sure: bool = True) -> None:
        """Step the wall clock, as NTP would; monotonic time goes on."""
        self._now, self._sure = now, sure

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._n += 1
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._n, wake))
        await wake

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: each sleeper wakes at its own moment and runs until it waits again."""
        end = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, wake = heapq.heappop(self._sleepers)
            self._now += max(0.0, due - self._monotonic)
            self._monotonic = max(due, self._monotonic)
            if not wake.done():
                wake.set_result(None)
            await settle()
        self._now += end - self._monotonic
        self._monotonic = end


async def settle(turns: int = 20) -> None:
    """Let every task that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)


class FakeDevices:
    """A `hub.sdk.session.Devices` that a test fills."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = {device.id: device for device in devices}
        self._changes: asyncio.Queue[Device] = asyncio.Queue()

    def get(self, device: str) -> Device | None:
        return self._devices.get(device)

    def all(self) -> list[Device]:
        return list(self._devices.values())

    def put(self, device: Device) -> None:
        """As if the configuration had just gained or changed this device."""
        self._devices[device.id] = device
        self._changes.put_nowait(device)

    def remove(self, device: str) -> None:
        """As if a command had just removed this device."""
        self._changes.put_nowait(self._devices.pop(device))

    async def changes(self) -> AsyncIterator[Device]:
        while True:
            yield await self._changes.get()


class FakeState(dict[str, Any]):
    def put(self, key: str, value: Any) -> None:
        self[key] = value


class FakeHttp:
    """Answers from a table: (method, url) -> Reply; anything else is NotReady, as an unreachable host is."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], Reply] = {}
        self.requests: list[tuple[str, str]] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        self.requests.append((method, url))
        try:
            return self.replies[method, url]
        except KeyError:
            raise NotReady(f"{url} does not answer") from None


class FakeCommands:
    """`give` one, as if somebody had ordered it; `rpc` are what the plugin said: (id, state, detail). `ended` are
    the ids of those that are no longer wanted, `offered` what it offers."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str, str]] = []
        self.ended: set[str] = set()
        self.offered: tuple[str, ...] = ()
        self._given: asyncio.Queue[Command] = asyncio.Queue()

    def give(self, command: Command) -> None:
        self._given.put_nowait(command)

    async def __aiter__(self) -> AsyncIterator[Command]:
        while True:
            yield await self._given.get()

    def answer(self, command: Command, state: str, detail: str = "") -> None:
        self.answers.append((command.id, state, detail))

    def wanted(self, command: Command) -> bool:
        return command.id not in self.ended

    def offer(self, *acts: str) -> None:
        self.offered = acts


class FakeView:
    """A `hub.sdk.exporter.ExporterView`: `say` a series and its value, and the exporter sees it."""

    def __init__(self, name: str = "exporter", hub: str = "test-hub") -> None:
        self.name, self.hub = name, hub
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.exporter.{name}"), {"plugin": name})
        self.state = FakeState()
        self._series: dict[str, Series] = {}
        self._values: dict[str, LastValue] = {}
        self._changed: asyncio.Queue[LastValue] = asyncio.Queue()

    def say(self, series: Series, value: LastValue) -> None:
        self._series[series.id] = series
        self._values[series.id] = value
        self._changed.put_nowait(value)

    def series(self) -> list[Series]:
        return list(self._series.values())

    def values(self) -> list[LastValue]:
        return list(self._values.values())

    def pulse(self) -> dict[str, float]:
        return {"reports": len(self._values), "readings": len(self._values), "acked": 0}

    async def changes(self, interval: timedelta = timedelta(seconds=1)) -> AsyncIterator[list[LastValue]]:
        while True:
            changed = [await self._changed.get()]
            while not self._changed.empty():
                changed.append(self._changed.get_nowait())
            yield changed


class FakeSession:
    """A `hub.Session` that keeps what the plugin says: `reports`, `candidates`, `frames`, `drops`, `declared`, and
    `plugin_facts`, the last facts by subject.

    Packs are three tables: `packs` by device, `payloads` by (device, port, payload), `downlinks` by (device, name,
    sorted items of its values); `dead_letters` are the payloads that a hub would keep. `serial_buses` are the lines
    that `bus` lends, by name. `room` is set; while it is cleared, nothing is taken, as on a full disk."""

    def __init__(self, name: str = "plugin", devices: Iterable[Device] = (), clock: ManualClock | None = None) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = FakeDevices(devices)
        self.http = FakeHttp()
        self.state = FakeState()
        self.commands = FakeCommands()
        self.timezone = "Europe/Paris"
        self.buses: dict[str, Bus] = {}
        self.clock = clock or ManualClock()
        self.reports: list[Report] = []
        self.durable: list[Report] = []
        self.candidates: list[Candidate] = []
        self.frames: list[Frame] = []
        self.drops: list[tuple[str, str]] = []
        self.told: dict[str, dict[str, Any]] = {}
        self.declared: list[tuple[str, str, str, tuple[Metric, ...]]] = []
        self.turns: int | None = None
        self.room = asyncio.Event()
        self.room.set()
        self._taking = False
        self.packs: dict[str, PackFacts] = {}
        self.payloads: dict[tuple[str, int, bytes], tuple[Sample, ...]] = {}
        self.kept: list[tuple[str, int, bytes, Proof]] = []
        self.downlinks: dict[tuple[str, str, tuple[tuple[str, float], ...]], tuple[int, bytes]] = {}

    def bus(self, name: str) -> Bus:
        try:
            return self.buses[name]
        except KeyError:
            raise AuthFailed(f"no bus {name!r} is configured") from None

    async def emit(self, report: Report, *, durable: bool = False) -> None:
        if not self._taking:
            await self.room.wait()
        self.reports.append(report)
        if durable:
            self.durable.append(report)

    async def emit_all(
        self, reports: Sequence[Report], *, note: Callable[[], None] | None = None, durable: bool = False
    ) -> None:
        await self.room.wait()
        if note is not None:
            note()
        for report in reports:
            self._taking = True  # the room that there was is for all of them
            try:
                await self.emit(report, durable=durable and report is reports[-1])
            finally:
                self._taking = False

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        turn = 0
        while self.turns is None or turn < self.turns:
            yield self.clock.now()
            turn += 1
            if self.turns is None:
                await self.clock.sleep(interval.total_seconds())

    def rounds(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        return self.every(interval)

    def asks(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        return dict(intervals)

    def found(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        self.declared.append((device, model, firmware, metrics))

    async def heard(self, frame: Frame) -> bool:
        self.frames.append(frame)
        return True

    def tell(self, subject: str, facts: Mapping[str, Any]) -> None:
        self.told[subject] = dict(facts)

    def dropped(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        self.drops.append((device, error.reason if isinstance(error, DecodeError) else type(error).__name__))

    def unworded(self, reasons: Reasons) -> list[str]:
        """Of what was dropped, the reasons that neither these words of the plugin nor the hub's own say to people."""
        return sorted({reason for _, reason in self.drops if words(reason, reasons) is None})

    async def pack(self, device: str) -> PackFacts | None:
        return self.packs.get(device)

    async def decode(
        self,
        device: str,
        port: int,
        payload: bytes,
        time: float | None = None,
        *,
        proof: Proof | None = None,
        once: bool = False,
    ) -> tuple[Sample, ...]:
        try:
            return self.payloads[device, port, payload]
        except KeyError:
            error = DecodeError("no-pack", "this payload is not in the table")
            if proof is not None:
                self.kept.append((device, port, payload, proof))
            self.dropped(device, error)
            raise error from None

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        try:
            return self.downlinks[device, downlink, tuple(sorted(values.items()))]
        except KeyError:
            raise DecodeError("unknown-downlink", "this downlink is not in the table") from None

    async def run(self, run: Callable[[Any, Any], Any], config: Any, *, turns: int = 1, timeout: float = 10.0) -> None:
        """Run the plugin until its `every` has turned `turns` times, or it ends by itself."""
        self.turns = turns
        async with asyncio.timeout(timeout):
            await run(config, self)
