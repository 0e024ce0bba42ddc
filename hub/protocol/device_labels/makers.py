"""Makers' own codes that are not TR005 and name no field. Pure.

    <DevEUI>                      Dragino, and many others (The Things Stack, pull request 6272: "all Dragino devices")
    <DevEUI>:<JoinEUI>            Tektelic (The Things Stack, issue 5953)
    <MAC>, or <MAC> and a key     Bluetooth labels: 12 digits, then 32 (or 24: MiBeacon before version 4)
    30S<id>+Z<key>+30P…           EnOcean, ANSI MH10.8.2 data identifiers (PTM 215ZE manual 1.0, §7.3.1.1): 30S an EURID
                                  of 8 digits, perhaps behind zeros, or a Bluetooth address of 12; Z the security key;
                                  30P ordering code; S serial number

Milesight, Adeunis, nke Watteco (its newer ones: TR005), Decentlab, Enless, Nexelec and Ewattch: no published content of
their codes was found. Where such a code holds a DevEUI alone, or names what it holds, it is read all the same; a pack
can add a pattern (`labels` in pack.yaml).
"""

from __future__ import annotations

import re

from hub.protocol.device_labels import label as parts
from hub.protocol.device_labels.label import Label

_EUI = r"[0-9A-Fa-f]{16}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){7}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){7}"
_MAC = r"[0-9A-Fa-f]{12}|[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}"
_ONE_EUI = re.compile(rf"(?P<device>{_EUI})")
_TWO_EUIS = re.compile(rf"(?P<device>{_EUI})[:;,|\s]{{1,8}}(?P<join>{_EUI})")
_BLE = re.compile(rf"(?P<device>{_MAC})(?:[;,|=\s]{{1,8}}(?P<key>[0-9A-Fa-f]{{32}}|[0-9A-Fa-f]{{24}}))?")
_ENOCEAN = re.compile(r"30S(?P<device>[0-9A-Fa-f]{8}|[0-9A-Fa-f]{12})(?P<rest>(?:\+[^+]{0,64}){0,8})")


def read(text: str) -> Label | None:
    """None when it is none of these."""
    text = text.strip()
    if match := _ONE_EUI.fullmatch(text):
        return Label(form="DevEUI", device=f"lorawan:{parts.eui(match['device'])}")
    if match := _BLE.fullmatch(text):
        key = bytes.fromhex(match["key"]) if match["key"] else None
        return Label(form="MAC", device=f"ble:{parts.mac(match['device'])}", key=key)
    if match := _TWO_EUIS.fullmatch(text):
        join = parts.eui(match["join"], "JoinEUI")
        return Label(form="DevEUI:JoinEUI", device=f"lorawan:{parts.eui(match['device'])}", settings={"join_eui": join})
    if match := _ENOCEAN.fullmatch(text):
        return _enocean(match["device"], match["rest"].split("+"))
    return None


def _enocean(device: str, elements: list[str]) -> Label:
    key = serial = model = ""
    for element in elements:
        if re.fullmatch(r"Z[0-9A-Fa-f]{32}", element):
            key = element[1:]
        elif element.startswith("30P"):
            model = parts.shown(element[3:])
        elif re.fullmatch(r"S[0-9A-Za-z]{1,32}", element):
            serial = element[1:]
    over_bluetooth = len(device) == 12 and not device.startswith("0000")
    return Label(
        form="EnOcean",
        serial=serial,
        model=model,
        device=f"ble:{parts.mac(device)}" if over_bluetooth else f"enocean:{device[-8:].upper()}",
        key=bytes.fromhex(key) if key and over_bluetooth else None,  # over 868 MHz the key serves a secure teach-in
    )
