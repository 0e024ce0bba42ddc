"""Boreal mixing units behind a gateway: read and set over TCP; `searching` finds them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import hub
from hub.sdk.phrases import reason_of

from boreal_mixer.connection import Line, opened
from boreal_mixer.lines import LIST, get, order, units, values
from boreal_mixer.options import Gateway, Unit
from boreal_mixer.reasons import REASONS
from boreal_mixer.searching import FINDER, probe

__all__ = ["Gateway", "Unit", "register_integrations", "run"]


class Units:
    """The units of one gateway."""

    def __init__(self, session: hub.Session, line: Line, url: str) -> None:
        self._session, self._line, self._url = session, line, url

    async def poll(self, interval: timedelta) -> None:
        async for _ in self._session.polling.poll_cycles(interval, self._ids):
            await self._find()
            for device in self._session.devices.all():
                await self._read(device)

    def _ids(self) -> list[str]:
        return [device.id for device in self._session.devices.all()]

    async def _find(self) -> None:
        known = {
            device.settings_as(Unit).unit for device in self._session.devices.all()
        }
        try:
            found = units(await self._line.ask(LIST))
        except hub.DecodeError as error:
            self._session.radio.report_decode_error("", error)
            return
        for number in found:
            if number not in known:
                self._session.devices.discovered(
                    hub.Candidate(
                        id=f"boreal:{number}",
                        integration="",
                        evidence={"gateway": self._url},
                    )
                )

    async def _read(self, device: hub.Device) -> None:
        try:
            number, said = values(
                await self._line.ask(get(device.settings_as(Unit).unit))
            )
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(device.id, error)
            return
        if number == device.settings_as(Unit).unit:
            await self._session.emit(hub.Report(device=device.id, values=said))

    async def obey(self) -> None:
        async for command in self._session.commands:
            device = self._session.devices.get(command.device)
            try:
                if device is None:
                    raise hub.PluginError("no such unit")
                answer = await self._line.ask(
                    order(device.settings_as(Unit).unit, command)
                )
            except (hub.NotReady, hub.PluginError) as error:
                self._session.commands.answer(command, "failed", reason_of(error))
                if isinstance(error, hub.NotReady):
                    raise
            else:
                done = answer.strip() == b"OK"
                detail = "" if done else answer.decode("ascii", "replace").strip()
                self._session.commands.answer(
                    command, "done" if done else "failed", detail
                )
                await self._read(device)


async def run(config: Gateway, session: hub.Session) -> None:
    """Poll and obey until cancelled. Raises NotReady when the gateway is away."""
    async with opened(session, config.url) as line:
        units_here = Units(session, line, config.url)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(units_here.poll(config.interval))
            tasks.create_task(units_here.obey())


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "boreal_mixer",
        Gateway,
        run,
        device=Unit,
        reasons=REASONS,
        probe=probe,
        finder=FINDER,
    )
