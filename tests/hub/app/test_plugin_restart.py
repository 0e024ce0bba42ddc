"""A new start of one plugin instance, asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from hub.app.plugin_restart import PluginRestart
from hub.config.differences import Difference
from hub.core.errors import HubError
from hub.plugin_host.supervisor import RUNNING, STOPPED, Health


class Hub:
    """`done`: what happened, in order."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.health = [
            Health(name="knx", type="knx", state=STOPPED), Health(name="mqtt", type="mqtt"),
            Health(name="mqtt", type="exporter"), Health(name="https", type="uplink"),
        ]  # fmt: skip

    async def again(self, one: Difference) -> None:
        self.done.append(("again", one.kind, one.name))
        self.health[0].state = RUNNING

    async def audit(self, who: str, what: Mapping[str, object]) -> None:
        self.done.append((who, dict(what)))

    async def restart(self, **arguments: Any) -> Any:
        return await PluginRestart(self.health, self.again, self.audit).calls()["plugin.restart"](arguments)


async def test_who_asked_is_noted_before_the_instance_starts_anew() -> None:
    hub = Hub()
    answer = await hub.restart(name="knx", by="web:camille")
    assert answer == {"name": "knx", "kind": "integration", "was": "stopped", "state": "running"}
    note = ("web:camille", {"plugin": "restarted", "kind": "integration", "name": "knx"})
    assert hub.done == [note, ("again", "integration", "knx")]


async def test_a_dry_run_does_and_notes_nothing() -> None:
    hub = Hub()
    assert (await hub.restart(name="knx", dry_run=True))["state"] == "stopped"
    assert hub.done == []


async def test_a_name_that_is_unknown_shared_or_the_links_is_refused() -> None:
    hub = Hub()
    for name, kind, said in (
        ("absent", "", "ilot status"), ("https", "", "ilot status"), ("mqtt", "", "integration, exporter"),
        ("knx", "notifier", "ilot status"),
    ):  # fmt: skip
        with pytest.raises(HubError, match=said):
            await hub.restart(name=name, kind=kind)
    assert hub.done == []
    await hub.restart(name="mqtt", kind="exporter")
    assert hub.done[-1] == ("again", "exporter", "mqtt")
