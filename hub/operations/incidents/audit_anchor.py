"""Anchor of the audit chain: its head, sent up the `alerts` stream, so that a chain whose end is cut off contradicts
the backend. Sent every EVERY_S, and after an incident.

After an incident it is sent at once. Otherwise it waits for the next commit of readings, so that it needs none of its
own, and on a metered line for the message that carries them.

A row of these metrics, subject empty: `audit_count` entries, `audit_head` their head in hex, `security_counts` the
counters since the start, as `kind=count` in the order of kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hub.core.clock import Clock
from hub.core.errors import BufferFull
from hub.protocol.records.rows import ALERTS, READINGS, Column, Row, Shape, Subject
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.stream import Durable

EVERY_S = 900.0
SHAPE = Shape(
    columns=(
        Column(metric="audit_head", kind="text"),
        Column(metric="security_counts", kind="text"),
        Column(metric="audit_count"),
    )
)
LONGEST = 480
COMMIT_S = 5.0
"""Maximum seconds to wait for a commit of readings: a full window has been committed by then, unless it is empty."""


class AuditChain(Protocol):
    """The part of `hub.core.store.Store` that is used here."""

    async def audit_head(self) -> tuple[int, bytes]: ...


class AuditAnchor:
    """Sender of anchors. `counts` returns the counters of security events."""

    def __init__(
        self, chain: AuditChain, buffer: Buffer, clock: Clock, counts: Callable[[], Mapping[str, int]]
    ) -> None:
        self._chain, self._buffer, self._clock, self._counts = chain, buffer, clock, counts
        self._subject = Subject(device="", place="", site="", zone="", integration="")
        self._due = self._latest = 0.0
        self._hurried = True
        self._ready: Row | None = None  # row that waits for the next commit
        self.count, self.head = 0, b""

    def send_soon(self) -> None:
        """Send an anchor at the next turn."""
        self._due, self._hurried, self._ready = 0.0, True, None

    def committed(self, event: Durable) -> None:
        """Append a waiting anchor after a commit that has reached the disk."""
        if event.stream == READINGS and self._ready is not None:
            self._append(self._ready)

    async def turn(self) -> None:
        """Send an anchor when it is due. When the buffer is full, it is sent at a later turn."""
        now = self._clock.monotonic()
        if self._ready is not None and now >= self._latest:  # no reading arrived
            self._append(self._ready)
        if now < self._due:
            return
        count, head = await self._chain.audit_head()
        sure = self._clock.sure()
        told = " ".join(f"{kind}={number}" for kind, number in sorted(self._counts().items()))[:LONGEST]
        moment = self._clock.now() if sure else now
        self._ready = Row(self._subject, SHAPE, int(moment * 1000), sure, (head.hex(), told, count))
        self._due, self._latest = now + EVERY_S, now + self._buffer.window_s + COMMIT_S
        self.count, self.head = count, head
        if self._hurried:
            self._append(self._ready)

    def _append(self, row: Row) -> None:
        try:
            self._buffer.append(row, ALERTS, deferrable=not self._hurried)
        except BufferFull:
            return
        self._ready, self._hurried = None, False
