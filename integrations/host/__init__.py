"""The health of the machine the hub runs on: processor, memory, disk, clock. One device, `host:local`."""

from __future__ import annotations

import asyncio
import os
import platform
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

import hub
from hub.sdk.phrases import phrase
from integrations.host import sources
from integrations.host.reasons import REASONS

__all__ = ["DEVICE", "Config", "probe", "register_integrations", "run"]

DEVICE = "host:local"


class Config(hub.Config):
    """Nothing has to be said: every key has a default."""

    interval: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=1),
            le=timedelta(days=1),
            description="Time between two reports",
        ),
    ] = timedelta(seconds=60)
    disk: Annotated[
        Path | None,
        Field(
            description="A path on the file system to watch; by default the hub's state directory",
            title="Disk",
        ),
    ] = None


async def run(config: Config, session: hub.Session) -> None:
    """Report until cancelled. Raises NotReady when this machine gives no reading at all."""
    disk, declared = _disk(config), False
    async for _ in session.polling.poll_cycles(config.interval, lambda: [d.id for d in session.devices.all()]):
        # the machine may not be configured yet: then it waits in quarantine, like any other device
        if not declared and session.devices.get(DEVICE) is not None:
            session.devices.declare(
                DEVICE, model=sources.machine(), firmware=f"{platform.system()} {platform.release()}"
            )
            declared = True
        errors: list[hub.DecodeError] = []
        # in a thread: firmware may be slow to report temperatures
        values = await asyncio.to_thread(sources.read, disk, errors.append)
        for error in errors:
            session.radio.report_decode_error(DEVICE, error)
        if not values:
            raise hub.NotReady(phrase("host.no-readings", "this machine gives no reading: are /proc and /sys mounted?"))
        await session.emit(hub.Report(device=DEVICE, values=values, proof=hub.Proof(scheme="host")))


async def probe(config: Config) -> str:
    """Read once. Raises NotReady when this machine gives no reading at all."""
    values = await asyncio.to_thread(sources.read, _disk(config), lambda _: None)
    if not values:
        raise hub.NotReady(phrase("host.no-readings", "this machine gives no reading: are /proc and /sys mounted?"))
    return phrase("host.machine-gives", "this machine gives {metrics}", metrics=list(values))


def _disk(config: Config) -> Path:
    # systemd names the state directory of its service; several are separated by colons
    return config.disk or Path(os.environ.get("STATE_DIRECTORY", "").split(":")[0] or "/")


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("host", Config, run, probe=probe, reasons=REASONS)
