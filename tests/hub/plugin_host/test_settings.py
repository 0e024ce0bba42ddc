"""Settings of devices reach a plugin validated by the model that it registered, or it does not start."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from hub.app.plugin_tasks import PluginTasks
from hub.config.instances import Instance
from hub.core.errors import ConfigError
from hub.core.model import Device
from hub.plugin_host.plugins import Plugins, expect_settings
from hub.plugin_host.registry import Integration, Plugin, Registry
from hub.plugin_host.supervisor import STOPPED
from hub.sdk.options import Config
from hub.sdk.testing import settle
from tests.hub.path_kit import TAG
from tests.hub.plugin_host.test_runtime import Stage


class Valve(Config):
    channel: int
    gain: float = 1.0


read: list[Valve] = []


async def run(config: Config, session: Any) -> None:
    read.extend(device.settings_as(Valve) for device in session.devices.all())
    await asyncio.get_running_loop().create_future()


def registry() -> Registry:
    plugin = Plugin("acme", "ilot-acme", "1.0", entry=None, loaded=True)  # type: ignore[arg-type]  # loaded already
    plugin.integrations.append(Integration("acme", "acme", Config, run, Valve, (), None))
    return Registry([plugin])


async def started(settings: dict[str, object]) -> Plugins:
    """The plugin of a stranger over one device with these settings, a moment after its start."""
    read.clear()
    stage = Stage()
    stage.devices.put(msgspec.structs.replace(TAG, integration="acme", settings=settings))
    plugins = Plugins([], registry(), stage.core, stage.clock)
    plugins.prepare_integration(Instance(name="acme", type="acme", config=Config(), isolation="none"))
    tasks = PluginTasks()
    plugins.begin(tasks)
    await settle()
    await tasks.stop(60)
    assert tasks.left == []
    return plugins


async def test_settings_that_are_right_arrive_as_the_registered_model() -> None:
    plugins = await started({"channel": 3})
    assert plugins.health[0].error == ""
    assert read == [Valve(channel=3, gain=1.0)]


@pytest.mark.parametrize(
    ("settings", "where"),
    [({}, "channel"), ({"channel": "three"}, "channel"), ({"channel": 3, "chanel": 4}, "chanel")],
)
async def test_settings_that_are_wrong_stop_this_plugin_alone_and_name_the_device(
    settings: dict[str, object], where: str
) -> None:
    plugins = await started(settings)
    assert plugins.health[0].state == STOPPED
    assert plugins.health[0].error.startswith(f"devices.{TAG.id}.settings")
    assert where in plugins.health[0].error
    assert read == []


def test_every_wrong_device_is_named_and_a_plugin_without_a_model_takes_none_amiss() -> None:
    devices = [Device(id=f"acme:{n}", integration="acme", place="p", settings={}) for n in range(2)]
    known = Integration("acme", "acme", Config, run, Valve, (), None)
    with pytest.raises(ConfigError, match=r"acme:0.*acme:1"):
        expect_settings(known, devices)
    expect_settings(Integration("acme", "acme", Config, run, None, (), None), devices)
