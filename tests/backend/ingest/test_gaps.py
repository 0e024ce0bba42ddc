"""What is missing of a stream, and since when: the same as numbers one by one say, however many parts there are."""

from __future__ import annotations

from contextlib import closing
from heapq import merge
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from backend_kit import NOW, Desk, row
from hypothesis import given
from hypothesis import strategies as st

from backend.ingest.gaps import missing, uncovered
from backend.ingest.missing_records import MAX_HOLES, MissingRecords, with_ages
from backend.ingest.resend_requests import request
from backend.storage.engine import Stream
from backend.storage.opening import open_storage
from hub.protocol.ranges import Ranges
from hub.protocol.records.bodies import Gap
from hub.protocol.records.rows import ALERTS, READINGS

SPANS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair))), max_size=12)


class Counted(int):
    """A number that counts how often it is compared."""

    compared = 0

    def __le__(self, other: Any) -> bool:
        Counted.compared += 1
        return int(self) <= int(other)

    def __lt__(self, other: Any) -> bool:
        Counted.compared += 1
        return int(self) < int(other)

    def __ge__(self, other: Any) -> bool:
        Counted.compared += 1
        return int(self) >= int(other)

    def __gt__(self, other: Any) -> bool:
        Counted.compared += 1
        return int(self) > int(other)


@given(came=SPANS, declared=SPANS, end=st.integers(0, 60))
def test_what_is_uncovered_is_what_no_span_holds(
    came: list[tuple[int, int]], declared: list[tuple[int, int]], end: int
) -> None:
    held = {n for first, last in (*came, *declared) for n in range(first, last + 1)}
    found = list(uncovered(merge(Ranges(came), sorted(declared)), end))
    numbers = [n for first, last in found for n in range(first, last + 1)]
    assert numbers == [n for n in range(1, max([end, *held]) + 1) if n not in held]
    assert all(later[0] > sooner[1] + 1 for sooner, later in pairwise(found)), "apart"


@given(before=SPANS, after=SPANS)
def test_a_hole_is_as_old_as_the_oldest_that_it_has_a_part_of(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    known = [(first, last, float(n)) for n, (first, last) in enumerate(Ranges(before))]
    wanted = [
        (first, last, min([since for low, high, since in known if low <= last and first <= high], default=99.0))
        for first, last in Ranges(after)
    ]
    assert with_ages(known, Ranges(after), 99.0) == wanted


def test_a_hub_that_leaves_out_every_other_number_costs_each_look_one_step_a_hole() -> None:
    holes, stream = MissingRecords(), SimpleNamespace(id=1, hub="h", stream=READINGS, run=b"r")
    spans = [(Counted(n), Counted(n)) for n in range(2, 4002, 2)]
    for at in (1.0, 2.0):
        holes._note(stream, iter(spans), at)  # type: ignore[arg-type]
    assert holes._open[1].holes == [(first, last, 1.0) for first, last in spans]
    assert Counted.compared < 10 * len(spans)
    holes._note(stream, iter([(2 * n, 2 * n) for n in range(1, 2 * MAX_HOLES)]), 3.0)  # type: ignore[arg-type]
    assert len(holes._open[1].holes) == MAX_HOLES


def test_gaps_that_reach_into_one_another_and_what_came_all_the_same_are_missing_nowhere(plain: Desk) -> None:
    hub = plain.enrol()
    segment, told = hub.segment(), hub.segment(stream=ALERTS)
    blocks = [segment.block([row(NOW + n)]) for n in range(9)]
    plain.post(hub, segment.message([blocks[0], blocks[3], blocks[8]]))
    gaps = [Gap(READINGS, segment.run, first, last, 1, 0, 0, "evicted") for first, last in ((5, 6), (2, 2), (6, 7))]
    plain.post(hub, told.message([told.gap(gap) for gap in gaps]))
    storage = plain.ingest.storage
    stream = storage.streams.find(hub.hub, segment.run, READINGS)
    assert stream is not None
    assert list(missing(storage, stream, stream.stored, stream.announced)) == [(3, 3), (8, 8)]
    assert [one["missing"] for one in request(storage, hub.hub, 1.0)] == [2]


def test_the_server_writes_while_an_operators_wish_is_counted(plain: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = plain.enrol()
    segment = hub.segment()
    blocks = [segment.block([row(NOW + n)]) for n in range(3)]
    plain.post(hub, segment.message([blocks[0], blocks[2]]))
    written = list[str]()
    with closing(open_storage(plain.owner.database)) as mine:
        real = mine.records.numbers

        def numbers(stream: Stream) -> Ranges:
            plain.sql("insert into meta values ('written', 'meanwhile')")  # it waits for nobody
            written.append("meanwhile")
            return real(stream)

        monkeypatch.setattr(mine.records, "numbers", numbers)
        assert [one["missing"] for one in request(mine, hub.hub, 1.0)] == [1]
    assert written == ["meanwhile"]
    assert plain.sql("select value from meta where key = ?", f"want/{hub.hub}") == [(1.0,)]
