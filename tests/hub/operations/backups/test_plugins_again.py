"""A backup names the plugins that are installed, and a restored hub says which to install again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from backups_kit import Home

from hub.core.errors import HubError
from hub.core.state_dir import StateDir
from hub.operations.backups.gather import Gatherer
from hub.operations.backups.restore import Restoration
from hub.operations.plugins import installing
from hub.plugin_host.installed import installed_plugins, to_install_again
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from tests.hub.operations.plugins.plugins_kit import Place, plain


def with_plugin(home: Home, root: Path) -> Place:
    """The vendor's stick, and its plugin installed in the state of a hub."""
    root.mkdir()
    place = Place(root)
    place.plugins = home.state.plugins
    place.install(plain())
    return place


def restored(home: Home, root: Path) -> tuple[Restoration, StateDir]:
    state = StateDir(root / "state")
    found = Restoration(home.stopped(), home.recovery, config_dir=root, state_dir=state.path)
    found.apply()
    return found, state


def test_a_hub_without_plugins_notes_none(home: Home, tmp_path: Path) -> None:
    assert home.contents(home.stopped()).plugins == []
    found, state = restored(home, tmp_path / "new")
    assert found.plan.plugins == []
    assert not state.plugins.exists()


def test_a_restored_hub_runs_without_its_plugins_and_says_which_to_install_again(home: Home, tmp_path: Path) -> None:
    place = with_plugin(home, tmp_path / "vendor")
    (noted,) = home.contents(home.stopped()).plugins
    known = place.here()
    (row,) = installing.listed(known)
    assert (noted.id, noted.version, noted.types, row["problem"]) == ("acme_probe", "1.0", ["acme_probe"], "")
    assert noted.digest

    found, state = restored(home, tmp_path / "new")
    assert found.plan.plugins == ["acme_probe 1.0"]
    place.plugins = state.plugins
    (plugin,) = installed_plugins(state.plugins)
    assert "acme_probe 1.0 of acme was installed on the machine whose backup this is" in plugin.barred
    assert installed_in(state, Registry([])).models.integrations["acme_probe"]  # its configuration is right
    (row,) = installing.listed(place.here())
    assert (row["id"], row["version"], row["vendor"], row["types"]) == ("acme_probe", "1.0", "acme", ["acme_probe"])
    assert row["problem"] == plugin.barred
    assert to_install_again(state.plugins) == [noted]  # the next backup names it still

    place.install(plain())
    assert place.barred() == ""
    assert to_install_again(state.plugins) == [noted]
    assert not list(state.plugins.rglob("restored.json"))


def test_a_plugin_that_is_installed_makes_a_new_backup_due(home: Home, tmp_path: Path) -> None:
    nothing: Any = None
    gatherer = Gatherer(
        state=home.state, hub_keys=home.keys, store=nothing, buffer=nothing, config=home.config, files=()
    )
    before = gatherer.fingerprint()
    assert gatherer.fingerprint() == before
    with_plugin(home, tmp_path / "vendor")
    assert gatherer.fingerprint() != before


def test_nobody_brings_an_older_one_back_than_the_backup_had(home: Home, tmp_path: Path) -> None:
    place = with_plugin(home, tmp_path / "vendor")
    _, state = restored(home, tmp_path / "new")
    place.plugins = state.plugins
    with pytest.raises(HubError, match="not newer than what this hub had"):
        place.install(plain("0.9", counter=99))


def test_one_that_is_wanted_no_more_is_removed_by_its_name(home: Home, tmp_path: Path) -> None:
    place = with_plugin(home, tmp_path / "vendor")
    _, state = restored(home, tmp_path / "new")
    place.plugins = state.plugins
    assert installing.remove(place.here(), "acme_probe").version == "1.0"
    assert list(installed_plugins(state.plugins)) == []
    with pytest.raises(HubError, match="no plugin acme_probe"):
        installing.remove(place.here(), "acme_probe")


def test_a_note_that_is_damaged_is_none(home: Home, tmp_path: Path) -> None:
    with_plugin(home, tmp_path / "vendor")
    _, state = restored(home, tmp_path / "new")
    for raw in (b"{", b"[[[[", b'{"id": "../x"}'):
        (state.plugins / "acme_probe" / "restored.json").write_bytes(raw)
        assert list(installed_plugins(state.plugins)) == []
