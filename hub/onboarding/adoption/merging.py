"""Merge of devices that commands added with those of the configuration, at a start and when they contradict each other.

The configuration takes precedence. A stored device that it names too is disabled until one of the two is removed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hub.config.instances import Models
from hub.config.load import Loaded
from hub.core.model import Device, Place
from hub.core.text import phrase
from hub.onboarding.adoption.resolve import with_settings
from hub.onboarding.adoption.tables import AddedDevices


class MergedDevices(NamedTuple):
    """Result. `devices` and `places` to admit beside the configuration's; `shadowed`: devices that it names too;
    `stray`: places of a zone that no longer exists."""

    devices: list[Device]
    places: list[Place]
    shadowed: list[str]
    stray: list[Place]


def merge(
    added_devices: AddedDevices, loaded: Loaded, replaced: Mapping[str, tuple[str, bytes | None]], models: Models
) -> MergedDevices:
    """Merge. `replaced`: former device → the one in its place now, and its key."""
    kinds = {instance.name: instance.type for instance in loaded.integrations}
    configured = {name.lower() for device in loaded.devices for name in _line(device.id, replaced)}
    known = {place.id for place in loaded.places}
    devices, shadowed = [], []
    for device in added_devices.devices.values():
        if device.id.lower() in configured:
            shadowed.append(device.id)
        else:
            devices.append(with_settings(device, kinds.get(device.integration, ""), models))
    places = [place for place in added_devices.places.values() if place.id not in known]
    zones = loaded.config.zones
    return MergedDevices(devices, places, shadowed, [place for place in places if place.zone not in zones])


def _line(device: str, replaced: Mapping[str, tuple[str, bytes | None]]) -> list[str]:
    line = [device]
    while (new := replaced.get(line[-1], ("", None))[0]) and new not in line:
        line.append(new)
    return line


def where(device: str, loaded: Loaded) -> str:
    """Return `config.yaml:12`, where the configuration names a device; `the configuration` when not found. Blocking."""
    key = re.compile(rf"""^\s*["']?{re.escape(device)}["']?\s*:""", re.IGNORECASE)
    for name in loaded.files:
        try:
            lines = (loaded.path.parent / Path(name)).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        for number, line in enumerate(lines, 1):
            if key.match(line):
                return f"{name}:{number}"
    return phrase("the-configuration", "the configuration")
