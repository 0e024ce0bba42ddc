"""What hubs declared lost, and which numbers are left that neither came nor were declared.

Everything comes in order here and each part is looked at once: parts are as many as a hub makes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import apsw

from hub.protocol.ranges import Range


def declared_lost(db: apsw.Connection, hub: str, stream: str, run: bytes) -> Iterator[Range]:
    """By their first numbers; one may reach into the next."""
    rows = db.execute(
        "select first, last from gaps where hub = ? and run = ? and stream = ? order by first, last", (hub, run, stream)
    )
    return cast(Iterator[Range], rows)


def uncovered(spans: Iterable[Range], end: int) -> Iterator[Range]:
    """What lies between spans, which come by their first numbers, from 1 on, and behind the last one up to `end`."""
    begin = 1
    for first, last in spans:
        if begin < first:
            yield begin, first - 1
        begin = max(begin, last + 1)
    if begin <= end:
        yield begin, end
