"""Writes what a configuration must hold so that the hub hears simulated devices."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.sdk.simulation import Player

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*|!secret [a-z0-9-]+")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


class Lines(NamedTuple):
    """The sections of the configuration, and the secrets by name."""

    integrations: dict[str, Any]
    places: dict[str, Any]
    devices: dict[str, Any]
    secrets: dict[str, str]

    def text(self) -> str:
        """Return the sections as YAML."""
        sections = {"integrations": self.integrations, "places": self.places, "devices": self.devices}
        return "".join(
            f"{name}:\n" + "".join(f"  {flow(key)}: {flow(value)}\n" for key, value in section.items())
            for name, section in sections.items()
        )

    def kept_secrets(self) -> str:
        """Return the lines of secrets.yaml."""
        return "".join(f'{name}: "{value}"\n' for name, value in self.secrets.items())


def lines_of(player: Player, protocol: str, pack: str, zone: str) -> Lines:
    """Return the lines for these devices, each at a place of its own in `zone`."""
    secrets, places, devices = dict(player.secrets), {}, {}
    for number, one in enumerate(player.devices, 1):
        place = f"{pack}-{number}"
        places[place] = {"zone": zone}
        told: dict[str, Any] = {"integration": protocol, "place": place, "pack": pack}
        if one.key:
            secrets[place] = one.key
            told["key"] = f"!secret {place}"
        if one.settings:
            told["settings"] = dict(one.settings)
        devices[one.id] = told
    return Lines({protocol: dict(player.options)}, places, devices, secrets)


def flow(value: Any) -> str:
    """Return plain data as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
