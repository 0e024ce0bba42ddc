"""A session that lives in a test, and judges as the hub does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

from hub.core.model import Candidate, Device, Frame, Metric, Report
from hub.i18n.reasons import meaning, words_of
from hub.sdk.hookspecs import Decoder, Reasons
from hub.sdk.options import Config
from hub.sdk.session import Bus
from hub.sdk.session_rules import FormerMembers, expect_reports, interval_s, no_such_bus
from hub.sdk.testing.clock import ManualClock, settle
from hub.sdk.testing.commands import FakeCommands
from hub.sdk.testing.devices import FakeDevices
from hub.sdk.testing.http import FakeHttp
from hub.sdk.testing.judging import Judge
from hub.sdk.testing.network import FakeNetwork
from hub.sdk.testing.polling import FakePolling
from hub.sdk.testing.radio import FakePacks, FakeRadio
from hub.sdk.testing.state import FakeState
from hub.sdk.testing.waiting import Gate

LATE = 2_082_844_800.0
"""Unix seconds of a session whose test gives no clock: later than what its devices say, since the hub believes no date
that lies ahead."""


class FakeSession(FormerMembers):
    """Implements `hub.sdk.session.Session`. `reports` are those that the hub would take, with the values it would take;
    `durable` those of them that were on the disk when a durable `emit` returned, `refused` what it would count and
    leave out. `serial_buses` are the lines that `bus` lends, by name. While `room` is cleared, nothing is taken, as on
    a full disk. While `disk_error` is set, a durable `emit` raises it after it has taken its reports, as when the disk
    refuses. `metrics` are those that the plugin registers beside the catalogue, `decoders` those that read the frames
    which it submits (without any, `frames` has them and nothing more comes of it). `waiting` is how many calls of
    `emit` wait for room now, and `most_waiting` how many ever did at once. `holds_keys` is what the plugin's options
    say (`Config.holds_keys`); `run` asks them itself.

    What a district decides is not judged here: which values its rules of privacy keep, how often a device may speak,
    who is suspected to be a clone."""

    def __init__(
        self,
        name: str = "plugin",
        devices: Iterable[Device] = (),
        clock: ManualClock | None = None,
        *,
        metrics: Iterable[Metric] = (),
        decoders: Iterable[Decoder] = (),
        holds_keys: bool = False,
    ) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = FakeDevices(name, devices)
        self.http = FakeHttp()
        self.network = FakeNetwork()
        self.state = FakeState(name)
        self.clock = clock or ManualClock(LATE)
        self._judge = Judge(self.devices, self.clock.now, metrics, holds_keys)
        self.refused = self._judge.refused
        self.commands = FakeCommands()
        self.polling = FakePolling(lambda interval: self.every(interval), self.devices)  # noqa: PLW0108 - a subclass or a test may replace it
        self.radio = FakeRadio(self.devices, lambda report: self.emit(report), decoders, self.refused)  # noqa: PLW0108 - likewise
        self.packs = FakePacks(self.devices, self.radio)
        self.serial_buses: dict[str, Bus] = {}
        self.reports: list[Report] = []
        self.durable: list[Report] = []
        self._in_memory: list[Report] = []
        self.turns: int | None = None
        self.room = Gate()
        self.waiting = self.most_waiting = 0
        self.disk_error: Exception | None = None
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
            raise no_such_bus(name, self.serial_buses) from None

    async def emit(self, *reports: Report, durable: bool = False, note: Callable[[], None] | None = None) -> None:
        expect_reports(reports)
        for report in reports:
            self.devices.admits(report.device)
        await self._wait_for_room()
        if note is not None:
            note()
        taken = [judged for report in reports if (judged := self._judge.taken(report)) is not None]
        self.reports += taken
        self._in_memory += taken
        for report in reports:
            self.polling.outcomes.pop(report.device, None)
        if durable and self.disk_error is not None:
            raise self.disk_error
        if durable:
            self.durable += self._in_memory
            self._in_memory = []

    async def _wait_for_room(self) -> None:
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await self.room.wait()
        finally:
            self.waiting -= 1

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        step = interval_s(f"every({interval})", interval.total_seconds())
        turn, due = 0, self.clock.monotonic()
        self._loops += 1
        try:
            while self.turns is None or turn < self.turns:
                yield self.clock.now()
                turn += 1
                if self.turns is None:  # turns that were missed do not pile up
                    due = max(due + step, self.clock.monotonic() - step)
                    await self.clock.sleep(max(0.0, due - self.clock.monotonic()))
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
        if isinstance(config, Config):
            self._judge.holds_keys = config.holds_keys()
        task: asyncio.Future[object] = asyncio.ensure_future(run(config, self))
        try:
            async with asyncio.timeout(timeout):
                while not task.done() and not await self._finished(until):
                    await asyncio.wait([task], timeout=0.001)  # whatever it waits for beside the fakes: sockets
        except TimeoutError:
            raise TimeoutError(self._unfinished(timeout, until)) from None
        finally:
            if not task.done():
                task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    def _unfinished(self, timeout: float, until: Callable[[], object] | None) -> str:
        """What the author of the test is told, who wonders what the plugin waits for."""
        wanted = "the plugin's loops had their turns" if until is None else "what `until` asks for was true"
        done = f"{len(self.reports)} reports, {len(self.refused)} refused, {len(self.drops)} decode errors"
        answers = [state for _, state, _ in self.commands.answers]
        return (
            f"{timeout:.0f} s went by before {wanted}. Until then: {done}, answers to commands: {answers}. The clock "
            "goes on meanwhile, and so does the plugin: ask for at least so many, not for exactly so many"
        )

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
