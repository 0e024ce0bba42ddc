"""Configuration of the buffer, and the batch that one commit writes."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from hub.protocol.records.bodies import ClockMark
from hub.protocol.records.rows import ALERTS, READINGS, Row
from hub.store_and_forward.buffer.stream import Item, into_blocks

OWN = "buffer/"
"""Prefix of the keys of the buffer's own small state."""

Local = dict[str, "msgspec.Raw | None"]
"""Changes of the small state: key → msgpack; None removes a key."""


class BufferConfig(msgspec.Struct, frozen=True):
    """Intervals of commits and limits of size. Times in seconds, sizes in bytes."""

    window_s: float = 5.0
    window_bytes: int = 262_144  # by estimate: rows are encoded only when they are committed
    urgent_s: float = 0.05  # a flush, or an alert, waits this long for others to join
    idle_s: float = 60.0  # small state alone waits this long for a reading to ride with
    segment_bytes: int = 4 << 20
    segment_s: float = 86_400.0
    max_bytes: int = 1 << 30
    keep_s: float = 604_800.0  # a settled segment stays this long, as the disk allows
    pending_rows: int = 16_384  # some 350 bytes each: what bounds the memory that an outage or a full disk costs
    retry_first_s: float = 0.5
    retry_limit_s: float = 30.0

    def __post_init__(self) -> None:
        if self.max_bytes < 4 * self.segment_bytes:
            raise ValueError("max_bytes must hold at least four segments")

    @property
    def reserve_bytes(self) -> int:
        """Bytes of `max_bytes` reserved for alerts."""
        return self.max_bytes // 16


def overtaking(local: Local) -> tuple[Local, Local]:
    """Split changes of the small state into those that may become durable before the readings beside them, and the
    rest. The first are the buffer's own: ack sets. The rest may hold the counter of a frame whose reading would be lost
    with this process, so it waits for that reading."""
    own = {key: raw for key, raw in local.items() if key.startswith(OWN)}
    return own, {key: raw for key, raw in local.items() if key not in own}


class Batch:
    """Rows and small state of one commit, and what of it is not durable yet."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.alerts: list[Row] = []
        self.marks: list[ClockMark] = []
        self.local: Local = {}
        self.readings = 0
        self.began: float | None = None  # when the first row joined, by the monotonic clock
        self.joined = 0  # alerts of the batch behind that are tried with this one, where it does not come through
        self.waiters: list[asyncio.Future[None]] = []
        self._items: dict[str, deque[Item]] | None = None

    def __len__(self) -> int:
        return len(self.rows) + len(self.alerts) + self.joined

    def __bool__(self) -> bool:
        return bool(self.rows or self.alerts or self.marks or self.local)

    def items(self) -> dict[str, deque[Item]]:
        """Return the records to be written, by stream. They are cut into blocks once, so that a retry gives the same
        numbers."""
        if self._items is None:
            self._items = {
                ALERTS: deque(into_blocks(self.alerts)),
                READINGS: deque([*into_blocks(self.rows), *self.marks]),
            }
        return self._items
