"""Between the radio and the hub: bounded, and own devices first."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

import hub
from integrations.bluetooth.intake import Heard, Intake

OWN = "A4:C1:38:00:00:01"


class Radio:
    """An intake with a clock in hand and its counts."""

    def __init__(self, *, limit: int = 4, repeat: float = 5.0) -> None:
        self.now = 0.0
        self.lost: Counter[tuple[str, str]] = Counter()
        self.intake = Intake(
            own=lambda device: device == f"ble:{OWN}",
            count=lambda reason, device: self.lost.update([(reason, device)]),
            clock=lambda: self.now,
            limit=limit,
            repeat=repeat,
        )

    def hear(self, address: str, data: bytes, *, random: bool = False) -> None:
        self.intake.hear(Heard(address, {}, {"0000fcd2-0000-1000-8000-00805f9b34fb": data}, rssi=-60, random=random))

    async def taken(self) -> list[hub.Frame]:
        frames = []
        while True:
            try:
                async with asyncio.timeout(0):
                    frames.append(await self.intake.take())
            except TimeoutError:
                return frames


@pytest.fixture
def radio() -> Radio:
    return Radio()


def stranger(n: int) -> str:
    return f"C0:00:00:00:00:{n:02X}"


async def test_a_frame_carries_what_was_heard(radio: Radio) -> None:
    radio.hear(OWN.lower(), b"\x40")
    frame = await radio.intake.take()
    assert frame == hub.Frame(
        kind="ble", address=OWN, data={"service:fcd2": b"\x40"}, signal=hub.Signal(rssi=-60, source=""), name=""
    )


async def test_repeats_go_no_further_until_the_window_is_over(radio: Radio) -> None:
    for radio.now in (0.0, 1.0, 4.9):
        radio.hear(OWN, b"\x40\x01")
    assert len(await radio.taken()) == 1
    radio.now = 5.0
    radio.hear(OWN, b"\x40\x01")
    assert len(await radio.taken()) == 1
    radio.hear(OWN, b"\x40\x02")
    assert len(await radio.taken()) == 1
    assert not radio.lost


async def test_the_newest_of_a_sender_survives_and_the_older_is_counted(radio: Radio) -> None:
    radio.hear(OWN, b"\x40\x01")
    radio.hear(OWN, b"\x40\x02")
    assert [frame.data["service:fcd2"] for frame in await radio.taken()] == [b"\x40\x02"]
    assert radio.lost == {("superseded", f"ble:{OWN}"): 1}


async def test_a_flood_of_strangers_is_bounded_counted_and_does_not_delay_own_devices(radio: Radio) -> None:
    for n in range(200):
        radio.hear(stranger(n), bytes([n]))
    radio.hear(OWN, b"\x40")
    frames = await radio.taken()
    assert [frame.address for frame in frames] == [OWN, *map(stranger, range(4))]
    assert radio.lost == {("queue-full", ""): 196}


async def test_the_memory_of_what_strangers_said_is_bounded(radio: Radio) -> None:
    for n in range(200):
        radio.hear(stranger(n), b"\x40")
        await radio.intake.take()
    assert len(radio.intake._said[True]) == 16


async def test_random_private_addresses_are_counted_and_forgotten(radio: Radio) -> None:
    radio.hear("41:00:00:00:00:01", b"\x40", random=True)
    radio.hear("01:00:00:00:00:01", b"\x40", random=True)
    radio.hear("C1:00:00:00:00:01", b"\x40", random=True)  # random but static: a device
    radio.hear("41:00:00:00:00:02", b"\x40", random=False)  # a maker's own address
    assert [frame.address for frame in await radio.taken()] == ["C1:00:00:00:00:01", "41:00:00:00:00:02"]
    assert radio.lost == {("private-address", ""): 2}


async def test_an_own_device_may_have_any_address() -> None:
    radio = Radio()
    radio.intake._own = lambda device: device == "ble:41:00:00:00:00:01"
    radio.hear("41:00:00:00:00:01", b"\x40", random=True)
    assert len(await radio.taken()) == 1


async def test_an_advertisement_without_data_is_nothing(radio: Radio) -> None:
    radio.intake.hear(Heard(OWN, {}, {}, name="x"))
    assert await radio.taken() == []


async def test_take_waits_for_the_next(radio: Radio) -> None:
    waiting = asyncio.create_task(radio.intake.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    radio.hear(OWN, b"\x40")
    assert (await waiting).address == OWN
