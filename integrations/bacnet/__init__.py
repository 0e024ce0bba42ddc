"""BACnet/IP: the objects of building controllers, read by subscription and by poll, written by command only.

One integration is one network; its devices are `bacnet:<instance>`. The hub is a client: it has no objects and answers
no requests. ANSI/ASHRAE 135-2020, Annex J.

Messages are decoded and encoded here and not by bacpypes3, which takes 9 MiB more and four times as long for each
value, collects segments without a limit, obeys any sender's order to be silent, and shares its port with other
programs. It plays the other side in the tests and in the simulator, where two independent implementations meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.session import Answer
from integrations.bacnet.explain import explain, frame_of, presents
from integrations.bacnet.finder import FINDER
from integrations.bacnet.packs import Objects
from integrations.bacnet.reasons import REASONS
from integrations.bacnet.settings import Config, DeviceSettings, Point

if TYPE_CHECKING:
    from integrations.bacnet.decode import IAm, Station

__all__ = ["Config", "DeviceSettings", "Point", "listen", "probe", "register_decoders", "register_integrations", "run"]

ANSWERS_S = 3.0
"""Seconds for which a probe waits for I-Am."""


async def run(config: Config, session: hub.Session) -> None:
    """Read every device of this plugin until cancelled. Raises NotReady when the address cannot be used or the BBMD
    does not answer, AuthFailed when the BBMD refuses."""
    from integrations.bacnet import writing
    from integrations.bacnet.directory import Directory
    from integrations.bacnet.poll import Poller
    from integrations.bacnet.shared import opened

    directory = Directory(config, session)
    pollers: dict[str, Poller] = {}
    polling: dict[str, asyncio.Task[None]] = {}

    def dropped(station: Station | None, error: Exception) -> None:
        device = next((name for name, poller in pollers.items() if station and poller.station == station), session.name)
        session.radio.report_decode_error(device, error)

    async def carry_out(command: hub.Command) -> None:
        def answer(state: Answer, detail: str) -> None:
            session.commands.answer(command, state, detail)

        def wanted() -> bool:
            return session.commands.wanted(command)

        await writing.write(command, pollers.get(command.device), link, answer, writing.clock, wanted)

    async with opened(config, dropped, directory.heard) as link:
        try:
            async with asyncio.TaskGroup() as tasks:

                def poll(device: hub.Device) -> None:
                    if device.id not in polling or polling[device.id].done():
                        pollers[device.id] = poller = Poller(device.id, config, session, link, directory)
                        polling[device.id] = tasks.create_task(poller.run(), name=f"poll {device.id}")

                async def follow() -> None:
                    changes = session.devices.changes()
                    for device in session.devices.all():
                        poll(device)
                    async for device in changes:
                        if session.devices.get(device.id) is not None:
                            poll(device)

                tasks.create_task(follow(), name="devices")
                tasks.create_task(link.stay_registered(), name="bbmd")
                tasks.create_task(directory.look(link), name="who-is")
                async for command in session.commands:
                    tasks.create_task(carry_out(command), name=f"command {command.id}")
        except BaseExceptionGroup as failures:
            told, bugs = failures.split((hub.NotReady, hub.AuthFailed))
            if told is None or bugs is not None:
                raise
            error = _first(told)
            raise type(error)(reason_of(error)) from failures


async def probe(config: Config) -> str:
    """Bind the address, register where configured, and send Who-Is where that is allowed. Raises NotReady."""
    from integrations.bacnet.link import Link
    from integrations.bacnet.names import LAST_INSTANCE

    there: set[int] = set()
    async with Link(config, heard=lambda i_am, _station, _data: there.add(i_am.instance)) as link:
        await link.register()
        if config.discover is None:
            host, port = link.address
            return phrase(
                "bacnet.address-usable",
                "{address} can be used; no device was asked: `discover` is not configured",
                address=f"{host}:{port}",
            )
        await link.ask_who_is(config.discover.low, min(config.discover.high, LAST_INSTANCE))
        await asyncio.sleep(ANSWERS_S)
    if not there:
        raise hub.NotReady(
            phrase(
                "bacnet.no-device-answers-who-is",
                "no device answers Who-Is: check the broadcast address, and that the devices are on",
            )
        )
    return phrase("bacnet.devices-answer", "{count} [device answers|devices answer] Who-Is", count=len(there))


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Send Who-Is once, and pass on the answers until cancelled. Raises NotReady when nothing may be broadcast."""
    from integrations.bacnet.link import Link
    from integrations.bacnet.names import LAST_INSTANCE

    def heard(_i_am: IAm, station: Station, data: bytes) -> None:
        hear({"datagram": data.hex(), "address": f"{station.host}:{station.port}"})

    async with Link(config, heard=heard) as link:
        await link.register()
        low, high = (config.discover.low, config.discover.high) if config.discover else (0, LAST_INSTANCE)
        await link.ask_who_is(low, high)
        await asyncio.Event().wait()


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)  # noqa: S101 - the group was split by two of them
    return error


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "bacnet",
        Config,
        run,
        device=DeviceSettings,
        probe=probe,
        listen=listen,
        pack=Objects,
        reasons=REASONS,
        finder=FINDER,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("bacnet", "bacnet", presents, line=frame_of, explain=explain)
