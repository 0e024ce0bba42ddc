"""Search of a network for devices that a person adds, with their objects, and one reading of such a device.

Nothing is broadcast but what a person asks for: by the `discover` of the instance, or by typing a broadcast address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import hub
from hub.sdk.finding import Found, Lent, Match, Offer, Tried
from hub.sdk.phrases import phrase
from integrations.bacnet import names, proposing
from integrations.bacnet.asking import Asker
from integrations.bacnet.decode import Found as Property
from integrations.bacnet.decode import IAm, Station
from integrations.bacnet.link import Link
from integrations.bacnet.names import LAST_INSTANCE, ObjectId
from integrations.bacnet.point import Watched
from integrations.bacnet.settings import Config, DeviceSettings, Discovery, split_port
from integrations.bacnet.shared import borrowed
from integrations.bacnet.survey import address_of, objects_of
from integrations.bacnet.tags import Value
from integrations.bacnet.values import Translation, facts_of

ANSWERS_S = 4.0
"""Seconds to wait for I-Am."""
ITSELF = LAST_INSTANCE + 1
"""Instance by which a device is asked whatever its own is."""
MOST_OBJECTS = 400
"""Objects that are proposed for one device: more are chosen in the configuration."""
SHORTEST = 4
"""Characters of a model's name that are told from an accident."""


@dataclass(slots=True)
class Asked:
    """Whom a person wants to be asked."""

    stations: list[Station] = field(default_factory=list)
    instances: list[int] = field(default_factory=list)
    broadcast: str = ""


async def search_network(config: Config, text: str, lent: Lent) -> None:
    """Ask who is there, then each for its objects, reporting as they answer. Raises NotReady, AuthFailed."""
    asked = wanted(text)
    if asked.broadcast:
        config = config.model_copy(update={"discover": Discovery(broadcast=asked.broadcast)})
    elif not asked.stations and config.discover is None:
        raise hub.NotReady(
            phrase(
                "bacnet.say-an-address",
                "say whom to ask: the address of a controller, or the network's broadcast address, as 192.168.10.255",
            )
        )
    async with borrowed(config, broadcasts=bool(asked.broadcast)) as link:
        there = await _who_is_there(link, asked)
        for number, (instance, (i_am, station)) in enumerate(sorted(there.items())):
            lent.progress(number, len(there))
            lent.found(await _described(link, instance, i_am, station, lent))
        lent.progress(len(there), len(there))


async def read_now(config: Config, settings: DeviceSettings) -> Tried:
    """Read the objects of one device. Raises NotReady, AuthFailed, DecodeError."""
    station = settings.station()
    if station is None:
        raise hub.NotReady(phrase("bacnet.no-address-to-try", "say its address: without one it cannot be tried"))
    points = [Watched(names.object_id(name), point) for name, point in settings.objects.items()]
    async with borrowed(config) as link:
        known = link.knows(station)
        try:
            return await _tried(Asker(link, station, ITSELF), points)
        finally:
            if not known:
                link.leave(station)


def wanted(text: str) -> Asked:
    """Return whom these addresses mean. Raises NotReady."""
    asked = Asked()
    for part in re.split(r"[,;\s]+", text.strip()):
        host, port = split_port(part)
        if re.fullmatch(r"[0-9]{1,7}", part) and int(part) <= LAST_INSTANCE:
            asked.instances.append(int(part))
        elif part and _is_address(host) and 0 < port < 65536:
            if host.endswith(".255"):
                asked.broadcast = part
            else:
                asked.stations.append(Station(host, port))
        elif part:
            raise hub.NotReady(
                phrase(
                    "bacnet.addresses-wrong",
                    "{text!r} is neither an address, like 192.168.10.20, nor the number of a device",
                    text=part[:40],
                )
            )
    return asked


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


async def _who_is_there(link: Link, asked: Asked) -> dict[int, tuple[IAm, Station]]:
    there: dict[int, tuple[IAm, Station]] = {}
    enough = asyncio.Event()
    awaited = 0 if asked.broadcast or not (asked.stations or asked.instances) else len(asked.stations + asked.instances)

    def heard(i_am: IAm, station: Station, _data: bytes) -> None:
        if not asked.instances or i_am.instance in asked.instances or any(s == station for s in asked.stations):
            there.setdefault(i_am.instance, (i_am, station))
            if awaited and len(there) >= awaited:
                enough.set()

    link.listeners.append(heard)
    try:
        for station in asked.stations:
            await link.ask_one(station)
        for instance in asked.instances:
            await link.ask_who_is(instance, instance)
        if not asked.stations and not asked.instances:
            await link.ask_who_is(0, LAST_INSTANCE)
        try:
            async with asyncio.timeout(ANSWERS_S):
                await enough.wait()
        except TimeoutError:
            pass
    finally:
        link.listeners.remove(heard)
    return there


async def _described(link: Link, instance: int, i_am: IAm, station: Station, lent: Lent) -> Found:
    known, where = link.knows(station), address_of(station)
    asker = Asker(link, station, instance)
    title, proposed = f"vendor {i_am.vendor}", dict[str, Any]()
    try:
        await asker.identify(2)
        name, seen = await objects_of(asker)
        title = " · ".join(part for part in (name, f"{asker.vendor} {asker.model}".strip()) if part)[:100]
        proposed = {who: _plain(point) for who, point in proposing.objects(seen, {}).items()}
    except (hub.NotReady, hub.DecodeError):  # it is there; what it holds is not known
        pass
    finally:
        if not known:
            link.leave(station)
    return Found(
        address=str(instance),
        device=f"bacnet:{instance}",
        settings=where,
        title=title,
        matches=(*_by_name(lent.packs, asker, where), *_own(where, proposed, title)),
        known=f"bacnet:{instance}" if any(one.id == f"bacnet:{instance}" for one in lent.devices) else "",
    )


def _plain(point: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in point.items() if not key.startswith("#")}


def _own(where: dict[str, Any], proposed: dict[str, Any], title: str) -> list[Match]:
    """Return the reading of all objects that the device lists."""
    if not proposed:
        return []
    taken = dict(list(proposed.items())[:MOST_OBJECTS])
    why = (
        phrase("bacnet.match-by-list", "it lists {count} [object|objects] with a value", count=len(taken))
        if len(taken) == len(proposed)
        else phrase(
            "bacnet.match-by-list-cut",
            "it lists {all} objects with a value; the first {count} are read",
            all=len(proposed),
            count=len(taken),
        )
    )
    return [Match(settings={**where, "objects": taken}, title=title, why=why)]


def _by_name(packs: tuple[Offer, ...], asker: Asker, where: dict[str, Any]) -> list[Match]:
    """Return the packs whose model stands in the name of the device's model."""
    said = _same(asker.model)
    why = phrase("bacnet.match-by-model", "it says that it is a {model}", model=asker.model[:60])
    return [
        Match(settings=dict(where), pack=offer.pack, title=f"{offer.vendor} {offer.models[0]}"[:100], why=why)
        for offer in packs
        if any(len(_same(model)) >= SHORTEST and _same(model) in said for model in offer.models)
    ]


def _same(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


async def _tried(asker: Asker, points: list[Watched]) -> Tried:
    values: dict[str, float | int | bool | str] = {}
    wrong: dict[str, str] = {}
    learnt = await asker.read([(point.object, point.learnt) for point in points if point.learnt], attempts=2)
    said: dict[ObjectId, list[tuple[int, list[Value]]]] = defaultdict(list)
    for one in learnt:
        if one.error is None:
            said[one.object].append((one.property, one.values))
    found = await asker.read([(point.object, (names.PRESENT_VALUE,)) for point in points], attempts=2)
    present: dict[ObjectId, Property] = {one.object: one for one in found if one.property == names.PRESENT_VALUE}
    metrics = list[hub.Metric]()
    for point in points:
        metric, answer = point.point.metric, present.get(point.object)
        try:
            translation = Translation(point.object, point.point, facts_of(said[point.object]))
            if translation.metric is not None:
                metrics.append(translation.metric)
            if answer is not None and answer.error is not None:
                raise answer.error
            value = translation.reading(answer.values if answer is not None else [None])
        except hub.DecodeError as error:
            wrong[metric] = names.told(error)
            continue
        if value is None:
            wrong[metric] = phrase("bacnet.no-value-now", "the device says that it has no value")
        else:
            values[metric] = value
    return Tried(values=values, wrong=wrong, metrics=tuple(metrics))
