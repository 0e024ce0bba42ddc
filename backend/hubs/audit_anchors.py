"""Anchors of the hubs' audit chains: heads that they reported in the `alerts` stream, which contradict a log cut later.

A row whose metrics are those of `hub.operations.incidents.audit_anchor` is one; it is stored here and is no reading.
The first report of a moment counts: whoever takes over the hub cannot change what it reported before.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.storage.tables import Anchor, AnchorTable
from hub.protocol.records.rows import Row, Shape

FIELDS = ("audit_head", "security_counts", "audit_count")
MAX_TEXT = 512


def is_anchor(shape: Shape) -> bool:
    return tuple(column.metric for column in shape.columns) == FIELDS


def take(table: AnchorTable, hub: str, rows: Sequence[Row], offset_ms: int | None, now: float) -> list[Row]:
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
        table.add(Anchor(hub, told, int(count), str(head)[:MAX_TEXT], str(counts)[:MAX_TEXT], now))
    return others
