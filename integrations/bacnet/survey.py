"""What a device says of itself and of its objects, read for a proposal."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from integrations.bacnet import names
from integrations.bacnet.asking import Asker
from integrations.bacnet.decode import Station
from integrations.bacnet.names import ObjectId
from integrations.bacnet.proposing import Seen
from integrations.bacnet.settings import PORT
from integrations.bacnet.tags import Value
from integrations.bacnet.values import facts_of, label


def address_of(station: Station) -> dict[str, Any]:
    """Return the settings that say where a device is."""
    host = station.host if station.port == PORT else f"{station.host}:{station.port}"
    return {"address": host, **({"network": station.network, "mac": station.mac.hex()} if station.network else {})}


async def objects_of(asker: Asker) -> tuple[str, list[Seen]]:
    """Read the device's name, and the properties of each of its objects."""
    listed = [one for one in await asker.array(asker.device, names.OBJECT_LIST) if isinstance(one, ObjectId)]
    readable = [who for who in dict.fromkeys(listed) if who.type in names.READABLE]
    found = await asker.read(
        [(asker.device, (names.OBJECT_NAME,)), *((who, _wanted(who)) for who in readable)], attempts=3
    )
    said: dict[ObjectId, list[tuple[int, list[Value]]]] = defaultdict(list)
    for one in found:
        if one.error is None:
            said[one.object].append((one.property, one.values))
    title = label(_first(said[asker.device], names.OBJECT_NAME))
    return title, [_seen(who, said[who]) for who in dict.fromkeys(listed)]


def _wanted(who: ObjectId) -> tuple[int, ...]:
    base = (names.OBJECT_NAME, names.DESCRIPTION, names.PRESENT_VALUE)
    if who.type in names.BINARY:
        return (*base, names.INACTIVE_TEXT, names.ACTIVE_TEXT)
    if who.type in names.MULTISTATE:
        return (*base, names.STATE_TEXT)
    if who.type in names.TEXTS:
        return base
    return (*base, names.UNITS, names.SCALE) if who.type == 23 else (*base, names.UNITS)


def _seen(who: ObjectId, said: list[tuple[int, list[Value]]]) -> Seen:
    facts = facts_of(said)
    name, about = (label(_first(said, which)) for which in (names.OBJECT_NAME, names.DESCRIPTION))
    value = _first(said, names.PRESENT_VALUE)
    if facts.scale != 1 and isinstance(value, int):
        value = value * facts.scale
    return Seen(who, name, about, facts.units, facts.texts, value)


def _first(said: list[tuple[int, list[Value]]], which: int) -> Value:
    return next((values[0] for one, values in said if one == which and values), None)
