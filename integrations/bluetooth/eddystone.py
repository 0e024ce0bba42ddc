"""Eddystone telemetry (github.com/google/eddystone, "Eddystone-TLM"). Pure.

    service data 0xFEAA    frame type u8 | …
    0x20 0x00    TLM: battery u16 mV | temperature s8.8 °C | advertisements u32 | time since power-on u32 0.1 s
                 (big-endian)
    0x20 0x01    TLM of a beacon with an ephemeral id, encrypted with its identity key: not read
    0x00 0x10 0x30    identity, address of a page, ephemeral identity: no measurement, not this decoder's

A voltage of 0 and a temperature of -128 °C mean "not measured". Nothing authenticates these frames; the number of
advertisements in the proof orders them, and falls back to 0 when the beacon starts again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import hub
from hub.sdk.phrases import phrase
from integrations.bluetooth import advert

SERVICE = "service:feaa"
TELEMETRY = 0x20

_TLM = struct.Struct(">HhII")


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | None:
    """Read one advertisement. None when it holds no telemetry.

    Raises DecodeError: `clear-but-keyed`, `truncated`, `sealed-format`, `unsupported-version`.
    """
    data = frame.data.get(SERVICE)
    if not data or data[0] != TELEMETRY:
        return None
    if len(data) < 2:
        raise hub.DecodeError("truncated", phrase("bluetooth.no-telemetry-version", "no telemetry version"))
    if data[1] == 1:
        raise hub.DecodeError(
            "sealed-format",
            phrase("bluetooth.ephemeral-telemetry", "telemetry of a beacon with an ephemeral id is not read"),
        )
    if data[1]:
        raise hub.DecodeError(
            "unsupported-version",
            phrase(
                "bluetooth.unknown-telemetry-version",
                "Eddystone telemetry version {version} is not read",
                version=data[1],
            ),
        )
    if len(data) != 2 + _TLM.size:
        raise hub.DecodeError(
            "truncated",
            phrase(
                "bluetooth.telemetry-size",
                "telemetry has {expected} bytes, got {received}",
                expected=2 + _TLM.size,
                received=len(data),
            ),
        )
    device = advert.speaker(frame, keys)
    millivolts, temperature, advertisements, tenths = _TLM.unpack_from(data, 2)
    values: dict[str, float | int | bool | str] = {}
    if millivolts:
        values["battery_voltage"] = millivolts / 1000
    if temperature != -0x8000:
        values["temperature"] = temperature / 256
    values["uptime"] = tenths / 10
    return hub.Decoded(
        device=device, values=values, proof=hub.Proof("eddystone-tlm", advertisements), model="Eddystone beacon"
    )
