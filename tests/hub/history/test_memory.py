"""Raw history: all that was said in a day, within its memory, whatever the order it came in."""

import tracemalloc
import zlib
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.history.memory import PAGE, SPAN_S, WHOLE, Downsampler, History, Ring, Silences, broken
from hub.history.memory.column_groups import BLOCK_S, RING_BYTES
from hub.history.memory.day import SHAPES
from hub.history.memory.pages import points, put_page, span, without

START = 1_700_000_000
I64 = (1 << 63) - 1
seconds = st.integers(START, START + 86_400)
rows = st.lists(st.tuples(seconds, st.integers(-I64, I64), st.integers(-9, 9)), min_size=1, max_size=60)
readings = st.lists(st.tuples(seconds, st.integers(-(10**9), 10**9), st.integers(0, 1)), max_size=300)


@given(rows, seconds, seconds)
def test_a_page_gives_back_each_of_its_columns(said, begin, end):
    said = sorted(said)
    page = put_page(said)
    for column in (0, 1):
        whole = [(row[0], row[column + 1]) for row in said]
        assert points(page, column, 0, 1 << 40) == whole
        assert points(page, column, begin, end) == [one for one in whole if begin <= one[0] < end]
    assert span(page) == (len(said), said[0][0], said[-1][0])


@given(rows, st.integers(0, 1))
def test_a_column_can_be_cut_out_of_pages(said, column):
    said = sorted(said)
    pages = put_page(said) + put_page(said[:1])
    rest = put_page([(row[0], row[2 - column]) for row in said]) + put_page([(said[0][0], said[0][2 - column])])
    cut = without(pages, column)
    assert points(cut, 0, 0, 1 << 40) == points(rest, 0, 0, 1 << 40)
    assert len(cut) < len(pages)


def strip_of(history, place="p", metrics=("temperature", "motion"), step="0.01"):
    [group] = history.bind(place, [(metric, step) for metric in metrics])
    return group


def fill(history, group, said):
    for row in said:
        if group.add(list(row)):
            history.close(group)


@given(readings)
def test_a_ring_gives_back_every_reading_once_and_in_order(said):
    history = History()
    fill(history, strip_of(history), said)
    for column, metric in enumerate(("temperature", "motion")):
        ring = history.get("p", metric)
        assert ring.points(0, 1 << 40) == sorted({(row[0], row[column + 1]) for row in said})
        assert ring.last == max((row[0] for row in said), default=0)
        assert ring.whole_from() == min((row[0] for row in said), default=None)


@given(readings, seconds)
def test_the_last_reading_before_a_moment_is_found_wherever_it_lies(said, time):
    history = History()
    fill(history, strip_of(history), said)
    ring = history.get("p", "temperature")
    assert ring.before(time) == max((row[:2] for row in said if row[0] < time), default=None)


@given(readings, readings)
def test_a_series_that_comes_with_others_at_times_is_one_series(together, alone):
    history = History()
    fill(history, strip_of(history), together)
    fill(history, strip_of(history, metrics=("temperature",)), [row[:2] for row in alone])
    ring = history.get("p", "temperature")
    assert ring.points(0, 1 << 40) == sorted({row[:2] for row in [*together, *alone]})


def test_a_device_that_never_says_the_same_twice_has_a_strip_for_each_metric_in_the_end():
    history = History()
    for n in range(200):
        groups = history.bind("p", [(f"m{n % 15}", "1"), (f"m{n % 14 + 15}", "1")])
        assert [len(group.rings) for group in groups] in ([2], [1, 1])
    assert len(history.groups) <= SHAPES + 29


def test_a_value_is_kept_to_its_resolution():
    assert round(21.503 * Ring("0.005").scale) == 4301
    assert round(1234567.891 * Ring("0.001").scale) == 1234567891


METRICS = [("temperature", "0.01"), ("humidity", "0.01"), ("battery", "1"), ("energy", "0.001")]


def filled(budget=8 << 20, groups=4, hours=32, every=60, apart=False):
    history = History(budget)
    sets = [[one] for one in METRICS] if apart else [METRICS]
    seats = [[group for some in sets for group in history.bind(f"p{n}", some)] for n in range(groups)]
    for time in range(START, START + hours * 3600, every):
        for n, those in enumerate(seats):
            noise = zlib.crc32(b"%d %d" % (time, n))
            values = [2000 + noise % 7, 5000 + noise % 31, 90, (time - START) * 3]
            for group, row in zip(those, [[one] for one in values] if apart else [values], strict=True):
                if group.add([time - noise % every, *row]):
                    history.close(group)
        history.expire(time)
    return history


@pytest.mark.parametrize("every", [20, 60, 900, 3600, 4 * 3600])
def test_a_day_is_there_and_what_is_a_quarter_older_is_not(every):
    history = filled(groups=1, hours=80, every=every)
    end = START + 80 * 3600
    held = history.get("p0", "temperature").points(0, end)
    age = end - held[0][0]
    assert SPAN_S - every <= age <= SPAN_S + BLOCK_S + 900 + 2 * every
    assert held[0][0] > history.get("p0", "temperature").cut
    assert history.get("p0", "temperature").whole_from() == held[0][0]


def test_the_oldest_goes_first_where_the_memory_is_full_and_the_count_is_right():
    history = filled(budget=32_000, groups=6)
    assert history.bytes <= 32_000
    assert history.bytes == len(history.rings) * RING_BYTES + sum(group.size for group in history.groups)
    firsts = [group.blocks[0].first for group in history.groups]
    assert max(firsts) - min(firsts) <= (WHOLE // 4 + 2 * PAGE) * 60


@pytest.mark.parametrize("apart", [False, True])
def test_it_takes_no_more_memory_than_it_counts_and_a_day_of_four_metrics_a_minute_three_bytes_a_reading(apart):
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    history = filled(groups=8, hours=24, apart=apart)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before <= history.bytes * 1.02
    assert history.bytes <= (4.5 if apart else 2.9) * 8 * 4 * 24 * 60  # metrics that come apart: a time for each


def test_a_place_can_be_forgotten():
    history = filled(groups=2, hours=3)
    assert history.forget("p0") == 4
    assert history.get("p0", "temperature") is None
    assert [group.place for group in history.groups] == ["p1"]
    assert history.bytes == 4 * RING_BYTES + history.groups[0].size


def test_one_metric_of_a_place_can_be_forgotten_and_the_others_stay():
    history = filled(groups=1, hours=8)
    kept = {metric: history.get("p0", metric).points(0, 1 << 40) for metric in ("temperature", "battery", "energy")}
    assert history.forget("p0", "humidity") == 1
    assert history.get("p0", "humidity") is None
    assert {metric: history.get("p0", metric).points(0, 1 << 40) for metric in kept} == kept
    assert history.bytes == 3 * RING_BYTES + sum(group.size for group in history.groups)
    fill(history, strip_of(history, "p0", ("temperature", "battery", "energy")), [(START + 9 * 3600, 1, 2, 3)])
    assert history.get("p0", "temperature").points(0, 1 << 40) == [*kept["temperature"], (START + 9 * 3600, 1)]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=300))
def test_each_page_is_handed_over_once_for_whoever_keeps_them(steps):
    history, pages = History(), []
    history.on_page = lambda group, page: pages.append(page)
    group = strip_of(history)
    said = [(START + second, second % 5, second % 2) for second in accumulate(steps)]
    fill(history, group, said)
    history.close(group)
    history.close(group)
    assert points(b"".join(pages), 0, 0, 1 << 40) == [row[:2] for row in said]


@given(st.lists(st.tuples(st.integers(1, 7), st.booleans()), min_size=1, max_size=300))
def test_rows_that_lie_open_are_handed_over_too_and_each_row_once(steps):
    history, pages = History(), []
    history.on_page = lambda group, page: pages.append(page)
    group, second, said = strip_of(history), START, []
    for step, now in steps:
        second += step
        said.append((second, second % 5, second % 2))
        fill(history, group, said[-1:])
        if now:
            history.hand_over()
    history.hand_over()
    history.hand_over()
    history.close(group)
    assert points(b"".join(pages), 0, 0, 1 << 40) == [row[:2] for row in said]
    assert history.get("p", "temperature").points(0, 1 << 40) == [row[:2] for row in said]


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(-9, 9)), max_size=200), st.integers(2, 20), st.randoms())
def test_points_that_are_folded_keep_the_extremes_of_every_stretch_whatever_their_order(said, most, chance):
    fold = Downsampler(0, 1001, most)
    mixed = [*said, *said[:7]]
    chance.shuffle(mixed)
    for at in range(0, len(mixed), 13):
        fold.add(mixed[at : at + 13])
    found, width = fold.points(), -(-1001 // most)
    assert found == sorted(set(found))
    assert set(found) <= set(said)
    assert len(found) <= 2 * most
    if len(set(said)) <= 2 * most:
        assert found == sorted(set(said))
    for stretch in range(most):
        here = [value for time, value in said if time // width == stretch]
        kept = [value for time, value in found if time // width == stretch]
        if here:
            assert (min(kept), max(kept)) == (min(here), max(here))


def silent(times, until, begin=0, end=None, most=200):
    found = Silences(begin, until if end is None else end)
    found.add((time, 0.0) for time in times)
    return found.found(until, most)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=300), st.integers(0, 500), st.randoms())
def test_silences_are_those_of_a_plain_reckoning_whatever_the_order_of_the_readings(times, after, chance):
    until = max(times) + after
    found = silent(chance.sample([*times, *times[:9]], len(times) + len(times[:9])), until, end=until + 1)
    known = sorted(set(times))
    for begin, end in found:
        assert begin in known
        assert end in known or end == until
        assert not any(begin < time < end for time in known)
    steps = sorted(b - a for a, b in pairwise(known))
    least = min((b - a for a, b in found), default=0)
    long = [(a, b) for a, b in pairwise([*known, until]) if b - a >= least]
    assert not found or found == long, "no longer one is left out"
    assert all(b - a > 3 * steps[len(steps) * 9 // 10] for a, b in found)


@pytest.mark.parametrize("days", [1, 7, 31, 366])
def test_an_outage_is_found_at_every_span(days):
    end = days * 86_400
    hole = (end // 3 // 600 * 600, end // 3 // 600 * 600 + 9_000)
    times = [time for time in range(0, end, 600) if not hole[0] < time < hole[1]]
    assert silent(times, end) == [hole]


def test_a_sensor_that_is_dead_for_most_of_the_time_is_silent_then():
    times = [*range(0, 3_600, 60), *range(86_000, 86_400, 60)]
    assert silent(times, 86_400) == [(3_540, 86_000)]
    assert silent(range(0, 3_600, 60), 86_400) == [(3_540, 86_400)], "also when it says nothing any more"


def test_what_comes_in_bursts_is_not_silent_between_them():
    times = [hour * 3_600 + second for hour in range(24) for second in range(20)]
    assert silent(times, 24 * 3_600) == []
    assert silent([time for time in times if not 10 <= time // 3_600 < 16], 24 * 3_600) == [
        (9 * 3_600 + 19, 16 * 3_600)
    ]


def test_of_too_many_silences_the_longest_are_given_in_order():
    times = list(accumulate(10 if n % 20 else 100 + n for n in range(400)))
    found = silent(times, times[-1], end=times[-1] + 1, most=5)
    assert len(found) == 5
    assert found == sorted(found)
    assert min(b - a for a, b in found) == 400


def test_a_line_ends_where_a_silence_begins_and_goes_on_where_it_ends():
    points = [(0, 1.0), (60, 2.0), (600, 3.0), (660, 4.0)]
    assert broken(points, [(60, 600), (660, 9_000)]) == [(0, 1.0), (60, 2.0), (61, None), (600, 3.0), (660, 4.0)]
    assert broken(points, [(20, 30), (40, 50)]) == [(0, 1.0), (21, None), *points[1:]]
    assert broken([], [(0, 5)]) == []
