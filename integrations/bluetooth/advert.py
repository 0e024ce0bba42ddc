"""Bluetooth LE advertisements → frames. Pure; every input is untrusted.

raw     AD structures (Bluetooth Core 5.4, vol 3 part C §11; Core Specification Supplement part A):
        length u8 (of type and data) | type u8 | data, …; a length of 0 ends the payload early.
        Kept: names 0x08 0x09 · service data 0x16 (16-bit) 0x20 (32-bit) 0x21 (128-bit UUID) · manufacturer 0xFF ·
        services without data 0x02 0x03 (16-bit) 0x04 0x05 (32-bit) 0x06 0x07 (128-bit UUIDs).
line    one JSON object of `ilot decode ble`: {"address", "rssi"?, "name"?} with either "raw": hex, or
        "manufacturer_data": {"0x0499": hex}, "service_data": {"fcd2" or a whole UUID: hex} and "service_uuids":
        ["fff0"] (named without data); or, for a value read over a connection,
        {"address"?, "characteristic": "2a6e" or a whole UUID, "value": hex, "fields"?: […]}
        (the fields of `gatt_layout`, for a characteristic that Bluetooth does not define)
frame   data keys are "service:fcd2" (four digits under the Bluetooth base UUID, else eight, else the whole UUID,
        lower case), "manufacturer:0499", "characteristic:2a6e" and "uuid:fff0" (empty: a service without data); a
        section said twice keeps its last value, as BlueZ does. A line's fields are the section "fields", as JSON: no
        radio can make it.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import hub
from hub.sdk.phrases import phrase

MAX_RAW = 1650
"""Bytes of advertising data that one advertising set can hold (Core 5.4, vol 4 part E §7.8.54)."""

NAME = 64
"""Maximum characters of a local name that are kept."""

NOBODY = "00:00:00:00:00:00"
"""Sender of a value on a line that names none."""

CAPTURED = ("time", "source", "random", "private")
"""Further fields of a line of `ilot capture`: see `integrations.bluetooth.capture`."""

_SPLIT = ("manufacturer_data", "service_data", "service_uuids")
_LINE = {"address", "rssi", "name", "raw", *_SPLIT, *CAPTURED}
_BASE_TAIL = "-0000-1000-8000-00805f9b34fb"
_UUID = re.compile(r"(0x)?([0-9a-f]{4}|[0-9a-f]{8})|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_SERVICE_SIZES = {0x16: 2, 0x20: 4, 0x21: 16}
_LIST_SIZES = {0x02: 2, 0x03: 2, 0x04: 4, 0x05: 4, 0x06: 16, 0x07: 16}
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
    uuids: Iterable[str] = (),
) -> hub.Frame:
    """Build a frame from the data of a Bluetooth stack: `manufacturer` by company id, `service` by UUID; `uuids` are
    services without data."""
    data = {f"manufacturer:{company:04x}": value for company, value in manufacturer.items()}
    for key, value in service.items():
        data[f"service:{service_key(key)}"] = value
    if data:  # a service without data matters only beside other data
        for key in uuids:
            data[f"uuid:{service_key(key)}"] = b""
    return hub.Frame(
        kind="ble",
        address=address.upper(),
        data=data,
        signal=hub.Signal(rssi=rssi, source=source),
        name="".join(char for char in name[:NAME] if char.isprintable()).strip(),
    )


def parse(raw: bytes, address: str, *, rssi: int | None = None, source: str = "") -> hub.Frame:
    """Parse advertising data as sent, `MAX_RAW` bytes at most.

    Raises DecodeError: `too-long`, `truncated` (a structure longer than the rest, or shorter than its own UUID or
    company id), `bad-address`."""
    address = checked_address(address)
    if len(raw) > MAX_RAW:
        raise hub.DecodeError(
            "too-long",
            phrase(
                "bluetooth.advertisement-too-long",
                "{count} bytes of advertising data, the most is {most}",
                count=len(raw),
                most=MAX_RAW,
            ),
        )
    manufacturer: dict[int, bytes] = {}
    service: dict[str, bytes] = {}
    uuids: list[str] = []
    name = ""
    at = 0
    while at < len(raw) and raw[at]:
        size, stop = raw[at], at + 1 + raw[at]
        if stop > len(raw):
            raise hub.DecodeError(
                "truncated",
                phrase(
                    "bluetooth.structure-cut",
                    "a structure of {size} bytes in the {left} that are left",
                    size=size,
                    left=len(raw) - at - 1,
                ),
            )
        kind, data = raw[at + 1], raw[at + 2 : stop]
        if kind in _NAMES:
            name = data.decode(errors="replace")
        elif kind == _MANUFACTURER:
            if len(data) < 2:
                raise hub.DecodeError(
                    "truncated",
                    phrase("bluetooth.company-id-missing", "manufacturer data without its company id"),
                )
            manufacturer[int.from_bytes(data[:2], "little")] = data[2:]
        elif kind in _SERVICE_SIZES:
            width = _SERVICE_SIZES[kind]
            if len(data) < width:
                raise hub.DecodeError(
                    "truncated", phrase("bluetooth.service-uuid-missing", "service data without its UUID")
                )
            service[_uuid_text(data[:width])] = data[width:]
        elif kind in _LIST_SIZES:
            width = _LIST_SIZES[kind]
            uuids += [_uuid_text(data[start : start + width]) for start in range(0, len(data) - width + 1, width)]
        at = stop
    return frame(address, manufacturer, service, name=name, rssi=rssi, source=source, uuids=uuids)


def _uuid_text(data: bytes) -> str:
    return data[::-1].hex() if len(data) < 16 else str(uuid.UUID(bytes=data[::-1]))


def line(item: Mapping[str, Any]) -> hub.Frame:
    """Build a frame from one JSON object of `ilot decode ble`. Raises DecodeError `bad-line`, or as `parse` does."""
    if "characteristic" in item:
        return _value(item)
    unknown = set(item) - _LINE
    if unknown:
        raise hub.DecodeError(
            "bad-line", phrase("bluetooth.unknown-key", "unknown key {key!r}", key=min(map(str, unknown)))
        )
    rssi = item.get("rssi")
    if rssi is not None and (not isinstance(rssi, int) or isinstance(rssi, bool) or not -127 <= rssi <= 127):
        raise hub.DecodeError(
            "bad-line", phrase("bluetooth.rssi-out-of-range", "rssi is a whole number of dBm between -127 and 127")
        )
    name, source = item.get("name", ""), item.get("source", "")
    if not isinstance(name, str) or not isinstance(source, str):
        raise hub.DecodeError("bad-line", phrase("bluetooth.name-not-text", "name and source are texts"))
    address = checked_address(item.get("address"))
    if "raw" in item:
        if not item.keys().isdisjoint(_SPLIT):
            raise hub.DecodeError(
                "bad-line", phrase("bluetooth.raw-or-split", "either raw, or {fields}", fields=list(_SPLIT))
            )
        return parse(_hex(item["raw"], "raw"), address, rssi=rssi, source=source)
    manufacturer = {_company(key): value for key, value in _hexes(item, "manufacturer_data").items()}
    return frame(
        address, manufacturer, _hexes(item, "service_data"), name=name, rssi=rssi, source=source, uuids=_uuids(item)
    )


def _value(item: Mapping[str, Any]) -> hub.Frame:
    """Build a frame from a value read over a connection."""
    unknown = set(item) - {"address", "characteristic", "value", "fields"}
    if unknown:
        raise hub.DecodeError(
            "bad-line",
            phrase(
                "bluetooth.unknown-key-beside-characteristic",
                "unknown key {key!r} beside characteristic",
                key=min(map(str, unknown)),
            ),
        )
    key = str(item["characteristic"])
    _check_uuid(key)
    data = {f"characteristic:{service_key(key)}": _hex(item.get("value"), "value")}
    if "fields" in item:
        try:
            data["fields"] = json.dumps(item["fields"]).encode()
        except (TypeError, ValueError, RecursionError):
            raise hub.DecodeError(
                "bad-line", phrase("bluetooth.fields-not-objects", "fields is a list of objects")
            ) from None
    return hub.Frame(kind="ble", address=checked_address(item.get("address", NOBODY)), data=data)


def speaker(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> str:
    """Return the id of a device that sends unencrypted data.

    Raises DecodeError `clear-but-keyed` when the hub holds a key for it: a sender that uses the address of an
    encrypting device must not be trusted for having chosen a format without encryption."""
    device = f"ble:{frame.address.upper()}"
    if keys(device) is not None:
        raise hub.DecodeError(
            "clear-but-keyed",
            phrase("bluetooth.clear-but-keyed", "the device has a key but this frame is not encrypted"),
        )
    return device


def checked_address(address: object) -> str:
    """Normalise an address to `A4:C1:38:01:02:03`, upper case; dashes are accepted. Raises DecodeError
    `bad-address`."""
    text = address.upper().replace("-", ":") if isinstance(address, str) else ""
    if not _ADDRESS.fullmatch(text):
        raise hub.DecodeError("bad-address", phrase("bluetooth.not-an-address", "an address reads A4:C1:38:01:02:03"))
    return text


def service_key(text: str) -> str:
    """Return the shortest name of a UUID: `fcd2` for 0xFCD2, in whichever width it was written."""
    text = text.lower().removeprefix("0x")
    if len(text) == 36 and text.endswith(_BASE_TAIL):
        text = text[:8]
    return text[4:] if len(text) == 8 and text.startswith("0000") else text


def _hexes(item: Mapping[str, Any], section: str) -> dict[str, bytes]:
    sections = item.get(section, {})
    if not isinstance(sections, Mapping):
        raise hub.DecodeError(
            "bad-line", phrase("bluetooth.section-not-object", "{section} is an object of hex texts", section=section)
        )
    if section == "service_data":
        for key in sections:
            _check_uuid(str(key))
    return {str(key): _hex(value, f"{section} {key}") for key, value in sections.items()}


def _uuids(item: Mapping[str, Any]) -> list[str]:
    uuids = item.get("service_uuids", [])
    if not isinstance(uuids, list) or len(uuids) > MAX_RAW:
        raise hub.DecodeError(
            "bad-line", phrase("bluetooth.service-uuids-not-list", "service_uuids is a list of UUIDs")
        )
    for key in uuids:
        _check_uuid(str(key))
    return [str(key) for key in uuids]


def _hex(value: object, where: str) -> bytes:
    if not isinstance(value, str) or len(value) > 4 * MAX_RAW:
        raise hub.DecodeError(
            "bad-line",
            phrase(
                "bluetooth.not-a-hex-text",
                "{field} is a hex text of at most {most} bytes",
                field=where[:NAME],
                most=MAX_RAW,
            ),
        )
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raise hub.DecodeError(
            "bad-line", phrase("bluetooth.not-hexadecimal", "{field} is not hex", field=where[:NAME])
        ) from None


def _company(key: str) -> int:
    try:
        company = int(key, 16)
    except ValueError:
        company = -1
    if not 0 <= company <= 0xFFFF:
        raise hub.DecodeError(
            "bad-line",
            phrase("bluetooth.not-a-company-id", "{key!r} is not a company id such as 0x0499", key=key[:NAME]),
        )
    return company


def is_uuid(text: str) -> bool:
    """Return whether the text is a UUID of 16, 32 or 128 bits."""
    return _UUID.fullmatch(text) is not None


def _check_uuid(key: str) -> None:
    if not is_uuid(key):
        raise hub.DecodeError(
            "bad-line", phrase("bluetooth.not-a-uuid", "{text!r} is not a UUID of 16, 32 or 128 bits", text=key[:NAME])
        )
