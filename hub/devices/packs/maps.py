"""Maps of packs without a codec: a device's data points, in the terms of its integration. Pure.

A map becomes part of the `settings:` of each device that names the pack; the device's own settings take precedence. The
integration registers the model of its maps (`hub.sdk.hookspecs.PackPart`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Map(NamedTuple):
    """A kind of map: `key` in pack.yaml, the `setting` it fills, and the keys that identify a list entry (`same`)."""

    key: str
    setting: str
    same: tuple[str, ...] = ()


MAPS: dict[str, Map] = {
    "modbus": Map("registers", "registers", ("metric",)),
    "bacnet": Map("objects", "objects"),
    "knx": Map("groups", "points"),
    "bluetooth": Map("layout", "gatt", ("service", "characteristic")),
    "mbus": Map("records", "records", ("metric",)),
    "wmbus": Map("records", "records", ("metric",)),
}
"""Protocol (the type of the integration) → its map."""

PLAIN = ("http_json", "mqtt_devices", "opcua")
"""Protocols whose packs hold only facts: what the device is, and its default credentials."""


def filled(protocol: str, part: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a device with its pack's map merged in."""
    setting, same = MAPS[protocol].setting, MAPS[protocol].same
    own = settings.get(setting)
    if isinstance(part, Mapping):
        return {**settings, setting: {**part, **(own if isinstance(own, Mapping) else {})}}
    mine: Sequence[Any] = own if isinstance(own, Sequence) and not isinstance(own, str) else ()
    taken = {_mark(entry, same) for entry in mine}
    return {**settings, setting: [*(entry for entry in part if _mark(entry, same) not in taken), *mine]}


def _mark(entry: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(entry.get(key, "")).lower() for key in keys) if isinstance(entry, Mapping) else ()
