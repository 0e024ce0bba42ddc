"""Tools for installers that need no hub: group monitor, search for interfaces, and their descriptions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import reduce
from typing import Any

from xknx import XKNX
from xknx.exceptions import XKNXException
from xknx.io import GatewayScanner
from xknx.io.gateway_scanner import GatewayDescriptor
from xknx.io.self_description import request_description

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.knx import addresses, points, values
from integrations.knx.link import Link, Said
from integrations.knx.settings import Config

Names = dict[int, tuple[str, str]]
"""Group address → its name and datapoint type in ETS."""
SEARCH_S = 3.0


async def listen(config: Config, hear: Callable[[dict[str, Any]], None]) -> None:
    """Run the group monitor: yield each telegram as a JSON object that `ilot decode knx` reads. With routing,
    interfaces are searched for first (SearchRequest), and each that answers is an object too. Raises NotReady,
    AuthFailed."""
    names = await asyncio.to_thread(_names, config)

    def said(one: Said) -> None:
        hear(line(one, names, config.levels, time.time()))

    if not config.host:
        async for gateway in search(config):
            hear(gateway_line(gateway))
    keyring = None
    if config.keyring is not None:
        from integrations.knx import keyring as keyrings

        keyring = await keyrings.load(config.keyring, config.keyring_password.get_secret_value(), {})
    async with Link(config, said, lambda address, error: None, keyring) as link:
        await link.lost.wait()
        raise hub.NotReady(phrase("knx.connection-lost", "{bus} is away: the connection was lost", bus=config.where))


async def probe(config: Config) -> str:
    """Describe the interface that answers, in a sentence. Raises NotReady. Opens no tunnel: interfaces have few."""
    if not config.host:
        found = [gateway async for gateway in search(config)]
        if not found:
            raise hub.NotReady(
                phrase("knx.nobody-answers-search", "{bus}: no KNX/IP device answers a search", bus=config.where)
            )
        return phrase(
            "knx.devices-answer",
            "{count} KNX/IP [device answers|devices answer]: {devices}",
            count=len(found),
            devices=reduce(
                lambda first, second: phrase("knx.one-and-next", "{first}; {second}", first=first, second=second),
                map(describe, found[:5]),
            ),
        )
    try:
        gateway = await request_description(
            config.host if _is_ip(config.host) else await _resolved(config.host),
            config.port,
            local_ip=config.local_ip or None,
            route_back=config.route_back,
        )
    except (XKNXException, OSError) as error:
        raise hub.NotReady(
            phrase(
                "knx.no-description",
                "{bus} does not say what it is: {reason}",
                bus=config.where,
                reason=reason_of(error),
            )
        ) from error
    described, advice = describe(gateway), _advice(config, gateway)
    if not advice:
        return described
    return phrase("knx.one-and-next", "{first}; {second}", first=described, second=advice)


async def search(config: Config) -> AsyncIterator[GatewayDescriptor]:
    """Send SearchRequest by multicast; yield each answer within three seconds as it arrives. Raises NotReady."""
    xknx = XKNX()
    xknx.multicast_group, xknx.multicast_port = config.multicast_group, config.port
    try:
        scanner = GatewayScanner(xknx, local_ip=config.local_ip or None, timeout_in_seconds=SEARCH_S)
        async for gateway in scanner.async_scan():  # its `scan` hides cancellation, and returns only at the end
            yield gateway
    except (XKNXException, OSError) as error:
        raise hub.NotReady(
            phrase(
                "knx.search-failed",
                "{bus} cannot be searched: {reason}",
                bus=config.where,
                reason=reason_of(error),
            )
        ) from error


def describe(gateway: GatewayDescriptor) -> str:
    services = [
        name
        for name, there in (
            ("tunnelling", gateway.supports_tunnelling),
            ("tunnelling-tcp", gateway.supports_tunnelling_tcp),
            ("routing", gateway.supports_routing),
            ("KNX IP Secure", gateway.supports_secure),
        )
        if there
    ]
    return phrase(
        "knx.gateway",
        "{name} ({individual_address}) at {address}: {services}",
        name=_clean(gateway.name),
        individual_address=gateway.individual_address,
        address=f"{gateway.ip_addr}:{gateway.port}",
        services=services or phrase("knx.no-service", "no service that is used here"),
    )


def _advice(config: Config, gateway: GatewayDescriptor) -> str:
    if config.connection == "tunnelling" and gateway.tunnelling_requires_secure:
        return phrase(
            "knx.tunnels-want-secure",
            "its tunnels want KNX IP Secure: set `connection: tunnelling-secure` and `keyring`",
        )
    if config.connection == "tunnelling-tcp" and not gateway.supports_tunnelling_tcp:
        return phrase("knx.no-tcp-tunnels", "it has no tunnels over TCP: set `connection: tunnelling`")
    if config.connection == "tunnelling" and gateway.supports_secure:
        return phrase("knx.could-be-secure", "it could use KNX IP Secure, and does not")
    return ""


def line(said: Said, names: Names, levels: int, now: float) -> dict[str, Any]:
    """Return one telegram as a JSON object."""
    name, dpt = names.get(said.address, ("", ""))
    told: dict[str, Any] = {
        "time": round(now, 3),
        "source": addresses.show_individual(said.source),
        "destination": addresses.show_group(said.address, levels),
        "service": said.service,
    }
    if name:
        told["name"] = name
    if said.payload is not None:
        told["payload"] = said.payload if isinstance(said.payload, int) else said.payload.hex()
        told |= _valued(said.payload, dpt)
    if said.secure:
        told["secure"] = True
    else:
        told["cemi"] = said.raw.hex()
    return told


def _valued(payload: int | bytes, dpt: str) -> dict[str, Any]:
    try:
        point = points.POINTS[points.canonical(dpt)]
        value = values.read(point, payload)
    except (ValueError, hub.DecodeError):
        return {}
    return {"dpt": point.dpt, "value": value, **({"unit": point.unit} if point.unit else {})}


def gateway_line(gateway: GatewayDescriptor) -> dict[str, Any]:
    """Return an interface that answered a search as a JSON object."""
    return {
        "gateway": f"{gateway.ip_addr}:{gateway.port}",
        "source": str(gateway.individual_address or ""),
        "name": str(describe(gateway)),
    }


def _names(config: Config) -> Names:
    if config.project is None:
        return {}
    from integrations.knx.project.reader import read

    try:
        project = read(config.project, databases=False)
    except hub.DecodeError as error:
        raise hub.NotReady(
            phrase(
                "knx.project-without-names",
                "{project} gives no names: {reason}",
                project=config.project,
                reason=error.detail,
            )
        ) from error
    return {group.address: (_clean(group.name), group.dpt) for group in project.groups.values()}


def _clean(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:100]


def _is_ip(host: str) -> bool:
    return host.replace(".", "").isdigit()


async def _resolved(host: str) -> str:
    loop = asyncio.get_running_loop()
    return str((await loop.getaddrinfo(host, None, family=2))[0][4][0])
