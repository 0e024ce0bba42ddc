"""For plugin authors: a session and a clock that live in a test.

    def test_it_reads_the_thermometer():
        session = FakeSession("acme_thermo", devices=[…])
        asyncio.run(session.run(acme_thermo.run, config))
        assert session.reports[0].values == {"temperature": 21.5}

What the hub refuses is refused here by the same code: reports for another plugin's device, metrics that nobody knows,
values that no such metric can have (`hub.core.plausibility`), state that cannot be stored (`hub.core.small_state`) and
facts that are too large (`hub.sdk.session_rules`). Nothing here is bound to an event loop: one session may be used in
several `asyncio.run`, as a hub starts a plugin again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from hub.core.clock import BUILD_FLOOR
from hub.core.errors import AuthFailed, DecodeError, HubError, NotReady
from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import expect_metrics
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
from hub.core.nesting import shallow_json
from hub.core.plausibility import ValueCheck
from hub.core.small_state import PluginState, packed
from hub.i18n.reasons import meaning, words_of
from hub.sdk.hookspecs import Reasons
from hub.sdk.session import Answer, Bus, Polled, Reply
from hub.sdk.session_rules import (
    FormerMembers,
    expect_facts,
    expect_reports,
    interval_s,
    not_its_own,
    own,
    slug_of,
)

__all__ = [
    "FakeCommands", "FakeDevices", "FakeHttp", "FakePacks", "FakePolling", "FakeRadio", "FakeSession", "FakeState",
    "FakeView", "Gate", "Inbox", "ManualClock", "Refused", "Reply", "Request", "settle",
]  # fmt: skip

T = TypeVar("T")


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
        """Unix seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that only rise."""
        return self._monotonic

    def sure(self) -> bool:
        """Whether the wall clock can be believed."""
        return self._sure

    def date(self) -> float | None:
        """Unix seconds, None when the wall clock cannot be believed."""
        return self._now if self._sure else None

    def exact(self) -> bool:
        """Whether the wall clock is synchronised."""
        return True

    def set(self, now: float, *, sure: bool = True) -> None:
        """Step the wall clock, as NTP would; monotonic time goes on."""
        self._now, self._sure = now, sure

    async def sleep(self, seconds: float) -> None:
        """Sleep until `advance` has passed this moment."""
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
            _wake(wake)
            await settle()
        self._now += end - self._monotonic
        self._monotonic = end

    async def advance_to_next(self) -> bool:
        """Let time pass until the next sleeper wakes. Returns False when nobody sleeps."""
        while self._sleepers and not _waits(self._sleepers[0][2]):
            heapq.heappop(self._sleepers)
        if not self._sleepers:
            return False
        await self.advance(max(0.0, self._sleepers[0][0] - self._monotonic))
        return True


def _waits(wake: asyncio.Future[None]) -> bool:
    """Whether somebody waits for it still: its loop may be one of an earlier `asyncio.run`."""
    return not wake.done() and not wake.get_loop().is_closed()


def _wake(wake: asyncio.Future[None]) -> None:
    if _waits(wake):
        wake.set_result(None)


async def settle(turns: int = 20) -> None:
    """Let every task that can run do so."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Inbox(Generic[T]):
    """A queue of no event loop. `waiting` is how many wait for the next item."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiters: list[asyncio.Future[None]] = []

    def put(self, item: T) -> None:
        """Append an item and wake whoever waits."""
        self._items.append(item)
        for wake in self._waiters:
            _wake(wake)

    async def get(self) -> T:
        """Wait for the next item and take it."""
        while not self._items:
            wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(wake)
            try:
                await wake
            finally:
                self._waiters.remove(wake)
        return self._items.popleft()

    def empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._items

    @property
    def waiting(self) -> int:
        """How many wait for the next item."""
        return sum(map(_waits, self._waiters))


class Gate:
    """An `asyncio.Event` of no event loop, open at first."""

    def __init__(self) -> None:
        self._open = True
        self._waiters: list[asyncio.Future[None]] = []

    def set(self) -> None:
        """Open it."""
        self._open = True
        for wake in self._waiters:
            _wake(wake)

    def clear(self) -> None:
        """Close it."""
        self._open = False

    def is_set(self) -> bool:
        """Whether it is open."""
        return self._open

    async def wait(self) -> None:
        """Return once it is open."""
        while not self._open:
            wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(wake)
            try:
                await wake
            finally:
                self._waiters.remove(wake)


class Refused(NamedTuple):
    """A reading that the hub would count and leave out: "not-admitted", "unknown-metric" or "implausible"."""

    reason: str
    device: str
    metric: str = ""


class FakeDevices:
    """Implements `hub.sdk.session.Devices` over devices that a test puts. Devices of another `integration` are another
    plugin's. Where a test puts none at all, every device is the plugin's own. `declared` has (device, model, firmware,
    metrics) of each `declare`, `candidates` what was discovered."""

    def __init__(self, name: str, devices: Iterable[Device] = ()) -> None:
        self.timezone = "Europe/Paris"
        self.declared: list[tuple[str, str, str, tuple[Metric, ...]]] = []
        self.candidates: list[Candidate] = []
        self._name = name
        self._devices = {device.id: device for device in devices}
        self._any = not self._devices
        self._changes: Inbox[Device] = Inbox()

    def get(self, device: str) -> Device | None:
        known = self._devices.get(device)
        return known if known is not None and known.integration == self._name else None

    def all(self) -> list[Device]:
        return [device for device in self._devices.values() if device.integration == self._name]

    def put(self, device: Device) -> None:
        """Add or change a device, as the configuration would."""
        self._any = False
        self._devices[device.id] = device
        self._changes.put(device)

    def remove(self, device: str) -> None:
        """Remove a device, as the configuration would."""
        self._changes.put(self._devices.pop(device))

    async def changes(self) -> AsyncIterator[Device]:
        while True:
            yield await self._changes.get()

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        self.own(device)
        expect_metrics(metrics, METRICS)
        self.declared.append((device, model, firmware, metrics))

    def discovered(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)

    def own(self, device: str) -> None:
        """Raise PluginError when the device is none of this plugin's."""
        if not self._any:
            own(self._name, device, self.get(device))

    def admits(self, device: str) -> bool:
        """Whether a report of this device is taken. Raises PluginError for another plugin's device."""
        known = self._devices.get(device)
        if known is not None and known.integration != self._name:
            raise not_its_own(self._name, known)
        return known is not None or self._any

    def idle(self) -> bool:
        """Whether somebody waits for a change, and none is there."""
        return bool(self._changes.waiting) and self._changes.empty()


class FakeState(PluginState, MutableMapping[str, Any]):
    """Implements `hub.sdk.session.State`, and is a mapping for a test to look at."""

    def __init__(self, name: str = "plugin") -> None:
        super().__init__(f"state/{name}/", {}, packed)

    def get(self, key: str, default: Any = None) -> Any:
        return PluginState.get(self, key, default)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __delitem__(self, key: str) -> None:
        self.put(key, None)


class Request(msgspec.Struct, frozen=True):
    """A request that a plugin sent: its `method`, `url` and `headers`, its `body` (None without one) and its
    `timeout`."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    timeout: timedelta

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return msgspec.json.decode(shallow_json(self.body or b""))


class FakeHttp:
    """Implements `hub.sdk.session.Http` and keeps every request in `requests`, with its headers and its body. `replies`
    maps (method, url) to a Reply, to an error to raise, or to a function of the Request that returns a Reply. Anything
    else is NotReady, as an unreachable host is."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], Reply | HubError | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []

    def reply(
        self, method: str, url: str, json: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer these requests with an object as JSON, from now on."""
        self.replies[method, url] = Reply(status, dict(headers or {}), msgspec.json.encode(json))

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        request = Request(method, url, dict(headers or {}), body, timeout)
        self.requests.append(request)
        try:
            answer = self.replies[method, url]
        except KeyError:
            raise NotReady(f"{url} does not answer") from None
        if isinstance(answer, HubError):
            raise answer
        return answer if isinstance(answer, Reply) else answer(request)


class FakeCommands:
    """Implements `hub.sdk.session.Commands`. `give` a command, as if somebody had ordered it; `answers` are the
    plugin's: (id, state, detail). `ended` are the ids of commands no longer wanted, `offered` what it offers."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Answer, str]] = []
        self.ended: set[str] = set()
        self.offered: tuple[str, ...] = ()
        self._given: Inbox[Command] = Inbox()

    def give(self, command: Command) -> None:
        """Order a command."""
        self._given.put(command)

    async def __aiter__(self) -> AsyncIterator[Command]:
        while True:
            yield await self._given.get()

    def answer(self, command: Command, state: Answer, detail: str = "") -> None:
        self.answers.append((command.id, state, detail))

    def wanted(self, command: Command) -> bool:
        return command.id not in self.ended

    def offer(self, *acts: str) -> None:
        self.offered = acts

    def idle(self) -> bool:
        """Whether the plugin waits for a command, and none is there."""
        return bool(self._given.waiting) and self._given.empty()


class FakePolling:
    """Implements `hub.sdk.session.Polling`: nobody wants devices polled more often. `outcomes`: device → how its last
    poll ended, of devices without a report since."""

    def __init__(self, every: Callable[[timedelta], AsyncIterator[float]]) -> None:
        self.outcomes: dict[str, Polled] = {}
        self._every = every

    def poll_cycles(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        return self._every(interval)

    def set_poll_intervals(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        return dict(intervals)

    def polled(self, device: str, outcome: Polled) -> None:
        self.outcomes[device] = outcome


class FakeRadio:
    """Implements `hub.sdk.session.Radio`. `frames` are the frames submitted, `errors` (device, reason) of each decode
    error, `facts` the latest diagnostics by subject."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.errors: list[tuple[str, str]] = []
        self.facts: dict[str, dict[str, Any]] = {}

    async def submit_frame(self, frame: Frame) -> bool:
        self.frames.append(frame)
        return True

    def report_decode_error(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        self.errors.append((device, slug_of(error)))

    def publish_facts(self, subject: str, facts: Mapping[str, Any]) -> None:
        expect_facts(subject, facts)
        self.facts[subject] = dict(facts)


class FakePacks:
    """Implements `hub.sdk.session.Packs` as three tables: `facts` by device, `payloads` by (device, port, payload),
    `downlinks` by (device, name, sorted items of its values). `kept` are the payloads that a hub would keep for a later
    pack."""

    def __init__(self, devices: FakeDevices, radio: FakeRadio) -> None:
        self.facts: dict[str, PackFacts] = {}
        self.payloads: dict[tuple[str, int, bytes], tuple[Sample, ...]] = {}
        self.downlinks: dict[tuple[str, str, tuple[tuple[str, float], ...]], tuple[int, bytes]] = {}
        self.kept: list[tuple[str, int, bytes, Proof]] = []
        self._devices, self._radio = devices, radio

    async def get(self, device: str) -> PackFacts | None:
        self._devices.own(device)
        return self.facts.get(device)

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
        self._devices.own(device)
        try:
            return self.payloads[device, port, payload]
        except KeyError:
            error = DecodeError("no-pack", "this payload is not in the table")
            if proof is not None:
                self.kept.append((device, port, payload, proof))
            self._radio.report_decode_error(device, error)
            raise error from None

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        self._devices.own(device)
        try:
            return self.downlinks[device, downlink, tuple(sorted(values.items()))]
        except KeyError:
            raise DecodeError("unknown-downlink", "this downlink is not in the table") from None


class FakeView:
    """Implements `hub.sdk.exporter.ExporterView`: `say` a series and its value, and the exporter sees it."""

    def __init__(self, name: str = "exporter", hub: str = "test-hub") -> None:
        self.name, self.hub = name, hub
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.exporter.{name}"), {"plugin": name})
        self.state = FakeState(f"exporter.{name}")
        self._series: dict[str, Series] = {}
        self._values: dict[str, LastValue] = {}
        self._changed: Inbox[LastValue] = Inbox()

    def say(self, series: Series, value: LastValue) -> None:
        """Give a series its latest value."""
        self._series[series.id] = series
        self._values[series.id] = value
        self._changed.put(value)

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
                changed.append(await self._changed.get())
            yield changed


class FakeSession(FormerMembers):
    """Implements `hub.sdk.session.Session`. `reports` are those that the hub would take, with the values it would take;
    `durable` those of them that were on the disk when a durable `emit` returned, `refused` what it would count and
    leave out. `serial_buses` are the lines that `bus` lends, by name. While `room` is cleared, nothing is taken, as on
    a full disk. While `disk_error` is set, a durable `emit` raises it after it has taken its reports, as when the disk
    refuses. `metrics` are those that the plugin registers beside the catalogue."""

    def __init__(
        self,
        name: str = "plugin",
        devices: Iterable[Device] = (),
        clock: ManualClock | None = None,
        *,
        metrics: Iterable[Metric] = (),
    ) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = FakeDevices(name, devices)
        self.http = FakeHttp()
        self.state = FakeState(name)
        self.commands = FakeCommands()
        self.polling = FakePolling(lambda interval: self.every(interval))  # noqa: PLW0108 - a subclass or a test may replace it
        self.radio = FakeRadio()
        self.packs = FakePacks(self.devices, self.radio)
        self.serial_buses: dict[str, Bus] = {}
        self.clock = clock or ManualClock()
        self.reports: list[Report] = []
        self.durable: list[Report] = []
        self._in_memory: list[Report] = []
        self.refused: list[Refused] = []
        self.turns: int | None = None
        self.room = Gate()
        self.disk_error: Exception | None = None
        metrics = tuple(metrics)
        expect_metrics(metrics, METRICS)
        self._metrics = {**METRICS, **{metric.key: metric for metric in metrics}}
        self._loops = 0  # of `every`, that have turns left
        self._ended = False  # one of them had its turns

    @property
    def candidates(self) -> list[Candidate]:
        """What was discovered."""
        return self.devices.candidates

    @property
    def declared(self) -> list[tuple[str, str, str, tuple[Metric, ...]]]:
        """(device, model, firmware, metrics) of each `declare`."""
        return self.devices.declared

    @property
    def frames(self) -> list[Frame]:
        """The frames submitted."""
        return self.radio.frames

    @property
    def drops(self) -> list[tuple[str, str]]:
        """(device, reason) of each decode error."""
        return self.radio.errors

    def bus(self, name: str) -> Bus:
        try:
            return self.serial_buses[name]
        except KeyError:
            raise AuthFailed(f"no bus {name!r} is configured") from None

    async def emit(self, *reports: Report, durable: bool = False, note: Callable[[], None] | None = None) -> None:
        expect_reports(reports)
        for report in reports:
            self.devices.admits(report.device)
        await self.room.wait()
        if note is not None:
            note()
        taken = [judged for report in reports if (judged := self._judged(report)) is not None]
        self.reports += taken
        self._in_memory += taken
        for report in reports:
            self.polling.outcomes.pop(report.device, None)
        if durable and self.disk_error is not None:
            raise self.disk_error
        if durable:
            self.durable += self._in_memory
            self._in_memory = []

    def _judged(self, report: Report) -> Report | None:
        """The report with the values that the hub would take, None when it would take nothing of it."""
        if not self.devices.admits(report.device):
            self.refused.append(Refused("not-admitted", report.device))
            return None
        own_metrics = {m.key: m for device, *_, metrics in self.declared if device == report.device for m in metrics}
        metrics = {key: own_metrics.get(key) or self._metrics.get(key) for key in report.values}
        known = [metric for metric in metrics.values() if metric is not None]
        wrong = {
            **{key: "unknown-metric" for key, metric in metrics.items() if metric is None},
            **dict.fromkeys(ValueCheck(known).implausible(report.values), "implausible"),
        }
        if not wrong:
            return report
        self.refused += [Refused(reason, report.device, key) for key, reason in wrong.items()]
        kept = {key: value for key, value in report.values.items() if key not in wrong}
        return msgspec.structs.replace(report, values=kept) if kept or report.position is not None else None

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        step = interval_s(f"every({interval})", interval.total_seconds())
        turn = 0
        self._loops += 1
        try:
            while self.turns is None or turn < self.turns:
                yield self.clock.now()
                turn += 1
                if self.turns is None:
                    await self.clock.sleep(step)
            self._ended = True
        finally:
            self._loops -= 1

    def unworded(self, reasons: Reasons) -> list[str]:
        """The reasons of decode errors that neither these words of the plugin nor the hub's own explain to people."""
        own = words_of(reasons, self.name)
        return sorted({reason for _, reason in self.drops if meaning(reason, own) is None})

    async def run(
        self,
        run: Callable[[Any, Any], Awaitable[object]],
        config: Any,
        *,
        turns: int | None = None,
        until: Callable[[], object] | None = None,
        timeout: float = 10.0,
    ) -> None:
        """Run the plugin until it ends by itself, or

        - its loops over `every` and `poll_cycles` had `turns` turns each (1 unless `until` is given), and it only waits
          for commands or for changes of devices;
        - `until()` is true: the clock then moves on by itself whenever the plugin sleeps.

        Then the plugin is cancelled, as the hub stops it. Raises what the plugin raises, and TimeoutError when none of
        this has come after `timeout` seconds."""
        self.turns = turns if turns is not None or until is not None else 1
        self._ended = False
        task: asyncio.Future[object] = asyncio.ensure_future(run(config, self))
        try:
            async with asyncio.timeout(timeout):
                while not task.done() and not await self._finished(until):
                    await asyncio.wait([task], timeout=0.001)  # whatever it waits for beside the fakes: sockets
        finally:
            if not task.done():
                task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _finished(self, until: Callable[[], object] | None) -> bool:
        await settle()
        if until is not None:
            while not until():
                if self.turns is not None or not await self.clock.advance_to_next():
                    return False
                await settle()
            return True
        waits = self.commands.idle() or self.devices.idle()
        return self._ended and not self._loops and waits
