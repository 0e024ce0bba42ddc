"""What is remembered of a device's messages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sigfox.memory import DATA, LEAST, LINK, MOST, PLACE, Memory, most_for


def test_a_message_is_known_by_its_time_and_number_together() -> None:
    memory = Memory()
    memory.keep(1000, 5, DATA, 16)
    assert memory.kept(1000, 5) == DATA
    assert memory.kept(1000, 6) == 0
    assert memory.kept(2000, 5) == 0, "seqNumber starts over"


def test_the_parts_of_a_message_add_up() -> None:
    memory = Memory()
    memory.keep(1000, 5, DATA, 16)
    memory.keep(1000, 5, LINK | PLACE, 16)
    assert memory.kept(1000, 5) == DATA | LINK | PLACE


def test_a_message_without_a_number_is_its_own() -> None:
    memory = Memory()
    memory.keep(1000, None, DATA, 16)
    assert (memory.kept(1000, None), memory.kept(1000, 0)) == (DATA, 0)


def test_what_was_forgotten_cannot_be_told_from_a_replay() -> None:
    memory = Memory()
    for n in range(20):
        memory.keep(1000 + n, n, DATA, 16)
    assert len(memory) == 16
    assert [memory.kept(1000 + n, n) for n in (0, 3, 4, 19)] == [None, None, DATA, DATA]
    assert memory.kept(1003, 77) is None, "as old as what was forgotten"
    assert memory.kept(1004, 77) == 0


MESSAGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=80)


@settings(max_examples=500, deadline=None)
@given(MESSAGES, st.integers(1, 20))
def test_no_message_is_ever_new_twice_in_whatever_order_and_over_restarts(
    said: list[tuple[int, int]], most: int
) -> None:
    packed, accepted = b"", []
    for time, seq in said:
        memory = Memory(packed)  # as after a restart
        if memory.kept(time, seq) == 0:
            accepted.append((time, seq))
            memory.keep(time, seq, DATA, most)
        packed = memory.packed()
    assert len(accepted) == len(set(accepted))


@settings(max_examples=300, deadline=None)
@given(MESSAGES)
def test_nothing_is_refused_that_is_newer_than_the_window(said: list[tuple[int, int]]) -> None:
    memory, accepted = Memory(), set()
    for time, seq in said:
        kept = memory.kept(time, seq)
        if kept == 0:
            memory.keep(time, seq, DATA, 1000)
            accepted.add((time, seq))
        else:
            assert (time, seq) in accepted
    assert accepted == set(said)


@given(st.binary(max_size=100))
def test_bytes_of_another_kind_are_an_empty_memory_or_a_whole_one(packed: bytes) -> None:
    memory = Memory(packed)
    assert Memory(memory.packed()).packed() == memory.packed()


def test_the_room_of_the_plugin_s_state_is_shared_by_the_devices() -> None:
    assert (most_for(1), most_for(100), most_for(10_000)) == (MOST, 284, LEAST)
    for devices in (1, 100, 500, 1500):
        assert devices * (len("sigfox:1D2F3ABC") + 8 + 4 + 7 * most_for(devices)) < 256 * 1024
