"""The head of the audit chain, sent up the `alerts` stream: whoever cuts the end of the chain off contradicts what the
backend holds already. Every EVERY_S, and when somebody says that something happened.

When something happened it leaves at once. Otherwise it waits for the next commit of readings, so that it cuts none in
two, and on a metered line for the message that carries them.

A row of these metrics, subject empty: `audit_count` entries, `audit_head` their head in hex, `security_counts` what was
counted since the start, as `kind=count` in the order of kinds.
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
"""A commit that the window is over for has come by then, unless there is nothing to commit."""


class AuditChain(Protocol):
    """`hub.core.store.Store`, as much as is needed of it."""

    async def audit_head(self) -> tuple[int, bytes]: ...


class AuditAnchor:
    """`counts` gives what was counted."""

    def __init__(
        self, chain: AuditChain, buffer: Buffer, clock: Clock, counts: Callable[[], Mapping[str, int]]
    ) -> None:
        self._chain, self._buffer, self._clock, self._counts = chain, buffer, clock, counts
        self._subject = Subject(device="", place="", site="", zone="", integration="")
        self._due = self._latest = 0.0
        self._hurried = True
        self._ready: Row | None = None  # waits for the next commit
        self.count, self.head = 0, b""

    def hurry(self) -> None:
        """Tell it at the next turn."""
        self._due, self._hurried, self._ready = 0.0, True, None

    def committed(self, event: Durable) -> None:
        """A commit has reached the disk: what waits for one follows it."""
        if event.stream == READINGS and self._ready is not None:
            self._append(self._ready)

    async def turn(self) -> None:
        """Tell it when it is due. What the buffer has no room for is told at a later turn."""
        now = self._clock.monotonic()
        if self._ready is not None and now >= self._latest:  # no reading came
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
            self._buffer.append(row, ALERTS, calm=not self._hurried)
        except BufferFull:
            return
        self._ready, self._hurried = None, False
