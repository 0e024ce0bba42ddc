"""Every command opens a configuration as the hub does: with the packs that were installed on this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hub.app.hub import Settings, serve
from hub.app.run import Options
from hub.cli.main import ilot
from hub.config import last_good, load
from hub.core.errors import ConfigError
from hub.core.state_dir import StateDir
from hub.devices.packs.library import SHIPPED, Library
from hub.devices.packs.loader import read
from hub.devices.packs.vector_tests import Verdict
from hub.identity import enrolment, keys
from hub.plugin_host.isolation import describe
from hub.plugin_host.opening import installed_for, installed_nowhere
from hub.plugin_host.plugin_types import part_models
from hub.plugin_host.registry import Registry

PACK = "acme-hmw"
CONFIG = """\
hub: {name: h, site: s, state_dir: state}
sites: {s: {timezone: Europe/Paris}}
zones: {hall: {site: s}}
places: {plant: {zone: hall}}
integrations:
  bacnet: {address: 127.0.0.1, port: 0}
devices:
  bacnet:1201: {integration: bacnet, place: plant, pack: acme-hmw, settings: {address: 192.0.2.20}}
"""
GIVEN = {
    "capture": ["bacnet", "--seconds", "0.1"],
    "discover": ["bacnet", "--scan", "0.1"],
    "doctor": ["--no-probe"],
    "pack test": [PACK],
    "release install": ["config.yaml", "--no-wait"],
    "release return": ["--no-wait"],
    "report": ["monthly"],
    "import": ["bacnet"],
}
"""Arguments of commands where any word will not do."""
SELF_STANDING = {
    "certify", "decode", "demo", "demo district", "schema", "texts", "version", "restore", "pack import", "pack sign",
    "plugin sign", "plugin sign-index", "radio forwarder", "release key", "release sign",
}  # fmt: skip
"""Commands that know no configuration, beside those that begin with `new` or end with `verify`."""
OPENS = {
    "capture", "check", "config apply", "config check", "discover", "doctor", "doctor link", "enroll", "import",
    "rule templates", "run", "schedule show", "sovereignty",
}  # fmt: skip
"""Commands that are known to read the devices of a configuration themselves. The others ask a hub that runs."""


def commands(group: click.Group = ilot, before: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        path = (*before, name)
        if isinstance(command, click.Group):
            yield from commands(command, path)
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield " ".join(path), command


EVERY = dict(commands())
CONFIGURED = [
    name for name, command in EVERY.items() if any(one.name == "config" for one in command.params) or name == "import"
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where a pack was installed that the file uses, and that has keys but is not enrolled."""
    for name in ("STATE_DIRECTORY", "ILOT_STATE_DIR", "ILOT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hub.core.process_hardening.harden", list)
    (tmp_path / "config.yaml").write_text(CONFIG)
    state = StateDir(tmp_path / "state")
    shutil.copytree(SHIPPED / "vaisala-hmw95", tmp_path / PACK)
    library = Library(state.packs, parts=part_models(Registry.discover()))
    pack = read(tmp_path / PACK, PACK, library.parts)
    library.install(pack, Verdict(pack.name, pack.keys.version, pack.digest, True, (), ()))
    keys.create(state.keys)
    return tmp_path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What is wrong with each configuration that is built meanwhile."""
    found: list[list[Any]] = []

    def building(build: Any) -> Any:
        def built(data: Any, *others: Any) -> Any:
            result = build(data, *others)
            if isinstance(data, dict) and "devices" in data:  # not single sections of the file
                found.append(result[1])
            return result

        return built

    for module in (load, last_good):
        monkeypatch.setattr(module, "build", building(module.build))  # type: ignore[attr-defined]
    return found


def words_for(name: str, command: click.Command, home: Path) -> list[str]:
    """Return arguments that a command takes: any word where nothing else is said."""
    if name in GIVEN:
        return GIVEN[name]
    words: list[str] = []
    for one in command.params:
        if not one.required:
            continue
        word = str(home / "config.yaml") if one.type.name == "file" else str(home) if "dir" in one.type.name else "w"
        words += [one.opts[0], word] if isinstance(one, click.Option) and not one.is_flag else [word]
    if name == "enroll":
        words = ["no-token"]
    return words


def served(options: Options) -> None:
    asyncio.run(serve(Settings(config=options.config), Registry.discover(), lambda facts: None))


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("name", CONFIGURED)
def test_a_configuration_with_an_installed_pack_is_right_for_every_command(
    name: str, home: Path, opened: list[list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "doctor link":  # it looks at the enrolment first
        facts = SimpleNamespace(hub="h", url="https://127.0.0.1:1", root="00")
        monkeypatch.setattr(enrolment, "load", lambda state: (facts, SimpleNamespace(egress=())))
        monkeypatch.setattr(keys, "load", lambda state: SimpleNamespace(tls_key=None))
        monkeypatch.setattr("hub.cli.doctor.link_check._check_route", lambda *_: iter(()))
    if name == "run":  # without what it does to the output of its process
        monkeypatch.setattr("hub.app.run.run", served)
    if name == "plugins":  # each is described by a process of its own
        monkeypatch.setattr(describe, "describe", lambda plugin: describe.Description(plugin.name, "", ""))
    CliRunner().invoke(ilot, [*name.split(), *words_for(name, EVERY[name], home), "--config", "config.yaml"])
    assert [findings for findings in opened if findings] == []
    assert bool(opened) or name not in OPENS, "it no longer opens one: then it belongs to the others"


def test_no_command_is_left_out_of_the_walk() -> None:
    rest = {name for name in EVERY if name not in CONFIGURED and not name.startswith(("backend ", "new "))}
    assert {name for name in rest if not name.endswith(" verify")} == SELF_STANDING
    assert set(CONFIGURED) >= OPENS


def test_the_same_configuration_is_wrong_where_the_packs_of_its_machine_are_forgotten(home: Path) -> None:
    here = installed_for(home / "config.yaml", None)
    assert [one.id for one in here.open(home / "config.yaml").devices] == ["bacnet:1201"]
    with pytest.raises(ConfigError):
        load.load(home / "config.yaml", installed_nowhere(Registry.discover()))
