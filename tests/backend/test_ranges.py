"""A set of record numbers, against Python's own set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ranges import Ranges

PAIRS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=20)


def numbers(pairs: list[tuple[int, int]]) -> set[int]:
    return {n for first, last in pairs for n in range(first, last + 1)}


@given(PAIRS)
def test_it_holds_what_was_added_in_order_and_apart(pairs: list[tuple[int, int]]) -> None:
    ranges, truth = Ranges(pairs), numbers(pairs)
    assert numbers(ranges.pairs()) == truth
    assert all(a[1] + 1 < b[0] for a, b in zip(ranges.pairs(), ranges.pairs()[1:], strict=False))
    assert all((n in ranges) == (n in truth) for n in range(80))
    assert bool(ranges) == bool(truth)
    assert ranges.last() == max(truth, default=0)


@given(PAIRS, st.integers(1, 70), st.integers(0, 70))
def test_what_is_missing_is_the_difference(pairs: list[tuple[int, int]], first: int, length: int) -> None:
    ranges = Ranges(pairs)
    assert numbers(ranges.missing(first, first + length)) == set(range(first, first + length + 1)) - numbers(pairs)


@given(PAIRS)
def test_through_is_the_last_before_the_first_hole(pairs: list[tuple[int, int]]) -> None:
    truth, through = numbers(pairs), 0
    while through + 1 in truth:
        through += 1
    assert Ranges(pairs).through() == through


@given(PAIRS, st.integers(1, 70))
def test_a_copy_lives_its_own_life(pairs: list[tuple[int, int]], number: int) -> None:
    ranges = Ranges(pairs)
    before, copy = ranges.pairs(), ranges.copy()
    copy.add(number)
    assert ranges.pairs() == before
    assert number in copy


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 3), (5, 4), (-1, 2)])
def test_numbers_begin_at_one_and_ranges_are_not_empty(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        Ranges().add(first, last)
