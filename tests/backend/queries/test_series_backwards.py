"""Readings of a series from the newest on, and how many there are, against the readings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.queries.series_history import SeriesHistory
from backend.storage.opening import read_hub
from hub.protocol.records.rows import Subject

from ..compaction_kit import BOOT, FAR, HOUR, NOW, Town, count


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    made = Town(tmp_path_factory.mktemp("town") / "backend.db")
    for day in range(3):
        made.arrive("hub-1", [count(NOW + day * 24 * HOUR + n * HOUR // 7, n) for n in range(40)])
        made.arrive("hub-1", [count(NOW + n * HOUR // 3, n, Subject("ble:2", "room-2", "school")) for n in range(9)])
    made.date("hub-1", BOOT, NOW - HOUR // 2)
    made.arrive("hub-1", [count(n * HOUR // 5, 100 + n) for n in range(20)], BOOT)
    made.settle(100_000)
    made.arrive("hub-1", [count(NOW - 5 * HOUR + n * HOUR, 200 + n) for n in range(12)])
    yield made
    made.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-8, 80), st.integers(-8, 80), st.integers(-1, 1))
def test_backwards_is_forwards_turned_and_the_count_is_its_length(town: Town, first: int, hours: int, off: int) -> None:
    start, end = NOW + first * HOUR + off, NOW + (first + hours) * HOUR
    with read_hub(town.path, "hub-1") as seen:
        history = SeriesHistory(seen, "ble:1", "count", "room-1")
        forwards = [one[:5] for one in history.between(start, end)]
        assert [one[:5] for one in history.backwards(start, end)] == forwards[::-1]
        assert history.count(start, end) == len(forwards)


def test_all_of_a_series_is_counted_without_reading_a_column(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with read_hub(town.path, "hub-1") as seen:
        history = SeriesHistory(seen, "ble:1", "count", "room-1")
        everything = len(list(history.between(-FAR, FAR)))
        monkeypatch.setattr(SeriesHistory, "_of_chunk", None)
        assert history.count(-FAR, FAR) == everything == 3 * 40 + 20 + 12


def test_what_was_erased_is_not_counted(tmp_path: Path) -> None:
    town = Town(tmp_path / "backend.db")
    town.arrive("hub-1", [count(NOW + n * HOUR // 7, n) for n in range(40)])
    town.settle(100_000)
    assert town.order("hub-1", "device", "ble:1")
    with read_hub(town.path, "hub-1") as seen:
        history = SeriesHistory(seen, "ble:1", "count", "room-1")
        assert history.count(-FAR, FAR) == len(list(history.between(-FAR, FAR)))
    town.close()


def test_whoever_reads_may_stop_before_each_chunk(town: Town) -> None:
    looked = 0

    def look() -> None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise TimeoutError

    with read_hub(town.path, "hub-1") as seen, pytest.raises(TimeoutError):
        SeriesHistory(seen, "ble:1", "no-such-metric", "room-1", look).count(-FAR, FAR)
