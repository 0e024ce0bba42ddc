"""Plugin instances that a crisis cuts off wait, and go on by themselves."""

from __future__ import annotations

import asyncio

import pytest

from hub.core.errors import NotReady
from hub.plugin_host.pausing import Pauses

KEY = ("exporter", "prometheus")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_is_held_stops_with_its_clean_up_and_starts_again_when_it_is_let_go() -> None:
    pauses, said, told = Pauses(), list[str](), list[str]()

    async def start() -> None:
        said.append("up")
        try:
            await asyncio.Event().wait()
        finally:
            said.append("down")

    async with asyncio.TaskGroup() as group:
        running = group.create_task(pauses.run_unless_paused(KEY, start, told.append))
        await settle()
        assert said == ["up"]
        pauses.pause({("integration", "modbus"): "isolated"})  # another one
        await settle()
        assert said == ["up"]
        pauses.pause({KEY: "isolated"})
        await settle()
        assert said == ["up", "down"]
        assert told == ["", "isolated"]
        pauses.pause({})
        await settle()
        assert said == ["up", "down", "up"]
        running.cancel()
    assert said[-1] == "down"


async def test_who_is_held_from_the_beginning_does_not_start() -> None:
    pauses = Pauses()
    pauses.pause({KEY: "isolated"})
    started = []

    async def start() -> None:
        started.append(1)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(pauses.run_unless_paused(KEY, start, lambda why: None))
        await settle()
        assert started == []
        pauses.pause({})
        await running
    assert started == [1]


async def test_what_the_plugin_raises_comes_through_as_it_is() -> None:
    async def start() -> None:
        raise NotReady("away")

    with pytest.raises(NotReady, match="away"):
        await Pauses().run_unless_paused(KEY, start, lambda why: None)
