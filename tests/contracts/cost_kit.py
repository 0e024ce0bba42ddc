"""What a decoder costs for one frame, counted and never timed: the same on every machine, whatever else it does.

    steps   lines and calls of Python that it runs, its libraries' in Python among them, and a step more for every 64
            bytes that a method written in C goes through or a slice of the frame copies
    peak    bytes of memory that it holds at most at once, beyond what it held before, the frame not among them

What a function written in C does on its own is seen by its memory alone: msgspec's JSON and MessagePack, zstd, zlib,
cryptography. These go through their input once.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, NamedTuple

BYTES_A_STEP = 64
_SIZED = (bytes, bytearray, memoryview, str, list, tuple)
_BRIEF = frozenset(("append", "pop", "clear", "extend", "startswith", "endswith", "find", "index"))
"""Methods that need not go through all of what they belong to: `find` stops, and says nothing of where it began."""


class Cost(NamedTuple):
    steps: int
    peak: int


class TooMuch(BaseException):
    """It has taken more steps than it may; no decoder catches this."""


class _Counter:
    def __init__(self, most: int) -> None:
        self.steps = 0
        self.touched = 0
        self.most = most

    def total(self) -> int:
        return self.steps + self.touched // BYTES_A_STEP

    def line(self, frame: FrameType, event: str, _: Any) -> Any:
        self.steps += 1
        if self.steps > self.most:
            raise TooMuch
        return self.line

    def call(self, frame: FrameType, event: str, _: Any) -> Any:
        return None if frame.f_code in _OURS else self.line(frame, event, _)

    def profile(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call":
            owner = getattr(called, "__self__", None)
            if isinstance(owner, _SIZED) and called.__name__ not in _BRIEF:
                self.touched += len(owner)
                if self.total() > self.most:
                    raise TooMuch


class Counted(bytes):
    """A frame whose slices are counted: each is a copy."""

    counter: _Counter

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        if isinstance(part, int):
            return part
        self.counter.touched += len(part)
        return counted(part, self.counter)


def counted(data: bytes, counter: _Counter) -> Counted:
    made = Counted(data)
    made.counter = counter
    return made


_OURS = frozenset((Counted.__getitem__.__code__, counted.__code__, _Counter.profile.__code__))


def steps(decode: Callable[[bytes], object], frame: bytes, most: int) -> int:
    """How many it takes; more than `most` when it was stopped there. What the decoder raises is its answer."""
    counter = _Counter(most)
    before, collecting = (sys.gettrace(), sys.getprofile()), gc.isenabled()
    data = counted(frame, counter)
    gc.disable()  # a finalizer of what went before takes steps too
    sys.setprofile(counter.profile)
    sys.settrace(counter.call)
    try:
        decode(data)
    except TooMuch:
        return most + 1
    except Exception:  # whether it is the right one, others ask
        pass
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
        if collecting:
            gc.enable()
    return counter.total()


def peak(decode: Callable[[bytes], object], frame: bytes) -> int:
    """Bytes, with what it gives back. The less of two: other threads of this process take memory meanwhile."""
    return min(_peak(decode, frame) for _ in range(2))


def _peak(decode: Callable[[bytes], object], frame: bytes) -> int:
    running, collecting = tracemalloc.is_tracing(), gc.isenabled()
    if not running:
        tracemalloc.start(1)
    gc.disable()  # what went before is not let go of meanwhile
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        try:
            given = decode(frame)
        except Exception as error:
            given = error
        most = tracemalloc.get_traced_memory()[1] - before
        del given
        return most
    finally:
        if collecting:
            gc.enable()
        if not running:
            tracemalloc.stop()


def left(feed: Callable[[], Callable[[bytes], Iterable[object]]], pieces: Iterable[bytes]) -> int:
    """Bytes of memory that a stream holds when it has been fed with them, and what it gave is gone.

    The least of three: other threads of this process, as that by which pytest-xdist hears, take memory meanwhile.
    """
    pieces = list(pieces)
    for _ in feed()(pieces[0]):  # what it builds once and keeps is not the stream's
        pass
    return min(_left(feed, pieces) for _ in range(3))


def _left(feed: Callable[[], Callable[[bytes], Iterable[object]]], pieces: list[bytes]) -> int:
    collecting = gc.isenabled()
    gc.collect()  # a finalizer of what went before takes memory too
    gc.disable()
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        feeding = feed()
        for piece in pieces:
            for given in feeding(piece):
                del given
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        if collecting:
            gc.enable()


def cost(decode: Callable[[bytes], object], frame: bytes, most: int) -> Cost:
    """`decode` has read something before: what it builds once and keeps is not the frame's."""
    return Cost(steps(decode, frame, most), peak(decode, frame))
