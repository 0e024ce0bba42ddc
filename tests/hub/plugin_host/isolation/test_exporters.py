"""An exporter of somebody else shows the same in the hub's process and in one of its own, of the privacy classes that
its manifest names, and has no other way out than the hosts of its options."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.app.plugin_tasks import PluginTasks
from hub.config.instances import ExporterInstance
from hub.core.model import LastValue, Place, Report
from hub.devices.places import Places
from hub.plugin_host.declared_hosts import callers, declared_hosts, exporters
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.exporter_view import LiveSeries, LiveView
from hub.plugin_host.isolation import framing, served_exporter, wire, wire_roles
from hub.plugin_host.isolation.wire_roles import ViewChanges, ViewPart
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.plugins import Plugins
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.supervisor import STOPPED, Health
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import FakeHttp
from hub.store_and_forward.egress import Egress
from hub.store_and_forward.egress_network import EgressNetwork
from tests.hub.path_kit import METER, TAG
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, MANIFEST, Stage, directly, eventually
from tests.hub.plugin_host.isolation.test_hostile import Puppet, puppet
from tests.serving import start_server

__all__ = ["puppet"]
ALL = replace(MANIFEST, permissions=replace(MANIFEST.permissions, hosts=("configured",)))
PLACES = Places(
    [Place(id="classe-1", site="ecole", zone="classes"), Place(id="compteur", site="ecole", zone="t", name="Meter")]
)
TECHNICAL = replace(MANIFEST, permissions=replace(ALL.permissions, data_classes=("technical",)))


@pytest.fixture(autouse=True)
def launching(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))


class Shown(Stage):
    """A hub whose two devices have spoken."""

    async def speak(self, power: float = 900.0) -> None:
        await self.pipeline.emit("modbus", Report(device=METER.id, values={"power": power}))
        await self.pipeline.emit("bluetooth", Report(device=TAG.id, values={"humidity": 40.0}))

    @asynccontextmanager
    async def shows(self, apart: bool, manifest: Any = ALL, **given: Any) -> AsyncIterator[Health]:
        """The health of the exporter. It runs apart where its distribution is another one."""
        distribution = "ilot-acme" if apart else "ilot"
        entry = Entry("acme_shows", "acme_shows", distribution, "1.0")
        paths = (str(EXAMPLES),) if apart else ()
        registry = Registry([Plugin("acme_shows", distribution, "1.0", entry, paths=paths, manifest=manifest)])
        config: Any = Unread.model_validate(given)
        if not apart:
            config = registry.exporter("acme_shows").config(**given)
        one = ExporterInstance(name="acme_shows", config=config)
        loaded: Any = SimpleNamespace(integrations=[], notifiers=[], exporters=[one])
        egress = Egress(
            Trust(version=0, owner="", recipients=(), ack_keys=()),
            self.clock,
            hosts=declared_hosts(callers(loaded, registry), registry.permissions),
        )
        if not apart:  # one of this distribution opens its own sockets; this one shows how the two are the same
            egress.declare(declared_hosts([one]), None)
        plugins = Plugins([], registry, self.core, self.clock)
        plugins.prepare_exporter(one, lambda name, ready: self.view(name, ready, egress))
        tasks = PluginTasks()
        plugins.begin(tasks)
        try:
            yield plugins.health[0]
        finally:
            await tasks.stop(10)

    def view(self, name: str, ready: Any, egress: Egress) -> LiveView:
        return LiveView(
            name,
            "hub-1",
            ready,
            series=LiveSeries(self.live, self.devices, PLACES, self.planner),
            buffer=self.buffer,
            clock=self.clock,
            pulse=lambda: {"reports": 2.0},
            http=FakeHttp(),
            network=EgressNetwork(egress).of(exporters(name)),
        )

    def told(self, key: str) -> Any:
        return self.buffer.local.get(f"state/exporter.acme_shows/{key}")


async def seen(apart: bool) -> list[Any]:
    shown = Shown()
    await shown.speak()
    async with shown.shows(apart) as health:
        await eventually(lambda: shown.told("round1"))
        await shown.speak(901.0)
        await eventually(lambda: shown.told("round2"), clock=shown.clock)
        assert (health.error, health.apart) == ("", apart)
    return [shown.told(key) for key in ("saw", "round1", "round2")]


@pytest.mark.real("processes")
async def test_an_exporter_is_shown_the_same_apart() -> None:
    inside, apart = [await seen(way) for way in (False, True)]
    assert apart == inside
    saw, first, _ = apart
    assert saw["series"] == [["classe-1/humidity", "", "%"], ["compteur/power", "Meter", "W"]]
    assert saw["values"] == first == [["classe-1/humidity", 40.0], ["compteur/power", 900.0]]
    assert (saw["hub"], saw["pulse"]) == ("hub-1", {"reports": 2.0})


@pytest.mark.real("processes")
async def test_an_exporter_of_others_is_shown_the_classes_of_its_manifest_alone() -> None:
    shown = Shown()
    await shown.speak()
    async with shown.shows(True, TECHNICAL):
        await eventually(lambda: shown.told("round1"))
    assert shown.told("saw")["values"] == shown.told("round1") == [["compteur/power", 900.0]]
    assert [one[0] for one in shown.told("saw")["series"]] == ["compteur/power"]


async def test_without_a_manifest_it_does_not_start() -> None:
    async with Shown().shows(True, None) as health:
        assert (health.state, health.apart) == (STOPPED, True)
        assert "has no manifest" in health.error


@pytest.mark.real("network, processes")
async def test_its_way_out_is_the_hosts_of_its_options_where_its_manifest_grants_them() -> None:
    came = asyncio.Queue[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(await reader.read())
        writer.close()

    server = await start_server(serve, "127.0.0.1", 0)
    url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        shown = Shown()
        await shown.speak()
        async with shown.shows(True, url=url):
            assert await asyncio.wait_for(came.get(), 60) == b"compteur/power=900.0\nclasse-1/humidity=40.0\n"
        async with shown.shows(True, MANIFEST, url=url) as health:
            assert "is not declared" in await eventually(lambda: health.error)


@pytest.mark.long("a process for each")
async def test_one_that_dies_or_asks_for_too_much_is_named_and_starts_again() -> None:
    for does, said in (("dies", "exit code 7"), ("loops", "more than 16 loops")):
        shown = Shown()
        async with shown.shows(True, does=does) as health:
            assert said in await eventually(lambda health=health: health.error)  # type: ignore[misc]
            assert health.crashes == 1


@pytest.mark.parametrize("size", [0, 1, wire_roles.PAGE, 2 * wire_roles.PAGE + 1])
async def test_pages_of_values_are_the_whole_and_each_value_once(size: int) -> None:
    values = [
        LastValue(
            series=f"s{at}", device="d", metric="power", value=at, unit="W", time=None, trust="", quality="", rssi=None
        )
        for at in range(size)
    ]

    async def changes(interval: Any) -> AsyncIterator[list[LastValue]]:
        if values:
            yield values
        await asyncio.get_running_loop().create_future()

    view: Any = SimpleNamespace(values=lambda: values, series=list, changes=changes, http=FakeHttp())
    said = asyncio.Queue[Any]()
    served = served_exporter.ViewServed(view, None, lambda message, *_: said.put_nowait(message))
    found: list[LastValue] = []
    for n in range(1, 10):
        await served.take(ViewPart(n, True, len(found)), 10)
        _, page = msgspec.msgpack.decode((await said.get()).value, type=ViewPart.answer)
        found += page
        if len(page) < wire_roles.PAGE:
            break
    assert found == values
    found, more, n = [], size > 0, 20
    while more:
        n += 1
        await served.take(ViewChanges(n, 1, 1.0), 10)
        page, more = msgspec.msgpack.decode((await said.get()).value, type=ViewChanges.answer)
        found += page
    assert found == values
    await served.close()


async def test_the_process_of_an_exporter_says_only_what_belongs_to_it(puppet: Puppet) -> None:
    shown = Shown()
    async with shown.shows(True) as health:
        for message in (wire.Emit(0, (Report(device="acme:1", values={}),)), wire.NextCommand(1), wire.NextNotice(1)):
            await eventually(lambda: puppet.sock, clock=shown.clock)
            health.error = ""
            await puppet.says(framing.frame(message))
            assert "is nothing for an exporter" in await eventually(lambda: health.error)
        await eventually(lambda: puppet.sock, clock=shown.clock)
        health.error = ""
        await puppet.says(framing.frame(wire.HasBus(1, "rs485")))
        assert (await puppet.hears(wire.Failed)).failure.kind == "AuthFailed"
