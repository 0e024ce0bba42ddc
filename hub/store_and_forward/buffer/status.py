"""Figures of the buffer, for people and for STATE."""

from __future__ import annotations

from collections import Counter

import msgspec

from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.buffer.catalog import unsettled
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.segment import SegmentInfo


class BufferStatus(msgspec.Struct, frozen=True):
    """Figures of the buffer. `records` and `readings` are durable and not settled (readings are estimated inside a
    segment acked in part); `oldest_s` is the Unix second of the oldest of them, 0 when there is none (inside a segment
    acked in part, as if its records had come evenly); `bytes` is what all segments take on disk, `kept` the part of it
    that only a backend that lost its data would ask for. `error` is why the last commit failed, empty when it did
    not. `losses` counts declared gaps that hold readings, by reason; a poisoned segment loses nothing."""

    records: int
    readings: int
    bytes: int
    kept: int
    oldest_s: int
    segments: int
    pending_rows: int
    pending_bound: int
    poisoned: int
    evicted: int
    refused: dict[str, int]
    cut_bytes: int
    notes: tuple[str, ...]
    error: str
    last_commit_s: float
    losses: dict[str, int] = {}


def measure(
    journal: Journal, acks: RunRanges, *, pending: int, bound: int, error: str, last_commit_s: float
) -> BufferStatus:
    """Sum up the segments. Cheap enough for every page view."""
    records = readings = oldest = 0
    segments = journal.catalog.all()
    for info in segments:
        waiting = unsettled(info, acks, journal.lost)
        if waiting:
            left = sum(last - first + 1 for first, last in waiting)
            records += left
            readings += (info.total - info.base) * left // (info.last - info.first + 1)
            since = came_s(info, waiting[0][0])
            oldest = min(oldest or since, since)
    writers = journal.writers.values()
    return BufferStatus(
        records=records,
        readings=readings,
        bytes=sum(info.size for info in segments),
        kept=journal.retention.settled_bytes(),
        oldest_s=oldest,
        segments=len(segments),
        pending_rows=pending,
        pending_bound=bound,
        poisoned=sum(writer.poisoned for writer in writers),
        evicted=journal.evicted,
        refused=dict(sum((writer.refused for writer in writers), Counter())),
        cut_bytes=journal.cut,
        notes=tuple(journal.errors),
        error=error,
        last_commit_s=last_commit_s,
        losses=dict(journal.losses),
    )


def came_s(info: SegmentInfo, number: int) -> int:
    """Estimate when a record's readings were taken in, in Unix seconds, without reading the file. A segment of a quiet
    site spans days, so its beginning says nothing about the records at its end."""
    share = (number - info.first) / (info.last - info.first + 1)
    return info.started_s + int((info.ended_s - info.started_s) * share)
