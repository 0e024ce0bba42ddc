"""Integrations that search for their devices: those of this process, and those that have one of their own.

A plugin apart is never imported here. What its finder asks for is learned from a process of its own, once, and each
search and each attempt to read is an errand of its own (`isolation.errands`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from hub.config.instances import Instance, Models
from hub.core.errors import HubError, PluginError
from hub.core.model import Metric
from hub.core.text import phrase
from hub.plugin_host.finding_texts import chosen_options, described
from hub.plugin_host.lent_access import Lender
from hub.plugin_host.plugin_types import Unread
from hub.plugin_host.plugins import load, runs_apart
from hub.plugin_host.registry import Integration, Plugin, Registry
from hub.plugin_host.serial_buses import Buses
from hub.sdk.finding import Finder, Tried
from hub.sdk.options import wrong_option

AGAIN_S = 60.0
"""After which a plugin whose finder could not be learned is asked again."""


@dataclass(frozen=True, slots=True)
class Searchable:
    """A line that can be searched: its `config`, the `finder` that is called with it, and the finder as the pages show
    it. `device` is None where the settings of a device are not read here."""

    kind: str
    config: Any
    finder: Finder[Any]
    described: dict[str, Any]
    device: type[BaseModel] | None = None
    metrics: tuple[Metric, ...] = ()


class Searchables:
    """The lines of one hub that can be searched."""

    def __init__(self, registry: Registry, models: Models, lender: Lender) -> None:
        self._registry, self._models, self._lender = registry, models, lender
        self._learned: dict[str, tuple[Plugin, float, dict[str, Any] | HubError]] = {}
        self._turn = asyncio.Lock()

    async def of(self, instance: Instance) -> Searchable | None:
        """Return a configured line, None for one without a finder. Raises HubError for a plugin that does not load."""
        plugin = self._registry.plugins[instance.type]
        if not plugin.shipped and runs_apart(plugin, instance.isolation):
            shown = await self._learn(plugin)
            return self._apart(plugin, instance.name, instance.config, shown) if shown else None
        return _here(*load(instance, self._registry))

    async def new(self, kind: str, given: Mapping[str, Any], bus: str) -> tuple[Searchable, dict[str, Any]]:
        """Return a line that is not configured, and its options in the form of a configuration: what people typed is
        `given`, and `bus` a serial line. Raises HubError."""
        plugin = self._registry.plugins.get(kind)
        if plugin is None:
            raise HubError(phrase("line-of-unknown-kind", "there is no kind of line {name!r}", name=kind[:64]))
        if not plugin.shipped:
            shown = await self._learn(plugin)
            if not shown:
                raise _without_search(kind)
            options = (await self._look(plugin, {**given, shown["serial"]: bus} if bus else given)).options
            line = self._apart(plugin, "", Unread.model_validate(options), shown)
            return line, options
        integration = self._registry.integration(kind)
        finder = integration.finder
        if finder is None:
            raise _without_search(kind)
        options = chosen_options(finder, integration.config, given)
        if bus:
            options = {finder.bus: bus} if finder.bus else options
        try:
            config = integration.config(**options)
        except ValidationError as error:
            raise HubError(wrong_option(error)) from error
        said = config.model_dump(mode="json")
        line = Searchable(kind, config, finder, described(integration), integration.device, integration.metrics)
        return line, {name: said[name] for name in options}

    async def types(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the types that can have a new line; each shipped integration is loaded for that."""
        for name, plugin in list(self._registry.plugins.items()):
            if name not in self._models.integrations:
                continue
            try:
                shown = described(self._registry.integration(name)) if plugin.shipped else await self._learn(plugin)
            except HubError:
                continue
            if shown:
                yield shown

    async def _learn(self, plugin: Plugin) -> dict[str, Any]:
        """Return the finder of a plugin apart as the pages show it, empty without one. Raises HubError."""
        async with self._turn:
            known, until, shown = self._learned.get(plugin.name, (None, 0.0, {}))
            if known is not plugin or time.monotonic() > until:
                try:
                    finder = (await self._look(plugin, {})).finder
                    shown, until = ({} if finder is None else msgspec.to_builtins(finder)), float("inf")
                except HubError as error:
                    shown, until = error, time.monotonic() + AGAIN_S
                self._learned[plugin.name] = plugin, until, shown
        if isinstance(shown, HubError):
            raise shown
        return shown

    async def _look(self, plugin: Plugin, given: Mapping[str, Any]) -> Any:
        """Ask a plugin apart what its finder is, and what it makes of these options. Raises HubError."""
        from hub.plugin_host.isolation import errands  # late: most hubs have no such plugin
        from hub.plugin_host.isolation.wire_roles import Asked, Seen

        config = Unread()
        instance = Instance(name="", type=plugin.name, config=config)
        with self._lender.lent(instance, Buses({})) as access:
            asked = Asked(settings=dict(given))
            result = await errands.run_errand(
                errands.Errand(errands.LOOK, plugin, config, access, asked=asked), self._registry
            )
        return result.seen or Seen(probes=False)

    def _apart(self, plugin: Plugin, name: str, config: Any, shown: dict[str, Any]) -> Searchable:
        """Return a line whose finder is in a process of its own."""
        from hub.plugin_host.isolation import errands
        from hub.plugin_host.isolation.wire_roles import Asked

        async def run(kind: str, asked: Asked, lent: Any) -> Any:
            errand = errands.Errand(kind, plugin, config, lent, name, asked, lent.devices, lent.found, lent.progress)
            return await errands.run_errand(errand, self._registry)

        async def search(config: Any, addresses: str, lent: Any) -> None:
            await run(errands.SEARCH, Asked(addresses=addresses), lent)

        async def read(config: Any, settings: Any, lent: Any) -> Tried:
            result = await run(errands.READ, Asked(settings=dict(settings)), lent)
            return result.tried or Tried()

        finder: Finder[Any] = Finder(
            search,
            read,
            addresses=shown["addresses_hint"],
            options=tuple(shown["option_names"]),
            bus=shown["serial"],
        )
        return Searchable(plugin.name, config, finder, shown, metrics=tuple(plugin.metrics.values()))


def _here(integration: Integration, config: Any) -> Searchable | None:
    """Return a line of this process."""
    if integration.finder is None:
        return None
    return Searchable(
        integration.name, config, integration.finder, described(integration), integration.device, integration.metrics
    )


def _without_search(kind: str) -> PluginError:
    return PluginError(phrase("line-without-search", "{name!r} cannot search its devices", name=kind))
