"""Bluetooth LE: listens to what sensors broadcast, through BlueZ, and reads BTHome v2 and Ruuvi.

`run` scans and hands every advertisement to the hub, which offers it to all decoders of kind "ble", of this
package or of any other. The decoders are pure: `bthome`, `ruuvi`.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

import hub
from integrations.bluetooth import advert, bthome, ruuvi

if TYPE_CHECKING:
    from integrations.bluetooth.intake import Intake


class Config(hub.Config):
    """Bluetooth LE scanning."""

    adapters: tuple[str, ...] = Field(default=(), description="Adapters to scan with, such as hci0. Empty: every one.")
    scanning: Literal["active", "passive"] = Field(
        default="active",
        description="active also asks sensors for their name; passive sends nothing and hears BTHome and Ruuvi only.",
    )
    repeat: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="The same bytes from the same device within this time are read once.",
    )
    queue: int = Field(default=1024, ge=16, le=65536, description="Strangers whose last advertisement may wait.")
    check: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="How often the adapters are looked at.",
    )


async def run(config: Config, session: hub.Session) -> None:
    """Scan until cancelled. Raises NotReady when an adapter or BlueZ is away or goes away, AuthFailed when the
    hub may not use BlueZ."""
    from integrations.bluetooth import radio  # bleak: only where Bluetooth is used
    from integrations.bluetooth.intake import Intake

    names = radio.choose(config.adapters, await radio.adapters())
    intake = Intake(
        own=lambda device: session.devices.get(device) is not None,
        count=lambda reason, device: session.dropped(device, hub.DecodeError(reason)),
        clock=asyncio.get_running_loop().time,
        limit=config.queue,
        repeat=config.repeat.total_seconds(),
    )
    async with AsyncExitStack() as scanners:
        for name in names:
            await scanners.enter_async_context(radio.scanning(name, config.scanning, intake.hear))
        session.log.info("scanning (%s) with %s", config.scanning, ", ".join(names))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_watch(config, session, names), name=f"{session.name} watch")
                tasks.create_task(_pump(intake, session), name=f"{session.name} pump")
        except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
            raise group.exceptions[0] from group.exceptions[0].__cause__


async def _pump(intake: Intake, session: hub.Session) -> None:
    while True:
        await session.heard(await intake.take())


async def _watch(config: Config, session: hub.Session, names: list[str]) -> None:
    """Neither BlueZ nor bleak says when an adapter is unplugged, switched off or stops: look."""
    from integrations.bluetooth import radio

    still = 0
    async for _ in session.every(config.check):
        present = await radio.adapters()
        radio.choose(names, present)
        stopped = [adapter.name for adapter in present if adapter.name in names and not adapter.discovering]
        still = still + 1 if stopped and config.scanning == "active" else 0
        if still > 1:  # once may be the instant between two of BlueZ's scans
            raise hub.NotReady(f"the Bluetooth adapter {stopped[0]} stopped scanning")


async def probe(config: Config) -> str:
    """Which adapters would scan. Raises NotReady, AuthFailed."""
    from integrations.bluetooth import radio

    present = await radio.adapters()
    names = radio.choose(config.adapters, present)
    return "ready to scan with " + ", ".join(f"{a.name} ({a.address})" for a in present if a.name in names)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("bluetooth", Config, run, probe=probe)


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("bthome", "ble", bthome.decode, metrics=bthome.METRICS, line=advert.line)
    register("ruuvi", "ble", ruuvi.decode, metrics=ruuvi.METRICS, line=advert.line)
