"""The Session of a plugin in a process of its own: `hub.sdk.session` over the socket pair.

Members that are no coroutines read a mirror that the hub keeps up to date, or ask it while the process waits.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from hub.core.errors import NotReady, PluginError
from hub.core.model import Candidate, Command, Device, Frame, Metric, PackFacts, Proof, Report, Sample
from hub.core.small_state import PluginState
from hub.core.small_state import packed as state_packed
from hub.core.text import phrase
from hub.devices.registry import Devices
from hub.plugin_host.isolation import wire, wire_base
from hub.plugin_host.isolation.child_link import HubLink, framed
from hub.plugin_host.isolation.datagrams import Listener
from hub.plugin_host.isolation.failures import raised, told
from hub.sdk.session import Answer, Polled, Reply
from hub.sdk.session_rules import FormerMembers, expect_facts, expect_reports, interval_s, own


class ChildDevices:
    """`Session.devices`."""

    def __init__(self, name: str, link: HubLink, mirror: Devices, timezone: str) -> None:
        self.timezone = timezone
        self._name, self._link, self._mirror = name, link, mirror
        self._declared: dict[str, tuple[Any, ...]] = {}

    def get(self, device: str) -> Device | None:
        return self._mirror.get(device)

    def all(self) -> list[Device]:
        return self._mirror.of(self._name)

    def changes(self) -> AsyncIterator[Device]:
        return self._mirror.changes(self._name)

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        own(self._name, device, self.get(device))
        said = (str(model), str(firmware), tuple(metrics))
        if self._declared.get(device) != said:  # most plugins repeat it with each reading
            self._link.ask(wire.Declare, device, *said)
            self._declared[device] = said

    def discovered(self, candidate: Candidate) -> None:
        self._link.tell(wire.Discovered(candidate))

    def changed(self, change: wire.Changed) -> None:
        """Take over what the hub says of a device."""
        if not change.gone:
            self._mirror.put(change.device)
        elif self._mirror.get(change.device.id) is not None:
            self._declared.pop(change.device.id, None)
            self._mirror.remove(change.device.id)


class ChildHttp:
    """`Session.http`."""

    def __init__(self, link: HubLink) -> None:
        self._link = link

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        given = dict(headers or {})
        reply: Reply = await self._link.call(wire.HttpCall, method, str(url), given, body, timeout.total_seconds())
        return reply


class ChildNetwork:
    """`Session.network`: ends of socket pairs, whose bytes the hub passes on."""

    def __init__(self, link: HubLink) -> None:
        self._link = link

    async def connect(
        self, url: str, *, ca: str = "", timeout: timedelta = timedelta(seconds=10)
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = await self._socket("connect", url, ca, timeout)
        try:
            return await asyncio.open_connection(sock=made)
        except BaseException:
            made.close()
            raise

    async def open_socket(self, url: str, *, timeout: timedelta = timedelta(seconds=10)) -> socket.socket:
        return await self._socket("socket", url, "", timeout)

    async def listen(self, url: str) -> socket.socket:
        parts = urlsplit(str(url))
        if parts.scheme != "udp":
            return await self._socket("listen", url, "", timedelta(seconds=10))
        made = Listener(await self._link.open("listen", str(url), "", 10.0), parts.hostname or "", parts.port or 0)
        made.setblocking(False)
        return made

    async def open_device(self, path: str) -> int:
        return await self._link.open("device", str(path), "", 10.0)

    async def _socket(self, how: str, url: str, ca: str, timeout: timedelta) -> socket.socket:
        made = socket.socket(fileno=await self._link.open(how, str(url), ca, timeout.total_seconds()))
        made.setblocking(False)
        return made


class ChildState(PluginState):
    """`Session.state`: a mirror. What is put while `note` runs goes with the reports."""

    def __init__(self, link: HubLink, name: str, values: Mapping[str, Any]) -> None:
        prefix = f"state/{name}/"  # as in the hub, whose limits count it
        super().__init__(prefix, {prefix + key: value for key, value in values.items()}, self._keep)
        self._link = link
        self._noting: dict[str, Any] | None = None
        self._puts = 0
        self._last: dict[str, int] = {}  # key → number of the last put, for those that an emit took with it

    def noted(self, note: Callable[[], None]) -> tuple[dict[str, Any], dict[str, int]]:
        """Call `note`; returns what it put, and the number of each put."""
        self._noting = {}
        try:
            note()
        except BaseException:
            for key, value in self._noting.items():
                self._link.tell(wire.Put(key, value))
            raise
        finally:
            puts, self._noting = self._noting, None
        return puts, {key: self._last[key] for key in puts}

    def back(self, state: Mapping[str, Any], numbers: Mapping[str, int]) -> None:
        """Return to what the hub has, where nothing was put since."""
        for key, number in numbers.items():
            if self._last.get(key) == number:
                self._values.pop(key, None)
                if state.get(key) is not None:
                    self._values[key] = state[key]

    def _keep(self, key: str, value: Any) -> None:
        state_packed(key, value)  # raises what the hub would refuse
        key = key.removeprefix(self._prefix)
        self._puts += 1
        if self._noting is None:
            self._last.pop(key, None)
            self._link.tell(wire.Put(key, value))
        else:
            self._last[key] = self._puts
            self._noting[key] = value


class ChildCommands:
    """`Session.commands`."""

    def __init__(self, link: HubLink) -> None:
        self._link = link

    async def __aiter__(self) -> AsyncIterator[Command]:
        try:
            while True:
                command: Command = await self._link.call(wire.NextCommand)
                yield command
        finally:
            self._link.tell(wire.CommandsEnd())

    def answer(self, command: Command, state: Answer, detail: str = "") -> None:
        self._link.tell(wire.Answer(command.id, state, str(detail)[:4000]))

    def wanted(self, command: Command) -> bool:
        return bool(self._link.ask(wire.Wanted, command.id))

    def offer(self, *acts: str) -> None:
        self._link.tell(wire.Offer(acts))


class ChildPolling:
    """`Session.polling`."""

    def __init__(self, link: HubLink, loops: Callable[..., AsyncIterator[float]]) -> None:
        self._link, self._loops = link, loops

    def poll_cycles(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        return self._loops(interval_s(f"poll_cycles({interval})", interval.total_seconds()), asked)

    def set_poll_intervals(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        usual = {device: interval.total_seconds() for device, interval in intervals.items()}
        now = self._link.ask(wire.Intervals, usual, least.total_seconds())
        return {device: timedelta(seconds=seconds) for device, seconds in now.items()}

    def polled(self, device: str, outcome: Polled) -> None:
        self._link.tell(wire.Polled(device, outcome))


class ChildPacks:
    """`Session.packs`."""

    def __init__(self, link: HubLink) -> None:
        self._link = link

    async def get(self, device: str) -> PackFacts | None:
        facts: PackFacts | None = await self._link.call(wire.PackOf, device)
        return facts

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
        samples: tuple[Sample, ...] = await self._link.call(
            wire.Decode, device, port, bytes(payload), time, proof, once
        )
        return samples

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        encoded: tuple[int, bytes] = await self._link.call(wire.Encode, device, downlink, dict(values))
        return encoded


class ChildRadio:
    """`Session.radio`."""

    def __init__(self, link: HubLink) -> None:
        self._link = link

    async def submit_frame(self, frame: Frame) -> bool:
        return bool(await self._link.call(wire.Submit, frame))

    def report_decode_error(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        self._link.tell(wire.Undecoded(device, told(error), proof))

    def publish_facts(self, subject: str, facts: Mapping[str, Any]) -> None:
        expect_facts(subject, facts)
        self._link.tell(wire.Facts(subject, dict(facts)))


class _Turn:
    def __init__(self, link: HubLink, turn: int) -> None:
        self._link, self._turn = link, turn

    async def send(self, data: bytes) -> None:
        await self._link.call(wire.TurnSend, self._turn, bytes(data))

    async def receive(self) -> bytes:
        data: bytes = await self._link.call(wire.TurnReceive, self._turn)
        return data


class ChildBus:
    """A serial line of the hub."""

    def __init__(self, link: HubLink, name: str) -> None:
        self._link, self.name = link, name

    async def transact(
        self, frame: bytes, whole: Callable[[bytes], int | None], *, timeout: timedelta = timedelta(seconds=1)
    ) -> bytes | None:
        answer: bytes | None = await self._link.call(
            wire.Transact, self.name, bytes(frame), timeout.total_seconds(), judge=whole
        )
        return answer

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Turn]:
        turn = await self._link.call(wire.TurnBegin, self.name)
        try:
            yield _Turn(self._link, turn)
        finally:
            self._link.tell(wire.TurnEnd(turn))


class ChildSession(FormerMembers):
    """Implements `hub.sdk.session.Session` in the plugin's own process."""

    def __init__(self, link: HubLink, start: wire.Start) -> None:
        self.name = start.name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{start.name}"), {"plugin": start.name})
        self.devices = ChildDevices(start.name, link, Devices(start.devices), start.timezone)
        self.http = ChildHttp(link)
        self.network = ChildNetwork(link)
        self.state = ChildState(link, start.name, start.state)
        self.polling = ChildPolling(link, self._cycles)
        self.packs = ChildPacks(link)
        self.radio = ChildRadio(link)
        self._takes_commands = start.takes_commands
        self._link = link
        self._loops = 0
        self._full = start.full
        self._room = asyncio.Event()
        self._refused: deque[Exception] = deque(maxlen=1)  # why an emit that nobody waited for failed
        self._notes: dict[int, dict[str, int]] = {}

    @property
    def commands(self) -> ChildCommands:
        if not self._takes_commands:
            raise NotReady(phrase("hub-takes-no-commands", "this hub takes no commands"))
        return ChildCommands(self._link)

    def bus(self, name: str) -> ChildBus:
        self._link.ask(wire.HasBus, name)
        return ChildBus(self._link, name)

    async def emit(self, *reports: Report, durable: bool = False, note: Callable[[], None] | None = None) -> None:
        expect_reports(reports)
        if len(reports) > wire_base.MOST_REPORTS or sum([len(one.values) for one in reports]) > wire_base.MOST_VALUES:
            raise PluginError(
                phrase(
                    "emit-of-too-much",
                    "at most {reports} reports with {readings} readings are handed over at once",
                    reports=wire_base.MOST_REPORTS,
                    readings=wire_base.MOST_VALUES,
                )
            )
        if self._refused:
            raise self._refused.pop()
        known = self.devices.get
        own_all = all(known(report.device) is not None for report in reports)
        if note is not None and not own_all:  # what the hub refuses is refused before `note`
            await self._link.call(wire.SpeaksFor, tuple(report.device for report in reports))
        while self._full:
            self._room.clear()
            await self._room.wait()
        await self._link.room()
        if note is None and own_all and not durable:
            if reports:
                self._link.tell(wire.Emit(0, reports))
            return
        await self._link.slot()
        n = self._link.number()
        puts = None
        if note is not None:
            puts, self._notes[n] = self.state.noted(note)
        await self._link.answered(n, framed(wire.Emit(n, reports, durable, puts)))

    def every(self, interval: timedelta) -> AsyncIterator[float]:
        return self._cycles(interval_s(f"every({interval})", interval.total_seconds()), None)

    def hear(self, message: wire.Down) -> None:
        """Take what the hub says by itself, and each answer before whoever asked has it."""
        match message:
            case wire.Full(now):
                self._full = now
                self._room.set()
            case wire.Changed():
                self.devices.changed(message)
            case wire.Ping():
                self.devices.timezone = message.timezone
            case wire.Failed(n, failure, taken, state):
                numbers = self._notes.pop(n, {})
                if not taken:
                    self.state.back(state, numbers)
                if not n:
                    self._refused.append(raised(failure))
            case wire.Answered(n):
                self._notes.pop(n, None)

    async def _cycles(self, seconds: float, asked: Callable[[], Iterable[str]] | None) -> AsyncIterator[float]:
        """Yield the times of a loop that the hub keeps."""
        self._loops += 1
        loop, begun = self._loops, False
        try:
            while True:
                devices = None if asked is None else tuple(asked())
                begun = True
                yield await self._link.call(wire.Cycle, loop, seconds, devices)
        finally:
            if begun:
                self._link.tell(wire.CycleEnd(loop))
