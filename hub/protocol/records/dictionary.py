"""Numbering of shapes and subjects in the blocks of a segment, and the scale of each column. Pure."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import msgspec

from hub.core.text import phrase
from hub.protocol.records.integers import I64_MAX, I64_MIN
from hub.protocol.records.rows import Shape, Subject

MAX_COLUMNS = 4096
MAX_SHAPE, MAX_SUBJECT = 1 << 17, 1 << 11
"""Largest description of a shape, and of a subject, in bytes."""

MOST_TOLD = 1 << 15
"""With so many shapes or subjects a segment ends: a reader takes twice as many from one, and a commit adds no more
than that (`hub.protocol.records.bodies.MAX_ENTRIES`, `BufferConfig.pending_rows`)."""

_MAGIC = 6755399441055744.0  # 1.5 × 2^52: adding it rounds a double to an integer, left in its low 51 bits
_BIAS = 0x4338_0000_0000_0000  # the bits of _MAGIC
_EXACT = 1 << 51
_RESOLUTION = re.compile(r"\d{1,9}(\.\d{1,12})?", re.ASCII)


class Refused(ValueError):
    """A row that cannot be stored. `reason` is the slug it is counted under."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        super().__init__(f"{reason}: {detail}" if detail else reason)


class Scale:
    """A resolution as a fraction: item = value × up / down."""

    __slots__ = ("down", "up")

    def __init__(self, resolution: str) -> None:
        if not _RESOLUTION.fullmatch(resolution) or not (step := Fraction(resolution)):
            raise Refused(
                "resolution",
                phrase("resolution-not-decimal", "{resolution!r} is not a positive decimal", resolution=resolution),
            )
        self.up, self.down = step.denominator, step.numerator

    def items(self, values: Sequence[Any]) -> tuple[Sequence[int], int]:
        """The integers of `values` and the bias they carry. Raises Refused for what no 64-bit integer holds."""
        up, down = self.up, self.down
        try:
            if down == 1:
                cells = array("d", [value * up + _MAGIC for value in values])
            else:
                cells = array("d", [value * up / down + _MAGIC for value in values])
        except (TypeError, MemoryError) as error:  # of a text, `up` times its length may be more than there is
            raise Refused("not-a-number", str(error)) from error
        except OverflowError as error:
            raise Refused("beyond-64-bit") from error
        items = memoryview(cells).cast("B").cast("q").tolist()
        if min(items) > _BIAS - _EXACT and max(items) < _BIAS + _EXACT:
            return items, _BIAS
        return [self._item(value) for value in values], 0

    def _item(self, value: Any) -> int:
        try:
            exact = Fraction(value * self.up, self.down) if isinstance(value, int) else value * self.up / self.down
            item = round(exact)
        except (OverflowError, ValueError) as error:
            raise Refused("not-finite") from error
        if not I64_MIN <= item <= I64_MAX:
            raise Refused("beyond-64-bit")
        return item

    def values(self, items: list[int]) -> list[Any]:
        up, down = self.up, self.down
        if up == 1:
            return items if down == 1 else [item * down for item in items]
        if down == 1:
            return [item / up for item in items]
        return [item * down / up for item in items]


@lru_cache(4096)
def scale_of(resolution: str) -> Scale:
    """Return the scale of a resolution, read once: readers of one series ask for it again with each block and chunk.
    Raises Refused."""
    return Scale(resolution)


class Numbering:
    """Segment-local numbers of shapes and subjects, given at first sight. What is new goes into the next TABLE."""

    def __init__(self) -> None:
        self.shapes: dict[Shape, int] = {}
        self.subjects: dict[Subject, int] = {}
        self._scales: dict[Shape, tuple[Scale | None, ...]] = {}
        self._new_shapes: list[tuple[int, Shape]] = []
        self._new_subjects: list[tuple[int, Subject]] = []

    @property
    def full(self) -> bool:
        """True when a segment has told as much as it should."""
        return len(self.shapes) >= MOST_TOLD or len(self.subjects) >= MOST_TOLD

    def shape(self, shape: Shape) -> int:
        number = self.shapes.get(shape)
        if number is None:
            self._scales[shape] = scales(shape)
            _storable(shape, "shape", MAX_SHAPE)
            number = self.shapes[shape] = len(self.shapes)
            self._new_shapes.append((number, shape))
        return number

    def know_shape(self, number: int, shape: Shape) -> None:
        """Take a shape over with the number that it has already."""
        self._scales[shape] = scales(shape)
        self.shapes[shape] = number

    def scales(self, shape: Shape) -> tuple[Scale | None, ...]:
        return self._scales[shape]

    def numbers(self, subjects: Sequence[Subject]) -> list[int]:
        known = self.subjects
        try:
            return [known[subject] for subject in subjects]
        except KeyError:
            for subject in subjects:
                if subject not in known:
                    _storable(subject, "subject", MAX_SUBJECT)
                    self._new_subjects.append((len(known), subject))
                    known[subject] = len(known)
            return [known[subject] for subject in subjects]

    def fresh(self) -> tuple[list[tuple[int, Shape]], list[tuple[int, Subject]]]:
        """Return the shapes and subjects numbered since the last call."""
        told = self._new_shapes, self._new_subjects
        self._new_shapes, self._new_subjects = [], []
        return told


def _storable(told: Shape | Subject, reason: str, limit: int) -> None:
    try:
        size = len(msgspec.msgpack.encode(told))
    except (TypeError, ValueError) as error:
        raise Refused(reason, str(error)) from error
    if size > limit:
        raise Refused(
            reason,
            phrase("description-too-long", "{size} bytes of description are beyond {limit}", size=size, limit=limit),
        )


def scales(shape: Shape) -> tuple[Scale | None, ...]:
    """Return one scale per number column, None for flags and texts. Raises Refused for a shape that cannot be
    stored."""
    if not shape.columns or len(shape.columns) > MAX_COLUMNS:
        raise Refused(
            "shape", phrase("shape-wrong-column-count", "a shape has {columns} columns", columns=len(shape.columns))
        )
    for column in shape.columns:
        if column.kind not in ("number", "flag", "text"):
            raise Refused("kind", column.kind)
    return tuple(scale_of(column.resolution) if column.kind == "number" else None for column in shape.columns)
