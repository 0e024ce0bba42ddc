"""The building behind the simulated interface: a room sensor, an actuator and a meter. No I/O, no clock."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from integrations.knx import addresses, decode

ROOM, ACTUATOR, METER = 0x110A, 0x1114, 0x111E  # 1.1.10, 1.1.20, 1.1.30
SPEED = 10.0
"""Speed of the blind in per cent a second."""

DEVICES: dict[str, dict[str, Any]] = {
    "knx:1.1.10": {
        "groups": {
            "1/0/1": {"dpt": "9.001", "metric": "temperature", "read": True},
            "1/0/2": {"dpt": "9.007", "metric": "humidity"},
            "1/0/3": {"dpt": "9.008", "metric": "co2"},
            "1/0/4": {"dpt": "1.018", "metric": "occupancy"},
        }
    },
    "knx:1.1.20": {
        "groups": {
            "2/0/2": {"dpt": "1.001", "metric": "light", "read": True, "write": "2/0/1"},
            "2/1/2": {
                "dpt": "5.001", "metric": "blind_position", "unit": "%", "privacy": "personal", "write": "2/1/1",
                "confirm": 20,
            },
        }
    },
    "knx:1.1.30": {
        "groups": {
            "3/0/1": {"dpt": "13.013", "metric": "energy", "every": 900},
            "3/0/2": {"dpt": "14.056", "metric": "power", "every": 60},
        }
    },
}  # fmt: skip
"""Settings of the devices, ready to be pasted into a configuration."""

_RESPONSE, _WRITE = 0x40, 0x80


def float16(value: float) -> bytes:
    """Encode datapoint types 9.xxx: sign, four bits of exponent, eleven of mantissa, hundredths."""
    exponent, mantissa = 0, round(value * 100)
    while not -2048 <= mantissa <= 2047:
        exponent += 1
        mantissa = round(value * 100 / (1 << exponent))
    return ((mantissa & 0x800) << 4 | exponent << 11 | mantissa & 0x7FF).to_bytes(2, "big")


def telegram(source: int, address: str, service: int, value: int | bytes | None = None) -> bytes:
    """Encode L_Data.ind with low priority and six hops left."""
    small = value if isinstance(value, int) else 0
    apdu = bytes((0, service | small)) + (value if isinstance(value, bytes) else b"")
    head = bytes((0x29, 0, 0xBC, 0xE0)) + source.to_bytes(2, "big") + addresses.group(address).to_bytes(2, "big")
    return head + bytes((len(apdu) - 1,)) + apdu


class Building:
    """The simulated building. `now` returns seconds since it was built."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._on = False
        self._blind = (0.0, 0.0, 0.0)  # start of its movement, from, to (per cent)

    def position(self) -> float:
        began, start, goal = self._blind
        way = min(abs(goal - start), (self._now() - began) * SPEED)
        return start + math.copysign(way, goal - start)

    def value(self, address: str) -> tuple[int, int | bytes] | None:
        """Return the sender and the present value of a group address."""
        t = self._now()
        match address:
            case "1/0/1":
                return ROOM, float16(20.5 + 1.5 * math.sin(t / 600))
            case "1/0/2":
                return ROOM, float16(45 + 5 * math.sin(t / 900))
            case "1/0/3":
                return ROOM, float16(600 + 200 * math.sin(t / 1200))
            case "1/0/4":
                return ROOM, int(t % 600 < 300)
            case "2/0/2":
                return ACTUATOR, int(self._on)
            case "2/1/2":
                return ACTUATOR, bytes((round(self.position() * 2.55),))
            case "3/0/1":
                return METER, struct.pack(">i", 12_000 + int(t / 3600))
            case "3/0/2":
                return METER, struct.pack(">f", 1500 + 400 * math.sin(t / 300))
        return None

    def speaks(self) -> list[bytes]:
        """Return the telegrams sent without a request: all of the room's, none of the meter's."""
        return [self._said(address, _WRITE) for address in ("1/0/1", "1/0/2", "1/0/3", "1/0/4")]

    def hear(self, cemi: bytes) -> list[bytes]:
        """Return the telegrams that the devices send in answer."""
        said = decode.cemi(cemi)
        if not said.group:
            return []
        address = addresses.show_group(said.destination)
        if said.service == "read" and self.value(address) is not None:
            return [self._said(address, _RESPONSE)]
        if said.service == "write" and address == "2/0/1" and isinstance(said.payload, int):
            self._on = bool(said.payload & 1)
            return [self._said("2/0/2", _WRITE)]
        if said.service == "write" and address == "2/1/1" and isinstance(said.payload, bytes):
            self._blind = (self._now(), self.position(), said.payload[0] / 2.55)
        return []

    def _said(self, address: str, service: int) -> bytes:
        found = self.value(address)
        if found is None:
            raise LookupError(address)
        return telegram(found[0], address, service, found[1])
