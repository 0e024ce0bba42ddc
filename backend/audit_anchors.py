"""Anchors of the hubs' audit chains: heads that they reported in the `alerts` stream, which contradict a log cut later.

A row whose metrics are those of `hub.operations.incidents.audit_anchor` is one; it is stored here and is no reading.
The first report of a moment counts: whoever takes over the hub cannot change what it reported before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import apsw

from hub.protocol.records.rows import Row, Shape

TABLE = """
create table if not exists witnesses (
    hub text, told_ms integer, count integer not null, head text not null, counts text not null,
    received_at real not null, primary key (hub, told_ms)
) without rowid;
"""
FIELDS = ("audit_head", "security_counts", "audit_count")
MAX_TEXT = 512


def is_anchor(shape: Shape) -> bool:
    return tuple(column.metric for column in shape.columns) == FIELDS


def take(db: apsw.Connection, hub: str, rows: Sequence[Row], offset_ms: int | None, now: float) -> list[Row]:
    """Store the anchors among the rows of a block, inside the caller's transaction; return the other rows."""
    others: list[Row] = []
    for row in rows:
        if not is_anchor(row.shape):
            others.append(row)
            continue
        head, counts, count = row.values
        if not isinstance(count, int | float) or not 0 <= count < 2**53:
            others.append(row)
            continue
        told = row.time_ms if row.sure else int(now * 1000) if offset_ms is None else row.time_ms + offset_ms
        db.execute(
            "insert or ignore into witnesses values (?, ?, ?, ?, ?, ?)",
            (hub, told, int(count), str(head)[:MAX_TEXT], str(counts)[:MAX_TEXT], now),
        )
    return others


def listed(db: apsw.Connection, hub: str, limit: int) -> Iterator[dict[str, Any]]:
    """Yield anchors, the newest first: {at (Unix s), count, head, counts}. They are ordered by when they came: a hub
    that once dated one far ahead would show it first for years."""
    rows = db.execute(
        "select told_ms, count, head, counts from witnesses where hub = ?"
        " order by received_at desc, told_ms desc limit ?",
        (hub, limit),
    )
    for told, count, head, counts in rows:
        yield {"at": float(str(told)) / 1000, "count": count, "head": head, "counts": counts}
