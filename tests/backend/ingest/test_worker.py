"""The ingest thread: what waits is taken together, and never so much that others wait long for it."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ingest import worker as module
from backend.ingest.core import RECORDS, Message
from backend.ingest.worker import BATCH_S, MAX_BATCH, MIN_BATCH, Worker, batch_size
from hub.core.errors import NotReady
from tests.journeys.patience import PATIENCE_S


class Holes:
    def check(self, *_: object) -> None:
        return


class Storage:
    def close(self) -> None:
        return


class Ingest:
    """Takes `seconds` for a byte; notes how large each batch was."""

    def __init__(self, seconds: float) -> None:
        self.journal, self.holes, self.storage, self.received = None, Holes(), Storage(), None
        self.purging = False
        self.seconds, self.batches = seconds, list[int]()
        self.taking, self.gate = threading.Event(), threading.Event()

    def purge(self) -> None: ...

    def take(self, messages: list[Message]) -> list[bytes]:
        self.taking.set()
        self.gate.wait(PATIENCE_S)
        size = sum(len(message.body) for message in messages)
        self.batches.append(size)
        time.sleep(self.seconds * size)
        return [b"" for _ in messages]


async def run(ingest: Any, sizes: list[int]) -> None:
    """The first message alone, then all others while it is under way."""
    worker = Worker(lambda: ingest)
    await worker.start()

    def post(size: int) -> asyncio.Task[bytes]:
        return asyncio.create_task(worker.post(Message("hub-a", RECORDS, bytes(size))))

    try:
        posts = [post(sizes[0])]
        async with asyncio.timeout(PATIENCE_S):
            while not ingest.taking.is_set():
                await asyncio.sleep(0.001)
        posts += map(post, sizes[1:])
        await asyncio.sleep(0)
        ingest.gate.set()
        await asyncio.gather(*posts)
    finally:
        ingest.gate.set()
        await worker.stop()


async def test_what_takes_long_is_taken_in_small_commits() -> None:
    ingest = Ingest(0.25 / MIN_BATCH)
    await run(ingest, [MIN_BATCH] + [MIN_BATCH // 4] * 24)
    assert sum(ingest.batches) == 7 * MIN_BATCH
    assert max(ingest.batches[1:]) <= 2 * MIN_BATCH + MIN_BATCH // 4


async def test_what_is_quick_is_taken_together() -> None:
    ingest = Ingest(0.0)
    await run(ingest, [1800 * MIN_BATCH] + [MIN_BATCH] * 39)  # the first is waited for: so much in 20 s is quick
    assert len(ingest.batches) == 2


async def test_a_hub_that_sends_and_sends_is_told_to_come_again_and_keeps_nobody_else_out() -> None:
    ingest = Ingest(0.0)
    worker = Worker(lambda: ingest)  # type: ignore[arg-type, return-value]
    await worker.start()

    async def post(hub: str) -> str:
        try:
            await worker.post(Message(hub, RECORDS, bytes(4 << 20)))
        except NotReady:
            return "again"
        return "taken"

    try:
        posts = [asyncio.create_task(post("hub-a")) for _ in range(24)] + [asyncio.create_task(post("hub-b"))]
        await asyncio.sleep(0)
        ingest.gate.set()
        told = await asyncio.gather(*posts)
        assert told == ["taken"] * 9 + ["again"] * 15 + ["taken"]
        assert await post("hub-a") == "taken"
    finally:
        ingest.gate.set()
        await worker.stop()


@given(st.integers(1, 1 << 26), st.floats(0, 1e4))
def test_the_next_commit_is_never_longer_than_half_a_second_at_the_same_speed_or_the_least(
    size: int, seconds: float
) -> None:
    most = batch_size(size, seconds)
    assert MIN_BATCH <= most <= MAX_BATCH
    assert most == MIN_BATCH or most * seconds <= BATCH_S * size * (1 + 1e-9) or seconds < 1e-3


async def test_a_turn_that_does_not_end_is_said_once_and_so_is_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STUCK_S", 0.0)
    ingest: Any = Ingest(0.0)
    worker = Worker(lambda: ingest)
    await worker.start()

    def said() -> list[str]:
        return [line.msg.code for line in caplog.records if line.name == "backend.ingest.worker"]  # type: ignore[attr-defined]

    post = asyncio.create_task(worker.post(Message("hub-a", RECORDS, b"x")))
    await asyncio.to_thread(ingest.taking.wait, PATIENCE_S)
    worker.look()
    worker.look()
    assert said() == ["database-does-not-answer"]
    ingest.gate.set()
    await post
    async with asyncio.timeout(PATIENCE_S):
        while worker._began is not None:
            await asyncio.sleep(0.001)
    worker.look()
    assert said() == ["database-does-not-answer", "database-is-back"]
    await worker.stop()
