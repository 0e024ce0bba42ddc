"""Declared losses of hubs, and the numbers that neither arrived nor were declared.

Ranges are read in order and each once: a hub decides how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import apsw

from hub.protocol.ranges import Range


def declared_lost(db: apsw.Connection, hub: str, stream: str, run: bytes) -> Iterator[Range]:
    """Yield the ranges that a hub declared lost, by their first numbers; one may overlap the next."""
    rows = db.execute(
        "select first, last from gaps where hub = ? and run = ? and stream = ? order by first, last", (hub, run, stream)
    )
    return cast(Iterator[Range], rows)


def uncovered(spans: Iterable[Range], end: int) -> Iterator[Range]:
    """Yield the ranges between spans, which are sorted by their first numbers, from 1 on, and after the last up to
    `end`."""
    begin = 1
    for first, last in spans:
        if begin < first:
            yield begin, first - 1
        begin = max(begin, last + 1)
    if begin <= end:
        yield begin, end
