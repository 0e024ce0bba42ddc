"""A flood of forged sensors fills no memory and silences no known one: intake, decoders, quarantine together.

`bench/flood.py` shows the same of a whole hub; here it is short, and its twin has no limits.
"""

from __future__ import annotations

import gc
import random
import struct
import tracemalloc
from typing import Any

import pytest

from hub.pipeline.admission.quarantine import Quarantine
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.hookspecs import Decoder
from hub.sdk.testing import FakeHttp
from integrations.bluetooth import bthome, eddystone, ruuvi
from integrations.bluetooth.intake import STRANGERS_PER_S, Heard, Intake
from integrations.bluetooth.sim.sensors import BTHOME

from ...hub.path_kit import TAG, Path

RATE, STEP = 5000, 0.01
MIB = 1 << 20


class House(Path):
    """The intake and a session over the real path, in simulated time."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.now = 0.0
        self.rng = random.Random(15)
        decoders = [Decoder(d.__name__, "bluetooth", "ble", d.decode, (), None) for d in (bthome, ruuvi, eddystone)]
        if limit > 1024:
            self.quarantine = self.pipeline._quarantine = self.pipeline.strangers.quarantine = Quarantine(limit)
        core = Core(
            self.pipeline,
            self.planner,
            self.devices,
            self.buffer,
            self.clock,
            self.counts,
            lambda _: FakeHttp(),  # type: ignore[arg-type]
            lambda kind: decoders,
        )
        self.session = InProcessSession("bluetooth", core, lambda: None)
        self.intake = Intake(
            own=lambda device: self.devices.get(device) is not None,
            count=self.counts.add,
            clock=lambda: self.now,
            limit=limit,
            repeat=5.0,
        )
        self.counter = 0

    async def flood(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            for _ in range(round(RATE * STEP)):
                stranger = f"C{self.rng.randrange(16):X}:" + self.rng.randbytes(5).hex(":").upper()
                data = b"\x40\x02" + self.rng.randbytes(2)
                self.intake.hear(Heard(stranger, {}, {BTHOME: data}, "", -60, "hci0", True))
            if round(self.now / STEP) % 10 == 0:
                self.counter += 1
                self.intake.hear(Heard(TAG.id[4:], {}, {BTHOME: sealed(self.counter)}, "", -60, "hci0"))
            while (frame := self.intake.next()) is not None and not isinstance(frame, float):
                await self.session.radio.submit_frame(frame)


def sealed(counter: int) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    nonce = bytes.fromhex(TAG.id[4:].replace(":", "")) + b"\xd2\xfc\x41" + struct.pack("<I", counter)
    box = AESCCM(b"k" * 16, tag_length=4).encrypt(nonce, b"\x42" + counter.to_bytes(3, "little"), None)
    return b"\x41" + box[:-4] + struct.pack("<I", counter) + box[-4:]


async def grown(limit: int, strangers_per_s: float, monkeypatch: Any) -> tuple[House, float, float]:
    """The house; MiB that four seconds of flood take; and that two more take."""
    monkeypatch.setattr("integrations.bluetooth.intake.STRANGERS_PER_S", strangers_per_s)
    house = House(limit)
    await house.flood(0.2)
    gc.collect()
    tracemalloc.start(1)
    try:
        await house.flood(4)
        house.buffer.rows.clear()
        first, _ = tracemalloc.get_traced_memory()
        await house.flood(2)
        house.buffer.rows.clear()
        second, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return house, first / MIB, (second - first) / MIB


async def test_a_flood_of_strangers_takes_a_bounded_memory_and_silences_no_known_sensor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ten times as many strangers as are read by default, so that every list is full within seconds.
    house, first, second = await grown(1024, 10 * STRANGERS_PER_S, monkeypatch)
    assert first < 20
    assert second < 1
    assert house.pipeline.reports == house.counter == 62
    assert len(house.quarantine) == 4096
    assert house.quarantine.evicted > 1000
    assert house.counts.total("queue-full") > 10_000


async def test_without_its_limits_the_same_flood_would_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    _, first, second = await grown(1 << 30, 1e9, monkeypatch)
    assert first + second > 20
    assert second > 5
