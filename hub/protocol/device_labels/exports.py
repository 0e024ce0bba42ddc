"""Lists of devices and their keys as other tools print them: several devices in one text. Pure.

Xiaomi: the output of Xiaomi-cloud-tokens-extractor. Each device is a group of lines `NAME:`, `ID:`, `BLE KEY:`, `MAC:`,
`IP:`, `TOKEN:`, `MODEL:` between lines of dashes; only those with `BLE KEY` and `MAC` speak Bluetooth under a key, and
`TOKEN` is for another protocol.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.protocol.device_labels import label as parts
from hub.protocol.device_labels.label import Label, Unreadable

MAX_EXPORT, MAX_LINE = 1 << 20, 512
_LINE = re.compile(r"(NAME|ID|BLE KEY|MAC|IP|TOKEN|MODEL):\s+(\S.*)")


def is_one(text: str) -> bool:
    """True when a text is such a list."""
    return any(match and match[1] in ("BLE KEY", "MAC") for match in map(_line, text[:MAX_EXPORT].splitlines()))


def read(text: str) -> Iterator[tuple[int, Label | Unreadable]]:
    """Each device that speaks Bluetooth under a key, or what is wrong with it, with the number of its first line."""
    group: dict[str, str] = {}
    first = 0
    for number, line in enumerate([*text[:MAX_EXPORT].splitlines(), "---"], 1):
        match = _line(line)
        if match and match[1] not in group:
            first = first or number
            group[match[1]] = match[2]
        elif match or line.strip().startswith("---"):
            if "BLE KEY" in group and "MAC" in group:
                yield first, _label(group)
            group, first = ({match[1]: match[2]}, number) if match else ({}, 0)


def _line(text: str) -> re.Match[str] | None:
    return _LINE.fullmatch(text.strip()) if len(text) <= MAX_LINE else None


def _label(group: dict[str, str]) -> Label | Unreadable:
    try:
        return Label(
            form="Xiaomi",
            device=f"ble:{parts.mac(group['MAC'], 'MAC')}",
            key=parts.key(group["BLE KEY"], (12, 16), "BLE KEY"),
            name=parts.shown(group.get("NAME", "")),
            model=parts.shown(group.get("MODEL", "")),
        )
    except Unreadable as error:
        return error
