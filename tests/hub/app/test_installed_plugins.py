"""What is installed apart, in a running hub: each start is asked for, and a removal takes the state it was to take."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub.app.installed_plugins import InstalledPlugins
from hub.config.instances import Instance
from hub.core.errors import PluginError
from hub.core.state_dir import StateDir
from hub.operations.plugins.installing import remove
from hub.plugin_host.installed import noted_instances
from hub.plugin_host.isolation import runs
from hub.plugin_host.registry import Registry
from hub.protocol.documents.plugin_index import Revoked

sys.path.insert(0, str(Path(__file__).parents[1] / "operations" / "plugins"))
from plugins_kit import Place, plain


class PlayedBuffer:
    def __init__(self) -> None:
        self.local: dict[str, Any] = {"state/hall/seen": 1, "state/hallway/seen": 2, "state/roof/seen": 3}
        self.flushed = 0

    def put_local(self, key: str, value: Any) -> None:
        assert value is None
        del self.local[key]

    async def flush(self) -> None:
        self.flushed += 1


class Hub:
    def __init__(self, place: Place, *instances: str) -> None:
        self.buffer = PlayedBuffer()
        loaded = SimpleNamespace(
            config=SimpleNamespace(plugins=place.trust),
            integrations=[SimpleNamespace(name=one) for one in instances],
            notifiers=[SimpleNamespace(name="watch")],
            exporters=[],
        )
        self.base: Any = SimpleNamespace(
            registry=Registry([]), state=StateDir(place.state), loaded=loaded, buffer=self.buffer
        )
        self.installed = InstalledPlugins(self.base)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_plugin_that_is_revoked_while_the_hub_runs_does_not_start_again_and_says_why(place: Place) -> None:
    place.install(plain())
    hub = Hub(place, "hall")
    answer = await hub.installed.calls()["plugins.reload"]({})
    assert answer == {"plugins": ["acme_probe"]}
    plugin = hub.base.registry.plugins["acme_probe"]
    assert hub.base.registry.starting(plugin, "hall") == ""
    assert noted_instances(place.plugins / "acme_probe") == ["hall"]
    place.take_index(1, Revoked(reason="a known hole", id="acme_probe", through=100))
    instance: Any = Instance(name="hall", type="acme_probe", config=None)
    nothing: Any = None
    with pytest.raises(PluginError, match="is revoked: a known hole"):
        await runs.run_integration(instance, hub.base.registry, nothing, nothing, nothing)


async def test_one_that_is_removed_is_known_no_more(place: Place) -> None:
    place.install(plain())
    hub = Hub(place)
    reload = hub.installed.calls()["plugins.reload"]
    await reload({})
    remove(place.here(), "acme_probe")
    assert await reload({}) == {"plugins": []}
    assert not hub.base.registry.plugins


async def test_the_next_start_removes_the_state_of_a_removed_plugin_and_of_nobody_else(place: Place) -> None:
    place.install(plain())
    hub = Hub(place, "roof")
    await hub.installed.calls()["plugins.reload"]({})
    hub.buffer.local |= {"state/notifier.watch/told": 4, "state/notifier.gone/told": 5}
    for name in ("hall", "roof", "notifier.watch", "notifier.gone"):
        hub.base.registry.starting(hub.base.registry.plugins["acme_probe"], name)
    remove(place.here(), "acme_probe", with_state=True)
    await hub.installed.run()
    kept = {"state/hallway/seen": 2, "state/roof/seen": 3, "state/notifier.watch/told": 4}
    assert hub.buffer.local == kept, "the roof and the watch are configured again"
    assert hub.buffer.flushed == 1
    await hub.installed.run()
    assert hub.buffer.flushed == 1, "it is done once"


async def test_a_removal_that_did_not_ask_for_it_leaves_the_state(place: Place) -> None:
    place.install(plain())
    hub = Hub(place)
    await hub.installed.calls()["plugins.reload"]({})
    hub.base.registry.starting(hub.base.registry.plugins["acme_probe"], "hall")
    remove(place.here(), "acme_probe")
    await hub.installed.run()
    assert "state/hall/seen" in hub.buffer.local
