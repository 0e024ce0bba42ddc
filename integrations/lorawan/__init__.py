"""LoRaWAN in the building: a network server of the hub's own, for EU863-870, class A and C.

Gateways reach it by Semtech's UDP protocol (`udp`) or as LoRa Basics Station (`lns`). The protocol is pure: bytes and
times go in, decisions and wake-up times come out (`network`), and `driver` carries them out. LoRaWAN L2 1.0.4
(TS001-1.0.4), also for devices of 1.0.0 to 1.0.3, and Regional Parameters RP002-1.0.4.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan import decode
from integrations.lorawan.reasons import REASONS, SAMPLING
from integrations.lorawan.settings import Config, DeviceSettings

__all__ = ["Config", "DeviceSettings", "probe", "register_decoders", "register_integrations", "run"]


async def run(config: Config, session: hub.Session) -> None:
    """Serve gateways and devices until cancelled. Raises NotReady when an address cannot be listened on."""
    from integrations.lorawan.driver import Driver

    try:
        async with asyncio.TaskGroup() as tasks, AsyncExitStack() as servers:
            driver = Driver(config, session, tasks)
            await driver.begin()  # load the devices before the first frame can arrive
            tasks.create_task(driver.follow(), name=f"{session.name} devices")
            tasks.create_task(driver.orders.run(), name=f"{session.name} commands")
            tasks.create_task(driver.watch(config.silence), name=f"{session.name} gateways")
            tasks.create_task(driver.telling.gateways(), name=f"{session.name} health")
            if config.udp is not None:
                from integrations.lorawan import udp

                port = await servers.enter_async_context(udp.serving(config.udp, config, driver))
                session.log.info(
                    phrase(
                        "lorawan.gateways-by-udp",
                        "gateways by Semtech UDP: server address {address}, port {port}",
                        address=config.udp.address,
                        port=port,
                    )
                )
            if config.station is not None:
                from integrations.lorawan import lns  # imports aiohttp's server, so only where a station is configured

                port = await servers.enter_async_context(lns.serving(config.station, config, driver))
                scheme = "wss" if config.station.certificate else "ws"
                session.log.info(
                    phrase(
                        "lorawan.gateways-by-station",
                        "gateways by Basics Station: {scheme}://{address}:{port}",
                        scheme=scheme,
                        address=config.station.address,
                        port=port,
                    )
                )
            if not config.gateways:
                session.log.warning(
                    phrase(
                        "lorawan.no-gateway-on-list",
                        "no gateway is on the list: name them under `gateways`; those that call are shown",
                    )
                )
            await driver.run()
    except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
        raise group.exceptions[0] from group.exceptions[0].__cause__


async def probe(config: Config) -> str:
    """Can the addresses be listened on, or are they already? Raises NotReady."""
    said = []
    for given, kind in ((config.udp, socket.SOCK_DGRAM), (config.station, socket.SOCK_STREAM)):
        if given is None:
            continue
        family = socket.AF_INET6 if ":" in given.address else socket.AF_INET
        with socket.socket(family, kind) as bound:
            try:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
                bound.bind((given.address, given.port))
                said.append(
                    phrase("lorawan.port-free", "{address} port {port} is free", address=given.address, port=given.port)
                )
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    from integrations.lorawan.udp import sentence

                    raise hub.NotReady(sentence(given.address, given.port, error)) from error
                said.append(
                    phrase(
                        "lorawan.port-in-use-by-hub",
                        "{address} port {port} is in use, by a running hub or another network server",
                        address=given.address,
                        port=given.port,
                    )
                )
    return phrase(
        "lorawan.ports-and-gateways",
        "{ports}; gateways on the list: {gateways}",
        ports=said,
        gateways=len(config.gateways),
    )


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Pass on the frames that packet forwarders hear, until cancelled. Raises NotReady."""
    from integrations.lorawan import listening

    await listening.listen(config, hear)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    from integrations.lorawan.metrics import METRICS

    register(
        "lorawan",
        Config,
        run,
        device=DeviceSettings,
        metrics=METRICS,
        probe=probe,
        listen=listen,
        reasons=REASONS,
        sampling=SAMPLING,
    )


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("lorawan", "lorawan", decode.decode, line=decode.line)
