"""Every integration that ships keeps the contract that holds for every integration, in the same way as a vendor's."""

from __future__ import annotations

import asyncio

import pytest
from _pytest.mark import ParameterSet

from hub.plugin_host.registry import Registry
from hub.sdk.testing.contract import CONTRACT, check
from tests.integrations.worlds import WORLDS

QUICK = ("host", "mbus")
"""Those that run whole in the short run; of the others it reads the texts."""


def cases() -> list[ParameterSet]:
    found = []
    for name in WORLDS:
        for test in CONTRACT:
            quick = name in QUICK or test == "texts-complete"
            marks = [] if quick else [pytest.mark.long("peers that start, and outages that take their time")]
            found.append(pytest.param(name, test, id=f"{name}-{test}", marks=marks))
    return found


@pytest.mark.real("network")
@pytest.mark.parametrize(("name", "test"), cases())
def test_an_integration_keeps_its_contract(name: str, test: str) -> None:
    verdict = asyncio.run(check(WORLDS[name](), test))
    assert verdict.problems == ()
    assert verdict.outcome == "passed" or verdict.why


def test_every_integration_that_ships_has_its_world() -> None:
    registry = Registry.discover()
    shipped = [registry.load(one.name) for one in registry.plugins.values() if one.shipped]
    assert {integration.name for plugin in shipped for integration in plugin.integrations} == set(WORLDS)
