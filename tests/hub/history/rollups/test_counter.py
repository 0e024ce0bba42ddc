"""Consumption, to the last unit: straight lines, resets, roll-over, swaps, gaps, any order."""

from hypothesis import given
from hypothesis import strategies as st

from hub.history.rollups.calendar import Calendar
from hub.history.rollups.counter import PLAIN, RESET, ROLLOVER, SWAP, UNKNOWN, Dial, Swap, collapse, segments, split

H = 3600
T0 = 1_772_000_400 // H * H


def hours(points, dial=PLAIN, begin=None, end=None):
    begin = points[0][0] // H * H if begin is None else begin
    end = points[-1][0] // H * H + H if end is None else end
    return split(segments(points, dial), list(range(begin, end + 1, H)))


def test_a_line_between_two_readings_is_cut_at_the_hour_to_the_last_unit():
    # 10:40 → 11:20 with 101 units: 20 of 40 minutes each; the odd one falls to the later hour
    parts = hours([(T0 + 2400, 500), (T0 + 4800, 601)])
    assert [part.amount for part in parts] == [50, 51]
    assert [part.covered for part in parts] == [1200, 1200]
    assert [part.estimated for part in parts] == [0, 0]


def test_a_reading_on_the_hour_closes_the_hour_before_it():
    assert [part.amount for part in hours([(T0, 0), (T0 + H, 7), (T0 + 2 * H, 20)])] == [7, 13, 0]


def test_a_gap_of_three_days_is_spread_evenly_and_marked_as_estimated():
    parts = hours([(T0, 1000), (T0 + 72 * H, 1720)], end=T0 + 72 * H)
    assert [part.amount for part in parts] == [10] * 72
    assert all(part.estimated == 10 and part.covered == 0 for part in parts)


def test_a_dial_that_rolls_over_goes_on_counting():
    points = [(T0, 99_990), (T0 + 600, 5)]
    assert segments(points, Dial(wraps=100_000)) == [(T0, T0 + 600, 15, ROLLOVER, 600)]


def test_a_dial_that_falls_far_has_started_anew_even_if_it_could_roll_over():
    assert segments([(T0, 40_000), (T0 + 600, 5)], Dial(wraps=100_000))[0][2:4] == (5, RESET)


def test_a_declared_swap_counts_both_meters_to_their_own_dials():
    dial = Dial(swaps=(Swap(T0 + 1800, final=1010, initial=3),), device_changes=(T0 + 2400,))
    points = [(T0, 1000), (T0 + 2400, 8), (T0 + 3000, 12)]
    assert [(s.amount, s.kind) for s in segments(points, dial)] == [(10, SWAP), (5, SWAP), (4, "measured")]


def test_a_swap_whose_date_is_hours_off_is_put_where_the_other_device_spoke_first():
    dial = Dial(swaps=(Swap(T0 - 5 * H, final=1010, initial=3),), device_changes=(T0 + 2400,))
    points = [(T0 - 6 * H, 990), (T0, 1000), (T0 + 2400, 8)]
    assert sum(s.amount for s in segments(points, dial)) == 10 + 10 + 5
    late = Dial(swaps=(Swap(T0 + 9 * H, final=1010, initial=3),), device_changes=(T0 + 2400,))
    assert sum(s.amount for s in segments([*points, (T0 + 10 * H, 20)], late)) == 10 + 10 + 5 + 12


def test_two_swaps_in_one_gap_are_chained():
    dial = Dial(swaps=(Swap(T0 + 100, 110, 0), Swap(T0 + 200, 7, 50)))
    assert sum(s.amount for s in segments([(T0, 100), (T0 + 300, 60)], dial)) == 10 + 7 + 10


def test_a_swap_that_nobody_declared_counts_nothing_and_says_so():
    found = segments([(T0, 1000), (T0 + 600, 5000), (T0 + 1200, 5007)], Dial(device_changes=(T0 + 600,)))
    assert [(s.amount, s.kind) for s in found] == [(0, UNKNOWN), (7, "measured")]
    assert split(found, [T0, T0 + H])[0].covered == 600


def test_a_pulse_counter_whose_transmitter_is_replaced_goes_on():
    found = segments([(T0, 1000), (T0 + 600, 1003)], Dial(device_changes=(T0 + 600,), continuous=True))
    assert [(s.amount, s.kind) for s in found] == [(3, "measured")]


def test_a_swap_of_which_nobody_read_the_old_dial_counts_the_new_one():
    dial = Dial(swaps=(Swap(T0 + 300, None, 0),))
    assert [(s.amount, s.kind) for s in segments([(T0, 900), (T0 + 600, 4)], dial)] == [(0, UNKNOWN), (4, SWAP)]


def test_a_misread_frame_is_no_consumption():
    assert sum(s.amount for s in segments([(T0, 100_000), (T0 + 60, 0), (T0 + 120, 100_002)])) == 2
    assert sum(s.amount for s in segments([(T0, 100_000), (T0 + 60, 16_877_216), (T0 + 120, 100_002)])) == 2


def test_a_meter_that_restarts_and_overtakes_itself_is_no_misread_frame():
    assert sum(s.amount for s in segments([(T0, 10), (T0 + 60, 0), (T0 + 120, 12)])) == 12


steps = st.lists(st.tuples(st.integers(1, 4 * H), st.integers(0, 60), st.booleans()), min_size=1, max_size=60)


@st.composite
def meters(draw):
    """Readings of a meter whose truth is known: (points, dial, what was consumed between first and last)."""
    wraps, time, index, device = 100_000, T0, draw(st.integers(0, 99_999)), 0
    points, swaps, device_changes, total = [(time, index)], [], [], 0
    for seconds, used, swapped in draw(steps):
        if swapped and len(swaps) < 3 and (not swaps or time - swaps[-1].at > 4 * 24 * H):
            final = (index + used // 2) % wraps
            initial = draw(st.integers(0, 99_999))
            swaps.append(Swap(time + seconds // 2 + 1, final, initial))
            index = (initial + used - used // 2) % wraps
            time += max(seconds, 2)
            device_changes.append(time)
            device += 1
        else:
            time += seconds
            index = (index + used) % wraps
        total += used
        points.append((time, index))
    return points, Dial(wraps, tuple(swaps), tuple(device_changes)), total


@given(meters(), st.randoms(use_true_random=False))
def test_the_hours_add_up_to_what_was_consumed_whatever_the_order(meter, random):
    points, dial, total = meter
    mixed = points * 2
    random.shuffle(mixed)
    assert sum(part.amount for part in hours(sorted(set(mixed)), dial)) == total
    whole = split(segments(points, dial), [points[0][0] // H * H, points[-1][0] // H * H + H])
    assert whole[0].amount == total


@given(meters(), st.randoms(use_true_random=False))
def test_what_is_left_out_of_an_hour_changes_no_hour(meter, random):
    points, dial, _ = meter
    cuts = sorted([*dial.device_changes, *(swap.at for swap in dial.swaps)])
    by_hour = {}
    for point in random.sample(points, len(points)):
        hour = point[0] // H * H
        by_hour[hour] = (
            collapse([*by_hour.get(hour, []), point], cuts)
            if random.random() < 0.3
            else [*by_hour.get(hour, []), point]
        )
    kept = sorted({point for hour in by_hour.values() for point in collapse(hour, cuts)})
    plain = hours(points, dial)
    assert [part.amount for part in hours(kept, dial)] == [part.amount for part in plain]


def test_an_hour_keeps_the_ends_of_what_rises_and_nothing_between():
    points = [(T0 + 60 * n, n) for n in range(60)]
    assert collapse(points) == [points[0], points[-1]]
    assert collapse([*points[:30], (T0 + 1800, 0), (T0 + 1860, 2), (T0 + 1920, 3)]) == [
        points[0], points[29], (T0 + 1800, 0), (T0 + 1920, 3)
    ]  # fmt: skip


def test_a_day_has_23_24_or_25_hours_and_months_begin_at_midnight():
    paris = Calendar("Europe/Paris")
    march, october = paris.local(1_774_692_000), paris.local(1_792_972_800)
    assert (march.month, october.month) == (3, 10)
    for day, count in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)):
        year, month, date = map(int, day.split("-"))
        start = next(d for d in paris.days(paris.month_start(year * 12 + month - 1), 2e9) if paris.local(d).day == date)
        assert (paris.next_day(start) - start) / H == count
        assert len(paris.hours(start, paris.next_day(start))) == count
    assert paris.local(paris.month_start(2026 * 12 + 3)).isoformat() == "2026-04-01T00:00:00+02:00"


def test_overseas_hours_begin_when_the_clocks_there_say_so():
    for name in ("Pacific/Marquesas", "Indian/Reunion", "America/Miquelon", "Pacific/Noumea", "Pacific/Tahiti"):
        calendar = Calendar(name)
        for time in range(T0, T0 + 400 * 24 * H, 7 * 24 * H + 1234):
            hour = calendar.local(calendar.hour(time))
            assert (hour.minute, hour.second) == (0, 0)
            assert calendar.hour(time) <= time < calendar.hour(time) + H
            day = calendar.local(calendar.day(time))
            assert (day.hour, day.minute, day.date()) == (0, 0, calendar.local(time).date())
