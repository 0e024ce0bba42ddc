"""Blocks: what goes in comes out, at the declared resolution, and nothing else is accepted."""

from __future__ import annotations

import math
import struct
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.core.model import Position, Quality, TrustClass
from hub.protocol.records import columns
from hub.protocol.records.columns import MAX_READINGS, TRIED, decode, encode, forms
from hub.protocol.records.dictionary import Numbering, Refused, Scale
from hub.protocol.records.integers import Reader, put_packed, put_runs, put_varint, tightened
from hub.protocol.records.rows import Column, Row, Shape, Subject

RESOLUTIONS = ["1", "10", "0.5", "0.1", "0.01", "0.005", "0.0025", "0.001", "0.3", "3", "0.0000001"]
BOOT = b"0123456789abcdef"


def back(body: bytes, numbering: Numbering) -> list[Row]:
    shapes = {number: shape for shape, number in numbering.shapes.items()}
    subjects = {number: subject for subject, number in numbering.subjects.items()}
    return decode(body, shapes, subjects)[1]


def round_trip(rows: list[Row], boot: bytes = b"") -> list[Row]:
    numbering = Numbering()
    return back(encode(rows, numbering, boot), numbering)


def on_grid(resolution: str, steps: int) -> float | int:
    exact = Decimal(resolution) * steps
    return int(exact) if exact == exact.to_integral_value() and "." not in resolution else float(exact)


@st.composite
def blocks(draw: st.DrawFn) -> list[Row]:
    """Rows of up to three shapes and six subjects, with every kind of column, in any order."""
    shapes = []
    for number in range(draw(st.integers(1, 3))):
        kinds = draw(st.lists(st.sampled_from(["number", "number", "flag", "text"]), min_size=1, max_size=5))
        shapes.append(
            Shape(
                tuple(
                    Column(f"m{number}_{at}", "1", draw(st.sampled_from(RESOLUTIONS)), kind)
                    for at, kind in enumerate(kinds)
                )
            )
        )
    subjects = [Subject(f"test:{number}") for number in range(6)]
    near = st.integers(-500, 500)
    steps = draw(st.sampled_from([near, st.integers(-(1 << 50), 1 << 50)]))
    position = st.none() | st.builds(
        Position,
        latitude=st.integers(-900_000_000, 900_000_000).map(lambda n: n / 10**7),
        longitude=st.integers(-1_800_000_000, 1_800_000_000).map(lambda n: n / 10**7),
        accuracy=st.none() | st.integers(0, 10**6).map(lambda n: n / 100),
        altitude=st.none() | st.integers(-(10**5), 10**6).map(lambda n: n / 100),
    )
    rows = []
    for _ in range(draw(st.integers(1, 40))):
        shape = draw(st.sampled_from(shapes))
        values = tuple(
            on_grid(column.resolution, draw(steps))
            if column.kind == "number"
            else draw(st.booleans() if column.kind == "flag" else st.text(max_size=8))
            for column in shape.columns
        )
        subject, time_ms = draw(st.sampled_from(subjects)), draw(st.integers(0, 1 << 45))
        quality, trust, rssi = draw(st.integers(0, 3)), draw(st.integers(1, 3)), draw(st.none() | st.integers(-120, 0))
        rows.append(Row(subject, shape, time_ms, True, values, quality, trust, rssi, draw(position)))
    return rows


@given(blocks())
@settings(max_examples=200, deadline=None)
def test_rows_come_back_exactly_at_their_resolution(rows: list[Row]) -> None:
    assert Counter(round_trip(rows)) == Counter(rows)


def test_signals_from_zero_upwards_come_back_as_they_were() -> None:
    """Found by the other reader: what is lowest in a column is 0 here, and 16-bit memory is not a list of bytes."""
    shape, subject = Shape((Column("m", "", "1"),)), Subject("d", "p", "s", "z")
    rows = [
        Row(subject, shape, at, True, (0.0,), Quality.GOOD, TrustClass.A, rssi, None)
        for at, rssi in enumerate((0, 1, 5))
    ]
    numbering = Numbering()
    body = encode(rows, numbering)
    _, back = decode(body, {0: shape}, {0: subject})
    assert [row.rssi for row in back] == [0, 1, 5]


@given(st.sampled_from(RESOLUTIONS), st.floats(-1e9, 1e9))
@settings(max_examples=300, deadline=None)
def test_a_value_between_steps_is_rounded_to_the_nearest(resolution: str, value: float) -> None:
    shape = Shape((Column("m", "1", resolution),))
    (found,) = round_trip([Row(Subject("test:1"), shape, 5, True, (value,))])
    step = float(resolution)
    assert abs(found.values[0] - value) <= step * 0.5 * (1 + 1e-9) + abs(value) * 1e-15
    (again,) = round_trip([found])
    assert again.values == found.values


@pytest.mark.parametrize("value", [(1 << 63) - 1, -(1 << 63), 1 << 52, (1 << 53) + 1, 0, True])
def test_integers_of_64_bit_are_exact(value: int) -> None:
    shape = Shape((Column("m"),))
    subject = Subject("test:1")
    rows = [Row(subject, shape, at, True, (item,)) for at, item in enumerate([value, -1, value, -(1 << 63)])]
    assert [row.values[0] for row in round_trip(rows)] == [value, -1, value, -(1 << 63)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", math.nan),
        ("number", math.inf),
        ("number", -math.inf),
        ("number", 1 << 63),
        ("number", -(1 << 64)),
        ("number", 1 << 2000),
        ("number", 1e300),
        ("number", "12"),
        ("number", None),
        ("number", 1j),
        ("flag", 2),
        ("flag", "off"),
        ("flag", 0.5),
        ("text", 5),
        ("text", "x" * 1025),
        ("text", "\ud800"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_never_crashes(kind: str, value: object) -> None:
    shape = Shape((Column("m", "1", "0.01", kind),))
    with pytest.raises(Refused):
        encode([Row(Subject("test:1"), shape, 5, True, (value,))], Numbering())


@pytest.mark.parametrize(
    "fields",
    [
        {"time_ms": 1.5},
        {"time_ms": 1 << 63},
        {"quality": 256},
        {"trust": -1},
        {"rssi": -32768},
        {"rssi": 1 << 15},
        {"rssi": "near"},
        {"values": ()},
        {"values": (1, 2)},
        {"position": Position(91.0, 0.0)},
        {"position": Position(math.nan, 0.0)},
        {"position": Position(0.0, 0.0, altitude=math.inf)},
        {"subject": Subject("\ud800")},
        {"subject": Subject("test:" + "x" * 5000)},
        {"shape": Shape(())},
        {"shape": Shape((Column("m", "1", "0"),))},
        {"shape": Shape((Column("m", "1", "-1"),))},
        {"shape": Shape((Column("m", "1", "1e9"),))},
        {"shape": Shape((Column("m", kind="blob"),))},
    ],
)
def test_a_bad_field_is_refused(fields: dict[str, object]) -> None:
    good = Row(Subject("test:1"), Shape((Column("m"),)), 5, True, (1,))
    with pytest.raises(Refused):
        encode([good._replace(**fields)], Numbering())


def test_unsure_rows_carry_their_boot() -> None:
    shape, subject = Shape((Column("m"),)), Subject("test:1")
    numbering = Numbering()
    body = encode([Row(subject, shape, 5, False, (1,))], numbering, BOOT)
    boot, rows = decode(body, {0: shape}, {0: subject})
    assert boot == BOOT
    assert [row.sure for row in rows] == [False]


def test_a_quiet_column_costs_nothing_per_row() -> None:
    shape, subject = Shape(tuple(Column(f"m{at}") for at in range(8))), Subject("test:1")
    rows = [Row(subject, shape, 1000 + at, True, (7,) * 8) for at in range(500)]
    assert len(encode(rows, Numbering())) < 100


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_no_bytes_crash_the_decoder(body: bytes) -> None:
    shape, subject = Shape((Column("m"), Column("t", kind="text"), Column("f", kind="flag"))), Subject("test:1")
    try:
        decode(body, {0: shape}, {0: subject})
    except DecodeError:
        return


@given(blocks(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_decodes_within_bounds_or_not_at_all(rows: list[Row], data: st.DataObject) -> None:
    numbering = Numbering()
    body = bytearray(encode(rows, numbering))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = back(bytes(body), numbering)
    except DecodeError:
        return
    assert sum(len(row.values) for row in found) <= MAX_READINGS
    assert all(-(1 << 63) <= row.time_ms < 1 << 63 for row in found)


def test_a_block_that_claims_more_than_it_may_hold_is_refused_before_any_memory_is_taken() -> None:
    out: list[bytes] = [b"\0"]
    put_varint(out, 1)
    put_varint(out, 0)
    put_varint(out, 1)
    put_packed(out, [0])
    put_packed(out, [1 << 40])
    with pytest.raises(DecodeError):
        decode(b"".join(out), {0: Shape((Column("m"),))}, {0: Subject("test:1")})


def test_a_text_where_a_number_is_due_is_refused_however_fine_the_resolution() -> None:
    shape = Shape((Column("m", "1", "0.000000000001"),))
    for value in ("twelve", b"twelve", [1, 2], (1,)):
        with pytest.raises(Refused, match="not-a-number"):
            encode([Row(Subject("test:1"), shape, 5, True, (value,))], Numbering())


@pytest.mark.parametrize(
    ("rssi", "good"), [(-32767, True), (32767, True), (32768, False), (-32769, False), (1 << 62, False)]
)
def test_a_signal_that_no_row_can_have_is_refused_by_the_reader(rssi: int, good: bool) -> None:
    numbering, shape = Numbering(), Shape((Column("m"),))
    body = encode([Row(Subject("test:1"), shape, 5, True, (1,), rssi=-32767)], numbering)
    told: list[bytes] = []
    put_runs(told, [rssi])
    known: list[bytes] = []
    put_runs(known, [-32767])
    cut = body.rindex(b"".join(known))
    other = body[:cut] + b"".join(told) + body[cut + len(b"".join(known)) :]
    if good:
        assert back(other, numbering)[0].rssi == rssi
    else:
        with pytest.raises(DecodeError):
            back(other, numbering)


def test_numbers_no_table_has_told_are_named_as_the_reason() -> None:
    numbering = Numbering()
    shape = Shape((Column("m"),))
    body = encode([Row(Subject("test:1"), shape, 5, True, (1,))], numbering)
    for shapes, subjects in (({}, {0: Subject("test:1")}), ({0: shape}, {})):
        with pytest.raises(DecodeError) as caught:
            decode(body, shapes, subjects)
        assert caught.value.reason == "unknown-table"


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=60))
@settings(deadline=None)
def test_packed_and_runs_mirror_their_reader(values: list[int]) -> None:
    out: list[bytes] = []
    put_packed(out, values)
    put_runs(out, values)
    put_runs(out, [value for value in values for _ in range(3)])
    reader = Reader(b"".join(out))
    assert reader.packed(len(values)) == values
    assert reader.runs(len(values)) == values
    assert reader.runs(3 * len(values)) == [value for value in values for _ in range(3)]
    reader.end()


@given(blocks())
@settings(deadline=None)
def test_both_forms_of_a_block_say_the_same_and_the_tight_one_is_never_longer(rows: list[Row]) -> None:
    numbering = Numbering()
    loose, *tight = forms(rows, numbering)
    assert len(tight) == (len(loose) <= TRIED)
    for body in tight:
        assert len(body) <= len(loose)
        assert back(body, numbering) == back(loose, numbering)


@given(st.integers(1, 64), st.data())
@settings(deadline=None)
def test_a_tight_column_takes_as_many_bits_as_its_items_need(bits: int, data: st.DataObject) -> None:
    low = data.draw(st.integers(-(1 << 63), (1 << 63) - (1 << bits)))
    high = low + (1 << bits) - 1
    values = [*data.draw(st.lists(st.integers(low, high), max_size=60)), low, high]
    parts: list[bytes] = []
    put_packed(parts, values)
    body = b"".join(tightened(parts))
    head = Reader(body)
    head.head()
    assert len(body) - head.at == len(values) * (bits // 8) + (len(values) * (bits % 8) + 7) // 8
    reader = Reader(body)
    assert reader.packed(len(values)) == values
    reader.end()


def test_a_tight_column_is_laid_out_byte_for_byte_as_specified() -> None:
    parts: list[bytes] = []
    put_packed(parts, [10, 10 + 0b101_00000001, 10 + 0b010_00000010])
    assert b"".join(tightened(parts)) == bytes([20, 0x40 | 11, 0, 1, 2, 0b000_101_01, 0b0_0000000])
    for wrong in (
        bytes([20, 0x40 | 11, 0, 1, 2, 0b000_101_01, 0b0_0000001]),  # not filled with zeros
        bytes([20, 0x40 | 8, 0, 1, 2]),  # whole bytes
        bytes([20, 0x40, 0, 1, 2]),
        bytes([20, 0xC0 | 11, 0, 1, 2, 0b000_101_01, 0]),  # bit 7 means something in a track only
    ):
        with pytest.raises(DecodeError):
            Reader(wrong).packed(3)


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(RESOLUTIONS))
@settings(max_examples=300, deadline=None)
def test_the_fast_rounding_agrees_with_round(value: float, resolution: str) -> None:
    scale = Scale(resolution)
    try:
        items, bias = scale.items([value])
    except Refused:
        assert abs(value) * scale.up / scale.down >= 1 << 62
        return
    assert items[0] - bias == round(value * scale.up / scale.down)


def test_the_layout_is_what_the_page_says() -> None:
    """By hand, from the docstrings of hub.protocol.records.columns and hub.protocol.records.integers."""
    shape, subject = Shape((Column("m", "1", "0.5"),)), Subject("test:1")
    rows = [Row(subject, shape, 1000, True, (2.0,), 1, 3), Row(subject, shape, 1300, True, (-1.0,), 1, 3)]
    packed_none = b"\x01" + b"\xff\xff\x03" + b"\x00"  # one run, zigzag of −32768, width 0
    assert encode(rows, Numbering()) == b"".join(
        [
            b"\x00\x01\x00",  # UTC, one group, shape 0
            b"\x01" + b"\x00\x00" + b"\x04\x00",  # one subject, number 0, two reports
            b"\xd0\x0f\x00" + struct.pack("<B", 0xD8) + b"\x04\x00",  # first time 1000, step 300
            b"\x08\x00" + b"\x0b\x00",  # first item 4, step −6
            b"\x01\x02\x00" + b"\x01\x06\x00",  # quality 1, trust 3
            packed_none,
            b"\x00",  # no position
        ]
    )


def test_a_text_longer_than_one_may_be_is_refused_as_it_may_be_the_reading_of_every_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape, subject = Shape((Column("t", kind="text"),)), Subject("test:1")
    rows = [Row(subject, shape, at, True, ("x" * 1025,), Quality.GOOD, TrustClass.A, None, None) for at in range(3)]
    numbering = Numbering()
    monkeypatch.setattr(columns, "MAX_TEXT", 1025)
    body = encode(rows, numbering)
    assert back(body, numbering) == rows
    monkeypatch.undo()
    with pytest.raises(DecodeError, match="1024"):
        back(body, numbering)
