"""Reads the lines of `ilot capture knx` with the group addresses of the configured devices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Read
from integrations.knx import addresses, values
from integrations.knx.settings import DeviceSettings


def read(line: Mapping[str, Any], devices: Mapping[str, hub.Device]) -> dict[str, dict[str, Any]]:
    """Return the readings of a telegram, by device. Raises DecodeError."""
    if "gateway" in line:
        return {}
    said = line.get("payload")
    try:
        where = addresses.group(str(line.get("destination", "")))
        payload = said if type(said) is int else None if said is None else bytes.fromhex(str(said))
    except (ValueError, hub.DecodeError):
        raise hub.DecodeError(
            "bad-line", phrase("knx.line-without-telegram", "a line has a `destination` and a `payload`")
        ) from None
    found: dict[str, dict[str, Any]] = {}
    for device in devices.values() if payload is not None else ():
        for address, group in device.settings_as(DeviceSettings).groups.items():
            if addresses.group(address) == where:
                value = values.value(group, payload)  # type: ignore[arg-type]  # not None, as the loop says
                found.setdefault(device.id, {})[group.metric] = value
    return found


READERS: dict[str, Read] = {"knx": read}
