"""What the buffer's benchmarks feed it: a building's worth of room sensors, and an owner to seal to.

Each sensor has its own phase and reports every minute, give or take half a second. Temperature and humidity wander,
the battery sinks, the radio signal is noise. A report is four readings.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.protocol.records.opening import load_private
from hub.protocol.records.seal import SealingKeys, kid_of
from hub.store_and_forward.buffer import Column, Row, Shape, Subject
from hub.store_and_forward.buffer.disk import SystemDisk

START_MS = 1_790_000_000_000
SHAPE = Shape(
    (
        Column("temperature", "Cel", "0.01", "number", "temperature", "measurement", "environment"),
        Column("humidity", "%", "0.1", "number", "humidity", "measurement", "environment"),
        Column("battery_voltage", "V", "0.001", "number", "voltage", "measurement", "technical"),
        Column("rssi", "dBm", "1", "number", "signal_strength", "measurement", "technical"),
    )
)


def reports(devices: int = 500, period_s: float = 60.0, seconds: float = 3600.0, seed: int = 11) -> Iterator[Row]:
    """Reports in the order of their time."""
    rng = random.Random(seed)
    subjects = [
        Subject(
            f"ble:A4:C1:38:{number >> 8:02X}:{number & 255:02X}:7F",
            f"room-{number:03d}",
            "school",
            "teaching",
            "room-sensor",
            "bluetooth",
        )
        for number in range(devices)
    ]
    state = [[rng.uniform(15, 28), rng.uniform(30, 60), rng.uniform(2.7, 3.3), rng.uniform(-95, -50)] for _ in subjects]
    due = [(rng.uniform(0, period_s), number) for number in range(devices)]
    heapq.heapify(due)
    while due[0][0] < seconds:
        time_s, number = due[0]
        room = state[number]
        room[0] += rng.gauss(0, 0.03)
        room[1] = min(95.0, max(5.0, room[1] + rng.gauss(0, 0.15)))
        room[2] -= abs(rng.gauss(0, 0.00002))
        values = (
            round(room[0], 2),
            round(room[1], 1),
            round(room[2] + rng.gauss(0, 0.0015), 3),
            round(room[3] + rng.gauss(0, 2)),
        )
        yield Row(subjects[number], SHAPE, START_MS + int(time_s * 1000), True, values, 0, 2, None, None)
        heapq.heapreplace(due, (time_s + period_s + rng.gauss(0, 0.5), number))


@dataclass
class _Recipient:
    kid: bytes
    role: str
    public: bytes


@dataclass
class _Trust:
    version: int
    recipients: tuple[_Recipient, ...]


class LazyDisk(SystemDisk):
    """A disk whose syncs cost nothing, where they are not what is measured."""

    def sync(self, fd: int) -> None:
        return

    def sync_directory(self, directory: Path) -> None:
        return


class Owner:
    """A hub's identity and two recipients, made afresh."""

    def __init__(self) -> None:
        self.identity = Ed25519PrivateKey.generate()
        self.public = self.identity.public_key().public_bytes_raw()
        pairs = [self._recipient(role) for role in ("ingest", "recovery")]
        self.trust = _Trust(1, tuple(recipient for recipient, _ in pairs))
        self.private_keys = {recipient.kid: load_private(private) for recipient, private in pairs}

    @staticmethod
    def _recipient(role: str) -> tuple[_Recipient, bytes]:
        lattice, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        return _Recipient(kid_of(public), role, public), lattice.private_bytes_raw() + curve.private_bytes_raw()

    def facts(self) -> dict[str, Any]:
        """What `Buffer.open` wants to know."""
        return {"keys": SealingKeys("hub-bench", self.identity, bytes(32)), "trust": self.trust}
