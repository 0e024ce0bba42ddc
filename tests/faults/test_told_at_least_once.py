"""A kill between raise and tell: whoever is to be told is told at least once, and twice only under the same key.

The hub's life is cut at every step of it; what a kill leaves is the store's file and what of the buffer's small state
was durable. A twin that marks as told before it tells is caught.
"""

from __future__ import annotations

import asyncio
import copy
import os
from pathlib import Path
from typing import Any

import pytest

from hub.automation.alerts import Alert, AlertService
from hub.core.store import Store
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.sdk.notification import Notification
from hub.sdk.testing import ManualClock, settle
from tests.hub.automation.alerts.test_service import Stream

KEY = os.urandom(32)
NEW = Alert(id="", rule="loop", key="p", severity="critical", raised=0, changed=0, by="rule:loop", text="cold")
STEPS = 6


class Killed(Exception):
    pass


class Disk:
    """The buffer's small state: durable only with the next flush."""

    def __init__(self) -> None:
        self.local: dict[str, Any] = {}
        self.durable: dict[str, Any] = {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value

    def flush(self) -> None:
        self.durable = copy.deepcopy(self.local)

    def kill(self) -> None:
        self.local = copy.deepcopy(self.durable)


class Early(NotifierQueue):
    """The broken twin: done before it is told."""

    async def __aiter__(self) -> Any:
        async for notice in super().__aiter__():
            self.done(notice)
            yield notice


async def life(path: Path, stream: Stream, disk: Disk, heard: list[str], cut: int, queue: type[NotifierQueue]) -> None:
    """One life of a hub, killed at step `cut`."""
    store = await Store.open(path / "store.db", KEY)
    clock, count = ManualClock(), 0

    def step(at: int) -> None:
        if at == cut:
            raise Killed

    try:
        book = AlertService(store, stream, clock)  # type: ignore[arg-type]
        await book.load()
        notices = queue("ear", "h", None, disk, clock)  # type: ignore[arg-type]
        notices.restore([*(await book.last(200))[::-1], *book.open])
        book.listeners.append(notices.offer)
        stop = asyncio.Event()

        async def run() -> None:
            nonlocal count
            async for notice in notices:
                assert isinstance(notice, Notification)
                if cut == 3:
                    stop.set()
                    return
                heard.append(notice.key)
                if cut == 4:
                    stop.set()
                    return
                notices.done(notice)
                count += 1

        ear = asyncio.create_task(run())
        try:
            step(0)
            if not book.open and not heard and not await book.last(1):
                await book.raise_(NEW)
            step(1)
            await book.flush()
            step(2)
            await settle(40)
            if stop.is_set():
                raise Killed
            step(5)
            disk.flush()
        finally:
            ear.cancel()
            await asyncio.gather(ear, return_exceptions=True)
    except Killed:
        disk.kill()
        stream.waiting.clear()
    finally:
        await store.close()


async def heard_after_a_kill_at(path: Path, cut: int, queue: type[NotifierQueue]) -> list[str]:
    path.mkdir()
    stream, disk, heard = Stream(), Disk(), list[str]()
    for when in (cut, STEPS, STEPS):
        await life(path, stream, disk, heard, when, queue)
    return heard


@pytest.mark.parametrize("cut", range(STEPS + 1))
async def test_a_kill_at_any_step_leaves_nobody_untold_and_no_alert_told_twice_under_two_keys(
    tmp_path: Path, cut: int
) -> None:
    heard = await heard_after_a_kill_at(tmp_path / "a", cut, NotifierQueue)
    assert len(heard) >= 1
    assert len(set(heard)) == 1  # the same change: the same key, which receivers drop the second time
    assert len(heard) <= 2


async def test_a_queue_that_notes_before_it_tells_is_caught(tmp_path: Path) -> None:
    class Flushed(Early):
        def done(self, notice: Notification) -> None:
            super().done(notice)
            self._state._buffer.flush()  # type: ignore[attr-defined]  # the worst moment: it became durable

    assert await heard_after_a_kill_at(tmp_path / "b", 3, Flushed) == []
