"""Merging reads: what is asked, in how few requests, and that every register finds its words."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from integrations.modbus import Register
from integrations.modbus.plan import plan, split


def _register(number: int, address: int, kind: str = "uint16", table: str = "holding") -> Register:
    return Register.model_validate(
        {
            "metric": f"m{number}",
            "unit": "1",
            "privacy": "technical",
            "address": address,
            "type": kind,
            "table": table,
        }
    )


_PLACES = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["uint16", "uint32", "float64", "bool"]),
        st.sampled_from(["holding", "input"]),
    ),
    max_size=9,
)


def _made(places: list[tuple[int, str, str]]) -> list[Register]:
    return [_register(i, address, kind, table) for i, (address, kind, table) in enumerate(places)]


@given(_PLACES, st.integers(0, 20), st.integers(4, 30))
def test_every_register_is_read_once_from_its_own_words(
    places: list[tuple[int, str, str]], max_gap: int, max_registers: int
) -> None:
    registers = _made(places)
    requests = plan(registers, max_gap=max_gap, max_registers=max_registers)
    read = [register.metric for request in requests for register in request.registers]
    assert sorted(read) == sorted(register.metric for register in registers)
    for request in requests:
        assert 1 <= request.count <= max_registers
        words = list(range(request.address, request.address + request.count))
        for register in request.registers:
            assert register.table == request.table
            assert request.words_of(register, words) == list(range(register.address, register.address + register.size))


@given(_PLACES, st.integers(0, 20), st.integers(4, 30))
def test_no_gap_within_a_request_is_wider_than_allowed(
    places: list[tuple[int, str, str]], max_gap: int, max_registers: int
) -> None:
    for request in plan(_made(places), max_gap=max_gap, max_registers=max_registers):
        wanted = sorted({a for r in request.registers for a in range(r.address, r.address + r.size)})
        assert all(after - before - 1 <= max_gap for before, after in pairwise(wanted))
        assert (wanted[0], wanted[-1]) == (request.address, request.address + request.count - 1)


def _fewest(registers: list[Register], max_gap: int, most: int) -> int:
    """By trying every way of sharing the registers out."""

    def fits(group: tuple[Register, ...]) -> bool:
        wanted = sorted({a for r in group for a in range(r.address, r.address + r.size)})
        return wanted[-1] - wanted[0] < most and all(b - a - 1 <= max_gap for a, b in pairwise(wanted))

    @cache
    def best(left: tuple[Register, ...]) -> int:
        if not left:
            return 0
        first, rest = left[0], left[1:]
        found = len(left)
        for chosen in range(1 << len(rest)):
            group = (first, *(r for i, r in enumerate(rest) if chosen >> i & 1))
            if fits(group):
                found = min(found, 1 + best(tuple(r for i, r in enumerate(rest) if not chosen >> i & 1)))
        return found

    return best(tuple(registers))


@given(
    st.lists(st.tuples(st.integers(0, 25), st.sampled_from(["uint16", "uint32", "float64"])), min_size=1, max_size=6),
    st.integers(0, 6),
    st.integers(4, 12),
)
def test_the_plan_is_the_shortest_there_is(places: list[tuple[int, str]], max_gap: int, most: int) -> None:
    registers = [_register(i, address, kind) for i, (address, kind) in enumerate(places)]
    assert len(plan(registers, max_gap=max_gap, max_registers=most)) == _fewest(registers, max_gap, most)


def test_bits_may_be_read_two_thousand_at_once() -> None:
    bits = [_register(i, i, "bool", "coil") for i in range(0, 2001, 8)]
    requests = plan(bits, max_gap=8, max_registers=1)
    assert [(r.address, r.count) for r in requests] == [(0, 1993), (2000, 1)]


def test_a_split_request_asks_for_each_register_alone() -> None:
    (request,) = plan([_register(0, 10), _register(1, 12, "uint32")], max_gap=8)
    assert str(request) == "holding 10..13 (m0, m1)"
    assert [str(part) for part in split(request)] == ["holding 10 (m0)", "holding 12..13 (m1)"]
