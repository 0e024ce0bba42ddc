"""A decoder of somebody else reads frames that another integration hears, in the hub's process and in one of its own;
and one that misbehaves there costs one frame, not those of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from hub.app.plugin_tasks import PluginTasks
from hub.config.instances import Instance
from hub.core.model import Device, Frame
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import host, served_decoders
from hub.plugin_host.isolation.served_decoders import BUSY, LATE
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.supervisor import Health
from tests.hub.path_kit import TAG
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, MANIFEST, Stage, directly, eventually

pytestmark = pytest.mark.real("processes")

WAYS = ("none", None)
ADDRESS = "BB:BB:BB:BB:BB:BB"
PLAIN = Device(id=f"ble:{ADDRESS}", integration="bluetooth", place="classe-1")
NARROW = replace(MANIFEST, permissions=replace(MANIFEST.permissions, data_classes=("environment",)))


@pytest.fixture(autouse=True)
def launching(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.setattr(served_decoders, "WAIT_S", 60.0)  # of a busy machine
    monkeypatch.syspath_prepend(str(EXAMPLES))


class Heard(Stage):
    """A hub with an integration that hears frames, and a plugin that reads some."""

    @asynccontextmanager
    async def reads(self, isolation: str | None, manifest: Any = MANIFEST) -> AsyncIterator[Health]:
        paths = (str(EXAMPLES),) if isolation != "none" else ()
        entry = Entry("acme", "acme_reads", "ilot-acme", "1.0")
        registry = Registry([Plugin("acme", "ilot-acme", "1.0", entry, paths=paths, manifest=manifest)])
        self.core = replace(self.core, decoders=registry.decoders)
        instance = Instance(name="acme", type="acme", config=Unread(), isolation=isolation)
        plugins = Plugins([instance], registry, self.core, self.clock)
        self.ready = 0
        self.radio = InProcessSession("bluetooth", self.core, self._ready).radio
        tasks = PluginTasks()
        plugins.begin(tasks)
        try:
            await eventually(lambda: registry.decoders("ble"))
            yield plugins.health[0]
        finally:
            await tasks.stop(10)
        if isolation is None:
            assert registry.decoders("ble") == []

    def _ready(self) -> None:
        self.ready += 1

    async def hear(self, word: str, address: str = ADDRESS) -> bool:
        frame = Frame(kind="ble", address=address, data={"manufacturer:ac3e": word.encode()}, time=1_800_000_000.0)
        return await self.radio.submit_frame(frame)

    def counted(self) -> dict[str, Any]:
        return {one: self.counts.of(one, "bluetooth") + self.counts.of(one, PLAIN.id) for one in REASONS}


REASONS = ("not-admitted", "needs-key", "bad-crc", "decoder-mistake", "data-class-not-granted", "not-a-sensor")


async def seen(isolation: str | None) -> list[Any]:
    heard = Heard()
    async with heard.reads(isolation):
        said = [await heard.hear("21.5")]
        heard.devices.put(PLAIN)
        heard.pipeline.admit(PLAIN.id)
        said += [await heard.hear(word) for word in ("22.5", "wrong", "bug", "foreign", "sealed", "23.5")]
        other = Frame(kind="ble", address=ADDRESS, data={"service:fcd2": b"x"})
        said.append(await heard.radio.submit_frame(other))
        said.append(await heard.hear("sealed", TAG.id.partition(":")[2]))
    strangers = [(one.id, one.model) for one in heard.quarantine]
    return [said, heard.readings(), heard.counted(), strangers]


async def test_frames_are_read_the_same_apart() -> None:
    inside, apart = [await seen(isolation) for isolation in WAYS]
    assert apart == inside
    said, rows, counted, _ = apart
    assert said == [True] * 7 + [False, True]
    assert [row[3] for row in rows] == [[22.5], [23.5], [float(ord("k"))]]
    assert counted == {
        "not-admitted": 1, "needs-key": 1, "bad-crc": 1, "decoder-mistake": 2, "data-class-not-granted": 0,
        "not-a-sensor": 1,
    }  # fmt: skip


@pytest.mark.parametrize("isolation", WAYS)
async def test_a_decoder_brings_no_class_of_values_that_its_manifest_does_not_name(isolation: str | None) -> None:
    heard = Heard()
    heard.devices.put(PLAIN)
    async with heard.reads(isolation, NARROW):
        await heard.hear("personal")
    assert [row[2] for row in heard.readings()] == [["temperature"]]
    assert heard.counted()["data-class-not-granted"] == 1


async def test_a_decoder_apart_is_given_the_keys_of_its_frame_and_of_its_own_scheme_alone() -> None:
    heard = Heard()
    for name in ("ble:another", "lorawan:1"):
        heard.devices.put(Device(id=name, integration="bluetooth", place="classe-1", key=b"x" * 16))
    async with heard.reads(None):
        await heard.hear("asks")
    (candidate,) = heard.quarantine
    assert candidate.model == repr([None, b"k" * 16, None, None])


async def test_a_decoder_that_hangs_costs_one_wait_and_the_next_frames_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_decoders, "WAIT_S", 0.3)
    monkeypatch.setattr(host, "BEAT_S", 0.2)
    heard = Heard()
    async with heard.reads(None) as health:
        assert [await heard.hear(word) for word in ("spins", "1.0", "2.0")] == [False, False, False]
        assert heard.counts.of(LATE, "acme") == 1
        assert heard.counts.of(BUSY, "acme") == 2
        assert "did not answer for" in await eventually(lambda: health.error)
        monkeypatch.setattr(served_decoders, "WAIT_S", 60.0)
        monkeypatch.setattr(host, "BEAT_S", 1.0)
        await eventually(lambda: heard.said.get("runs") == 2, clock=heard.clock)
        assert await eventually_hears(heard)


async def eventually_hears(heard: Heard) -> bool:
    """Whether a frame is read by the process that was started again."""
    await eventually(lambda: heard.core.decoders("ble"), clock=heard.clock)
    return await heard.hear("3.0")


@pytest.mark.long("its process is started twice")
async def test_a_decoder_that_dies_costs_its_frame_and_is_there_again() -> None:
    heard = Heard()
    async with heard.reads(None) as health:
        assert await heard.hear("dies") is False
        assert "exit code 7" in await eventually(lambda: health.error)
        await eventually(lambda: heard.said.get("runs") == 2, clock=heard.clock)
        assert await eventually_hears(heard)


async def test_a_reason_that_is_none_is_a_mistake() -> None:
    heard = Heard()
    async with heard.reads(None):
        assert await heard.hear("strange")
    assert heard.counted()["decoder-mistake"] == 1
