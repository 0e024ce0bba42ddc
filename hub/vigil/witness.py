"""The head of the audit chain, sent up the `alerts` stream: whoever cuts the end of the chain off contradicts what the
backend holds already. Every EVERY_S, and when somebody says that something happened.

A row of these metrics, subject empty: `audit_count` entries, `audit_head` their head in hex, `security_counts` what was
counted since the start, as `kind=count` in the order of kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hub.buffer import Buffer
from hub.buffer.rows import ALERTS, Column, Row, Shape, Subject
from hub.clock import Clock
from hub.errors import BufferFull

EVERY_S = 900.0
SHAPE = Shape(
    columns=(
        Column(metric="audit_head", kind="text"),
        Column(metric="security_counts", kind="text"),
        Column(metric="audit_count"),
    )
)
LONGEST = 480


class Chain(Protocol):
    """`hub.store.Store`, as much as is needed of it."""

    async def audit_head(self) -> tuple[int, bytes]: ...


class Witness:
    """`counts` gives what was counted."""

    def __init__(self, chain: Chain, buffer: Buffer, clock: Clock, counts: Callable[[], Mapping[str, int]]) -> None:
        self._chain, self._buffer, self._clock, self._counts = chain, buffer, clock, counts
        self._subject = Subject(device="", place="", site="", zone="", integration="")
        self._due = 0.0
        self.count, self.head = 0, b""

    def hurry(self) -> None:
        """Tell it at the next turn."""
        self._due = 0.0

    async def turn(self) -> None:
        """Tell it when it is due. What the buffer has no room for is told at the next turn."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        count, head = await self._chain.audit_head()
        sure = self._clock.sure()
        told = " ".join(f"{kind}={number}" for kind, number in sorted(self._counts().items()))[:LONGEST]
        moment = self._clock.now() if sure else now
        try:
            self._buffer.append(Row(self._subject, SHAPE, int(moment * 1000), sure, (head.hex(), told, count)), ALERTS)
        except BufferFull:
            return
        self._due, self.count, self.head = now + EVERY_S, count, head
