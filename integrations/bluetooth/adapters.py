"""The BlueZ adapters of one integration: each scans independently, may be plugged in and out, and is reset when it no
longer receives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth.intake import Heard
from integrations.bluetooth.radio import Adapter, BlueZ, complaint, scanning, usable
from integrations.bluetooth.sources import Hearing, Sources
from integrations.bluetooth.text import together

if TYPE_CHECKING:
    from integrations.bluetooth.life import Life

GROUP = "adapters"
OFF_S = 1.0
"""Seconds for which a deaf adapter is switched off."""
TRIAL_S = 120.0
"""Seconds without reception after which an adapter that scans passively is switched to active scanning: BlueZ may
accept a monitor and then not use it."""
STILL_S = 10.0
"""Seconds after which an idle adapter counts as stopped; BlueZ pauses between two scans."""

Mode = Literal["auto", "active", "passive"]


class Scanning(NamedTuple):
    """How this machine scans, as configured: the names of its adapters (none: all), the mode, and the interval at which
    the adapters are checked in addition to BlueZ's own signals. In mode "auto" an adapter scans passively; one that
    cannot, or receives nothing that way, scans actively from then on."""

    adapters: tuple[str, ...]
    mode: Mode
    check: timedelta


class Adapters:
    """The adapters: call `run` until cancelled. `clock` is in seconds."""

    def __init__(
        self,
        configured: Scanning,
        *,
        life: Life,
        hear: Callable[[Heard], None],
        count: Callable[[str, str], None],
        sources: Sources,
        hearing: Hearing,
        clock: Callable[[], float],
    ) -> None:
        self._wanted, self._mode, self._check = configured
        self._life = life
        self._hear = hear
        self._count = count
        self._sources = sources
        self._hearing = hearing
        self._clock = clock
        self._scans: dict[str, asyncio.Task[None]] = {}
        self._actively: set[str] = set()  # adapters for which passive scanning failed
        self._still: dict[str, float] = {}  # adapter → idle since
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Scan until cancelled. Raises NotReady or AuthFailed when no adapter can scan and no other source listens."""
        async for _ in self._life.every(self._check):
            try:
                await self._with_bluez()
            except (hub.NotReady, hub.AuthFailed) as error:
                self._sources.failed(GROUP, error)
                self._say("", reason_of(error))

    async def _with_bluez(self) -> None:
        """Scan as long as BlueZ answers."""
        async with BlueZ.connected() as bluez:
            await bluez.watch()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._tick(bluez.changed))
                    while True:
                        bluez.changed.clear()
                        await self._look(bluez, tasks)
                        await bluez.changed.wait()
            except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
                raise group.exceptions[0] from group.exceptions[0].__cause__
            finally:
                self._scans.clear()
                self._still.clear()

    async def _tick(self, event: asyncio.Event) -> None:
        async for _ in self._life.every(self._check):
            event.set()

    async def _look(self, bluez: BlueZ, tasks: asyncio.TaskGroup) -> None:
        """Start scans on the usable adapters, and stop the others."""
        present = await bluez.adapters()
        able = usable(self._wanted, present)
        for name in [name for name in self._scans if name not in able]:
            await self._stop(name)
        for name in self._stopped(present):
            self._count("adapter-stopped", "")
            self._say(
                name, phrase("bluetooth.adapter-stopped", "{adapter} stopped scanning; started again", adapter=name)
            )
            await self._stop(name)
        for name in [name for name in self._scans if self._mode == "auto" and not self._active(name)]:
            if self._hearing.silent(name, self._clock()) >= TRIAL_S:
                self._actively.add(name)
                self._say(
                    name,
                    phrase(
                        "bluetooth.adapter-hears-nothing",
                        "{adapter} hears nothing passively; it scans actively now",
                        adapter=name,
                    ),
                )
                await self._stop(name)
        for name in self._hearing.deaf(self._clock(), self._scans):
            await self._reset(name, bluez)
        for name in able:
            if name not in self._scans:
                await self._start(name, tasks)
        wrong = complaint(self._wanted, present)
        if not self._scans:
            problem = wrong or together([text for name, text in self._told.items() if name and text])
            self._sources.failed(GROUP, hub.NotReady(problem))
        self._say("", wrong)

    def _stopped(self, present: list[Adapter]) -> list[str]:
        """Return the adapters that should scan actively and have been idle for STILL_S."""
        now = self._clock()
        still = {a.name for a in present if not a.discovering and a.name in self._scans and self._active(a.name)}
        self._still = {name: self._still.get(name, now) for name in still}
        return [name for name, since in self._still.items() if now - since >= STILL_S]

    async def _reset(self, name: str, bluez: BlueZ) -> None:
        await self._stop(name)
        self._count("adapter-reset", "")
        self._say(
            name, phrase("bluetooth.adapter-deaf", "{adapter} has gone deaf; it is switched off and on", adapter=name)
        )
        await bluez.power(name, False)
        await asyncio.sleep(OFF_S)
        await bluez.power(name, True)

    def _active(self, name: str) -> bool:
        return self._mode == "active" or name in self._actively

    async def _start(self, name: str, tasks: asyncio.TaskGroup) -> None:
        started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = tasks.create_task(self._scan(name, started), name=f"{self._life.name} {name}")
        wrong = await started
        failure = phrase("bluetooth.adapter-fails", "{adapter}: {reason}", adapter=name, reason=wrong)
        self._say(name, failure if wrong else "")
        if not wrong:
            self._scans[name] = task

    async def _stop(self, name: str) -> None:
        task = self._scans.pop(name)
        self._still.pop(name, None)
        task.cancel()
        await asyncio.wait([task])

    async def _scan(self, name: str, started: asyncio.Future[str]) -> None:
        """Scan with one adapter. `started` is set to "", or to what is wrong."""

        def hear(heard: Heard) -> None:
            self._hearing.heard(name, self._clock())
            self._hear(heard)

        try:
            while True:
                way: Literal["active", "passive"] = "active" if self._active(name) else "passive"
                try:
                    async with scanning(name, way, hear):
                        self._hearing.began(name, self._clock())
                        self._sources.began(name, GROUP)
                        self._life.log.info(
                            phrase("bluetooth.adapter-listens", "{adapter} listens ({mode})", adapter=name, mode=way)
                        )
                        started.set_result("")
                        await asyncio.Event().wait()
                except hub.NotReady as error:
                    if self._mode != "auto" or name in self._actively:
                        raise
                    self._actively.add(name)
                    self._life.log.info(
                        phrase(
                            "bluetooth.adapter-not-passive",
                            "{adapter} does not scan passively, it scans actively instead: {reason}",
                            adapter=name,
                            reason=reason_of(error),
                        )
                    )
        except (hub.NotReady, hub.AuthFailed) as error:
            started.set_result(reason_of(error))
        finally:
            self._hearing.ended(name)
            self._sources.ended(name)

    def _say(self, about: str, text: str) -> None:
        """Log a problem of an adapter, or of all (""), once for as long as it lasts."""
        if text and text != self._told.get(about):
            self._life.log.warning(text)
        self._told[about] = text
