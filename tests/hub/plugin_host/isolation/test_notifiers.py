"""A notifier of somebody else, in a process of its own, over the hub's own queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hub.app.plugin_tasks import PluginTasks
from hub.automation.alerts import Alert
from hub.config.instances import NotifierInstance
from hub.config.parts.notifiers import NotifierKeys
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import framing, wire
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.supervisor import Health
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, Stage, directly, eventually
from tests.hub.plugin_host.isolation.test_hostile import Puppet, puppet

__all__ = ["puppet"]

URL = "https://acme.example/tell"


def alert(name: str, rule: str = "r", n: int = 1) -> Alert:
    return Alert(
        id=name, rule=rule, key=name, severity="warning", raised=1.0, changed=1.0, by="rule:r", text="too warm", n=n
    )


@asynccontextmanager
async def notifier(stage: Stage) -> AsyncIterator[tuple[NotifierQueue, Health]]:
    entry = Entry("acme_tells", "acme_tells", "ilot-acme", "1.0")
    registry = Registry([Plugin("acme_tells", "ilot-acme", "1.0", entry, paths=(str(EXAMPLES),))])
    queue = NotifierQueue("mail", "hub-1", stage.http, stage.buffer, stage.clock)  # type: ignore[arg-type]
    plugins = Plugins([], registry, stage.core, stage.clock)
    config = Unread.model_validate({"url": URL})
    instance = NotifierInstance(name="mail", type="acme_tells", config=config, keys=NotifierKeys())
    plugins.prepare_notifier(instance, lambda _, ready: queue.start(ready))
    tasks = PluginTasks()
    plugins.begin(tasks)
    try:
        yield queue, plugins.health[0]
    finally:
        await tasks.stop(10)


def said(stage: Stage) -> list[str]:
    return [(request.body or b"").decode() for request in stage.http.requests]


@pytest.mark.real("processes")
async def test_what_is_due_is_told_once_and_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    stage = Stage()
    stage.http.reply("POST", URL)
    async with notifier(stage) as (queue, health):
        queue.offer(alert("a"))
        await eventually(lambda: not queue.status()["waiting"] or health.error)
        queue.offer(alert("b"))
        await eventually(lambda: not queue.status()["waiting"] or health.error)
        assert (health.error, health.through, health.apart) == ("", True, True)
    assert said(stage) == ["Alert (warning): too warm 1"] * 2
    assert sorted(queue.known_alerts) == ["a", "b"]


@pytest.mark.real("processes")
async def test_its_memory_outlives_a_process_that_dies_and_the_alert_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directly(monkeypatch)
    stage = Stage()
    stage.http.reply("POST", URL)
    async with notifier(stage) as (queue, health):
        queue.offer(alert("a", rule="dies"))
        await eventually(lambda: not queue.status()["waiting"], clock=stage.clock)
        assert health.crashes == 1
    assert said(stage) == ["first", "Alert (warning): too warm 2"]


@pytest.mark.parametrize(
    "message",
    [
        wire.Done("never", 1),
        wire.Emit(0, ()),
        wire.HasBus(1, "rs485"),
        wire.Memory({"a": b"x" * 300_000}),
    ],
)
async def test_what_a_notifier_may_not_say_ends_it(puppet: Puppet, message: Any) -> None:
    stage = Stage()
    async with notifier(stage) as (queue, health):
        await eventually(lambda: puppet.sock)
        await puppet.says(framing.frame(message))
        await eventually(lambda: health.error)
        assert health.crashes == 1
        assert queue.memory == {}
