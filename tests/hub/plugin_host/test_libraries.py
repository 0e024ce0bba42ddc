"""A library that is missing is named before a plugin runs: the operator installs it, and nothing crashes."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest

from hub.core.errors import PluginError
from hub.core.text import code_of, reason_of
from hub.plugin_host import libraries
from hub.plugin_host.registry import Registry
from hub.sdk.options import Config


class Needs(Config):
    def libraries(self) -> tuple[str, ...]:
        return ("json", "no_such_library")


def test_what_is_not_there_is_named_with_what_installs_it() -> None:
    assert libraries.missing(Needs()) == ["no_such_library"]
    with pytest.raises(PluginError) as caught:
        libraries.expect(Needs())
    assert code_of(reason_of(caught.value)) == "library-missing"
    assert "pip install no-such-library" in str(caught.value)
    assert libraries.lack(Config()) is None
    assert libraries.lack(object()) is None


def test_a_library_that_is_blocked_is_missing_and_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "json", None)
    assert libraries.missing(Needs()) == ["json", "no_such_library"]


def test_every_shipped_plugin_names_libraries_that_exist() -> None:
    registry = Registry.discover()
    named: set[str] = set()
    for name, plugin in registry.plugins.items():
        if plugin.shipped:
            loaded = registry.load(name)
            models = [one.config for one in loaded.integrations] + [one.config for one in loaded.uplinks]
            models += [one.config for one in loaded.exporters] + [one.config for one in loaded.notifiers]
            for model in models:
                config = model.model_construct(port="/dev/x", bus="a", proxies={"p": None})
                named |= set(config.libraries())
    assert {"pymodbus", "serialx", "bleak", "aioesphomeapi", "xknx", "asyncua", "aiomqtt"} <= named
    assert {one for one in named if find_spec(one) is None} == set()
