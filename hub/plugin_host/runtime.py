"""The Session of a plugin that runs in this process: `hub.sdk.session` over the pipeline."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from hub.automation.commands import OwnCommands
from hub.core.errors import NotReady
from hub.core.model import Report
from hub.core.text import phrase
from hub.plugin_host.serial_buses import Buses, SharedLine
from hub.plugin_host.session_parts import Core, OwnDevices, OwnPacks, OwnPolling, OwnRadio, own_state
from hub.sdk.session_rules import FormerMembers, expect_reports, interval_s


class InProcessSession(FormerMembers):
    """Implements `hub.sdk.session.Session`. `ready` is called at each report accepted (health: it got through)."""

    def __init__(self, name: str, core: Core, ready: Callable[[], None], rng: random.Random | None = None) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = OwnDevices(name, core)
        self.state = own_state(name, core.buffer)
        self.http = core.http(name)
        self._core = core
        self._ready = ready
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self.polling = OwnPolling(name, core, self._rng)
        self.radio = OwnRadio(name, core, self.log, self.devices, self.emit, ready)
        self.packs = OwnPacks(name, core, self.log, self.devices, self.radio)

    @property
    def commands(self) -> OwnCommands:
        if self._core.commands is None:
            raise NotReady(phrase("hub-takes-no-commands", "this hub takes no commands"))
        return OwnCommands(self.name, self._core.commands)

    def bus(self, name: str) -> SharedLine:
        return (self._core.buses or Buses({})).get(name)

    async def emit(self, *reports: Report, durable: bool = False, note: Callable[[], None] | None = None) -> None:
        expect_reports(reports)
        if len(reports) == 1 and note is None:
            await self._core.pipeline.emit(self.name, reports[0], durable=durable)
        else:
            await self._core.pipeline.emit_all(self.name, reports, note=note, durable=durable)
        if failed := self.polling.failed:  # most often nobody: this is the path of every report
            for report in reports:
                failed.pop(report.device, None)
        self._ready()

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        clock = self._core.clock
        step = interval_s(f"every({interval})", interval.total_seconds())
        # The first turn comes at once, so that a technician sees a value; the jitter spreads the next ones.
        due = clock.monotonic() - step * self._rng.uniform(0.0, 0.5)
        while True:
            yield clock.now()
            due = max(due + step, clock.monotonic() - step)
            await clock.sleep(max(0.0, due - clock.monotonic()))
