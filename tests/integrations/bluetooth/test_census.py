"""People's devices are counted, and none is known."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations.bluetooth.census import LIMIT, WINDOW_S, Census, Count, Zone, published
from integrations.bluetooth.sim.bluez import FakeBluez
from integrations.bluetooth.sim.sensors import Advertisement, Sensor

from .radio_kit import Session, running, until

HALL = Zone(frozenset({"hci0", "attic"}), -85)
CELLAR = Zone(frozenset({"cellar"}), -85)


def phone(n: int) -> str:
    return f"5A:00:00:00:{n >> 8:02X}:{n & 255:02X}"


def census(**zones: Zone) -> Census:
    made = Census(zones or {"hall": HALL})
    made.turn(0.0)
    made.turn(WINDOW_S)
    return made


def see(made: Census, phones: range, source: str = "hci0", rssi: int | None = -60) -> None:
    for n in phones:
        made.saw(phone(n), source, rssi, private=True)


@pytest.mark.parametrize(
    ("devices", "mark"), [(0, 0), (1, 0), (4, 0), (5, 5), (7, 5), (8, 10), (12, 10), (13, 15), (100, 100), (102, 100)]
)
def test_none_and_few_bear_the_same_mark_and_the_rest_is_rounded(devices: int, mark: int) -> None:
    assert published(devices) == mark


@given(st.integers(0, LIMIT))
def test_a_published_number_never_tells_of_fewer_than_five(devices: int) -> None:
    assert published(devices) % 5 == 0
    assert abs(published(devices) - devices) <= (2 if devices >= 5 else 4)
    assert published(devices) == published(0) if devices < 5 else published(devices) >= 5


def test_a_device_counts_once_however_often_and_by_whomever_it_is_heard() -> None:
    made = census()
    for _ in range(3):
        see(made, range(12))
        see(made, range(12), "attic", -70)
    assert made.turn(2 * WINDOW_S - 0.1) == []
    assert made.turn(2 * WINDOW_S) == [Count("hall", 10, True)]
    see(made, range(7))
    assert made.turn(3 * WINDOW_S) == [Count("hall", 5, True)], "each quarter begins with nothing"


def test_a_device_that_two_zones_hear_counts_where_it_is_heard_best() -> None:
    made = census(hall=HALL, cellar=CELLAR)
    see(made, range(10), "hci0", -70)
    see(made, range(10), "cellar", -80)
    see(made, range(10, 15), "hci0", -80)
    see(made, range(10, 15), "cellar", -60)
    assert made.turn(2 * WINDOW_S) == [Count("cellar", 5, True), Count("hall", 10, True)]


def test_what_is_far_away_or_fixed_is_not_counted() -> None:
    made = census()
    see(made, range(10), rssi=-86)
    see(made, range(10, 20), rssi=None)
    see(made, range(20, 30), source="elsewhere")
    for n in range(30, 50):
        made.saw(phone(n), "hci0", -50, private=False)
    see(made, range(50, 56))
    assert made.turn(2 * WINDOW_S) == [Count("hall", 5, True)]


def test_a_zone_whose_sources_heard_nothing_is_not_told_to_be_empty() -> None:
    made = census(hall=HALL, cellar=CELLAR)
    made.saw("A4:C1:38:01:02:03", "hci0", -50, private=False)
    assert made.turn(2 * WINDOW_S) == [Count("hall", 0, True)]


def test_a_quarter_that_was_not_counted_from_its_beginning_is_not_published() -> None:
    made = Census({"hall": HALL})
    made.turn(100.0)
    see(made, range(10))
    assert made.turn(WINDOW_S) == []
    see(made, range(10))
    assert made.turn(5 * WINDOW_S) == [], "the clock was set"
    see(made, range(10))
    assert made.turn(6 * WINDOW_S) == []
    see(made, range(10))
    assert made.turn(7 * WINDOW_S) == [Count("hall", 10, True)]


def test_a_flood_is_bounded_and_said_to_be_incomplete() -> None:
    made = census()
    see(made, range(LIMIT + 500))
    assert len(made._seen) == LIMIT
    assert made.turn(2 * WINDOW_S) == [Count("hall", published(LIMIT), False)]


def test_two_quarters_cannot_be_compared_and_no_address_is_kept_even_in_memory() -> None:
    made = census()
    see(made, range(20))
    first = set(made._seen)
    held = repr(vars(made))
    assert not any(phone(n) in held for n in range(20))
    assert not any(bytes.fromhex(phone(n).replace(":", "")) in b"".join(first) for n in range(20))
    made.turn(2 * WINDOW_S)
    see(made, range(20))
    assert not first & set(made._seen)


def test_a_source_in_two_zones_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="hci0 counts for two zones"):
        Census({"hall": HALL, "other": Zone(frozenset({"hci0"}), -85)})


def test_the_counter_touches_neither_disk_nor_network() -> None:
    source = Path(Census.__init__.__code__.co_filename).read_text()
    assert set(re.findall(r"^(?:from|import) (\S+)", source, re.MULTILINE)) == {
        "__future__", "secrets", "collections", "collections.abc", "hashlib", "typing", "hub.sdk.phrases",
    }  # fmt: skip


@asynccontextmanager
async def counting(bluez: FakeBluez, session: Session) -> AsyncIterator[None]:
    async with running(session):
        await until(lambda: bluez.heard)
        yield


@pytest.mark.real("processes")
async def test_a_running_integration_reports_the_count_of_each_quarter(bluez: FakeBluez) -> None:
    session = Session({"ble:people-hall": None}, {"ble:people-hall": {"census": ("hci0",)}})
    async with counting(bluez, session):
        for quarter in range(1, 4):
            before = session.lost["", "private-address"]
            for n in range(7):
                people = Sensor(phone(n), "", "", Advertisement.nothing, random_address=True)
                bluez.say(people, Advertisement({}, {0x4C: bytes([quarter, n])}))
            await until(lambda before=before: session.lost["", "private-address"] == before + 7)
            session.now = quarter * WINDOW_S
            await session.turn()
        async with asyncio.timeout(60):
            report = await session.reports.get()
        assert report == hub.Report(device="ble:people-hall", values={"nearby_devices": 5})
        assert session.frames.empty(), "nothing else of them went any further"
