"""Ranking of rooms against a naive one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from backend.city.crisis import heat
from backend.city.crisis.heat import Reading, Room

NOW = 1_800_000_000.0
VALUES = st.one_of(st.floats(-20, 60) | st.sampled_from([21.0, 28.0]), st.just(math.nan), st.just(math.inf))
READINGS = st.lists(st.tuples(VALUES, st.floats(-5 * 3600, 5 * 3600)) | st.none(), max_size=40)


@given(READINGS, st.floats(15, 60), st.integers(1, 10))
def test_a_ranking_is_what_sorting_everything_gives(
    readings: list[tuple[float, float] | None], threshold: float, most: int
) -> None:
    rooms = {n: Room(f"room {n % 5}", f"site {n % 3}") for n in range(len(readings))}
    found = heat.rank(
        [Reading(n, *((None, None) if one is None else (one[0], NOW + one[1]))) for n, one in enumerate(readings)],
        lambda things: {thing: rooms[thing] for thing in things},
        threshold=threshold, now=NOW, most=most,
    )  # fmt: skip
    fresh = [
        (-one[0], rooms[n].site_name, rooms[n].name)
        for n, one in enumerate(readings)
        if one is not None and math.isfinite(one[0]) and abs(NOW + one[1] - NOW) <= heat.STALE_S
    ]
    assert [(-hot.value, hot.room.site_name, hot.room.name) for hot in found.hottest] == sorted(fresh)[:most]
    assert found.over == sum(-value >= threshold for value, _, _ in fresh)
    assert (found.known, found.rooms) == (len(fresh), len(rooms))
    if fresh:
        import statistics

        assert found.median is not None
        assert math.isclose(found.median, statistics.median(-value for value, _, _ in fresh), abs_tol=1e-9)
