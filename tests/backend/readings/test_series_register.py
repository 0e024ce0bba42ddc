"""Which series arriving blocks have listed, on both engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from backend_kit import NOW, ROOM, SHAPE, row

from backend.readings.series_register import SeriesRegister
from backend.storage.chunks import SeriesLine, SeriesName
from backend.storage.engine import Storage
from backend.storage.tables import Hub
from hub.protocol.records.rows import Row, Subject

HUB = "hub-a"
NAMES = [SeriesName("room-1", "motion", "ble:1"), SeriesName("room-1", "temperature", "ble:1")]
DAY_S = 86_400.0


class Register:
    """A register of one hub, whose blocks come one by one, each of an epoch of its own."""

    def __init__(self, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.storage, self.register = storage, SeriesRegister(storage)
        self.listed: list[SeriesName] = []
        real = storage.series.register

        def spy(hub: str, lines: Sequence[SeriesLine]) -> set[str]:
            self.listed += [line.name for line in lines]
            return real(hub, lines)

        monkeypatch.setattr(storage.series, "register", spy)
        with storage.transaction():
            storage.registry.enrol(Hub(HUB, b"i" * 32, HUB, 1.0, None, None))

    def takes(self, subject: Subject, day: int = 0) -> list[SeriesName]:
        """Return the series that a block of this subject has listed."""
        self.listed.clear()
        shape = msgspec.structs.replace(SHAPE)  # what an epoch says is decoded into objects of its own
        rows: list[Row] = [row(NOW, subject=msgspec.structs.replace(subject))._replace(shape=shape)]
        with self.storage.transaction([HUB]):
            self.register.add(HUB, 1, rows, 1000.0 + day * DAY_S)
        return sorted(self.listed)

    def in_zone(self, zone: str) -> list[SeriesName]:
        return self.storage.seen(HUB).series_named(zone)


@pytest.fixture
def register(opened: Callable[[], Storage], monkeypatch: pytest.MonkeyPatch) -> Register:
    return Register(opened(), monkeypatch)


def test_a_hub_that_begins_again_has_nothing_listed_that_is_listed_already(register: Register) -> None:
    assert register.takes(ROOM) == NAMES
    assert register.takes(ROOM) == []
    assert register.takes(ROOM, day=3) == []


def test_a_device_that_moves_and_comes_back_is_listed_where_it_is(register: Register) -> None:
    upstairs = msgspec.structs.replace(ROOM, zone="first floor")
    for where in (ROOM, upstairs, ROOM):
        assert register.takes(where) == NAMES
        assert register.in_zone(where.zone) == NAMES
    assert register.in_zone("first floor") == []


def test_what_was_forgotten_is_listed_again(register: Register) -> None:
    register.takes(ROOM)
    with register.storage.transaction():
        register.storage.series.forget(HUB, ROOM.zone)
    register.storage.caches.forget(HUB)
    assert register.takes(ROOM) == NAMES
    assert register.in_zone(ROOM.zone) == NAMES
