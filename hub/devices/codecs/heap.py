"""Memory of the JavaScript engine: allocates blocks, and can be reset byte for byte to a snapshot.

All state of the engine lies here. The bookkeeping of blocks lies outside, out of reach of a script that has corrupted
the engine's memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import NamedTuple, NoReturn

_FINE = 1024
_GRAIN = 64
_KEPT = 1 << 20
"""Bytes beyond a snapshot that are zeroed on a reset; more than that is returned to the kernel."""
_PAGE = mmap.PAGESIZE


class Image(NamedTuple):
    """A snapshot of a heap."""

    content: bytes
    sizes: dict[int, int]  # address → size, of the blocks in use
    free: dict[int, tuple[int, ...]]


class Heap:
    """Blocks in one mapping of `size` bytes. Addresses are integers; 0 means that an allocation failed."""

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._end = self.base + size
        self._top = self.base  # everything beyond is unallocated and zero
        self._sizes: dict[int, int] = {}
        self._free: dict[int, list[int]] = {}

    @property
    def used(self) -> int:
        """Bytes from the first block to the end of the highest one allocated."""
        return self._top - self.base

    def malloc(self, size: int) -> int:
        size = _rounded(size)
        if free := self._free.get(size):
            block = free.pop()
        elif self._top + size <= self._end:
            block = self._top
            self._top += size
        else:
            fitting = min((other for other, blocks in self._free.items() if blocks and other >= size), default=0)
            if not fitting:
                return 0
            block, size = self._free[fitting].pop(), fitting
        self._sizes[block] = size
        return block

    def calloc(self, count: int, size: int) -> int:
        block = self.malloc(count * size)
        if block:
            ctypes.memset(block, 0, count * size)
        return block

    def realloc(self, block: int, size: int) -> int:
        if not block:
            return self.malloc(size)
        old, wanted = self.usable(block), _rounded(size)
        if old // 2 <= wanted <= old:
            return block
        if block + old == self._top and old < wanted <= self._end - block:  # the topmost block grows in place
            self._top, self._sizes[block] = block + wanted, wanted
            return block
        moved = self.malloc(size)
        if moved:
            ctypes.memmove(moved, block, min(old, size))
            self.free(block)
        return moved

    def free(self, block: int) -> None:
        if block:
            size = self._sizes.pop(block, 0) or _corrupt()
            if size in self._free:
                self._free[size].append(block)
            else:
                self._free[size] = [block]

    def usable(self, block: int) -> int:
        """Return the size of a block, which may exceed the size requested."""
        return self._sizes.get(block) or _corrupt()

    def image(self) -> Image:
        free = {size: tuple(blocks) for size, blocks in self._free.items() if blocks}
        return Image(ctypes.string_at(self.base, self.used), dict(self._sizes), free)

    def reset_to(self, image: Image) -> None:
        """Reset to a snapshot; everything written since is erased, allocated or not."""
        top = self.base + len(image.content)
        ctypes.memmove(self.base, image.content, len(image.content))
        beyond = self._top - top
        if beyond > _KEPT:
            page = -(-top // _PAGE) * _PAGE
            ctypes.memset(top, 0, page - top)
            self._map.madvise(mmap.MADV_DONTNEED, page - self.base, -(-(self._top - page) // _PAGE) * _PAGE)
        elif beyond > 0:
            ctypes.memset(top, 0, beyond)
        self._top = top
        self._sizes = dict(image.sizes)
        self._free = {size: list(blocks) for size, blocks in image.free.items()}


def _corrupt() -> NoReturn:
    """End the process: the engine named an unknown block, so its memory is corrupt, and C code sees no exception."""
    os._exit(70)


def _rounded(size: int) -> int:
    """Round a size up so that freed blocks fit again: multiples of 64 bytes, above 1 KiB eight sizes per power of
    two."""
    if size <= _FINE:
        return max(_GRAIN, -(-size // _GRAIN) * _GRAIN)
    step = 1 << ((size - 1).bit_length() - 4)
    return -(-size // step) * step
