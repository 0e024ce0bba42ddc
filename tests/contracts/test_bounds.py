"""What one frame may cost the hub, whoever made it: steps and memory in proportion to its length, and no frame longer
than its source may hand over. Counted, so that it is the same on every machine; nothing here looks at a clock.

A frame of n bytes costs at most

    STEPS_A_BYTE · n + STEPS     lines and calls of Python (`cost_kit` says what else counts)
    BYTES_A_BYTE · n + BYTES     bytes of memory; what is compressed counts as long as it may become

STEPS_OF_A_LINE instead, of bytes in which the frames are still to be found; STEPS_A_VALUE more for each value that
somebody wants of it. And the second half of a frame costs no more steps than the first: what grows with the square of
its length is found where it is short.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from hub.core.errors import HubError
from hub.sdk.jsonpath import JsonPath
from hub.sdk.testing import FakeSession
from integrations.mqtt_devices import Book, discovery, mapping

from .cost_kit import BYTES_A_STEP, cost, left, peak, steps
from .hostile_kit import TABLE, Hostile

STEPS_A_BYTE, STEPS = 96, 8_192
STEPS_OF_A_LINE = 320
"""The dearest is a line where what looks like a packet of 790 bytes may begin at every sixth."""
STEPS_A_VALUE = 40
BYTES_A_BYTE, BYTES = 192, 1 << 17
WEIGHED = 1 << 14
"""Bytes of a frame whose memory is measured: those that may be longer are read by libraries that go through it once."""
LOOKED_AT, WHOLLY = 100_000, 400_000
"""Steps that are counted of one frame: of decoders that take more for their longest, a shorter one is measured, the
first one wholly that may not take more than so many."""
GROWS = 512
"""Bytes of frames that are compared with one of half and one of a quarter of their length; of a stream eight times as
many, since as long as its frames may be it only waits."""
KEPT = 1 << 15
"""Bytes of memory that a line may hold when its frames are read: the longest has 8 KiB, and a buffer grows in leaps."""
AGAIN = 256
"""Steps by which twice may be exceeded: what depends on where a frame ends."""


def cases(decoders: Iterable[Hostile]) -> list[ParameterSet]:
    """Every shape of frame. The short run has the first one of each decoder that is judged."""
    return [
        pytest.param(one, name, id=f"{one.name}: {name}", marks=[_judged(one)] if n else [])
        for one in decoders
        for n, name in enumerate(one.shapes)
    ]


def _judged(one: Hostile) -> pytest.MarkDecorator:
    return pytest.mark.long("each line of code is counted", of=one.folder)


def allowed(one: Hostile, length: int) -> tuple[int, int]:
    """Steps and bytes."""
    length += one.expands
    each = STEPS_A_BYTE if one.feed is None else STEPS_OF_A_LINE
    return each * length + STEPS + STEPS_A_VALUE * one.values, BYTES_A_BYTE * length + BYTES


def check(one: Hostile, shape: Callable[[int], bytes]) -> None:
    """Raises AssertionError where a shape of frame costs a decoder more than it may."""
    frame = shape(min(one.longest, WEIGHED))
    told(one, frame)
    held, room = peak(one.decode, frame), allowed(one, len(frame))[1]
    assert held <= room, f"{one.name}: {held} bytes of memory for a frame of {len(frame)}"
    size = one.longest
    while True:
        frame = shape(size)
        most = allowed(one, len(frame))[0]
        limit = most if most <= WHOLLY else LOOKED_AT
        taken = steps(one.decode, frame, limit)
        if taken <= limit:
            break
        assert limit < most, f"{one.name}: more than {most} steps for {len(frame)} bytes"
        size //= 4
    if size < (GROWS if one.feed is None else 8 * GROWS):
        return  # all that it can cost is bounded above
    half, quarter = shape(size // 2), shape(size // 4)
    before, first = (steps(one.decode, each, WHOLLY) for each in (half, quarter))
    in_proportion = max(2.0, (len(frame) - len(half)) / max(1, len(half) - len(quarter)))
    assert taken - before <= 1.1 * in_proportion * max(first, before - first) + AGAIN, (
        f"{one.name}: {first}, {before}, {taken} steps for {len(quarter)}, {len(half)}, {len(frame)} bytes: "
        "more than in proportion"
    )


def told(one: Hostile, frame: bytes) -> None:
    """Reads a frame; raises what is no error of the hub, and fails where a number is too long to be written."""
    try:
        found = one.decode(frame)
    except HubError:
        return
    try:
        written = repr(found)[: 1 << 16]
    except ValueError:  # Python writes none of more than 4,300
        written = "1" * 400
    assert not re.search(r"\d{400}", written), f"{one.name} hands on a number of hundreds of digits"


@pytest.mark.parametrize(("one", "shape"), cases(TABLE))
def test_the_worst_frames_cost_in_proportion_to_their_length(one: Hostile, shape: str) -> None:
    check(one, one.shapes[shape])


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_whatever_bytes_come_cost_in_proportion_to_their_length(one: Hostile) -> None:
    pieces = [shape(min(one.longest, 96)) for shape in one.shapes.values()]

    @settings(max_examples=6)
    @given(st.binary(max_size=96), st.sampled_from(pieces), st.integers(0, 96), st.binary(max_size=8))
    def any_bytes(noise: bytes, piece: bytes, cut: int, tail: bytes) -> None:
        for frame in (noise, piece[:cut] + noise[:8] + piece[cut:] + tail):
            most, _ = allowed(one, len(frame))
            told(one, frame)
            assert steps(one.decode, frame, most) <= most

    any_bytes()


@pytest.mark.parametrize("one", [one for one in TABLE if one.refused], ids=lambda one: one.name)
def test_a_frame_that_is_longer_than_its_source_may_hand_over_is_refused(one: Hostile) -> None:
    for shape in one.shapes.values():
        frame = shape(one.longest)
        with pytest.raises(HubError):
            one.decode(frame + bytes(one.longest + 1 - min(len(frame), one.longest)))


@pytest.mark.parametrize(("one", "shape"), cases(one for one in TABLE if one.feed))
def test_a_line_that_never_ends_a_frame_is_not_remembered(one: Hostile, shape: str) -> None:
    assert one.feed is not None
    kept = left(one.feed, [one.shapes[shape](4096)] * (KEPT // 4096 + 1))
    assert kept <= KEPT, f"{one.name} keeps {kept} bytes of {shape}"


def test_what_an_earlier_test_left_is_not_counted_as_the_streams() -> None:
    kept = list[bytes]()

    class Late:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            kept.append(bytes(1 << 20))

    def feed() -> Callable[[bytes], list[bytes]]:
        return lambda piece: []

    for _ in range(3):
        Late()
    assert left(feed, [b"a", b"b"]) < KEPT
    assert len(kept) == 3


def test_what_another_thread_takes_meanwhile_is_not_counted_as_the_streams() -> None:
    heard = list[bytes]()

    def feed() -> Callable[[bytes], list[bytes]]:
        heard.append(bytes(1 << 20 if len(heard) == 1 else 0))  # of the second call, the first that is measured
        return lambda piece: []

    assert left(feed, [b"a", b"b"]) < KEPT


def test_an_announcement_costs_what_its_device_has_announced_and_not_what_all_have() -> None:
    """Whoever may publish at a broker may announce values all day, each time another way."""
    devices = [hub.Device(id=f"mqtt:d{n}", integration="mqtt_devices", place="p") for n in range(20)]
    book = Book(FakeSession("mqtt_devices", devices=devices))
    book.refresh()

    def announced(device: int, value: int, topic: str) -> bool:
        entry = mapping.Entry("temperature", JsonPath())
        entity = discovery.Entity(f"sensor/{device}-{value}", f"mqtt:d{device}", "", topic, entry)
        return book.announce(entity.key, entity)

    taken = []
    for device in range(20):
        assert announced(device, 0, f"t{device}")
        taken += [steps(lambda _, device=device, n=n: announced(device, n, "t"), b"", 10_000) for n in range(1, 51)]  # type: ignore[misc]
    assert len(book.listeners("t")) == 20
    assert [len(entries) for _, entries in book.listeners("t")] == [50] * 20
    assert max(taken[-50:]) <= max(taken[:50]) + AGAIN, "the last device pays for those before it"
    assert max(taken) < 1_000


# -- broken twins: the same contract finds them ------------------------------------------------------------------------


def _every_pair(data: bytes) -> object:
    return sum(1 for at, one in enumerate(data) for other in data[:at] if one == other)


def _copies_the_rest(data: bytes) -> object:
    count = 0
    while data:
        data = data[2:]
        count += 1
    return count


def _splits_again(data: bytes) -> object:
    return [len(data.split(b"\0", 1)) for _ in range(0, len(data), 16)]


def _believes_a_count(data: bytes) -> object:
    return [0] * (int.from_bytes(data[:3], "big") >> 4)


def _keeps_every_beginning(data: bytes) -> object:
    kept: list[Any] = [bytes(memoryview(data)[:at]) for at in range(0, len(data), 4)]
    return len(kept), kept


def _a_long_number(data: bytes) -> object:
    return int.from_bytes(data, "big")


TWINS = {
    "looks at every pair": (_every_pair, "more than"),
    "copies what is left at each step": (_copies_the_rest, "more than in proportion"),
    "goes through all of it at each step": (_splits_again, "more than in proportion"),
    "makes room for what a frame says": (_believes_a_count, "bytes of memory"),
    "keeps every beginning": (_keeps_every_beginning, "bytes of memory"),
    "hands on a number as long as its frame": (_a_long_number, "hundreds of digits"),
}


@pytest.mark.parametrize("twin", TWINS)
def test_a_decoder_that_does_more_is_found(twin: str) -> None:
    decode, why = TWINS[twin]
    broken = Hostile(twin, decode, 4096, {"bytes": lambda n: b"\xff" * n})
    with pytest.raises(AssertionError, match=why):
        check(broken, broken.shapes["bytes"])


def test_what_is_counted_is_what_is_done() -> None:
    """The measure itself: lines, what a method in C goes through, copies, and memory."""

    def loops(data: bytes) -> None:
        for _ in data:
            pass

    def decodes(data: bytes) -> None:
        data.decode("latin-1")

    def slices(data: bytes) -> None:
        data[:]

    frame = bytes(6400)
    assert 6400 <= steps(loops, frame, 1 << 20) <= 2 * 6400 + 8
    for once in (decodes, slices):
        assert 6400 // BYTES_A_STEP <= steps(once, frame, 1 << 20) <= 6400 // BYTES_A_STEP + 8
    assert steps(loops, frame, 100) == 101, "it is stopped there"
    assert 6400 <= peak(lambda data: data + data, frame) <= 3 * 6400 + 4096
    assert cost(loops, frame, 1 << 20).peak < 4096
