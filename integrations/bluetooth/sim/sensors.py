"""The simulated sensors: their measurements and their advertisements.

Written from the public formats alone and apart from this hub's decoders: a mistake there is not repeated here.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from integrations.bluetooth.sim.gatt import Peripheral

BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"
RUUVI = 0x0499


class Advertisement(NamedTuple):
    """An advertisement as BlueZ shows it: service UUID → bytes, company id → bytes."""

    service: dict[str, bytes]
    manufacturer: dict[int, bytes]

    @classmethod
    def nothing(cls) -> Advertisement:
        return cls({}, {})


@dataclass
class Climate:
    """A room: temperature in °C, relative humidity in %, pressure in Pa; each varies around a mean."""

    rng: random.Random
    temperature: float = 20.5
    humidity: float = 45.0
    pressure: float = 101_325.0

    def step(self) -> None:
        self.temperature += self.rng.gauss(0, 0.05) + 0.02 * (20.5 - self.temperature)
        self.humidity += self.rng.gauss(0, 0.2) + 0.02 * (45.0 - self.humidity)
        self.pressure += self.rng.gauss(0, 4) + 0.01 * (101_325.0 - self.pressure)


@dataclass
class Sensor:
    """A sensor. `advertise` makes the next advertisement; `key` is its radio key, if any."""

    address: str
    name: str
    model: str
    advertise: Callable[[], Advertisement]
    key: bytes | None = None
    rssi: int = -60
    random_address: bool = False
    peripheral: Peripheral | None = None

    @property
    def id(self) -> str:
        return f"ble:{self.address}"


@dataclass
class Counter:
    """A sender's frame counter. `keep` is called, before use, with a value that is safe to start from after a stop: 64
    ahead, so that it is rarely written and no value is used twice."""

    value: int = 0
    keep: Callable[[int], None] = field(default=lambda _: None)
    _leased: int = 0

    def next(self) -> int:
        if self.value >= self._leased:
            self._leased = self.value + 64
            self.keep(self._leased)
        self.value += 1
        return self.value


def bthome(address: str, climate: Climate) -> Sensor:
    """A BTHome v2 thermometer in clear, with a packet id."""
    packet = 0

    def advertise() -> Advertisement:
        nonlocal packet
        climate.step()
        packet = (packet + 1) % 256
        objects = struct.pack("<BBBB", 0x00, packet, 0x01, 87) + _temperature_and_humidity(climate)
        return Advertisement({BTHOME: b"\x40" + objects}, {})

    return Sensor(address, "ATC_0102", "BTHome", advertise, rssi=-58)


def bthome_encrypted(address: str, climate: Climate, key: bytes, counter: Counter) -> Sensor:
    """A BTHome v2 thermometer that encrypts: AES-CCM, four bytes of MIC, a counter that only rises."""

    def advertise() -> Advertisement:
        climate.step()
        info, count = 0x41, counter.next()
        nonce = int(address.replace(":", ""), 16).to_bytes(6, "big") + struct.pack("<HBI", 0xFCD2, info, count)
        objects = struct.pack("<BB", 0x01, 93) + _temperature_and_humidity(climate)
        sealed = AESCCM(key, tag_length=4).encrypt(nonce, objects, None)
        payload = struct.pack("<B", info) + sealed[:-4] + struct.pack("<I", count) + sealed[-4:]
        return Advertisement({BTHOME: payload}, {})

    return Sensor(address, "SBHT-003C", "Shelly BLU H&T", advertise, key=key, rssi=-71)


def ruuvi(address: str, climate: Climate) -> Sensor:
    """A RuuviTag, data format 5."""
    sequence = 0

    def advertise() -> Advertisement:
        nonlocal sequence
        climate.step()
        sequence = (sequence + 1) % 65535
        shake = [round(climate.rng.gauss(level, 6)) for level in (0, 0, 1000)]
        power = (2977 - 1600) << 5 | (4 + 40) // 2
        data = struct.pack(
            ">BhHH3hHBH6s",
            5,
            round(climate.temperature * 200),
            round(climate.humidity * 400),
            round(climate.pressure) - 50_000,
            *shake,
            power,
            sequence // 100 % 255,
            sequence,
            bytes.fromhex(address.replace(":", "")),
        )
        return Advertisement({}, {RUUVI: data})

    return Sensor(
        address, f"Ruuvi {address[-5:].replace(':', '')}", "RuuviTag", advertise, rssi=-66, random_address=True
    )


def _temperature_and_humidity(climate: Climate) -> bytes:
    return struct.pack("<BhBH", 0x02, round(climate.temperature * 100), 0x03, round(climate.humidity * 100))


def house(seed: int, *, copies: int = 1, counter: Counter | None = None) -> list[Sensor]:
    """Return `copies` sensors of each kind; the same seed gives the same addresses, keys and weather. Only the first
    encrypted sensor uses `counter`."""
    sensors = []
    for n in range(copies):
        rng = random.Random(f"{seed}/{n}")  # noqa: S311 - simulated weather and a simulated key
        tail = f"{n >> 8 & 0xFF:02X}:{n & 0xFF:02X}"
        key = rng.randbytes(16)
        sensors += [
            bthome(f"A4:C1:38:01:{tail}", Climate(rng, temperature=rng.uniform(18, 23))),
            bthome_encrypted(
                f"7C:C6:B6:02:{tail}",
                Climate(rng, temperature=rng.uniform(18, 23)),
                key,
                counter if n == 0 and counter else Counter(),
            ),
            ruuvi(f"CB:B8:33:4C:{tail}", Climate(rng, temperature=rng.uniform(5, 12))),
        ]
    return sensors
