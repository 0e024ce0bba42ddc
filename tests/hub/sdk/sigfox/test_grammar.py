"""The operator's payload grammar: what its documentation shows, what formats in use need, and any bits at all."""

from __future__ import annotations

import math
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.sdk.sigfox.grammar import MAX_BYTES, Grammar


def read(form: str, payload: str) -> dict[str, object]:
    return Grammar(form).read(bytes.fromhex(payload)).values


@pytest.mark.parametrize(
    ("form", "payload", "values"),
    [
        # Sigfox API documentation, "custom format" grammar, its examples
        ("int1::uint:8 int2::uint:8", "1234", {"int1": 0x12, "int2": 0x34}),
        ("b1::bool:7 b2::bool:6 i1:1:uint:16", "C01234", {"b1": True, "b2": True, "i1": 0x1234}),
        ("b1::bool:7 b2::bool:6 i1:1:uint:16:little-endian", "801234", {"b1": True, "b2": False, "i1": 0x3412}),
        (
            "b1::bool:7 b2::bool:6 i1:1:uint:16:little-endian i2::uint:8",
            "80123456",
            {"b1": True, "b2": False, "i1": 0x3412, "i2": 0x56},
        ),
        (
            "str::char:6 i1::uint:16 i2::uint:32",
            "41424344454601234567890A",
            {"str": "ABCDEF", "i1": 0x123, "i2": 0x4567890A},
        ),
        # npm sigfox-parser 1.2.4, its tests
        (" lightAmbi::uint:16   temperature:2:int:8 ", "171318", {"lightAmbi": 5907, "temperature": 24}),
        (
            "Battery::uint:8 pH::uint:16:little-endian Cond::float:32:little-endian DO::uint:16:little-endian",
            "1E660382BA583FF426D609",
            {"Battery": 30, "pH": 870, "Cond": 0.8465958833694458, "DO": 9972},
        ),
        # qiita.com/ghibi/items/240e8591a7da1e2cbff0: two halves of a byte
        ("Speed::uint:8 Direction::uint:4 Status:1:uint:4::3", "12AB", {"Speed": 18, "Direction": 10, "Status": 11}),
        # a format of Soracom's, of the same grammar: a number that begins in the middle of a byte
        (
            "frameType:0:uint:1:big-endian:7 batLow:0:bool:6 temp:0:int:12:big-endian:3 hygro:2:uint:8",
            "8FCE30",
            {"frameType": 1, "batLow": False, "temp": -50, "hygro": 48},
        ),
        # github.com/TECA-IOT/PROYECTO_Water_Level_UFOX_RS485: flags, then the byte they are in, fill 12 bytes
        (
            "s1::uint:24 s2::uint:24 s3::uint:16 s4::uint:16 b7::bool:7 b0::bool:0 sum::uint:8 bat::uint:8",
            "0000010000020003000481AA",
            {"s1": 1, "s2": 2, "s3": 3, "s4": 4, "b7": True, "b0": True, "sum": 0x81, "bat": 0xAA},
        ),
    ],
)
def test_formats_in_use_are_read_as_their_makers_read_them(form: str, payload: str, values: dict[str, object]) -> None:
    assert read(form, payload) == values


@pytest.mark.parametrize(
    ("form", "payload", "values"),
    [
        ("a::uint:4::7 b::uint:4::3", "5A", {"a": 5, "b": 10}),  # a gave its bit: b begins in its last byte
        ("a::uint:4 b::uint:4", "5A6B", {"a": 5, "b": 6}),  # a did not: b begins in the next one
        ("x::uint:8 f:3:bool:0 g::bool:1 y::uint:8", "01000003", {"x": 1, "f": True, "g": True, "y": 3}),
        ("t::char:4", "41420000", {"t": "AB"}),
        ("d::float:64", struct.pack(">d", -2.5).hex(), {"d": -2.5}),
        ("n::int:1", "80", {"n": -1}),
        ("u:4:uint:64", "00000000FFFFFFFFFFFFFFFF", {"u": 2**64 - 1}),
    ],
)
def test_where_a_field_begins_and_how_it_is_read(form: str, payload: str, values: dict[str, object]) -> None:
    assert read(form, payload) == values


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("", "names at least one field"),
        ("temp", "name:byte:type:size"),
        ("temp::uint", "name:byte:type:size"),
        ("tem p::uint:8", "name:byte:type:size"),
        ("t:x:uint:8", "the byte a number or empty"),
        ("t::uint:0", "a uint has 1 to 64 bits"),
        ("t::int:65", "a int has 1 to 64 bits"),
        ("t::float:16", "a float has 32 or 64 bits"),
        ("t::bool:8", "0 to 7"),
        ("t::bool:1:little-endian", "a bool names one bit"),
        ("t::char:13", "1 to 12 bytes"),
        ("t::char:2:little-endian", "no byte order"),
        ("t::word:8", "there is no type 'word'"),
        ("t::uint:16:middle-endian", "no byte order (big-endian, little-endian)"),
        ("t::uint:8:big-endian:8", "no bit from 0 to 7"),
        ("t::uint:12:little-endian", "turns whole bytes round"),
        ("t:12:uint:8", "ends at byte 13"),
        ("t::uint:8 t::uint:8", "there is a field 't' already"),
        ("é::uint:8", "of letters, digits"),
        ("x::uint:1 " * 200, "characters"),
    ],
)
def test_a_wrong_format_is_told_with_the_field_and_what_would_be_right(form: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Grammar(form)


def test_a_message_may_be_shorter_than_its_format_and_what_it_lacks_is_told() -> None:
    said = Grammar("a::uint:8 b::uint:16 c::uint:8").read(bytes.fromhex("0102"))
    assert (said.values, said.skipped) == ({"a": 1}, (("b", "short-payload"), ("c", "short-payload")))


@pytest.mark.parametrize(("payload", "reason"), [("", "truncated"), ("00" * 13, "oversized")])
def test_a_message_that_holds_nothing_or_too_much_is_a_decode_error(payload: str, reason: str) -> None:
    with pytest.raises(DecodeError) as failure:
        read("a::uint:8", payload)
    assert failure.value.reason == reason


@pytest.mark.parametrize(
    ("form", "payload", "reason"),
    [
        ("f::float:32 g::uint:8", "7FC00000" + "01", "not-finite"),
        ("f::float:32 g::uint:8", "FF800000" + "01", "not-finite"),
        ("f::char:2 g::uint:8", "FFFE" + "01", "bad-text"),
        ("f::char:2 g::uint:8", "4107" + "01", "bad-text"),
    ],
)
def test_what_is_no_number_and_no_text_gives_no_value(form: str, payload: str, reason: str) -> None:
    said = Grammar(form).read(bytes.fromhex(payload))
    assert (said.values, said.skipped) == ({"g": 1}, (("f", reason),))


# -- any bits -----------------------------------------------------------------------------------------------------

NUMBERS = st.tuples(st.sampled_from(["uint", "int"]), st.integers(0, 11), st.integers(0, 7), st.integers(1, 64))


@settings.get_profile("hostile")
@given(NUMBERS, st.binary(min_size=12, max_size=12), st.booleans())
def test_a_number_is_its_bits_from_the_most_significant_on(
    field: tuple[str, int, int, int], payload: bytes, little: bool
) -> None:
    """Against the bits written out as text."""
    kind, byte, bit, size = field
    first = byte * 8 + 7 - bit
    if first + size > 96:
        size = 96 - first
    little = little and size % 8 == 0
    bits = "".join(f"{one:08b}" for one in payload)[first : first + size]
    if little:
        bits = "".join(reversed([bits[at : at + 8] for at in range(0, size, 8)]))
    wanted = int(bits, 2) - (2**size if kind == "int" and bits[0] == "1" else 0)
    form = f"v:{byte}:{kind}:{size}:{'little-endian' if little else 'big-endian'}:{bit}"
    assert Grammar(form).read(payload).values == {"v": wanted}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["uint:8", "int:16", "uint:16:little-endian", "float:32", "char:2"]), max_size=5))
def test_fields_without_an_index_lie_one_behind_the_other(kinds: list[str]) -> None:
    sizes = {"uint:8": 1, "int:16": 2, "uint:16:little-endian": 2, "float:32": 4, "char:2": 2}
    while sum(sizes[kind] for kind in kinds) > MAX_BYTES:
        kinds.pop()
    if kinds:
        fields = Grammar(" ".join(f"f{n}::{kind}" for n, kind in enumerate(kinds))).fields
        at = 0
        for field, kind in zip(fields, kinds, strict=True):
            assert (field.byte, field.bit, field.end) == (at, 7, at + sizes[kind])
            at += sizes[kind]


WORDS = st.lists(
    st.builds(
        ":".join,
        st.lists(
            st.sampled_from(
                [
                    "a",
                    "b",
                    "",
                    "0",
                    "3",
                    "11",
                    "12",
                    "uint",
                    "int",
                    "bool",
                    "char",
                    "float",
                    "8",
                    "32",
                    "7",
                    "-1",
                    "999",
                    "big-endian",
                    "little-endian",
                    "é",
                    "\0",
                ]
            ),
            max_size=6,
        ),
    ),
    max_size=6,
)


@settings.get_profile("hostile")
@given(st.one_of(st.text(max_size=40), WORDS.map(" ".join)), st.binary(max_size=20))
def test_any_format_and_any_bytes_end_in_values_a_value_error_or_a_decode_error(text: str, payload: bytes) -> None:
    try:
        grammar = Grammar(text)
    except ValueError:
        return
    try:
        said = grammar.read(payload)
    except DecodeError:
        return
    assert {field.name for field in grammar.fields} == set(said.values) | {name for name, _ in said.skipped}
    for value in said.values.values():
        assert isinstance(value, str | bool | int) or math.isfinite(value)
