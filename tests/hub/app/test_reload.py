"""What people do while a configuration is taken up is not taken back by it."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from hub.app.crisis import CrisisServices, HubCrisisActions
from hub.app.reload import ConfigReload
from hub.config.differences import ADDED, CHANGED, INTEGRATION, Difference, Differences
from hub.config.load import Models, load
from hub.core.errors import HubError
from hub.core.store import Store
from hub.devices.registry import Devices, key_fingerprint
from hub.onboarding.adoption.tables import AddedDevices
from hub.operations.crisis import State
from hub.plugin_host.pausing import Pauses
from hub.sdk.options import Config

CONFIG = """\
sites: {s: {}}
zones: {z: {site: s}}
places: {p: {zone: z}}
integrations: {radio: {}}
devices: {"ble:AA:AA:AA:AA:AA:AA": {integration: radio, place: p}}
"""
NAME, KEY = "ble:AA:AA:AA:AA:AA:AA", bytes(range(16))


class Radio(Config):
    pass


class Cloud(Config):
    url: str


async def test_a_key_that_is_given_while_the_configuration_is_taken_up_stays(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    models = Models(integrations={"radio": (Radio, None)})
    loaded = load(file, models)
    store = await Store.open(tmp_path / "store.db", bytes(32))
    devices = Devices(loaded.devices)
    base = SimpleNamespace(store=store, models=models, loaded=loaded, registry=MagicMock())
    reloading = ConfigReload(base, MagicMock(devices=devices, roll=AddedDevices()), *[MagicMock() for _ in range(8)])

    async def give():
        await store.give_key(NAME, KEY, key_fingerprint(None), 1.0, "cli")
        devices.rekey(NAME, KEY)

    try:
        await asyncio.gather(reloading._straight_path(loaded, loaded, Differences()), give())
        assert devices.key(NAME) == KEY
    finally:
        await store.close()


async def test_a_plugin_that_was_taken_out_while_its_restart_waited_is_told_as_gone(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    base = SimpleNamespace(loaded=load(file, Models(integrations={"radio": (Radio, None)})))
    field = MagicMock(plugins=AsyncMock(prepare_integration=MagicMock()))
    reloading = ConfigReload(base, MagicMock(), field, *[MagicMock() for _ in range(7)])
    restart = Difference(INTEGRATION, "radio", CHANGED)
    await reloading.again(restart)
    assert field.plugins.prepare_integration.call_count == 1
    file.write_text("integrations: {}\n")
    async with reloading._turn:  # a configuration is being taken up
        asked = asyncio.create_task(reloading.again(restart))
        await asyncio.sleep(0)
        base.loaded = load(file, Models())
    with pytest.raises(HubError, match="no longer in the configuration"):
        await asked
    assert field.plugins.prepare_integration.call_count == 1


async def test_what_a_configuration_adds_to_an_isolated_hub_is_held_before_it_starts(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    models = Models(integrations={"radio": (Radio, None), "cloud": (Cloud, None)})
    old = load(file, models)
    base = SimpleNamespace(loaded=old, registry=MagicMock(metrics=MagicMock(side_effect=ZeroDivisionError)))
    field = MagicMock(
        plugins=AsyncMock(prepare_integration=MagicMock(), pauses=Pauses()), packs=AsyncMock(), http=AsyncMock()
    )
    hands = HubCrisisActions(base, field, MagicMock())
    crisis = SimpleNamespace(state=State())
    others: list[Any] = [MagicMock() for _ in range(6)]
    reloading = ConfigReload(
        base, MagicMock(), field, *others, crisis_services=CrisisServices(crisis, MagicMock(), hands)
    )
    file.write_text(CONFIG.replace("radio: {}", "radio: {}, cloud: {url: 'https://cloud.example'}"))
    new, key = load(file, models), (INTEGRATION, "cloud")
    held = []
    field.plugins.prepare_integration.side_effect = lambda one: held.append(field.plugins.pauses.why(key))

    async def take_up(*_):
        base.loaded = new

    reloading._straight_path = take_up
    for isolated in (False, True):
        crisis.state = State(isolated=isolated)
        with pytest.raises(ZeroDivisionError):  # here it need not go beyond the start of plugins
            await reloading(old, new, Differences(instances=[Difference(*key, ADDED)]))
    assert [bool(why) for why in held] == [False, True]
    assert not field.plugins.pauses.why((INTEGRATION, "radio"))
