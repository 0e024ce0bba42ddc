"""Lines of `ilot capture ble`, as BlueZ would show them."""

from __future__ import annotations

from typing import Any

from integrations.bluetooth.sim.sensors import Advertisement

BASE = "-0000-1000-8000-00805f9b34fb"


def advertisement(item: dict[str, Any]) -> Advertisement:
    """Return a line as BlueZ would show it. Raises ValueError, KeyError, TypeError, IndexError."""
    if "raw" in item:
        return structures(bytes.fromhex(item["raw"]))
    service = {whole(uuid): bytes.fromhex(data) for uuid, data in item.get("service_data", {}).items()}
    manufacturer = {int(key, 16): bytes.fromhex(data) for key, data in item.get("manufacturer_data", {}).items()}
    return Advertisement(service, manufacturer)


def structures(raw: bytes) -> Advertisement:
    """Parse service data (0x16) and manufacturer data (0xFF) of advertising data (Core Specification Supplement, part
    A)."""
    service, manufacturer = {}, {}
    at = 0
    while at < len(raw) and raw[at]:
        kind, data = raw[at + 1], raw[at + 2 : at + 1 + raw[at]]
        if kind == 0x16:
            service[whole(data[1::-1].hex())] = data[2:]
        elif kind == 0xFF:
            manufacturer[int.from_bytes(data[:2], "little")] = data[2:]
        at += 1 + raw[at]
    return Advertisement(service, manufacturer)


def whole(uuid: str) -> str:
    """Return a UUID in full, as BlueZ names it."""
    return uuid if len(uuid) == 36 else f"{uuid.removeprefix('0x'):0>8}{BASE}"
