"""The thermometers of Xiaomi with the open firmwares ATC and pvvx, in their own clear formats. Pure.

Service data 0x181A, told apart by length (the pages "Custom format" of pvvx/ATC_MiThermometer and "Advertising format"
of atc1441/ATC_MiThermometer on GitHub):

    13 B      ATC: address 6 B as written | temperature s16 0.1 °C | humidity u8 % | battery u8 % | battery u16 mV |
              packet u8; big-endian
    14, 15 B  pvvx: address 6 B reversed | temperature s16 0.01 °C | humidity u16 0.01 % | battery u16 mV |
              battery u8 % | packet u8 | flags u8 (15 B only); little-endian
    8, 11 B   both sealed, with a packet number of 8 bits: no replay window can hold that, so it is not read. The same
              firmware speaks BTHome, which can.

    0x2AEB beside 0x2A56    pvvx's own pulse counter u24, big-endian, where the SIG's would be little-endian

Flags belong to a pin that the owner may wire to anything: not read. Nothing authenticates these frames; the packet
number in the proof orders nothing beyond 256 frames. The address inside must be the sender's own. 0 mV is a
thermometer that does not measure its battery.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import hub
from hub.sdk.phrases import phrase
from integrations.bluetooth import advert

SERVICE = "service:181a"
PIN, PULSES = "service:2a56", "service:2aeb"
SEALED = frozenset((8, 11))
LENGTHS = frozenset((*SEALED, 13, 14, 15))

_ATC = struct.Struct(">6shBBHB")
_PVVX = struct.Struct("<6shHHBB")
Values = dict[str, float | int | bool | str]


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | None:
    """Read one advertisement. None when it holds no such data.

    Raises DecodeError: `clear-but-keyed`, `sealed-format`, `address-mismatch`.
    """
    data = frame.data.get(SERVICE, b"")
    climate = len(data) in LENGTHS
    counts = PIN in frame.data and len(frame.data.get(PULSES, b"")) == 3
    if not climate and not counts:
        return None
    if len(data) in SEALED:
        raise hub.DecodeError(
            "sealed-format",
            phrase("bluetooth.not-replay-safe", "it cannot be protected from replay: set the firmware to BTHome"),
        )
    device = advert.speaker(frame, keys)
    values, packet = _climate(data, frame.address) if climate else ({}, None)
    if counts:
        values["count"] = int.from_bytes(frame.data[PULSES], "big")
    return hub.Decoded(device=device, values=values, proof=hub.Proof("atc", packet), model="Xiaomi (ATC)")


def _climate(data: bytes, sender: str) -> tuple[Values, int]:
    """Return readings and packet number."""
    if len(data) == _ATC.size:
        address, tenths, whole, battery, millivolts, packet = _ATC.unpack(data)
        temperature, humidity = tenths / 10, float(whole)
    else:
        address, hundredths, parts, millivolts, battery, packet = _PVVX.unpack_from(data)
        address = address[::-1]
        temperature, humidity = hundredths / 100, parts / 100
    if address.hex().upper() != sender.replace(":", "").upper():
        raise hub.DecodeError(
            "address-mismatch",
            phrase("bluetooth.address-mismatch", "the address inside the payload is not the sender's"),
        )
    values: Values = {"temperature": temperature, "humidity": humidity, "battery": battery}
    if millivolts:
        values["battery_voltage"] = millivolts / 1000
    return values, packet
