"""Ranges agree with plain sets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.buffer.ackset import AckSet, Ranges

spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=12)


def numbers(ranges: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(spans, st.integers(1, 70), st.integers(0, 20))
def test_ranges_agree_with_sets(ranges: list[tuple[int, int]], first: int, length: int) -> None:
    made, truth = Ranges(ranges), numbers(ranges)
    last = first + length
    asked = set(range(first, last + 1))
    assert numbers(list(made)) == truth
    assert [number in made for number in range(1, 80)] == [number in truth for number in range(1, 80)]
    assert made.covers(first, last) == (asked <= truth)
    assert numbers(list(made.missing(first, last))) == asked - truth
    assert made.count(first, last) == len(asked & truth)
    assert bool(made) == bool(truth)


@given(spans)
def test_ranges_never_touch(ranges: list[tuple[int, int]]) -> None:
    made = list(Ranges(ranges))
    assert all(end + 1 < start for (_, end), (start, _) in pairwise(made))
    assert Ranges(made) == Ranges(ranges)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (-1, 5), (5, 4)])
def test_nonsense_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        Ranges().add(first, last)


def test_an_ack_set_keeps_runs_apart() -> None:
    acks = AckSet()
    acks.add("readings", b"one", 1, 5)
    assert acks.covers("readings", b"one", 2, 5)
    assert not acks.covers("readings", b"two", 2, 5)
    assert not acks.covers("alerts", b"one", 2, 5)
    acks.forget("readings", b"one")
    assert not list(acks)
