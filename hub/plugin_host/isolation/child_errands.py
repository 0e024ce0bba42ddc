"""Errands in the process of a plugin: its probe, its search for devices, one attempt to read, or a look at what there
is. Each ends with its Result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from hub.core.errors import PluginError
from hub.core.model import Device
from hub.core.text import phrase
from hub.plugin_host.finding_texts import chosen_options, described
from hub.plugin_host.isolation import framing, wire
from hub.plugin_host.isolation.child_link import HubLink
from hub.plugin_host.isolation.child_session import ChildBus, ChildHttp, ChildNetwork
from hub.plugin_host.isolation.wire_roles import FinderText, FoundOne, Progress, Result, Seen
from hub.plugin_host.registry import Integration
from hub.sdk.finding import Finder, Found, Offer, expect_found, expect_tried
from hub.sdk.options import wrong_option


class ChildLent:
    """Implements `hub.sdk.finding.Lent` over the socket pair; a probe is given it as its `Access`."""

    def __init__(self, link: HubLink, start: wire.Start) -> None:
        self.http, self.network = ChildHttp(link), ChildNetwork(link)
        self.packs: tuple[Offer, ...] = ()  # no pack has a map of a protocol that is not the hub's own
        self.devices: tuple[Device, ...] = start.devices
        self._link = link

    def bus(self, name: str) -> ChildBus:
        self._link.ask(wire.HasBus, name)
        return ChildBus(self._link, name)

    def progress(self, done: int, total: int) -> None:
        self._link.tell(Progress(max(0, int(done)), max(0, int(total))))

    def found(self, one: Found) -> None:
        expect_found(one)
        self._link.tell(FoundOne(one))

    def hear(self, message: wire.Down) -> None:
        """Nothing that the hub says by itself concerns an errand."""


Errand = Callable[[Integration, wire.Start, ChildLent, Callable[[], Any]], Awaitable[Result]]


async def _probe(integration: Integration, start: wire.Start, lent: ChildLent, config: Callable[[], Any]) -> Result:
    if integration.probe is None:
        return Result(seen=Seen(probes=False))
    return Result(said=str(await integration.probe(config(), lent))[:4000].encode(errors="replace").decode())


async def _search(integration: Integration, start: wire.Start, lent: ChildLent, config: Callable[[], Any]) -> Result:
    await _finder(integration).search(config(), start.asked.addresses, lent)
    return Result()


async def _read(integration: Integration, start: wire.Start, lent: ChildLent, config: Callable[[], Any]) -> Result:
    settings: Any = start.asked.settings
    if integration.device is not None:
        settings = _made(integration.device, settings)
    tried = await _finder(integration).read(config(), settings, lent)
    expect_tried(tried)
    return Result(tried=tried)


async def _look(integration: Integration, start: wire.Start, lent: ChildLent, config: Callable[[], Any]) -> Result:
    """Say what finder there is; with options of a new line, also how the model has them."""
    finder, options = integration.finder, {}
    if finder is None:
        return Result(seen=Seen(probes=integration.probe is not None))
    if start.asked.settings:
        given = start.asked.settings
        chosen = chosen_options(finder, integration.config, given)
        if finder.bus and given.get(finder.bus):
            chosen = {finder.bus: given[finder.bus]}
        made = _made(integration.config, chosen).model_dump(mode="json")
        options = {name: made[name] for name in chosen}
    text = msgspec.convert(msgspec.msgpack.decode(framing.packed(described(integration))), FinderText)
    return Result(seen=Seen(integration.probe is not None, text, options))


ERRANDS: dict[str, Errand] = {"probe": _probe, "search": _search, "read": _read, "look": _look}


def _finder(integration: Integration) -> Finder[Any]:
    if integration.finder is None:
        raise PluginError(
            phrase("line-without-search", "{name!r} cannot search its devices", name=integration.name[:64])
        )
    return integration.finder


def _made(model: type[BaseModel], given: dict[str, Any]) -> BaseModel:
    try:
        return model(**given)
    except ValidationError as error:
        raise PluginError(wrong_option(error)) from error
