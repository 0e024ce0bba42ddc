"""Reports of a process while the disk has no room for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.model import Report
from hub.plugin_host.isolation import emits, framing, host, wire
from tests.hub.life_kit import SYNC, Hub
from tests.hub.plugin_host.isolation.apart_kit import OWN, Stage, eventually
from tests.hub.plugin_host.isolation.test_hostile import Puppet, puppet, said

__all__ = ["puppet"]

ROOM = 4


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(tmp_path / "buffer", "acme", [OWN], pending_rows=ROOM)
    yield made
    made.end()


def emit(value: int, n: int = 0, **more: object) -> wire.Emit:
    return wire.Emit(n, (Report(device=OWN.id, values={"temperature": float(value)}),), **more)  # type: ignore[arg-type]


async def values(hub: Hub) -> list[float]:
    return [one["temperature"] for _, one, _ in await hub.stored()]


async def test_what_is_on_its_way_when_there_is_no_room_waits_in_its_order(hub: Hub, puppet: Puppet) -> None:
    stage = Stage(buffer=hub.buffer)
    async with stage.run(None, "emits"):
        await eventually(lambda: puppet.sock)
        hub.disk.slow.clear()
        await puppet.says(said(*(emit(value) for value in range(3 * ROOM)), wire.HasBus(1, "rs485")))
        assert (await puppet.hears(wire.Full)).now is True
        await puppet.says(said(wire.Wanted(2, "x")))
        answer = await puppet.hears(wire.Answered)
        assert answer.n == 2, "other calls do not wait for room"
        hub.disk.slow.set()
        assert (await puppet.hears(wire.Full)).now is False
    assert await values(hub) == [float(value) for value in range(3 * ROOM)]


async def test_what_the_process_was_told_is_taken_outlives_it(hub: Hub, puppet: Puppet) -> None:
    stage = Stage(buffer=hub.buffer)
    async with stage.run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        hub.disk.slow.clear()
        await puppet.says(said(*(emit(value) for value in range(3 * ROOM))))
        assert (await puppet.hears(wire.Full)).now is True
        puppet.kill()
        await eventually(lambda: health.error)
        hub.disk.slow.set()
        await eventually(lambda: not emits._left_behind)
    assert await values(hub) == [float(value) for value in range(3 * ROOM)]


async def test_a_process_that_does_not_wait_is_not_read_and_not_taken_for_hanging(
    hub: Hub,
    puppet: Puppet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emits, "LATE", 1000)
    monkeypatch.setattr(host, "BEAT_S", 0.01)
    stage = Stage(buffer=hub.buffer)
    async with stage.run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        hub.disk.slow.clear()
        await puppet.says(said(wire.Loaded(), *(emit(value) for value in range(40)), wire.HasBus(1, "rs485")))
        for _ in range(3 * host.MISSES):
            await puppet.hears(wire.Ping)
        assert health.error == ""
        monkeypatch.setattr(host, "MISSES", 1000)  # from here on it is heard, and does not answer
        hub.disk.slow.set()
        await puppet.hears(wire.Failed)
    assert await values(hub) == [float(value) for value in range(40)]


async def test_a_disk_that_refuses_is_told_and_the_reading_is_taken_all_the_same(hub: Hub, puppet: Puppet) -> None:
    stage = Stage(buffer=hub.buffer)
    async with stage.run(None, "emits"):
        await eventually(lambda: puppet.sock)
        hub.disk.trouble = SYNC
        await puppet.says(said(emit(1, n=1, durable=True, puts={"n": 1})))
        failed = await puppet.hears(wire.Failed)
        assert (failed.n, failed.taken, failed.failure.kind) == (1, True, "StorageError")
    assert await values(hub) == [1.0]
    assert hub.buffer.local["state/acme/n"] == 1


def test_a_frame_of_the_hub_may_be_larger_than_one_of_a_process() -> None:
    devices = tuple(OWN for _ in range(20_000))
    start = wire.Start("integration", "acme", "acme", "acme", "acme", "acme", "1", {}, devices)
    frame = framing.frame(start, framing.LARGEST_DOWN)
    assert len(frame) > framing.LARGEST
    (body,) = framing.Frames(framing.LARGEST_DOWN).feed(frame)
    assert framing.down(body).devices[-1].id == OWN.id  # type: ignore[union-attr]
