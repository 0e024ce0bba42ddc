"""Patterns of labels: what could keep the hub's matcher busy is refused before it is used."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.devices.packs.bounds import bounded
from tests.processor import uncollected

LONGEST = 512
EUI = "(?P<dev_eui>[0-9A-F]{16})"


@pytest.mark.parametrize("pattern", [
    EUI, f".*{EUI}.*",
    f"DevEUI[ :]*{EUI}(?:[ ;]{{1,8}}Key[ :]{{0,3}}(?P<app_key>[0-9A-F]{{32}}))?",
    f"LW:D0:(?P<join_eui>[0-9A-F]{{16}}):{EUI}:[0-9A-F]{{8}}(?::[A-Z][0-9A-Z]{{0,32}}){{0,3}}",
    f"(?i:acme|other) {EUI}",
])  # fmt: skip
def test_patterns_as_makers_labels_need_them_are_taken(pattern: str) -> None:
    assert bounded(pattern, LONGEST)


@pytest.mark.parametrize("pattern", [
    "(A+)+B", "(?:A|AA)+B", "(?:A*)*B", "A?" * 30 + "A{30}", ".*.*.*B", "(?:(?:){65535}){65535}B", "(?:A{1,9}){1,40}B",
    "(?=A)A", "(?<!B)A", r"(A*)\1B", r"(A)?(?(1)B|C)", "(?:A|A|A){30}B",
])  # fmt: skip
def test_patterns_that_go_back_over_and_over_are_refused(pattern: str) -> None:
    re.compile(pattern)
    assert not bounded(pattern, LONGEST)


_PIECE = st.sampled_from(["A", ".", "[A-F]", "A*", "A+", ".*", "A?", "A{1,9}", "A*?", "A{3}", "B", "A{0,40}"])
_PATTERN = st.recursive(
    st.lists(_PIECE, min_size=1, max_size=5).map("".join),
    lambda inner: st.builds("(?:{}|{}){}".format, inner, inner, st.sampled_from(["", "?", "+", "{2}", "{0,4}", "*"])),
    max_leaves=4,
)


@given(_PATTERN, st.sampled_from(["A" * 512, "A" * 511 + "!", "AB" * 256, "A" * 40 + "!"]))
def test_whatever_is_taken_is_matched_in_no_time(pattern: str, text: str) -> None:
    if bounded(pattern, LONGEST):
        with uncollected():
            began = time.thread_time()
            re.compile(pattern).fullmatch(text)
            assert time.thread_time() - began < 1.0
