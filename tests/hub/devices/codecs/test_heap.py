"""Blocks never overlap, keep what was written, and are all as they were when the heap is set back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.devices.codecs import engine
from hub.devices.codecs.heap import Heap
from hub.devices.codecs.sandbox import Sandbox

SIZE = 1 << 20
STEPS = st.lists(
    st.tuples(st.sampled_from(["malloc", "calloc", "realloc", "free"]), st.integers(1, 60_000), st.integers(0, 10**6)),
    max_size=60,
)


class Written:
    """A heap whose every block is filled with a byte of its own."""

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self.blocks: dict[int, bytes] = {}

    def do(self, what: str, size: int, which: int) -> None:
        heap = self.heap
        old = sorted(self.blocks)[which % len(self.blocks)] if self.blocks else 0
        if what == "free":
            heap.free(old)
            self.blocks.pop(old, None)
            return
        block = heap.realloc(old, size) if what == "realloc" else getattr(heap, what)(*([1] * (what[0] == "c")), size)
        if not block:
            return
        assert heap.base <= block
        assert block + size <= heap.base + SIZE
        assert heap.usable(block) >= size
        if what == "calloc":
            assert ctypes.string_at(block, size) == bytes(size)
        if what == "realloc" and old:
            kept = self.blocks.pop(old)[:size]
            assert ctypes.string_at(block, len(kept)) == kept
        assert block not in self.blocks
        self.blocks[block] = bytes([which % 255 + 1]) * size
        ctypes.memmove(block, self.blocks[block], size)

    def check(self) -> None:
        for block, content in self.blocks.items():
            assert ctypes.string_at(block, len(content)) == content


@given(STEPS, STEPS)
def test_blocks_keep_what_was_written_and_come_back_as_they_were(before: list, after: list) -> None:
    written = Written(Heap(SIZE))
    for step in before:
        written.do(*step)
        written.check()
    image, then = written.heap.image(), dict(written.blocks)
    for step in after:
        written.do(*step)
        written.check()
    used = written.heap.used
    written.heap.reset_to(image)
    assert written.heap.image() == image
    assert (
        ctypes.string_at(written.heap.base + len(image.content), max(0, used - len(image.content))).strip(b"\0") == b""
    )
    written.blocks = then
    for step in after:  # and it goes on from there
        written.do(*step)
        written.check()


def test_much_that_was_used_is_given_back_to_the_machine_and_is_zero_again() -> None:
    heap = Heap(16 << 20)
    block = heap.malloc(100)
    image = heap.image()
    large = heap.malloc(8 << 20)
    ctypes.memset(large, 7, 8 << 20)
    heap.reset_to(image)
    assert ctypes.string_at(block, 8 << 20) == bytes(8 << 20)


def test_what_does_not_fit_is_refused_and_what_was_freed_fits_again() -> None:
    heap = Heap(SIZE)
    blocks = [heap.malloc(100_000) for _ in range(20)]
    while heap.malloc(64):
        pass
    assert 0 in blocks
    assert heap.malloc(90_000) == 0
    heap.free(blocks[3])
    assert heap.malloc(90_000) == blocks[3]


@pytest.mark.real("processes")
def test_an_engine_that_frees_what_it_never_had_takes_its_process_along() -> None:
    code = "from hub.devices.codecs.heap import Heap; h = Heap(4096); h.free(h.malloc(8) + 8)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 70


def test_another_version_of_the_engine_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "VERSION", "9.")
    with pytest.raises(OSError, match=r"quickjs-ng is version 0\.17.*: install version 9\.x"):
        Sandbox()
    monkeypatch.setitem(engine._INTERFACE, "JS_Gone", (None,))
    with pytest.raises(OSError, match="does not show JS_Gone"):
        Sandbox()
