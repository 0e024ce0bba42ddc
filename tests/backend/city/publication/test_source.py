"""Contributions out of readings: numbers of cells, and the backend's own readings."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.city.city import City
from backend.city.publication.calendar import DAY_S, HOUR_S
from backend.city.publication.definition import Family, Statistic
from backend.city.publication.source import BackendSource
from backend.city.publication.statistics import GAP_S, by_cell
from backend.storage.city.publication import Member
from hub.protocol.records.rows import Column, Row, Shape, Subject

from ...compaction_kit import HOUR, NOW
from ..open_api.open_kit import make_town
from .attack import data_set
from .publication_kit import air


def hours(*numbers: int) -> list[tuple[float, float]]:
    """Cells of an hour, by their numbers since 1970."""
    return [(float(n * HOUR_S), float((n + 1) * HOUR_S)) for n in numbers]


def test_an_increase_is_interpolated_at_the_edges_of_cells() -> None:
    points = [(-1800.0, 10.0), (1800.0, 14.0), (5400.0, 18.0), (9000.0, 30.0)]
    assert by_cell(points, hours(0, 1), Statistic.INCREASE) == {0.0: 4.0, 3600.0: pytest.approx(8.0)}


def test_a_replaced_counter_and_a_long_silence_contribute_nothing() -> None:
    replaced = [(-100.0, 10.0), (100.0, 12.0), (200.0, 0.0), (3700.0, 3.0)]
    assert by_cell(replaced, hours(0), Statistic.INCREASE) == {}
    silent = [(-GAP_S - 10.0, 10.0), (100.0, 12.0), (3700.0, 13.0)]
    assert by_cell(silent, hours(0), Statistic.INCREASE) == {}


def test_other_numbers_of_a_cell() -> None:
    points = [(0.0, 1.0), (1800.0, 3.0), (3599.0, 8.0), (3600.0, 100.0)]
    for statistic, value in (
        (Statistic.MEAN, 4.0), (Statistic.SUM, 12.0), (Statistic.MIN, 1.0), (Statistic.MAX, 8.0),
        (Statistic.LAST, 8.0), (Statistic.ANY, 1.0),
    ):  # fmt: skip
        assert by_cell(points, hours(0), statistic) == {0.0: value}
    assert by_cell(points, hours(2), Statistic.MEAN) == {}


@given(st.lists(st.tuples(st.floats(0, 36_000), st.floats(0, 50)), min_size=2, max_size=60))
def test_increases_of_cells_add_up_to_what_the_counter_rose(steps: list[tuple[float, float]]) -> None:
    times = sorted({0.0, 36_000.0, *(at for at, _ in steps), *(hour * 1800.0 for hour in range(21))})
    total, points = 0.0, []
    rises = iter([rise for _, rise in steps])
    for at in times:
        points.append((at, total))
        total += next(rises, 0.0)
    found = by_cell(points, hours(*range(10)), Statistic.INCREASE)
    assert math.fsum(found.values()) == pytest.approx(points[-1][1])


async def test_cells_are_made_of_what_hubs_delivered(city: City) -> None:
    town = make_town(city.address)
    start = NOW // HOUR * HOUR
    meter, air_of = Shape((Column("energy", "kW.h", "0.001"),)), Shape((Column("pm2_5", "ug/m3", "0.1"),))
    for n in range(13):
        at = start + n * HOUR // 4
        town.arrive("hub-001", [Row(Subject("ble:1", "flat-1", "tower", "flat-1"), meter, at, True, (100 + n * 0.5,))])
        quality = 2 if n == 2 else 0
        town.arrive(
            "hub-001", [Row(Subject("ble:2", "square", "", ""), air_of, at, True, (10.0 + n,), quality=quality)]
        )
    town.settle(100_000)
    town.close()
    member = Member(1, "energy", "hub-001", "ble:1", "hub-001/flat-1/energy", "tower", "home:tower/flat-1")
    starts = [start / 1000 + hour * HOUR_S for hour in range(3)]
    source = BackendSource(city.queries)
    found = source.cells(data_set("energie", Family.HOMES, "energy"), [member], starts)
    assert [found[at]["tower", "energy"] for at in starts] == [{"home:tower/flat-1": pytest.approx(2.0)}] * 3
    other = Member(2, "pm2_5", "hub-001", "ble:2", "hub-001/square/pm2_5", "2", "thing:2")
    of_air = source.cells(air(), [other], starts)
    assert of_air[starts[0]]["2", "pm2_5"] == {"thing:2": pytest.approx((10 + 11 + 13) / 3)}, "a bad one does not count"


async def test_a_day_of_23_hours_is_made_of_its_own_readings(city: City) -> None:
    town = make_town(city.address)
    day = datetime(2026, 3, 29, tzinfo=ZoneInfo("Europe/Paris")).timestamp()
    shape = Shape((Column("pm2_5", "ug/m3", "0.1"),))
    for hour in range(-2, 26):
        at = int(day * 1000) + hour * HOUR
        town.arrive("hub-001", [Row(Subject("ble:2", "square", "", ""), shape, at, True, (10.0 + hour,))])
    town.settle(100_000)
    town.close()
    member = Member(2, "pm2_5", "hub-001", "ble:2", "hub-001/square/pm2_5", "2", "thing:2")
    one = air(cell_s=DAY_S)
    found = BackendSource(city.queries).cells(one, [member], [day])
    assert found[day]["2", "pm2_5"] == {"thing:2": pytest.approx(10 + sum(range(23)) / 23)}
