"""A set of record numbers, against Python's own set."""

from __future__ import annotations

import itertools
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.ranges import Range, Ranges

NUMBERS = st.integers(1, 60)
SPANS = st.lists(st.tuples(NUMBERS, st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))), max_size=20)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "discard", "clear", "follow"]), NUMBERS, NUMBERS), max_size=30)
MANY = st.lists(st.tuples(st.integers(-2, 60), st.integers(-2, 70)), max_size=20)


def numbers(ranges: Ranges | list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


def changed(steps: list[tuple[str, int, int]]) -> tuple[Ranges, set[int]]:
    """The same changes to a set of ours and to one of Python's."""
    made, truth = Ranges(), set[int]()
    for step, a, b in steps:
        if step == "add" and a <= b:
            made.add(a, b)
            truth |= set(range(a, b + 1))
        elif step == "follow":
            made.add(made.last() + 1)
            truth.add(max(truth, default=0) + 1)
        elif step == "discard":
            made.discard(a, b)
            truth -= set(range(a, b + 1))
        elif step == "clear" and a < 4:
            made.clear()
            truth.clear()
    return made, truth


@given(STEPS)
def test_it_holds_what_was_added_and_not_removed_in_order_and_apart(steps: list[tuple[str, int, int]]) -> None:
    made, truth = changed(steps)
    assert [n for first, last in made for n in range(first, last + 1)] == sorted(truth)
    assert all(end + 1 < start for (_, end), (start, _) in itertools.pairwise(made))
    assert [n in made for n in range(100)] == [n in truth for n in range(100)]
    assert made.count() == len(truth)
    assert made.last() == max(truth, default=0)
    assert bool(made) == bool(truth)
    if truth:
        assert made.head()[0] == min(truth)


@given(STEPS, NUMBERS, st.integers(-3, 70))
def test_what_is_inside_and_what_is_missing_share_a_span(
    steps: list[tuple[str, int, int]], first: int, length: int
) -> None:
    made, truth = changed(steps)
    asked = set(range(first, first + length))
    assert numbers(made.inside(first, first + length - 1)) == asked & truth
    assert numbers(made.missing(first, first + length - 1)) == asked - truth
    assert made.covers(first, first + length - 1) == (asked <= truth)


@given(STEPS)
def test_through_is_the_last_before_the_first_hole(steps: list[tuple[str, int, int]]) -> None:
    made, truth = changed(steps)
    through = 0
    while through + 1 in truth:
        through += 1
    assert made.through() == through


@given(SPANS, SPANS)
def test_two_sets_are_equal_when_they_hold_the_same_numbers(a: list[Range], b: list[Range]) -> None:
    assert (Ranges(a) == Ranges(b)) == (numbers(a) == numbers(b))
    assert Ranges(Ranges(a)) == Ranges(a)
    assert Ranges(a) != numbers(a)


@given(SPANS)
def test_a_copy_lives_its_own_life(spans: list[Range]) -> None:
    made = Ranges(spans)
    before, copy = list(made), made.copy()
    copy.add(made.last() + 1)
    assert list(made) == before
    made.add(made.last() + 1, made.last() + 5)
    assert copy.last() == made.last() - 4


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 3), (5, 4), (-1, 2)])
def test_numbers_begin_at_one_and_ranges_are_not_empty(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        Ranges().add(first, last)


def test_an_empty_set_has_no_head() -> None:
    with pytest.raises(IndexError):
        Ranges().head()


def test_another_thread_never_sees_half_a_change() -> None:
    made, stop, seen = Ranges([(2, 3)]), threading.Event(), list[list[Range]]()

    def read() -> None:
        while not stop.is_set():
            seen.append(list(made))

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    reader = threading.Thread(target=read)
    try:
        reader.start()
        for _ in range(3000):
            made.add(6, 7)
            made.add(4, 5)
            made.discard(4, 7)
    finally:
        stop.set()
        reader.join()
        sys.setswitchinterval(switch)
    assert set(map(tuple, seen)) <= {((2, 3),), ((2, 3), (6, 7)), ((2, 7),)}


def test_a_set_that_is_made_in_order_moves_none_of_its_parts_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[int] = []
    real = Ranges.add
    monkeypatch.setattr(Ranges, "add", lambda self, *span: (moved.append(span[0]), real(self, *span))[1])
    spans = [(n, n + 1) for n in range(1, 3000, 3)]
    assert list(Ranges(iter(spans))) == spans
    assert len(moved) <= 1
    with pytest.raises(ValueError, match="not a range"):
        Ranges([(1, 2), (9, 8)])


@given(STEPS, SPANS, MANY)
def test_many_changes_at_once_are_what_each_of_them_is_in_turn(
    steps: list[tuple[str, int, int]], added: list[Range], gone: list[Range]
) -> None:
    at_once, in_turn = changed(steps)[0], changed(steps)[0]
    at_once.add_all(added)
    for span in added:
        in_turn.add(*span)
    assert at_once == in_turn
    at_once.discard_all(gone)
    for span in gone:
        in_turn.discard(*span)
    assert at_once == in_turn
    assert numbers(at_once) == (numbers(changed(steps)[0]) | numbers(added)) - numbers(gone)


@given(SPANS)
def test_of_many_changes_none_is_made_where_one_is_no_range(spans: list[Range]) -> None:
    made = Ranges(spans)
    before = made.copy()
    with pytest.raises(ValueError, match="not a range"):
        made.add_all([*spans, (100, 101), (0, 3)])
    assert made == before


def test_many_changes_move_no_part_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ack may name thousands of ranges, and a set have as many: one by one each moves all that there are."""
    made = Ranges((n, n) for n in range(1, 12_000, 4))
    moved: list[int] = []
    for name in ("add", "discard"):
        real = getattr(Ranges, name)
        monkeypatch.setattr(Ranges, name, lambda self, *span, real=real: (moved.append(span[0]), real(self, *span))[1])
    made.add_all((n, n) for n in range(11_999, 0, -4))
    made.discard_all((n, n) for n in range(1, 12_000, 8))
    assert not moved
    assert made.parts() == 4500
