"""Ask BACnet devices which objects they have, and propose a configuration that reads them.

Nothing is broadcast unless --broadcast says so, or the `discover` section of the file. At the rate of the file's
`max_rate`, 10 requests a second by default: a controller with 200 objects takes a few seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import Any

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import names, proposing
from integrations.bacnet.asking import Asker
from integrations.bacnet.decode import IAm, Station
from integrations.bacnet.link import Link
from integrations.bacnet.names import LAST_INSTANCE
from integrations.bacnet.settings import Config, split_port
from integrations.bacnet.survey import address_of, objects_of

ANSWERS_S = 4.0
"""Seconds to wait for I-Am."""


def arguments(parser: Any) -> None:
    """Add the arguments of `ilot import bacnet`."""
    parser.add_argument("--broadcast", metavar="ADDRESS", help="ask everybody there, like 192.168.10.255")
    parser.add_argument("--address", action="append", default=[], metavar="ADDRESS", help="ask this address alone")
    parser.add_argument("--device", action="append", type=int, default=[], metavar="INSTANCE", help="only this one")
    parser.add_argument("--own", metavar="ADDRESS", help="the hub's own address on that network")


async def propose(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the devices' objects as a proposal for `ilot import`. Raises NotReady when there is no answer."""
    config = _config(asked)
    notes: list[str] = []
    where: dict[int, tuple[IAm, Station]] = {}

    def heard(i_am: IAm, station: Station, _data: bytes) -> None:
        if not asked.device or i_am.instance in asked.device:
            where.setdefault(i_am.instance, (i_am, station))

    async with contextlib.AsyncExitStack() as stack:
        try:
            link = await stack.enter_async_context(Link(config, heard=heard))
        except hub.NotReady:  # a hub runs here and uses the port
            link = await stack.enter_async_context(Link(config.model_copy(update={"port": 0}), heard=heard))
            notes.append(
                phrase(
                    "bacnet.port-taken",
                    "port {port} is taken, by the hub perhaps: who answers by broadcast was not heard",
                    port=config.port,
                )
            )
        await link.register()
        for address in asked.address:
            await link.ask_one(Station(*split_port(address)))
        if config.discover is not None and not asked.address:
            low, high = (min(asked.device), max(asked.device)) if asked.device else (0, LAST_INSTANCE)
            await link.ask_who_is(low, high)
        await _answers(where, len(asked.address) or len(asked.device))
        if not where:
            raise hub.NotReady(
                phrase("bacnet.no-device-answers", "no device answers: check the address, and that the device is on")
            )
        found = await _describe(link, where, asked, notes)
    return {**found, "integrations": _instance(asked), "notes": notes}


def _config(asked: argparse.Namespace) -> Config:
    config = asked.config or Config()
    changed: dict[str, Any] = {} if asked.own is None else {"address": asked.own}
    if asked.broadcast:
        changed["discover"] = {"broadcast": asked.broadcast}
    if not asked.broadcast and not asked.address and config.discover is None:
        raise hub.NotReady(
            phrase(
                "bacnet.say-whom-to-ask",
                "say whom to ask: --address, or --broadcast; the file has no `discover` section either",
            )
        )
    return Config.model_validate({**config.model_dump(), **changed})


async def _answers(where: dict[int, Any], wanted: int) -> None:
    """Wait for the requested number of answers, or until the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + ANSWERS_S
    while loop.time() < until and not (wanted and len(where) >= wanted):  # noqa: ASYNC110 - one glance is enough
        await asyncio.sleep(0.05)


async def _describe(
    link: Link, where: dict[int, tuple[IAm, Station]], asked: argparse.Namespace, notes: list[str]
) -> dict[str, Any]:
    devices: dict[str, Any] = {}
    for instance, (i_am, station) in sorted(where.items()):
        name = f"bacnet:{instance}"
        known = dict(asked.devices.get(name, {}).get("objects") or {})
        try:
            asker = Asker(link, station, instance)
            await asker.identify(3)
            asker.max_apdu, asker.segments = i_am.max_apdu, i_am.segmentation in (0, 1)
            title, seen = await objects_of(asker)
        except (hub.NotReady, hub.DecodeError) as error:
            notes.append(
                phrase(
                    "bacnet.device-left-out", "{device} was left out: {reason}", device=name, reason=names.told(error)
                )
            )
            continue
        proposed = proposing.objects(seen, known)
        left = [one for one in seen if one.object.type not in names.READABLE]
        if left:
            notes.append(
                phrase(
                    "bacnet.objects-without-readings",
                    "{device}: {count} [object is|objects are] no readings (device, schedules, logs…)",
                    device=name,
                    count=len(left),
                )
            )
        gone = sorted(set(known) - {str(one.object) for one in seen})
        if gone:
            notes.append(
                phrase(
                    "bacnet.objects-gone",
                    "{device} no longer has {objects}: take them out of the file",
                    device=name,
                    objects=gone,
                )
            )
        devices[name] = {
            "#": f"{asker.vendor} {asker.model} {asker.firmware}".strip(),
            "integration": asked.instance,
            **({"name": title} if title else {}),
            "settings": {**address_of(station), "objects": proposed},
        }
    return {"devices": devices}


def _instance(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the integration to propose when the file has none."""
    if asked.config is not None:
        return {}
    options: dict[str, Any] = {} if asked.instance == "bacnet" else {"type": "bacnet"}
    return {asked.instance: options | ({"address": asked.own} if asked.own else {})}
