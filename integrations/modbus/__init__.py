"""Modbus TCP, read only: meters, boilers and other plant through their register maps.

One integration is one host, a server or a gateway; its devices (`modbus:<name>`) are units behind it. MODBUS
Application Protocol V1.1b3 over MODBUS Messaging on TCP/IP V1.0b, function codes 1 to 4. No function that writes
is ever sent.
"""

from __future__ import annotations

import asyncio

import hub
from integrations.modbus.patience import Roster
from integrations.modbus.poll import Poller
from integrations.modbus.settings import Config, DeviceSettings, Register

__all__ = ["Config", "DeviceSettings", "Register", "probe", "register_integrations", "run"]


async def run(config: Config, session: hub.Session) -> None:
    """Poll every device of this plugin until cancelled. Raises NotReady when the host is away."""
    from integrations.modbus.link import Link

    async with Link(config) as link:
        roster = Roster()
        pollers: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.TaskGroup() as tasks:

                def poll(device: hub.Device) -> None:
                    if device.id not in pollers or pollers[device.id].done():
                        poller = Poller(device.id, config, session, link, roster)
                        pollers[device.id] = tasks.create_task(poller.run(), name=f"poll {device.id}")

                changes = session.devices.changes()
                for device in session.devices.all():
                    poll(device)
                async for device in changes:
                    poll(device)
        except BaseExceptionGroup as failures:
            away, bugs = failures.split(hub.NotReady)
            if away is None or bugs is not None:
                raise
            raise hub.NotReady(str(_first(away))) from failures


async def probe(config: Config) -> str:
    """Connect, ask nothing. Raises NotReady when the host accepts no connection."""
    from integrations.modbus.link import Link

    async with Link(config) as link:
        return f"{link.peer} accepts Modbus TCP connections"


def _first(failures: BaseExceptionGroup[hub.NotReady]) -> BaseException:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("modbus", Config, run, device=DeviceSettings, probe=probe)
