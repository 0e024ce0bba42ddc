"""Between the radio and the hub: bounded, and own devices first."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations.bluetooth.intake import OWN_WAITING, STRANGERS_PER_S, Heard, Intake

OWN = "A4:C1:38:00:00:01"
BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"


class Radio:
    """An intake with a clock in hand and its counts."""

    def __init__(self, *, limit: int = 4, repeat: float = 5.0, gather: float = 0.0) -> None:
        self.now = 0.0
        self.lost: Counter[tuple[str, str]] = Counter()
        self.intake = Intake(
            own=lambda device: device == f"ble:{OWN}",
            count=lambda reason, device: self.lost.update([(reason, device)]),
            clock=lambda: self.now,
            limit=limit,
            repeat=repeat,
            gather=gather,
        )

    def hear(
        self, address: str, data: bytes, *, random: bool = False, source: str = "", rssi: int | None = -60
    ) -> None:
        self.intake.hear(Heard(address, {}, {BTHOME: data}, "", rssi, source, random))

    def taken(self) -> list[hub.Frame]:
        frames = []
        while isinstance(answer := self.intake.next(), hub.Frame):
            frames.append(answer)
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
    assert len(radio.taken()) == 1
    radio.now = 5.0
    radio.hear(OWN, b"\x40\x01")
    assert len(radio.taken()) == 1
    radio.hear(OWN, b"\x40\x02")
    assert len(radio.taken()) == 1
    assert not radio.lost


def said(frames: list[hub.Frame]) -> list[bytes]:
    return [frame.data["service:fcd2"] for frame in frames]


async def test_a_button_that_speaks_twice_is_heard_twice(radio: Radio) -> None:
    radio.hear(OWN, b"\x40\x01")
    radio.hear(OWN, b"\x40\x02")
    assert said(radio.taken()) == [b"\x40\x01", b"\x40\x02"]
    assert not radio.lost


async def test_when_too_many_of_one_sender_wait_the_newest_survive_and_the_others_are_counted(radio: Radio) -> None:
    for n in range(OWN_WAITING + 2):
        radio.hear(OWN, bytes([0x40, n]))
    assert said(radio.taken()) == [bytes([0x40, n]) for n in range(2, OWN_WAITING + 2)]
    assert radio.lost == {("superseded", f"ble:{OWN}"): 2}
    for n in range(3):
        radio.hear(stranger(1), bytes([0x40, n]))
    assert said(radio.taken()) == [b"\x40\x02"]
    assert radio.lost["superseded", ""] == 2


async def test_an_own_device_that_raves_fills_no_memory(radio: Radio) -> None:
    for n in range(10_000):
        radio.hear(OWN, n.to_bytes(4))
        radio.hear(stranger(1), n.to_bytes(4))
    assert len(radio.intake._mine.order) == OWN_WAITING
    assert len(radio.intake._strangers.order) == 1
    assert len(radio.intake._mine.said[OWN]) == 16


async def test_a_flood_of_strangers_is_bounded_counted_and_does_not_delay_own_devices(radio: Radio) -> None:
    for n in range(200):
        radio.hear(stranger(n), bytes([n]))
    radio.hear(OWN, b"\x40")
    frames = radio.taken()
    assert [frame.address for frame in frames] == [OWN, *map(stranger, range(4))]
    assert radio.lost == {("queue-full", ""): 196}


async def test_strangers_are_read_at_a_bounded_rate_and_own_devices_at_once() -> None:
    radio = Radio(limit=1000)
    for n in range(1000):
        radio.hear(f"C0:00:00:00:{n >> 8:02X}:{n & 255:02X}", b"\x40")
    assert len(radio.taken()) == STRANGERS_PER_S
    wait = radio.intake.next()
    assert wait == pytest.approx(1 / STRANGERS_PER_S)
    radio.hear(OWN, b"\x40")
    assert [frame.address for frame in radio.taken()] == [OWN]
    radio.now += 1.0
    assert len(radio.taken()) == STRANGERS_PER_S


async def test_copies_of_one_advertisement_are_one_frame_with_the_best_signal_and_every_source() -> None:
    radio = Radio(gather=0.2)
    radio.hear(OWN, b"\x40\x01", source="hci0", rssi=-80)
    radio.now = 0.1
    radio.hear(OWN, b"\x40\x01", source="hall", rssi=-55)
    radio.hear(OWN, b"\x40\x01", source="cellar", rssi=None)
    assert radio.intake.next() == pytest.approx(0.1)
    radio.now = 0.2
    [frame] = radio.taken()
    assert frame.signal == hub.Signal(rssi=-55, source="hall", heard=(("hall", -55), ("hci0", -80), ("cellar", None)))
    radio.now = 3.0  # a proxy that is late
    radio.hear(OWN, b"\x40\x01", source="attic", rssi=-50)
    assert radio.taken() == []
    assert {source: seen.rssi for source, seen in radio.intake.sightings(f"ble:{OWN}").items()} == {
        "hci0": -80, "hall": -55, "cellar": None, "attic": -50,
    }  # fmt: skip


async def test_a_late_copy_of_an_older_advertisement_is_known_too() -> None:
    radio = Radio(gather=0.2)
    for n in range(4):
        radio.hear(OWN, bytes([0x40, n]), source="hci0")
        radio.now += 0.3
    assert len(radio.taken()) == 4
    for n in range(4):
        radio.hear(OWN, bytes([0x40, n]), source="hall")
    radio.now += 0.3
    assert radio.taken() == []


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["hci0", "hci1", "hall", "attic"]),
            st.tuples(st.integers(0, 40), st.none() | st.integers(-100, -30)),
            min_size=1,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whoever_hears_an_advertisement_whenever_it_is_one_frame_with_the_best_signal_in_time(
    heard: list[dict[str, tuple[int, int | None]]],
) -> None:
    """Advertisement n is on the air at second n; each source brings it so many seconds later."""
    radio = Radio(gather=2.0, repeat=600.0)
    said = [(n + late, n, source, rssi) for n, copies in enumerate(heard) for source, (late, rssi) in copies.items()]
    frames: list[hub.Frame] = []
    for at in range(60):
        radio.now = float(at)
        for when, n, source, rssi in said:
            if when == at:
                radio.hear(OWN, bytes([0x40, n]), source=source, rssi=rssi)
        frames += radio.taken()
    assert sorted(frame.data["service:fcd2"][1] for frame in frames) == list(range(len(heard)))
    for frame in frames:
        copies = heard[frame.data["service:fcd2"][1]]
        first = min(late for late, _ in copies.values())
        in_time = {source: rssi for source, (late, rssi) in copies.items() if late <= first + 2}
        signal = frame.signal
        assert signal is not None
        assert signal.rssi == max(in_time.values(), key=lambda rssi: -1000 if rssi is None else rssi)
        assert dict(signal.heard or [(signal.source, signal.rssi)]) == in_time


async def test_a_copy_with_fewer_or_more_sections_is_the_same_advertisement() -> None:
    radio = Radio(gather=0.2)
    raw = bytes.fromhex("0516d2fc4001")
    whole = Heard(OWN, {0x0499: b"\x05"}, {BTHOME: b"\x40\x01"}, "tag", -70, "hci0")
    bare = Heard(OWN, raw=raw, rssi=-60, source="hall")
    for first, second in ((whole, bare), (bare, whole)):
        radio.intake.hear(first)
        radio.intake.hear(second)
        radio.now += 0.3
        [frame] = radio.taken()
        assert frame.data == {"service:fcd2": b"\x40\x01", "manufacturer:0499": b"\x05"}
        assert frame.name == "tag"
        assert [source for source, _ in frame.signal.heard] == ["hall", "hci0"]
        radio.now += 10


async def test_a_service_named_without_data_makes_nothing_new_and_nothing_the_same(radio: Radio) -> None:
    named = [f"0000fff{n}-0000-1000-8000-00805f9b34fb" for n in range(9)]
    for address in (OWN, stranger(1)):
        for data in (b"\x01", b"\x02"):
            for _ in range(3):
                radio.intake.hear(Heard(address, {0x0499: data}, uuids=named))
    frames = radio.taken()
    assert [frame.data["manufacturer:0499"] for frame in frames] == [b"\x01", b"\x02", b"\x02"]
    assert all("uuid:fff8" in frame.data for frame in frames)
    for address in (OWN, stranger(1)):
        radio.intake.hear(Heard(address, {0x0499: b"\x02"}, uuids=named))
    assert radio.taken() == []


async def test_raw_bytes_that_cannot_be_read_are_counted(radio: Radio) -> None:
    radio.intake.hear(Heard(OWN, raw=b"\x1f\x16", source="hall"))
    radio.intake.hear(Heard(stranger(1), raw=b"\x1f\x16", source="hall"))
    radio.intake.hear(Heard(stranger(1), raw=bytes.fromhex("020106"), source="hall"))
    assert radio.taken() == []
    assert radio.lost == {("truncated", f"ble:{OWN}"): 1, ("truncated", ""): 1}


async def test_the_memory_of_what_strangers_said_is_bounded(radio: Radio) -> None:
    for n in range(200):
        radio.hear(stranger(n), b"\x40")
        radio.taken()
        radio.now += 0.1
    assert len(radio.intake._strangers.said) == 16


async def test_random_private_addresses_are_counted_and_forgotten(radio: Radio) -> None:
    radio.hear("41:00:00:00:00:01", b"\x40", random=True)
    radio.hear("01:00:00:00:00:01", b"\x40", random=True)
    radio.hear("C1:00:00:00:00:01", b"\x40", random=True)  # random but static: a device
    radio.hear("41:00:00:00:00:02", b"\x40", random=False)  # a maker's own address
    assert [frame.address for frame in radio.taken()] == ["C1:00:00:00:00:01", "41:00:00:00:00:02"]
    assert radio.lost == {("private-address", ""): 2}


async def test_an_own_device_may_have_any_address() -> None:
    radio = Radio()
    radio.intake._own = lambda device: device == "ble:41:00:00:00:00:01"
    radio.hear("41:00:00:00:00:01", b"\x40", random=True)
    assert len(radio.taken()) == 1


async def test_an_advertisement_without_data_is_nothing(radio: Radio) -> None:
    radio.intake.hear(Heard(OWN, {}, {}, name="x"))
    assert radio.taken() == []


async def test_take_waits_for_the_next(radio: Radio) -> None:
    waiting = asyncio.create_task(radio.intake.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    radio.hear(OWN, b"\x40")
    assert (await waiting).address == OWN
