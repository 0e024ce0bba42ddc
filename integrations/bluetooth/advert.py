"""Bluetooth LE advertisements → frames. Pure; every input is a stranger's.

raw     AD structures (Bluetooth Core 5.4, vol 3 part C §11; Core Specification Supplement part A):
        length u8 (of type and data) | type u8 | data, …; a length of 0 ends the payload early.
        Kept: names 0x08 0x09 · service data 0x16 (16-bit) 0x20 (32-bit) 0x21 (128-bit UUID) · manufacturer 0xFF.
line    one JSON object of `ilot decode ble`: {"address", "rssi"?, "name"?} with either "raw": hex, or
        "manufacturer_data": {"0x0499": hex} and "service_data": {"fcd2" or a whole UUID: hex}
frame   data keys are "service:fcd2" (four digits under the Bluetooth base UUID, else eight, else the whole UUID,
        lower case) and "manufacturer:0499"; a section said twice keeps its last value, as BlueZ does.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

import hub

MAX_RAW = 1650
"""Bytes of advertising data that one advertising set can hold (Core 5.4, vol 4 part E §7.8.54)."""

NAME = 64
"""Characters of a local name that are kept."""

_BASE_TAIL = "-0000-1000-8000-00805f9b34fb"
_UUID = re.compile(r"(0x)?([0-9a-f]{4}|[0-9a-f]{8})|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_SERVICE_SIZES = {0x16: 2, 0x20: 4, 0x21: 16}
_NAMES = (0x08, 0x09)
_MANUFACTURER = 0xFF


def frame(
    address: str,
    manufacturer: Mapping[int, bytes],
    service: Mapping[str, bytes],
    *,
    name: str = "",
    rssi: int | None = None,
    source: str = "",
) -> hub.Frame:
    """A frame from what a Bluetooth stack reports: `manufacturer` by company id, `service` by UUID."""
    data = {f"manufacturer:{company:04x}": value for company, value in manufacturer.items()}
    for key, value in service.items():
        data[f"service:{service_key(key)}"] = value
    return hub.Frame(
        kind="ble",
        address=address.upper(),
        data=data,
        signal=hub.Signal(rssi=rssi, source=source),
        name="".join(char for char in name[:NAME] if char.isprintable()).strip(),
    )


def parse(raw: bytes, address: str, *, rssi: int | None = None, source: str = "") -> hub.Frame:
    """A frame from the advertising data on the air, `MAX_RAW` bytes at most.

    Raises DecodeError: `too-long`, `truncated` (a structure longer than what is left, or shorter than its own UUID
    or company id), `bad-address`.
    """
    address = checked_address(address)
    if len(raw) > MAX_RAW:
        raise hub.DecodeError("too-long", f"{len(raw)} bytes of advertising data, the most is {MAX_RAW}")
    manufacturer: dict[int, bytes] = {}
    service: dict[str, bytes] = {}
    name = ""
    at = 0
    while at < len(raw) and raw[at]:
        size, stop = raw[at], at + 1 + raw[at]
        if stop > len(raw):
            raise hub.DecodeError("truncated", f"a structure of {size} bytes in the {len(raw) - at - 1} that are left")
        kind, data = raw[at + 1], raw[at + 2 : stop]
        if kind in _NAMES:
            name = data.decode(errors="replace")
        elif kind == _MANUFACTURER:
            if len(data) < 2:
                raise hub.DecodeError("truncated", "manufacturer data without its company id")
            manufacturer[int.from_bytes(data[:2], "little")] = data[2:]
        elif kind in _SERVICE_SIZES:
            width = _SERVICE_SIZES[kind]
            if len(data) < width:
                raise hub.DecodeError("truncated", "service data without its UUID")
            service[data[width - 1 :: -1].hex() if width < 16 else str(uuid.UUID(bytes=data[15::-1]))] = data[width:]
        at = stop
    return frame(address, manufacturer, service, name=name, rssi=rssi, source=source)


def line(item: Mapping[str, Any]) -> hub.Frame:
    """A frame from one JSON object of `ilot decode ble`. Raises DecodeError `bad-line`, or as `parse` does."""
    unknown = set(item) - {"address", "rssi", "name", "raw", "manufacturer_data", "service_data"}
    if unknown:
        raise hub.DecodeError("bad-line", f"unknown key {min(map(str, unknown))!r}")
    rssi = item.get("rssi")
    if rssi is not None and (not isinstance(rssi, int) or isinstance(rssi, bool) or not -127 <= rssi <= 127):
        raise hub.DecodeError("bad-line", "rssi is a whole number of dBm between -127 and 127")
    name = item.get("name", "")
    if not isinstance(name, str):
        raise hub.DecodeError("bad-line", "name is a text")
    address = checked_address(item.get("address"))
    if "raw" in item:
        if "manufacturer_data" in item or "service_data" in item:
            raise hub.DecodeError("bad-line", "either raw, or manufacturer_data and service_data")
        return parse(_hex(item["raw"], "raw"), address, rssi=rssi)
    manufacturer = {_company(key): value for key, value in _hexes(item, "manufacturer_data").items()}
    return frame(address, manufacturer, _hexes(item, "service_data"), name=name, rssi=rssi)


def checked_address(address: object) -> str:
    """`A4:C1:38:01:02:03`, upper case; dashes are accepted. Raises DecodeError `bad-address`."""
    text = address.upper().replace("-", ":") if isinstance(address, str) else ""
    if not _ADDRESS.fullmatch(text):
        raise hub.DecodeError("bad-address", "an address reads A4:C1:38:01:02:03")
    return text


def service_key(text: str) -> str:
    """The shortest name of a UUID: `fcd2` for 0xFCD2, in whichever width it was written."""
    text = text.lower().removeprefix("0x")
    if len(text) == 36 and text.endswith(_BASE_TAIL):
        text = text[:8]
    return text[4:] if len(text) == 8 and text.startswith("0000") else text


def _hexes(item: Mapping[str, Any], section: str) -> dict[str, bytes]:
    sections = item.get(section, {})
    if not isinstance(sections, Mapping):
        raise hub.DecodeError("bad-line", f"{section} is an object of hex texts")
    if section == "service_data":
        for key in sections:
            _check_uuid(str(key))
    return {str(key): _hex(value, f"{section} {key}") for key, value in sections.items()}


def _hex(value: object, where: str) -> bytes:
    if not isinstance(value, str) or len(value) > 4 * MAX_RAW:
        raise hub.DecodeError("bad-line", f"{where[:NAME]} is a hex text of at most {MAX_RAW} bytes")
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raise hub.DecodeError("bad-line", f"{where[:NAME]} is not hex") from None


def _company(key: str) -> int:
    try:
        company = int(key, 16)
    except ValueError:
        company = -1
    if not 0 <= company <= 0xFFFF:
        raise hub.DecodeError("bad-line", f"{key[:NAME]!r} is not a company id such as 0x0499")
    return company


def _check_uuid(key: str) -> None:
    if not _UUID.fullmatch(key):
        raise hub.DecodeError("bad-line", f"{key[:NAME]!r} is not a UUID of 16, 32 or 128 bits")
