"""Columns of the map's things: what a map reads is what was told, and it is small."""

from __future__ import annotations

import gzip
import random

from hypothesis import given
from hypothesis import strategies as st
from pages_kit import told_inside, told_things

from backend.city.pages import columns
from backend.city.pages.board import LAYERS, STATES
from backend.city.pages.columns import Columns

HEAD = {"stamp": "a-1", "layers": LAYERS}
THING = st.tuples(
    st.integers(1, 2**31 - 1), st.integers(-9_000_000, 9_000_000), st.integers(-18_000_000, 18_000_000),
    st.integers(0, len(LAYERS) - 1), st.integers(0, len(STATES) - 1), st.integers(0, 3),
)  # fmt: skip


def of(things: list[tuple[int, int, int, int, int, int]]) -> Columns:
    n, lat, lon, layer, state, flag = zip(*things, strict=True) if things else ((), (), (), (), (), ())
    return Columns(n, lat, lon, bytes(layer), bytes(state), bytes(flag))


@given(st.lists(THING, max_size=60, unique_by=lambda one: one[0]))
def test_a_map_reads_what_it_was_told(things: list[tuple[int, int, int, int, int, int]]) -> None:
    told = told_things(gzip.decompress(columns.things(HEAD, of(things))))
    inside = told_inside(gzip.decompress(columns.exact(of(things))))
    assert told.head["stamp"] == "a-1"
    read = [
        (n, lat * 16 + inside[n][0] - 9_000_000, lon * 16 + inside[n][1] - 18_000_000,
         LAYERS.index(layer), STATES.index(state), flag)
        for n, lat, lon, layer, state, flag in zip(*told[1:], strict=True)
    ]  # fmt: skip
    assert read == things


def test_a_position_that_is_not_on_earth_is_at_its_edge() -> None:
    told = told_things(gzip.decompress(columns.things(HEAD, of([(1, 9_100_000, -20_000_000, 0, 0, 0)]))))
    assert (told.lat, told.lon) == ([18_000_000 >> 4], [0])


def test_twenty_thousand_things_in_any_order_take_less_than_three_bytes_each() -> None:
    dice = random.Random(5)
    things = [
        (n, round(4_811_730 + dice.gauss(0, 3000)), round(-167_780 + dice.gauss(0, 4500)), n % 10, int(n % 20 == 3), 0)
        for n in range(1, 20_001)
    ]
    assert len(columns.things(HEAD, of(things))) < 55_000
    assert len(columns.exact(of(things))) < 21_000
    street = sorted(things, key=lambda one: (one[1] // 300, one[2]))
    ordered = [(n, *one[1:]) for n, one in enumerate(street, 1)]
    assert len(columns.things(HEAD, of(ordered))) < 35_000, "neighbours that follow each other are told by steps"
