"""Encodes rows of integers compactly, and decodes single columns. Pure; the format is specified in
`hub.history.memory`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import sub

from hub.protocol.records.integers import Reader, put_packed, put_runs, put_varint

Point = tuple[int, int]
Row = tuple[int, ...]
"""A Unix second, and a value in steps for each column."""


def put_page(rows: Sequence[Row]) -> bytes:
    """Encode rows, sorted by time and not empty, as a page; as several where differences exceed 64 bits."""
    try:
        return _page(rows)
    except OverflowError:
        return b"".join(_page([row]) for row in rows)


def _page(rows: Sequence[Row]) -> bytes:
    more = len(rows) > 1
    times, *columns = zip(*rows, strict=True)
    out: list[bytes] = []
    put_varint(out, len(rows))
    put_varint(out, times[0])
    put_varint(out, times[-1] - times[0])
    if more:
        put_packed(out, list(map(sub, times[1:], times)))
    for column in columns:
        put_packed(out, column[:1])
        if more:
            put_runs(out, list(map(sub, column[1:], column)))
    return _framed(b"".join(out))


def _framed(body: bytes) -> bytes:
    head: list[bytes] = []
    put_varint(head, len(body))
    return b"".join([*head, body])


def points(pages: bytes, column: int, begin: int, end: int) -> list[Point]:
    """Decode (second, value) of one column in [begin, end), page by page. Raises DecodeError."""
    found: list[Point] = []
    for body in _bodies(pages):
        count, first, last = head = _head(body)
        if first >= end or last < begin:
            continue
        times = list(accumulate(body.packed(count - 1), initial=first)) if count > 1 else [first]
        for _ in range(column):
            _skip(body, head[0])
        [value] = body.packed(1)
        values = accumulate(body.runs(count - 1), initial=value) if count > 1 else [value]
        both = zip(times, values, strict=True)
        found += both if begin <= first and last < end else [one for one in both if begin <= one[0] < end]
    return found


def without(pages: bytes, column: int) -> bytes:
    """Return the pages with one column removed. Raises DecodeError."""
    out = []
    for body in _bodies(pages):
        count, _, _ = _head(body)
        if count > 1:
            body.packed(count - 1)
        for _ in range(column):
            _skip(body, count)
        begin = body.at
        _skip(body, count)
        out.append(_framed(body.data[:begin] + body.data[body.at :]))
    return b"".join(out)


def span(pages: bytes) -> tuple[int, int, int]:
    """Return the number of rows, the first and the last second. Raises DecodeError."""
    heads = [_head(body) for body in _bodies(pages)]
    return sum(head[0] for head in heads), min(head[1] for head in heads), max(head[2] for head in heads)


def _bodies(pages: bytes) -> Iterator[Reader]:
    reader, end = Reader(pages), len(pages)
    while reader.at < end:
        yield Reader(reader.take(reader.varint()))


def _head(body: Reader) -> tuple[int, int, int]:
    count, first = body.varint(), body.varint()
    return count, first, first + body.varint()


def _skip(body: Reader, count: int) -> None:
    """Skip one column."""
    _skip_packed(body, 1)
    if count > 1:
        runs = body.varint()
        _skip_packed(body, runs or count - 1)
        if runs > 1:
            _skip_packed(body, runs)


def _skip_packed(body: Reader, count: int) -> None:
    _, width = body.head()
    body.take(count * width)
