"""Converts a frame to a question for the worker. Pure."""

from __future__ import annotations

import hub
from integrations.bluetooth.strangers.messages import Ask, clean

_BASE = "-0000-1000-8000-00805f9b34fb"


def question(frame: hub.Frame, device: hub.Device | None) -> Ask:
    """Convert one frame to a question for the worker."""
    manufacturer: dict[int, bytes] = {}
    service: dict[str, bytes] = {}
    uuids: list[str] = []
    for section, data in frame.data.items():
        prefix, _, name = section.partition(":")
        if prefix == "manufacturer":
            manufacturer[int(name, 16)] = data
        elif prefix == "service":
            service[whole_uuid(name)] = data
        elif prefix == "uuid":
            uuids.append(whole_uuid(name))
    rssi = frame.signal.rssi if frame.signal else None
    key = device.key if device else None
    return Ask(0, frame.address, clean(frame.name), rssi, manufacturer, service, uuids, key)


def whole_uuid(key: str) -> str:
    """Expand `fcd2` to `0000fcd2-0000-1000-8000-00805f9b34fb`."""
    return key if len(key) == 36 else key.rjust(8, "0") + _BASE
