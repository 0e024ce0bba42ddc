"""`ilot check --probe`: what answers, what does not, and why; whatever a plugin's probe does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

import hub
from hub.cli.check import check
from hub.config.instances import Instance
from hub.plugin_host.isolation import by_starter
from hub.plugin_host.probing import probe
from hub.plugin_host.registry import Plugin, Registry


class Empty(hub.Config):
    """No options."""


async def _run(config: Empty, session: hub.Session) -> None:
    raise AssertionError("a probe runs nothing")


def registry(probes: dict[str, Callable[[Any], Any] | None]) -> Registry:
    found = Registry.discover()
    found.plugins.clear()
    for name, asked in probes.items():
        module = ModuleType(name)

        @hub.hookimpl
        def register_integrations(register: hub.Register, name: str = name, asked: Any = asked) -> None:
            register(name, Empty, _run, probe=asked)

        module.register_integrations = register_integrations  # type: ignore[attr-defined]
        found.plugins[name] = Plugin(name, "ilot", "1", _Entry(module))  # type: ignore[arg-type]
    return found


class _Entry:
    def __init__(self, module: ModuleType) -> None:
        self.module, self.value = module, module.__name__

    def load(self) -> ModuleType:
        return self.module


def instance(name: str, **more: Any) -> Instance:
    return Instance(name=name, type=name, config=Empty(), **more)


async def test_each_probe_says_what_it_found_and_none_keeps_another_from_answering() -> None:
    async def good(config: Empty) -> str:
        return "a boiler answered"

    async def away(config: Empty) -> str:
        raise hub.NotReady("the boiler is off")

    async def broken(config: Empty) -> str:
        raise KeyError("oops")

    async def silent(config: Empty) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    found = await probe(
        [instance("good"), instance("away"), instance("broken"), instance("silent"), instance("none")],
        registry({"good": good, "away": away, "broken": broken, "silent": silent, "none": None}),
        seconds=0.05,
    )
    assert [(finding.name, finding.ok, finding.said) for finding in found] == [
        ("good", True, "a boiler answered"),
        ("away", False, "the boiler is off"),
        ("broken", False, "its probe failed: KeyError: 'oops'"),
        ("silent", False, "no answer within 0 s"),
        ("none", None, "has no probe"),
    ]


async def test_a_strangers_plugin_is_not_imported_for_its_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_starter, "SOCKET", "/nonexistent/start.sock")
    found = registry({"acme": None})
    found.plugins["acme"].distribution = "ilot-acme"
    (finding,) = await probe([instance("acme")], found)
    assert (finding.ok, found.plugins["acme"].loaded) == (False, False)
    assert "runs only under a user of its own" in finding.said


def test_the_command_ends_with_3_when_something_does_not_answer(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("integrations: {host: {}, linky: {port: /dev/does-not-exist}}\n")
    done = CliRunner().invoke(check, ["--config", str(config), "--probe", "--json"])
    probes = {finding["name"]: finding for finding in json.loads(done.stdout)["probes"]}
    assert probes["host"]["ok"] is True
    assert probes["linky"]["ok"] is False
    assert "/dev/does-not-exist cannot be opened" in probes["linky"]["said"]
    assert done.exit_code == hub.NotReady.exit_code
    done = CliRunner().invoke(check, ["--config", str(config), "--probe"])
    assert "linky: DOES NOT ANSWER: " in done.stdout
    assert CliRunner().invoke(check, ["--config", str(config)]).exit_code == 0


@pytest.mark.parametrize("name", ["host", "linky", "modbus", "bluetooth"])
def test_every_integration_that_ships_has_a_probe(name: str) -> None:
    assert Registry.discover().integration(name).probe is not None
