"""A plugin out of a signed file runs in its own process, from its own directory, and stops at the next start when it is
revoked."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.app.plugin_tasks import PluginTasks
from hub.config.instances import Instance
from hub.core.model import Device
from hub.plugin_host.installed import barred_now, installed_plugins
from hub.plugin_host.isolation import by_starter
from hub.plugin_host.plugin_types import Unread, installed_models
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Registry
from hub.protocol.documents.plugin_index import Revoked
from tests.hub.plugin_host.isolation.apart_kit import Stage, directly, eventually
from tests.redteam.vehicle import HUB, as_hub, needs_root
from tests.redteam.vehicle import Place as Machine

sys.path.insert(0, str(Path(__file__).parents[2] / "operations" / "plugins"))
from plugins_kit import Place, bundle, files, manifest, wheel

pytestmark = pytest.mark.real("processes")

CODE = b"""
from datetime import timedelta
import hub

class Probe(hub.Config):
    degrees: float = 21.5

async def run(config: Probe, session: hub.Session) -> None:
    proof = hub.Proof(scheme="acme", counter=1, authenticated=True, sealed=True)
    await session.emit(hub.Report(device="acme:9", values={"temperature": config.degrees}, proof=proof))
    async for _ in session.every(timedelta(hours=1)):
        pass

@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_probe", Probe, run)
"""
SAID = manifest("1.0", "device_schemes: [acme], data_classes: [technical, environment]")


@pytest.fixture
def place() -> Iterator[Place]:
    """A directory that the user of a plugin's process can read, unlike pytest's: the starter mounts it instead."""
    with tempfile.TemporaryDirectory() as home:
        place = Place(Path(home))
        contents = {**files(said=SAID), "acme_probe/__init__.py": CODE}
        place.install(bundle({"acme_probe-1.0-py3-none-any.whl": wheel(contents)}))
        for one in (place.lib, *place.lib.parents):
            if Path(home) in (one, *one.parents):
                one.chmod(0o755)
        yield place


async def _run_and_revoke(place: Place) -> None:
    registry = Registry(installed_plugins(place.plugins))
    registry.starting = lambda plugin, instance: barred_now(plugin, place.plugins, place.trust)
    assert "acme_probe" in installed_models(registry).integrations, "a configuration may name it"

    stage = Stage()
    stage.devices.put(Device(id="acme:9", integration="probe", place="classe-1"))
    instance = Instance(name="probe", type="acme_probe", config=Unread.model_validate({"degrees": 19.5}))
    plugins = Plugins([instance], registry, stage.core, stage.clock)
    tasks = PluginTasks()
    plugins.begin(tasks)
    try:
        ((device, _, metrics, values, *_),) = await eventually(stage.readings)
        assert (device, metrics, values) == ("acme:9", ["temperature"], [19.5])
        assert stage.counts.of("authenticity-not-granted", "acme:9") == 1
        assert "acme_probe" not in sys.modules
        await plugins.stop(("integration", "probe"))
        place.take_index(1, Revoked(reason="a known hole", id="acme_probe", through=100))
        plugins.prepare_integration(instance)
        said = await eventually(lambda: plugins.health[0].error)
        assert "is revoked: a known hole" in str(said)
    finally:
        await tasks.stop(10)


async def test_a_signed_plugin_is_installed_configured_run_apart_and_revoked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    directly(monkeypatch)
    await _run_and_revoke(place)


@needs_root
def test_what_root_installs_the_real_starter_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="ilot-installed-") as folder:
        Path(folder).chmod(0o755)
        machine = Machine(Path(folder))
        (Path(folder) / "hub").mkdir()
        home = Place(Path(folder) / "hub")
        home.plugins = machine.plugins
        os.chown(home.stick, HUB, HUB)
        os.chown(folder, HUB, HUB)  # the plugins' directory lies in the hub's
        contents = {**files(said=SAID), "acme_probe/__init__.py": CODE}
        home.install(bundle({"acme_probe-1.0-py3-none-any.whl": wheel(contents)}))
        with machine.starter() as path, as_hub():
            monkeypatch.setattr(by_starter, "SOCKET", path)
            asyncio.run(_run_and_revoke(home))
