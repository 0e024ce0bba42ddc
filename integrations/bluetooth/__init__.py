"""Bluetooth LE: listens to what sensors broadcast, through BlueZ, and reads BTHome v2 and Ruuvi.

`run` scans and hands every advertisement to the hub, which offers it to all decoders of kind "ble", of this
package or of any other. The decoders are pure: `bthome`, `ruuvi`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from logging import LoggerAdapter, getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth import atc, bthome, eddystone, gatt_layout, ruuvi, sig
from integrations.bluetooth.packs import Layout
from integrations.bluetooth.proxy import Proxy
from integrations.bluetooth.reasons import REASONS, SAMPLING
from integrations.bluetooth.strangers import lines, mapping

if TYPE_CHECKING:
    from integrations.bluetooth.census import Census
    from integrations.bluetooth.intake import Intake
    from integrations.bluetooth.strangers.feeding import Strangers


class Config(hub.Config):
    """Bluetooth LE scanning."""

    adapters: tuple[str, ...] = Field(
        default=(),
        description="Adapters to scan with, such as hci0. Empty: every one.",
        title="Adapters",
    )
    scanning: Literal["auto", "active", "passive"] = Field(
        default="auto",
        description="passive sends nothing; active also asks sensors for their name; auto is passive where it works.",
        title="Scanning",
    )
    repeat: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="The same bytes from the same device within this time are read once.",
        title="Repeat",
    )
    gather: timedelta = Field(
        default=timedelta(milliseconds=200),
        ge=timedelta(0),
        le=timedelta(seconds=5),
        description="While several sources listen, how long an advertisement waits for its copies from the others.",
    )
    queue: int = Field(
        default=1024,
        ge=16,
        le=65536,
        description="Strangers whose last advertisement may wait.",
    )
    check: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="How often the adapters are looked at, besides what BlueZ tells by itself.",
        title="Check",
    )
    deaf: timedelta = Field(
        default=timedelta(minutes=3),
        ge=timedelta(0),
        le=timedelta(days=1),
        description="An adapter that hears nothing for so long while others do is switched off and on. 0: never.",
        title="Deaf",
    )
    proxies: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")], Proxy] = Field(
        default={},
        max_length=64,
        description="ESPHome Bluetooth proxies on the network, each by a name of yours.",
        title="Proxies",
    )
    others: bool = Field(
        default=False,
        description="What no decoder knows is read by the parsers of the extra ble-sensors, in a process of their own.",
        title="Others",
    )
    connections: int = Field(
        default=3,
        ge=1,
        le=16,
        description="Connections that one adapter holds at a time; a proxy says its own number.",
        title="Connections",
    )
    capture: Path | None = Field(
        default=None,
        description="A file of `ilot capture ble` that is heard once, for trials.",
        title="Capture",
    )

    def libraries(self) -> tuple[str, ...]:
        return ("bleak", "dbus_fast", "aioesphomeapi") if self.proxies else ("bleak", "dbus_fast")


class DeviceSettings(gatt_layout.Settings):
    """The `settings:` of a Bluetooth device."""

    census: tuple[str, ...] = Field(
        default=(),
        max_length=16,
        description="Not a device but a count of people's devices near by, per quarter of an hour: the sources that "
        "count for it, such as hci0 or the name of a proxy.",
        title="Census",
    )
    near: int = Field(
        default=-85,
        ge=-127,
        le=0,
        description="A device weaker than this (dBm) is not near.",
        title="Near",
    )


async def run(config: Config, session: hub.Session) -> None:
    """Listen until cancelled. Raises NotReady when no source is left to listen with, AuthFailed when the hub may not
    use BlueZ, or a proxy refuses its key, and no other source is left."""
    from integrations.bluetooth.intake import Intake, private
    from integrations.bluetooth.listening import Listening  # imports bleak, so only where Bluetooth is used
    from integrations.bluetooth.polling import Poller

    def count(reason: str, device: str) -> None:
        session.radio.report_decode_error(device, hub.DecodeError(reason))

    def changed(listening: int) -> None:
        intake.gather = config.gather.total_seconds() if listening > 1 else 0.0

    census = _census(session)
    taps = [lambda heard: census.saw(heard.address, heard.source, heard.rssi, private=private(heard))] if census else []
    intake = Intake(
        own=lambda device: session.devices.get(device) is not None,
        count=count,
        clock=asyncio.get_running_loop().time,
        limit=config.queue,
        repeat=config.repeat.total_seconds(),
        taps=taps,
    )
    listening = Listening(config, session, hear=intake.hear, count=count, changed=changed)
    poller = Poller(
        session,
        connectors=listening.connector,
        capacity=listening.capacity,
        sightings=intake.sightings,
        clock=asyncio.get_running_loop().time,
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listening.run(), name=f"{session.name} sources")
            others = _others(config, session, count)
            if others is not None:
                tasks.create_task(others.run(), name=f"{session.name} others")
            tasks.create_task(_pump(intake, session, others), name=f"{session.name} pump")
            tasks.create_task(poller.run(), name=f"{session.name} connections")
            if census is not None:
                tasks.create_task(_count(census, session), name=f"{session.name} census")
    except BaseExceptionGroup as group:
        error = one_of(group)
        raise error from error.__cause__


def one_of(group: BaseException) -> BaseException:
    """Return the one error of a group that the supervisor judges."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _census(session: hub.Session) -> Census | None:
    """Return the census for the configured counters; None when there is none."""
    from integrations.bluetooth.census import Census, Zone

    read = {device.id: device.settings_as(DeviceSettings) for device in session.devices.all()}
    zones = {name: Zone(frozenset(one.census), one.near) for name, one in read.items() if one.census}
    try:
        return Census(zones) if zones else None
    except ValueError as error:
        session.log.error(phrase("bluetooth.nobody-counted", "nobody is counted: {reason}", reason=reason_of(error)))
        return None


async def _count(census: Census, session: hub.Session) -> None:
    async for now in session.every(timedelta(seconds=10)):
        for zone, devices, whole in census.turn(now):
            quality = hub.Quality.GOOD if whole else hub.Quality.UNCERTAIN
            await session.emit(hub.Report(device=zone, values={"nearby_devices": devices}, quality=quality))


async def _pump(intake: Intake, session: hub.Session, others: Strangers | None) -> None:
    while True:
        frame = await intake.take()
        if not await session.radio.submit_frame(frame) and others is not None:
            others.offer(frame)


def _others(config: Config, session: hub.Session, count: Callable[[str, str], None]) -> Strangers | None:
    """Return the worker for other makers' parsers, when they are wanted."""
    if not config.others:
        return None
    from integrations.bluetooth.strangers.feeding import Host, Strangers

    clock = asyncio.get_running_loop().time
    return Strangers(
        Host(session.radio.submit_frame, session.devices.get, count, session.log.info, session.log.warning, clock)
    )


async def probe(config: Config) -> str:
    """Return the adapters that would scan and the proxies' answers, as text. Raises NotReady, AuthFailed."""
    from integrations.bluetooth.probing import adapters, proxies

    answers = await proxies(config) if config.proxies else []
    try:
        answers = [*await adapters(config), *answers]
    except hub.NotReady as error:
        if not answers or config.adapters:
            raise
        return phrase(
            "bluetooth.ready-in-part",
            "ready to scan with {sources}; {reason}",
            sources=answers,
            reason=reason_of(error),
        )
    return phrase("bluetooth.ready", "ready to scan with {sources}", sources=answers)


class _StandaloneSession:
    """A substitute for the session, for use without a hub."""

    name = "bluetooth"
    log = LoggerAdapter(getLogger("hub.bluetooth"), {})

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        while True:
            yield time.time()
            await asyncio.sleep(interval.total_seconds())


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Pass on everything the configured sources hear, as lines of `capture`. Raises NotReady, AuthFailed."""
    from integrations.bluetooth import capture
    from integrations.bluetooth.listening import Listening

    listening = Listening(
        config,
        _StandaloneSession(),
        hear=lambda heard: hear(capture.line(heard, time.time())),
        count=lambda reason, device: None,
    )
    try:
        await listening.run()
    except BaseExceptionGroup as group:
        error = one_of(group)
        raise error from error.__cause__


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "bluetooth",
        Config,
        run,
        device=DeviceSettings,
        probe=probe,
        listen=listen,
        pack=Layout,
        reasons=REASONS,
        sampling=SAMPLING,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("bthome", "ble", bthome.decode, metrics=bthome.METRICS, line=lines.line)
    register("ruuvi", "ble", ruuvi.decode, metrics=ruuvi.METRICS, line=lines.line)
    register("atc", "ble", atc.decode, line=lines.line)
    register("eddystone", "ble", eddystone.decode, line=lines.line)
    register("gatt", "ble", gatt_layout.decode, line=lines.line)
    register("sig", "ble", sig.decode, metrics=sig.METRICS, line=lines.line)
    register("others", "ble", mapping.decode, metrics=mapping.METRICS, line=lines.line)
