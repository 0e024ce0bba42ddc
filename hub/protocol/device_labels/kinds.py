"""Kinds of devices that labels name: how their ids are written, which integrations speak to them, and which keys they
have. Pure. A device of any other kind is added with its id, its integration and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hub.core.model import DEVICE_ID
from hub.core.text import phrase
from hub.protocol.device_labels import label as parts
from hub.protocol.device_labels import meters
from hub.protocol.device_labels.label import Unreadable


class Kind(NamedTuple):
    """`types`: integrations that may speak to it, the usual one first; `keys`: sizes of its key in bytes, none: it has
    none that the hub could use; `needs`: integrations that hear nothing of it without a key."""

    types: tuple[str, ...]
    keys: tuple[int, ...]
    needs: tuple[str, ...] = ()


KINDS = {
    "lorawan": Kind(("lorawan",), (16, 32), needs=("lorawan",)),
    "ble": Kind(("bluetooth",), (12, 16)),
    "enocean": Kind(("enocean",), ()),
    "mbus": Kind(("wmbus", "mbus"), (16,)),
}


def kind_of(device: str) -> Kind | None:
    return KINDS.get(device.partition(":")[0])


def device_id(text: str) -> str:
    """An id as people write it → as the hub does. Raises Unreadable."""
    text = text.strip()
    scheme, sep, rest = text.partition(":")
    if not DEVICE_ID.fullmatch(text) or not sep:
        raise Unreadable(
            "device-id",
            phrase(
                "device-id-form",
                "a device id is scheme:identifier, like lorawan:0018b20000001234 or ble:A4:C1:38:01:02:03",
            ),
            column="device",
        )
    match scheme:
        case "lorawan":
            return f"lorawan:{parts.eui(rest, column='device')}"
        case "ble":
            return f"ble:{parts.mac(rest, 'device')}"
        case "enocean":
            number = parts.digits(rest, 4, phrase("enocean-id", "EnOcean id"), "device")
            return f"enocean:{number.upper()}"
        case "mbus":
            found = meters.read(rest)
            return found.device if found is not None and found.key is None else text
    return text


def check_key(device: str, key: bytes, settings: Mapping[str, object]) -> None:
    """True when a device of this kind can have this key. Raises Unreadable."""
    kind = kind_of(device)
    if kind is None or not kind.keys:
        return
    sizes = kind.keys
    if device.startswith("lorawan:"):  # with an address it is an ABP device: NwkSKey and AppSKey
        sizes = (32,) if settings.get("address") else (16,)
    parts.key(key.hex(), sizes, "key")
