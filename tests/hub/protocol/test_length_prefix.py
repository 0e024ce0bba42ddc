from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.protocol.length_prefix import lp, unlp

PARTS = st.lists(st.binary(max_size=40), max_size=8)


def test_a_part_follows_its_length_as_four_bytes_big_endian() -> None:
    assert lp(b"ab", b"") == bytes.fromhex("00000002 6162 00000000")


@given(PARTS, PARTS)
def test_different_lists_give_different_bytes(a: list[bytes], b: list[bytes]) -> None:
    assert (lp(*a) == lp(*b)) == (a == b)


@given(PARTS)
def test_the_parts_come_back(parts: list[bytes]) -> None:
    assert unlp(lp(*parts)) == parts


@given(st.binary(max_size=300))
def test_any_bytes_are_parts_or_a_decode_error(data: bytes) -> None:
    try:
        parts = unlp(data)
    except DecodeError:
        return
    assert lp(*parts) == data


@pytest.mark.parametrize("data", [b"\0", b"\0\0\0\2a", lp(b"whole") + b"\0\0\0"])
def test_a_part_that_ends_early_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError, match="truncated"):
        unlp(data)
