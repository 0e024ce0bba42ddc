"""Which segments there are: its sums, and when somebody has to look again."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.records.rows import READINGS
from hub.store_and_forward.buffer.catalog import Catalog
from hub.store_and_forward.buffer.segment import SegmentInfo


def made(number: int, size: int, *, open_: bool) -> SegmentInfo:
    return SegmentInfo(Path(f"{number}.seg"), READINGS, number, bytes(16), 1, 1, 0, 4, size, 1_800_000_000, open_)


def closed(catalog: Catalog) -> list[SegmentInfo]:
    return [info for info in catalog.of(READINGS) if not info.open]


STEPS = st.lists(st.tuples(st.sampled_from(("grow", "close", "next", "drop", "correct")), st.integers(1, 99)))


@given(STEPS)
def test_the_size_is_the_sum_and_a_turn_tells_every_change_of_what_is_closed(steps: list[tuple[str, int]]) -> None:
    catalog, number = Catalog(), 1
    catalog.put(made(1, 10, open_=True))
    for what, size in steps:
        turns, before = catalog.turns, closed(catalog)
        last = catalog.of(READINGS)[-1] if catalog.of(READINGS) else made(0, 0, open_=False)
        if what == "grow" and last.open:
            catalog.put(last._replace(size=last.size + size))
            assert catalog.turns == turns, "an open segment that grows is no reason to look"
        elif what == "close" and last.open:
            catalog.put(last._replace(open=False))
        elif what == "next":
            number += 1
            catalog.put(made(number, size, open_=True))
        elif what == "drop" and last.number:
            catalog.drop(catalog.of(READINGS)[0])
        elif what == "correct" and last.number:
            catalog.correct([catalog.of(READINGS)[0]._replace(size=size)])
        assert catalog.size(READINGS) == catalog.size() == sum(info.size for info in catalog.of(READINGS))
        assert catalog.turns > turns or closed(catalog) == before
