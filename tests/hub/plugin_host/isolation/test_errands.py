"""A probe, a search and an attempt to read give the same in the hub's process and in one of their own; and a process
for a search does nothing else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hub.config.instances import Instance, Models
from hub.core.errors import HubError, PluginError
from hub.core.model import Device, Report
from hub.devices.registry import Devices
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.finding import Finding, Here
from hub.plugin_host.isolation import errands, framing, host, wire
from hub.plugin_host.isolation.wire_roles import FoundOne, Progress, Result
from hub.plugin_host.lent_access import Lender
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.probing import probe
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.serial_buses import Buses, BusOptions
from hub.protocol.documents.trust import Trust
from hub.sdk.finding import Found
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import Egress
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, MANIFEST, directly, eventually
from tests.hub.plugin_host.isolation.test_hostile import Puppet, puppet
from tests.serving import start_server

__all__ = ["puppet"]
WAYS = ("none", None)
MAY = replace(MANIFEST, permissions=replace(MANIFEST.permissions, hosts=("configured",), buses=("configured",)))
KNOWN = Device(id="acme:2", integration="plant", place="p", settings={"unit": 2})


@pytest.fixture(autouse=True)
def launching(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))


@asynccontextmanager
async def line() -> AsyncIterator[str]:
    """A line with the units 1 and 2, as its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unit = (await reader.readline()).decode().strip()
        writer.write(f"Acme {unit}\n".encode() if unit in "012" else b"\n")
        writer.close()

    server = await start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def installed(isolation: str | None, manifest: Any = MAY) -> Registry:
    names = ("acme_finds", "acme_strays")
    paths = (str(EXAMPLES),) if isolation != "none" else ()
    made = Registry(
        Plugin(name, "ilot-acme", "1.0", Entry(name, "acme_finds", "ilot-acme", "1.0"), paths=paths, manifest=manifest)
        for name in names
    )
    made.let_in = set()
    return made


def hub_of(
    isolation: str | None, url: str, type_: str = "acme_finds", egress: Egress | None = None, registry: Any = None
) -> Finding:
    registry = registry or installed(isolation)
    devices = Devices()
    devices.put(KNOWN)
    config = Unread.model_validate({"url": url, "rs485": "rs485"})
    plant = Instance(name="plant", type=type_, config=config, isolation=isolation)

    async def audit(who: str, what: Any) -> None:
        pass

    return Finding(
        Here(
            registry=registry,
            models=Models(integrations=dict.fromkeys(registry.plugins, (Unread, None))),
            library=SimpleNamespace(names=list),  # type: ignore[arg-type]
            devices=devices,
            buses=Buses({"rs485": BusOptions("/dev/null"), "another": BusOptions("/dev/null")}),
            lender=Lender(registry, egress),
            loaded=lambda: SimpleNamespace(integrations=[plant], config=SimpleNamespace(buses={})),  # type: ignore[arg-type,return-value]
            held=lambda instance: "",
            audit=audit,
        )
    )


async def ended(here: Finding, **asked: Any) -> dict[str, Any]:
    """The state of a search once it has ended."""
    calls = here.calls()
    id_ = (await calls["find.start"](asked))["id"]
    task = here._searches[id_].task
    assert task is not None
    await asyncio.wait([task])
    return dict(await calls["find.state"]({"id": id_}))


async def seen(isolation: str | None) -> list[Any]:
    async with line() as url:
        here = hub_of(isolation, url)
        calls = here.calls()
        known = (await calls["find.lines"]({}))["lines"]
        state = await ended(here, line="plant", addresses="1,2,7")
        read = await calls["find.read"]({"id": state.pop("id"), "settings": {"unit": 2}})
        with pytest.raises(HubError, match="unit"):
            await calls["find.read"]({"id": next(iter(here._searches)), "settings": {"unit": "many"}})
        return [known, state, read]


@pytest.mark.real("network, processes")
async def test_a_search_and_an_attempt_to_read_give_the_same_apart() -> None:
    inside, apart = [await seen(isolation) for isolation in WAYS]
    assert [msgspec.to_builtins(one) for one in apart] == [msgspec.to_builtins(one) for one in inside]
    known, state, read = apart
    assert [one["address"] for one in state["found"]] == ["1", "2"]
    assert (state["state"], state["done"], state["total"]) == ("done", 3, 3)
    assert state["found"][1]["known"] == KNOWN.id
    assert known[0]["option_names"] == ["url", "speed"]
    assert read["values"][0]["value"] == 22.0


@pytest.mark.real("network, processes")
async def test_a_new_line_of_an_isolated_plugin_is_searched_by_options_that_its_own_model_reads() -> None:
    async with line() as url:
        here = hub_of(None, "tcp://127.0.0.1:9")
        assert [one["type"] for one in (await here.calls()["find.lines"]({"new": True}))["types"]] == [
            "acme_finds",
            "acme_strays",
        ]
        state = await ended(here, type="acme_finds", options={"url": url, "speed": "2400"}, addresses="1")
        assert state["options"] == {"url": url, "speed": 2400}
        assert [one["device"] for one in state["found"]] == ["acme:1"]
        with pytest.raises(HubError, match="speed"):
            await here.calls()["find.start"]({"type": "acme_finds", "options": {"url": url, "speed": "fast"}})
    assert not here._here.registry.plugins["acme_finds"].loaded


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("isolation", WAYS)
async def test_a_probe_reaches_what_the_options_name(isolation: str | None) -> None:
    async with line() as url:
        config = Unread.model_validate({"url": url})
        instances = [
            Instance(name=name, type=name, config=config, isolation=isolation) for name in ("acme_finds", "acme_strays")
        ]
        found = await probe(instances, installed(isolation))
    assert [one.ok for one in found] == [True, None]
    assert found[0].said.startswith("Acme 0 answers in ")
    assert (found[0].said == f"Acme 0 answers in {os.getpid()}") == (isolation == "none")


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("isolation", WAYS)
async def test_a_search_reaches_no_host_and_no_line_but_those_of_its_options(isolation: str | None) -> None:
    async with line() as url:
        here = hub_of(isolation, url, "acme_strays")
        lines = await ended(here, line="plant", addresses="lines")
        away = await ended(here, line="plant", addresses="elsewhere")
    assert "'another', which its manifest does not grant" in lines["error"]
    assert "127.0.0.1:9 is not declared" in away["error"]


@pytest.mark.real("network, processes")
async def test_a_manifest_that_grants_no_host_gives_a_search_none() -> None:
    registry = installed(None, MANIFEST)
    async with line() as url:
        state = await ended(hub_of(None, url, registry=registry), line="plant", addresses="1")
    assert (state["state"], state["found"]) == ("failed", [])
    assert "is not declared" in state["error"]


@pytest.mark.real("network, processes")
async def test_hosts_of_a_search_are_declared_as_long_as_it_lasts() -> None:
    egress = Egress(Trust(version=0, owner="", recipients=(), ack_keys=()), ManualClock())
    async with line() as url:
        here = hub_of(None, url, "acme_strays", egress)
        started = await here.calls()["find.start"]({"line": "plant", "addresses": "waits"})
        assert await eventually(egress.hosts) == [url.removeprefix("tcp://")]
        await here.calls()["find.stop"](started)
        await eventually(lambda: not egress.hosts())


ASTRAY = {
    "foreign": "spoke for 'knx:1'",
    "spins": "did not answer for",
    "dies": "exit code 7",
    "bug": "KeyError: 'bug'",
    "nobody": "nobody answers there",
}


LONG = pytest.mark.long("a process for each")


@pytest.mark.real("processes")
@pytest.mark.parametrize("deed", ["foreign", "spins", *(pytest.param(one, marks=LONG) for one in [*ASTRAY][2:])])
async def test_a_search_that_goes_astray_ends_alone_and_says_why(deed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if deed == "spins":
        monkeypatch.setattr(host, "BEAT_S", 0.1)
    state = await ended(hub_of(None, "tcp://127.0.0.1:9", "acme_strays"), line="plant", addresses=deed)
    assert (state["state"], state["found"]) == ("failed", [])
    assert ASTRAY[deed] in state["error"]


SAYS: dict[str, tuple[str, Callable[[], Any], str]] = {
    "a report": ("search", lambda: wire.Emit(0, (Report(device="acme:1", values={"temperature": 1.0}),)), "Emit is no"),
    "a state": ("search", lambda: wire.Put("key", 1), "Put is nothing"),
    "a command": ("search", lambda: wire.NextCommand(1), "NextCommand is nothing"),
    "a find of a probe": ("probe", lambda: FoundOne(Found(address="1", device="acme:1")), "finds devices in a probe"),
    "two results": ("probe", lambda: (Result(said="a"), Result(said="b")), "answers twice"),
    "a find without end": (
        "search",
        lambda: tuple(
            FoundOne(Found(address=str(at), device="acme:1", settings={"x": "y" * 60_000})) for at in range(40)
        ),
        "found more than",
    ),
    "a large step": ("search", lambda: Progress(1, 1 << 60), "a frame that is none"),
}


@pytest.fixture
def lent() -> Iterator[Any]:
    registry = installed(None)
    instance = Instance(name="plant", type="acme_finds", config=Unread())
    with Lender(registry).lent(instance, Buses({})) as access:
        yield registry, access


@pytest.mark.parametrize("says", SAYS)
async def test_the_process_of_an_errand_says_only_what_belongs_to_it(says: str, puppet: Puppet, lent: Any) -> None:
    kind, messages, reason = SAYS[says]
    registry, access = lent
    errand = errands.Errand(kind, registry.plugins["acme_finds"], Unread(), access, "plant")
    running = asyncio.create_task(errands.run_errand(errand, registry))
    await eventually(lambda: puppet.sock)
    said = messages()
    for message in said if isinstance(said, tuple) else (said,):
        if puppet.sock is None:
            break

        await puppet.says(framing.frame(message))
    with pytest.raises(PluginError, match=reason):
        await running


async def test_a_process_that_ends_without_an_answer_is_no_answer(puppet: Puppet, lent: Any) -> None:
    registry, access = lent
    errand = errands.Errand(errands.PROBE, registry.plugins["acme_finds"], Unread(), access, "plant")
    running = asyncio.create_task(errands.run_errand(errand, registry))
    await eventually(lambda: puppet.sock)

    await puppet.says(framing.frame(wire.Ended()))
    with pytest.raises(PluginError, match="ended without an answer"):
        await running
