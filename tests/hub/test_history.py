"""Raw history: all that was said in a day, within its memory, whatever the order it came in."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from hub.history import OPEN, RING_BYTES, WHOLE, History, Ring, thinned

readings = st.lists(st.tuples(st.integers(1_700_000_000, 1_700_086_400), st.integers(-(10**9), 10**9)), max_size=400)


@given(readings)
def test_a_ring_gives_back_every_reading_once_and_in_order(points):
    ring = Ring("1")
    for time, value in points:
        if ring.add(time, value):
            ring.close()
    assert ring.points(0, 1 << 40) == sorted(set(points))


@given(readings, st.integers(1_700_000_000, 1_700_086_400))
def test_the_last_reading_before_a_moment_is_found_wherever_it_lies(points, time):
    ring = Ring("1")
    for point in points:
        if ring.add(*point):
            ring.close()
    assert ring.before(time) == max((one for one in points if one[0] < time), default=None)


def test_a_value_is_kept_to_its_resolution():
    ring = Ring("0.005")
    assert ring.steps(21.503) == 4301
    assert Ring("0.001").steps(1234567.891) == 1234567891


def filled(budget=8 << 20, series=4, hours=30):
    history = History(budget)
    for minute in range(hours * 60):
        for n in range(series):
            ring = history.ring(f"p{n}", "temperature", "0.01")
            if ring.add(1_700_000_000 + minute * 60, 2000 + (minute * 7 + n) % 50):
                history.close(ring)
        history.expire(1_700_000_000 + minute * 60)
    return history


def test_what_is_older_than_a_day_goes():
    history = filled()
    ring = history.get("p0", "temperature")
    end = 1_700_000_000 + 30 * 3600
    assert 23 * 60 <= len(ring.points(0, end)) <= 24 * 60 + WHOLE
    assert ring.points(0, end)[0][0] > ring.cut >= end - 24 * 3600 - WHOLE * 60


def test_the_oldest_goes_first_where_the_memory_is_full_and_the_count_is_right():
    history = filled(budget=16_000, series=6)
    assert history.bytes <= 16_000
    held = sum(RING_BYTES + sum(block.size for block in ring.blocks) for ring in history.rings.values())
    assert history.bytes == held
    firsts = [ring.blocks[0].first for ring in history.rings.values()]
    assert max(firsts) - min(firsts) <= WHOLE * 60


def test_a_ring_takes_no_more_memory_than_is_counted():
    ring = Ring("0.01")
    for n in range(OPEN - 1):
        ring.add(n, n)
    parts = (ring, ring.times, ring.values, ring.blocks)
    assert sum(map(sys.getsizeof, parts)) <= RING_BYTES


def test_a_place_can_be_forgotten():
    history = filled(series=2, hours=3)
    history.forget("p0")
    assert history.get("p0", "temperature") is None
    ring = history.get("p1", "temperature")
    assert history.bytes == RING_BYTES + sum(block.size for block in ring.blocks)


def test_a_chart_keeps_the_extremes_and_shows_a_gap_as_a_gap():
    points = [(n * 60, 20.0) for n in range(600)] + [(90_000 + n * 60, 20.0) for n in range(600)]
    points[300] = (300 * 60, 35.0)
    points[700] = (points[700][0], -5.0)
    shown = thinned(points, 100, 600)
    values = [value for _, value in shown]
    assert len(shown) <= 120
    assert max(v for v in values if v is not None) == 35.0
    assert min(v for v in values if v is not None) == -5.0
    assert values.count(None) == 1
