"""Labels and QR codes of devices, and tables of them → what they say. Pure; nothing here knows a hub.

label       what a label says, and the pieces that labels are made of
tr005       LoRa Alliance TR005: `LW:D0:…` and its drafts
makers      codes of makers that are not: a DevEUI alone, two EUIs, Bluetooth, EnOcean
meters      M-Bus
pairs       names and values: makers' printed text, NFC tags, JSON, and the columns of a table
exports     lists of devices and keys as other tools print them
kinds       kinds of devices: ids, integrations, keys
device_request what somebody wants to add
table       CSV → wishes, or what is wrong in which line and column

Packs add patterns of their own (`hub.devices.packs.labels`).
"""

from __future__ import annotations

from hub.core.text import phrase
from hub.protocol.device_labels import makers, meters, pairs, tr005
from hub.protocol.device_labels.label import MAX_TEXT as MAX_TEXT
from hub.protocol.device_labels.label import Label as Label
from hub.protocol.device_labels.label import Unreadable as Unreadable


def read(text: str) -> Label:
    """Read a label or QR code. Raises Unreadable."""
    if len(text) > MAX_TEXT:
        raise Unreadable(
            "too-long",
            phrase("label-too-long", "a label has at most {limit} characters", limit=MAX_TEXT),
        )
    if tr005.is_one(text):
        return tr005.read(text)
    found = makers.read(text) or meters.read(text) or pairs.read(text)
    if found is None:
        raise Unreadable(
            "not-a-label",
            phrase(
                "label-not-recognised",
                "this label is of no device that can be recognised: look for a DevEUI (16 digits) or a MAC "
                "address on it, and enter that",
            ),
        )
    return found
