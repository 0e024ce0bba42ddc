"""What people do while a configuration is taken up is not taken back by it."""

import asyncio
from types import SimpleNamespace
from unittest.mock import MagicMock

from hub.adoption.memory import Roll
from hub.app.reloading import Reloading
from hub.config.differences import Differences
from hub.config.load import Models, load
from hub.devices import Devices, mark_of
from hub.hookspecs import Config
from hub.store import Store

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


async def test_a_key_that_is_given_while_the_configuration_is_taken_up_stays(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    models = Models(integrations={"radio": (Radio, None)})
    loaded = load(file, models)
    store = await Store.open(tmp_path / "store.db", bytes(32))
    devices = Devices(loaded.devices)
    ground = SimpleNamespace(store=store, models=models, loaded=loaded)
    reloading = Reloading(ground, MagicMock(devices=devices, roll=Roll()), *[MagicMock() for _ in range(7)])

    async def give():
        await store.give_key(NAME, KEY, mark_of(None), 1.0, "cli")
        devices.rekey(NAME, KEY)

    try:
        await asyncio.gather(reloading._straight_path(loaded, loaded, Differences()), give())
        assert devices.key(NAME) == KEY
    finally:
        await store.close()
