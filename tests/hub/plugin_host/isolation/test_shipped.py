"""Plugins of this distribution with `isolation: process`: their options pass as they were read, and they run."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import HttpUrl, SecretStr

from hub.app.plugin_tasks import PluginTasks
from hub.config.instances import Instance
from hub.config.secrets import Secret
from hub.core.model import Device
from hub.plugin_host.isolation import child, framing, wire
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Registry
from hub.sdk.options import Config
from tests.hub.plugin_host.isolation.apart_kit import Stage, eventually
from tests.interpreters import needs_python_of_all


class Options(Config):
    password: SecretStr
    wait: timedelta
    url: HttpUrl
    address: IPv4Address
    file: Path
    names: frozenset[str]
    more: dict[str, Any]


def test_options_are_the_same_on_the_other_side() -> None:
    config = Options(
        password=Secret("p4ss"),
        wait=timedelta(seconds=90),
        url=HttpUrl("https://acme.example/a"),
        address=IPv4Address("192.0.2.1"),
        file=Path("/dev/ttyUSB0"),
        names=frozenset({"a", "b"}),
        more={"n": [1, None, 2.5]},
    )
    start = wire.Start("integration", "a", "a", "a", "a", "a", "1", config.model_dump(exclude_unset=True))
    frame = framing.frame(start)
    (body,) = framing.Frames().feed(frame)
    got = framing.down(body)
    assert isinstance(got, wire.Start)
    assert child.options(Options, got.given, ("integrations", "a"), "integration 'a'") == config
    assert "p4ss" not in repr(got)


@pytest.mark.real("processes")
@needs_python_of_all
async def test_a_shipped_plugin_reads_this_machine_from_a_process_of_its_own() -> None:
    stage = Stage()
    stage.devices.put(Device(id="host:self", integration="host", place="compteur"))
    registry = Registry.discover()
    config = registry.integration("host").config()
    plugins = Plugins(
        [Instance(name="host", type="host", config=config, isolation="process")], registry, stage.core, stage.clock
    )
    tasks = PluginTasks()
    plugins.begin(tasks)
    health = plugins.health[0]
    try:
        await eventually(lambda: stage.readings() or stage.quarantine or health.error)
        assert (health.error, health.apart) == ("", True)
    finally:
        await tasks.stop(10)


@pytest.mark.parametrize("value", [object(), 1 << 70, msgspec])
def test_what_has_no_form_is_refused_by_name(value: object) -> None:
    with pytest.raises((TypeError, OverflowError)):
        framing.packed({"x": value})
