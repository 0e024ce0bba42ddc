"""The Session of a plugin that runs in this process: `hub.sdk.session` over the pipeline."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta

from hub.automation.commands import OwnCommands
from hub.core.errors import NotReady
from hub.core.model import Report
from hub.core.text import phrase
from hub.plugin_host.manifest import Grants
from hub.plugin_host.serial_buses import Buses, SharedLine
from hub.plugin_host.session_parts import Core, OwnDevices, OwnPacks, OwnPolling, OwnRadio, own_state
from hub.sdk.session import Network
from hub.sdk.session_rules import FormerMembers, expect_reports, interval_s

TURN = 256
"""Reports that one plugin may hand over before everybody else has a turn: a loop of `emit` alone never waits."""


class InProcessSession(FormerMembers):
    """Implements `hub.sdk.session.Session`. `ready` is called at each report accepted (health: it got through)."""

    def __init__(
        self,
        name: str,
        core: Core,
        ready: Callable[[], None],
        rng: random.Random | None = None,
        grants: Grants | None = None,
    ) -> None:
        """`grants` judges what a plugin of somebody else says."""
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = OwnDevices(name, core, grants)
        self.state = own_state(name, core.buffer)
        self.http = core.http(name)
        self._core, self._grants = core, grants
        self._ready = ready
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._turn = TURN
        self.polling = OwnPolling(name, core, self._rng)
        self.radio = OwnRadio(name, core, self.log, self.devices, self._take, ready, grants)
        self.packs = OwnPacks(name, core, self.log, self.devices, self.radio)

    @property
    def network(self) -> Network:
        if self._core.network is None:
            raise NotReady(phrase("hub-opens-no-streams", "this hub opens no connections for plugins"))
        return self._core.network(self.name)

    @property
    def commands(self) -> OwnCommands:
        if self._core.commands is None:
            raise NotReady(phrase("hub-takes-no-commands", "this hub takes no commands"))
        return OwnCommands(self.name, self._core.commands)

    def bus(self, name: str) -> SharedLine:
        if self._grants is not None:
            self._grants.bus(name)
        return (self._core.buses or Buses({})).get(name)

    async def emit(self, *reports: Report, durable: bool = False, note: Callable[[], None] | None = None) -> None:
        expect_reports(reports)
        if self._grants is not None:
            reports = tuple(map(self._grants.report, reports))
        self._turn -= len(reports)
        if self._turn < 0:
            await self._let_others()
        if len(reports) == 1 and note is None:
            await self._core.pipeline.emit(self.name, reports[0], durable=durable)
        else:
            await self._core.pipeline.emit_all(self.name, reports, note=note, durable=durable)
        if self.polling.failed:  # most often nobody: this is the path of every report
            self._answered(reports)
        self._ready()

    async def _take(self, report: Report) -> None:
        """Take a report of a frame that the hub itself has read: nothing of it is the plugin's word."""
        self._turn -= 1
        if self._turn < 0:
            await self._let_others()
        await self._core.pipeline.emit(self.name, report)
        self._answered((report,))
        self._ready()

    async def _let_others(self) -> None:
        self._turn = TURN
        await asyncio.sleep(0)

    def take(self, reports: Iterable[Report], note: Callable[[], None] | None = None) -> None:
        """As `emit`, without waiting: there is room. For a plugin in a process of its own."""
        judged = reports if self._grants is None else list(map(self._grants.report, reports))
        self._core.pipeline.take(self.name, judged, note)
        self._answered(reports)
        self._ready()

    def _answered(self, reports: Iterable[Report]) -> None:
        """Their devices have answered since the last poll that failed."""
        failed = self.polling.failed
        for report in reports if failed else ():
            failed.pop(report.device, None)

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        clock = self._core.clock
        step = interval_s(f"every({interval})", interval.total_seconds())
        # The first turn comes at once, so that a technician sees a value; the jitter spreads the next ones.
        due = clock.monotonic() - step * self._rng.uniform(0.0, 0.5)
        while True:
            yield clock.now()
            due = max(due + step, clock.monotonic() - step)
            await clock.sleep(max(0.0, due - clock.monotonic()))
