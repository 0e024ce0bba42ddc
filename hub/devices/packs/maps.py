"""Packs that need no codec: what a device holds, and where, in the words of its integration. Pure.

A map becomes part of the `settings:` of each device that names the pack; what the device says itself comes first. What
may stand in a map is the integration's: it registers the model of it (`hub.sdk.hookspecs.PackPart`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple


class Map(NamedTuple):
    """`key` of pack.yaml; the key of `settings:` that it fills; the keys by which two entries of a list are one."""

    key: str
    setting: str
    same: tuple[str, ...] = ()


MAPS: dict[str, Map] = {
    "modbus": Map("registers", "registers", ("metric",)),
    "bacnet": Map("objects", "objects"),
    "knx": Map("groups", "points"),
    "bluetooth": Map("layout", "gatt", ("service", "characteristic")),
}
"""Protocol, which is the type of the integration → its map."""

PLAIN = ("http_json", "mqtt_devices", "opcua")
"""Protocols whose packs tell facts alone: what the device is, and the credentials it leaves the factory with."""


def filled(protocol: str, part: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a device with the map of its pack in them."""
    setting, same = MAPS[protocol].setting, MAPS[protocol].same
    own = settings.get(setting)
    if isinstance(part, Mapping):
        return {**settings, setting: {**part, **(own if isinstance(own, Mapping) else {})}}
    mine: Sequence[Any] = own if isinstance(own, Sequence) and not isinstance(own, str) else ()
    taken = {_mark(entry, same) for entry in mine}
    return {**settings, setting: [*(entry for entry in part if _mark(entry, same) not in taken), *mine]}


def untested(metrics: Collection[str], shown: Collection[str]) -> list[str]:
    """Metrics of a map that no vector shows."""
    return [f"metric {metric}" for metric in sorted(set(metrics) - set(shown))]


def _mark(entry: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(entry.get(key, "")).lower() for key in keys) if isinstance(entry, Mapping) else ()
