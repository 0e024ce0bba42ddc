"""Searches for devices on a line: what a plugin may report, what the hub lends, and what it refuses."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import hub
from hub.config.instances import Instance, Models
from hub.core.errors import HubError, NotReady, PluginError
from hub.core.text import phrase
from hub.devices.registry import Devices
from hub.plugin_host.finding import MOST_FOUND, MOST_SEARCHES, Finding, Here
from hub.plugin_host.isolation import by_starter
from hub.plugin_host.lent_access import Lender
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.serial_buses import Buses, BusOptions
from hub.sdk.finding import Finder, Found, Lent, Match, Tried
from hub.sdk.testing import FakeLent

pytestmark = pytest.mark.asyncio


class Line(hub.Config):
    host: str = ""
    bus: str = ""


class Unit(hub.Config):
    unit: int = 1


async def _run(config: Line, session: hub.Session) -> None:
    raise AssertionError("a search runs nothing")


async def _nothing(config: Line, addresses: str, lent: Lent) -> None:
    return None


async def _reads(config: Line, settings: Unit, lent: Lent) -> Tried:
    return Tried(values={"temperature": 20.0 + settings.unit}, wrong={"humidity": "not fitted"})


def registry(finder: Finder[Any] | None, distribution: str = "ilot", device: type[hub.Config] = Unit) -> Registry:
    class Module:
        @staticmethod
        @hub.hookimpl
        def register_integrations(register: hub.Register) -> None:
            register("acme", Line, _run, device=device, finder=finder)

    entry = SimpleNamespace(value="acme", load=lambda: Module)
    return Registry([Plugin("acme", distribution, "1", entry)])


def finding(
    search: Callable[..., Any] = _nothing,
    *,
    read: Callable[..., Any] = _reads,
    held: str = "",
    audit: list[tuple[str, Any]] | None = None,
    finder: Finder[Any] | None = None,
    device: type[hub.Config] = Unit,
) -> Finding:
    made = finder or Finder(search, read, addresses="1-3", address="a unit", options=("host",), bus="bus")
    installed = registry(made, device=device)
    config = SimpleNamespace(buses={"rs485": SimpleNamespace(port="/dev/ttyRS0")})
    instances = [Instance(name="plant", type="acme", config=Line(host="10.0.0.7"))]

    async def noted(who: str, what: Any) -> None:
        (audit if audit is not None else []).append((who, dict(what)))

    return Finding(
        Here(
            registry=installed,
            models=Models(integrations={"acme": (Line, device)}),
            library=SimpleNamespace(names=list),  # type: ignore[arg-type]
            devices=Devices(),
            buses=Buses({"rs485": BusOptions("/dev/ttyRS0")}),
            lender=Lender(installed),
            loaded=lambda: SimpleNamespace(integrations=instances, config=config),  # type: ignore[arg-type,return-value]
            held=lambda instance: held,
            audit=noted,
        )
    )


def add_line(here: Finding, options: dict[str, Any]) -> None:
    """Add an instance, as a change of the configuration does."""
    here._here.loaded().integrations.append(Instance(name="acme", type="acme", config=Line(**options)))


async def _ended(here: Finding, id_: str) -> dict[str, Any]:
    while (state := await here.calls()["find.state"]({"id": id_}))["state"] == "running":
        await asyncio.sleep(0)
    return dict(state)


async def test_a_search_reports_each_device_with_the_ways_to_read_it_and_leaves_who_asked() -> None:
    async def search(config: Line, addresses: str, lent: Lent) -> None:
        assert (config.host, addresses) == ("10.0.0.7", "2")
        lent.progress(1, 1)
        match = Match(settings={"unit": 2}, pack="acme-t", title="Acme T", why=phrase("acme-why", "it says so"))
        lent.found(Found(address="2", device="acme:2", settings={"unit": 2}, matches=(match,)))

    audit: list[tuple[str, Any]] = []
    here = finding(search, audit=audit)
    started = await here.calls()["find.start"]({"line": "plant", "addresses": "2", "by": "web:anna"})
    state = await _ended(here, started["id"])
    assert (state["state"], state["done"], state["total"]) == ("done", 1, 1)
    assert [one["matches"][0]["pack"] for one in state["found"]] == ["acme-t"]
    assert state["found"][0]["matches"][0]["why"] == "it says so"
    assert audit == [("web:anna", {"find": "search", "line": "plant", "addresses": "2"})]


async def test_what_a_device_says_now_is_read_by_settings_that_nothing_has_saved() -> None:
    here = finding()
    id_ = (await here.calls()["find.start"]({"type": "acme", "options": {"host": "10.0.0.9"}}))["id"]
    read = await here.calls()["find.read"]({"id": id_, "settings": {"unit": 3}})
    assert read["values"] == [{"metric": "temperature", "value": 23.0, "unit": "Cel", "en": "Temperature"}]
    assert read["wrong"] == {"humidity": "not fitted"}
    with pytest.raises(HubError, match="unit"):
        await here.calls()["find.read"]({"id": id_, "settings": {"unit": "many"}})


async def test_a_search_that_finds_without_end_is_bounded_and_counted() -> None:
    async def search(config: Line, addresses: str, lent: Lent) -> None:
        for number in range(MOST_FOUND + 5):
            lent.found(Found(address=str(number), device=f"acme:{number}"))

    here = finding(search)
    state = await _ended(here, (await here.calls()["find.start"]({"line": "plant"}))["id"])
    assert (len(state["found"]), state["left_out"]) == (MOST_FOUND, 5)


async def test_a_search_is_stopped_and_what_it_found_stays() -> None:
    async def search(config: Line, addresses: str, lent: Lent) -> None:
        lent.found(Found(address="1", device="acme:1"))
        await asyncio.get_running_loop().create_future()

    here = finding(search)
    id_ = (await here.calls()["find.start"]({"line": "plant"}))["id"]
    await asyncio.sleep(0)
    with pytest.raises(HubError, match="searched already"):
        await here.calls()["find.start"]({"line": "plant"})
    assert (await here.calls()["find.stop"]({"id": id_}))["state"] == "stopped"
    assert len((await here.calls()["find.state"]({"id": id_}))["found"]) == 1
    await here.calls()["find.start"]({"line": "plant"})  # it is free again


@pytest.mark.parametrize(
    ("raised", "said"),
    [(NotReady("10.0.0.7 is silent"), "10.0.0.7 is silent"), (KeyError("oops"), "the search failed: KeyError: 'oops'")],
)
async def test_a_failed_search_says_why_and_ends_nothing_else(raised: Exception, said: str) -> None:
    async def search(config: Line, addresses: str, lent: Lent) -> None:
        raise raised

    here = finding(search)
    state = await _ended(here, (await here.calls()["find.start"]({"line": "plant"}))["id"])
    assert (state["state"], state["error"]) == ("failed", said)


async def test_an_isolated_hub_searches_no_line_that_it_may_not_speak_to() -> None:
    here = finding(held="this hub is isolated")
    for asked in ({"line": "plant"}, {"type": "acme", "options": {"host": "10.0.0.9"}}):
        with pytest.raises(HubError, match="isolated"):
            await here.calls()["find.start"](asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"line": "cellar"}, "there is no line 'cellar'"),
        ({"type": "stranger"}, "there is no kind of line"),
        ({"type": "acme", "bus": {"name": "rs232"}}, "there is no serial line"),
        ({"type": "acme", "bus": {"port": "/dev/ttyRS0"}}, "is the line rs485"),
        ({"type": "acme", "bus": {"port": "/dev/ttyRS1", "parity": "X"}}, "parity"),
    ],
)
async def test_a_line_that_cannot_be_is_refused_with_what_is_wrong(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(HubError, match=said):
        await finding().calls()["find.start"](asked)


async def test_a_strangers_plugin_is_searched_in_a_process_of_its_own_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_starter, "SOCKET", "/nonexistent/start.sock")
    theirs = registry(Finder(_nothing, _reads, options=("host",)), distribution="acme")
    here = Finding(dataclasses.replace(finding()._here, registry=theirs, lender=Lender(theirs)))
    for asked in ({"line": "plant"}, {"type": "acme", "options": {"host": "10.0.0.9"}}):
        with pytest.raises(HubError, match="only under a user of its own"):
            await here.calls()["find.start"](asked)
    assert (await here.calls()["find.lines"]({"new": True}))["types"] == []
    assert not theirs.plugins["acme"].loaded
    with pytest.raises(HubError, match="no kind of line"):
        await here.calls()["find.start"]({"type": "other", "options": {"host": "10.0.0.9"}})


@pytest.mark.parametrize(
    "finder",
    [
        Finder(_nothing, _reads),
        Finder(_nothing, _reads, options=("port",)),
        Finder(_nothing, _reads, options=("host",), rows=Unit),
        Finder(_nothing, _reads, options=("host",), rows=Unit, setting="rows", columns=("unit",)),
        Finder(_nothing, _reads, options=("host",), rows=Unit, setting="unit", columns=("scale",)),
    ],
)
async def test_a_finder_that_contradicts_the_models_is_refused_when_it_registers(finder: Finder[Any]) -> None:
    with pytest.raises(PluginError, match="finder"):
        registry(finder).integration("acme")


@pytest.mark.parametrize(
    "one",
    [
        Found(address="", device="acme:1"),
        Found(address="1", device="no id"),
        Found(address="1", device="acme:1", title="x" * 201),
        Found(address="1", device="acme:1", matches=(Match(settings={}),) * 33),
        Found(address="1", device="acme:1", settings={"big": "x" * 70_000}),
        Found(address="1", device="acme:1", settings={"odd": object()}),
        "a device",
    ],
)
async def test_the_test_kit_refuses_what_the_hub_refuses(one: Any) -> None:
    with pytest.raises(PluginError):
        FakeLent().found(one)


async def test_a_line_that_was_added_meanwhile_is_that_of_the_search_by_which_it_was_found() -> None:
    here = finding()
    id_ = (await here.calls()["find.start"]({"type": "acme", "options": {"host": "10.0.0.9"}}))["id"]
    assert (await _ended(here, id_))["line"] == ""
    add_line(here, {"host": "10.0.0.8"})
    assert (await _ended(here, id_))["line"] == ""
    add_line(here, {"host": "10.0.0.9"})
    assert (await _ended(here, id_))["line"] == "acme"


async def test_few_searches_are_kept_and_the_oldest_gives_way() -> None:
    here = finding()
    ids = []
    for _ in range(MOST_SEARCHES + 1):
        ids.append((await here.calls()["find.start"]({"line": "plant"}))["id"])
        await _ended(here, ids[-1])
    with pytest.raises(HubError, match="search again"):
        await here.calls()["find.state"]({"id": ids[0]})
    assert (await _ended(here, ids[1]))["state"] == "done"
