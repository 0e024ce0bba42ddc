"""A hub without a building around it that runs the example plugin in its own process, or apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest
from msgspec.structs import replace

from hub.app.plugin_tasks import PluginTasks
from hub.config.instances import Instance
from hub.core.model import Device
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import launch
from hub.plugin_host.manifest import Manifest, Permissions
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.session_parts import Core
from hub.plugin_host.supervisor import Health
from hub.sdk.testing import FakeHttp
from hub.sdk.testing.clock import waits
from tests.hub.path_kit import Path

EXAMPLES = FilePath(__file__).parent / "examples"
OWN = Device(id="acme:1", integration="acme", place="classe-1", settings={"unit": 7}, key=b"k" * 16)
MANIFEST = Manifest(
    id="acme",
    version="1.0",
    api=(1, 1),
    languages=("en",),
    owner="Acme",
    security_contact="security@acme.example",
    vendor_country="FR",
    end_of_support="2036-01-01",
    permissions=Permissions(
        hosts=("acme.example:443",),
        buses=("rs485", "none"),
        device_schemes=("acme", "modbus", "ble"),
        data_classes=("technical", "environment", "personal"),
        asserts_authenticity=True,
        lowers_privacy=True,
    ),
)
DEADLINE_S = 60


def directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plugins of others be children of this process: no root program of the machine is asked."""

    def start(spec: launch.Spec, session: Any, errors: int) -> Any:
        return launch._direct(replace(spec, own_user=False), session, errors)

    monkeypatch.setattr(launch, "launched", start)


class Stage(Path):
    """`core` may be changed before `run`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.devices.put(OWN)
        self.http = FakeHttp()
        self.core = Core(
            self.pipeline,
            self.planner,
            self.devices,
            self.buffer,
            self.clock,
            self.counts,
            lambda _: self.http,
            lambda kind: [],
            plugin_facts=PluginFacts(),
        )

    @asynccontextmanager
    async def run(self, isolation: str | None, does: str, **given: Any) -> AsyncIterator[Health]:
        """The health of the plugin that does a deed."""
        entry = Entry("acme", "acme_deeds", "ilot-acme", "1.0")
        paths = (str(EXAMPLES),) if isolation != "none" else ()
        registry = Registry([Plugin("acme", "ilot-acme", "1.0", entry, paths=paths, manifest=MANIFEST)])
        config = Unread.model_validate({"does": does, **given})
        plugins = Plugins(
            [Instance(name="acme", type="acme", config=config, isolation=isolation)], registry, self.core, self.clock
        )
        tasks = PluginTasks()
        plugins.begin(tasks)
        try:
            yield plugins.health[0]
        finally:
            await tasks.stop(10)

    @property
    def said(self) -> dict[str, Any]:
        """The state of the plugin."""
        prefix = "state/acme/"
        return {key.removeprefix(prefix): value for key, value in self.buffer.local.items() if key.startswith(prefix)}

    def readings(self) -> list[Any]:
        """What was taken, as a list that can be compared."""
        return [
            (row.subject.device, row.subject.model, [one.metric for one in row.shape.columns], list(row.values),
             row.time_ms, row.sure, row.quality, row.trust, row.rssi, row.position)
            for row in self.buffer.rows
        ]  # fmt: skip


async def eventually(look: Callable[[], Any], *, clock: Any = None) -> Any:
    """Return the first true result of `look`. A manual clock moves on meanwhile, while somebody sleeps by it: the
    time that a process takes does not count."""
    async with asyncio.timeout(DEADLINE_S):
        while not (found := look()):
            if clock is not None and any(waits(wake) for *_, wake in clock._sleepers):
                await clock.advance(0.5)
            await asyncio.sleep(0.01)
        return found
