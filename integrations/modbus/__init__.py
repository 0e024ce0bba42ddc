"""Modbus TCP and RTU: meters, boilers and other plant through their register maps.

One integration is one host (a server or a gateway) or one serial line; its devices (`modbus:<name>`) are units behind
it. MODBUS Application Protocol V1.1b3 over MODBUS Messaging on TCP/IP V1.0b or MODBUS over Serial Line V1.02. Function
codes that write are sent for commands only.
"""

from __future__ import annotations

import asyncio

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.modbus.finder import FINDER
from integrations.modbus.lines import opened
from integrations.modbus.packs import RegisterMap
from integrations.modbus.poll import Poller
from integrations.modbus.presence import Roster
from integrations.modbus.reasons import REASONS
from integrations.modbus.settings import Config, DeviceSettings, Register

__all__ = ["Config", "DeviceSettings", "Register", "probe", "register_integrations", "run"]


async def run(config: Config, session: hub.Session) -> None:
    """Poll every device of this plugin until cancelled. Raises NotReady when the host or the line cannot be reached."""
    from integrations.modbus.writes import obey

    async with opened(config, session.bus) as link:
        roster = Roster()
        pollers: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as tasks:

                def poll(device: hub.Device) -> None:
                    if device.id not in pollers or pollers[device.id].done():
                        poller = Poller(device.id, config, session, link, roster)
                        pollers[device.id] = tasks.create_task(poller.run(), name=f"poll {device.id}")

                tasks.create_task(obey(session, link), name="commands")
                changes = session.devices.changes()
                for device in session.devices.all():
                    poll(device)
                async for device in changes:
                    poll(device)
        except BaseExceptionGroup as failures:
            away, bugs = failures.split(hub.NotReady)
            if away is None or bugs is not None:
                raise
            raise hub.NotReady(reason_of(_first(away))) from failures


async def probe(config: Config) -> str:
    """Connect without sending a request. Raises NotReady when the host accepts no connection."""
    from integrations.modbus.link import Link

    if config.bus:
        return phrase(
            "modbus.bus-not-asked",
            "no unit on bus {bus} was asked: its line is the running hub's; `ilot doctor` looks at the port",
            bus=config.bus,
        )
    async with Link(config) as link:
        return phrase("modbus.accepts-connections", "{peer} accepts Modbus TCP connections", peer=link.peer)


def _first(failures: BaseExceptionGroup[hub.NotReady]) -> BaseException:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "modbus", Config, run, device=DeviceSettings, probe=probe, pack=RegisterMap, reasons=REASONS, finder=FINDER
    )
