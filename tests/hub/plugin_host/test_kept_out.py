"""In a hub nothing of a plugin with a process of its own is imported, whoever asks."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from hub.app.backend_link import carriers_of
from hub.config.instances import Instance, UplinkInstance
from hub.core.errors import PluginError
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Plugin, Registry
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, Stage

ACME = Entry("acme", "acme_deeds", "ilot-acme", "1.0")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.delitem(sys.modules, "acme_deeds", raising=False)
    return Registry([Plugin("acme", "ilot-acme", "1.0", ACME)])


def built(registry: Registry, isolation: str | None) -> Plugins:
    stage = Stage()
    config = Unread.model_validate({"does": "emits"})
    return Plugins(
        [Instance(name="cellar", type="acme", config=config, isolation=isolation)], registry, stage.core, stage.clock
    )


@pytest.mark.parametrize("ask", ["integration", "notifier", "uplink", "exporter", "load"])
async def test_a_hub_imports_nothing_of_a_plugin_that_runs_apart(registry: Registry, ask: str) -> None:
    plugins = built(registry, None)
    assert plugins.health[0].error == ""
    with pytest.raises(PluginError, match="runs in a process of its own only"):
        getattr(registry, ask)("acme")
    assert "acme_deeds" not in sys.modules
    assert not registry.plugins["acme"].loaded


@pytest.mark.real("processes")
def test_a_hub_without_such_a_plugin_imports_nothing_of_processes() -> None:
    """What describes plugins for forms is read by the configuration."""
    asks = (
        "import sys, hub.app.hub; print(*[one for one in sys.modules if one.startswith('hub.plugin_host.isolation.')])"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hub.plugin_host.isolation.describe"]


async def test_the_operators_word_lets_it_in(registry: Registry) -> None:
    built(registry, "none")
    assert registry.integration("acme").name == "acme"
    assert "acme_deeds" in sys.modules


async def test_a_transport_of_others_is_left_out_and_said(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    built(registry, None)
    config: Any = Unread()
    assert carriers_of([UplinkInstance(name="acme", config=config)], registry, "https://x.example") == []
    assert "plugin 'acme' (ilot-acme 1.0) is a transport that is not part of this distribution" in caplog.text
    assert "acme_deeds" not in sys.modules
