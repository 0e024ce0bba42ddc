"""A probe, a search or an attempt to read of an isolated plugin: a process for that alone, with the limits of a run.

Its network are the hosts that the options name and the manifest grants. It has no state, reports nothing and takes no
commands; what it finds waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from hub.core.errors import HubError, PluginError
from hub.core.logs import tame
from hub.core.model import Device
from hub.core.text import phrase, reason_of
from hub.plugin_host.error_text import RemoteError
from hub.plugin_host.isolation import launch, wire
from hub.plugin_host.isolation.calls import Calls, Say
from hub.plugin_host.isolation.host import Host
from hub.plugin_host.isolation.runs import spec_of, start_of
from hub.plugin_host.isolation.served_access import AccessServed, HubAccess
from hub.plugin_host.isolation.wire_base import Hostile
from hub.plugin_host.isolation.wire_roles import Asked, FoundOne, Progress, Result
from hub.plugin_host.manifest import NOTHING, permissions_of, scheme_not_granted
from hub.sdk.finding import Found, expect_found, expect_tried

if TYPE_CHECKING:
    from hub.plugin_host.registry import Plugin, Registry

PROBE, SEARCH, READ, LOOK = "probe", "search", "read", "look"
MOST_FOUND = 2 << 20
"""Bytes of all that one search finds."""
_OURS = ("HubError", "ConfigError", "NotDeclared")


@dataclass(frozen=True)
class Errand:
    """What a plugin is to do for `instance`, "" for one that is not configured; `config` holds its options as they are
    written. `found` and `progress` are told what a search says."""

    kind: str
    plugin: Plugin
    config: Any
    access: HubAccess
    instance: str = ""
    asked: Asked = field(default_factory=Asked)
    devices: tuple[Device, ...] = ()
    found: Callable[[Found], None] = lambda one: None
    progress: Callable[[int, int], None] = lambda done, total: None

    @property
    def name(self) -> str:
        """Name of its process, which is none of an instance."""
        return f"{self.kind}.{self.instance or self.plugin.name}"[:64]


async def run_errand(errand: Errand, registry: Registry) -> Result:
    """Run an errand to its end and return what it gave. Its process is dead then, and when this is cancelled. Raises
    HubError that says what went wrong."""
    plugin = errand.plugin
    if why := await asyncio.to_thread(registry.starting, plugin, errand.instance):
        raise PluginError(why)
    start = replace(
        start_of(errand.kind, errand.name, plugin.name, plugin, errand.config),
        asked=errand.asked,
        devices=errand.devices,
    )
    served: list[_Served] = []

    def serves(say: Say) -> _Served:
        served.append(_Served(errand, say))
        return served[0]

    host = Host(spec_of(errand.name, plugin), start, serves, launch=launch.launched)
    try:
        await host.run()
    except RemoteError as error:
        if error.kind in _OURS:
            raise HubError(reason_of(error)) from error
        raise
    if not served or served[0].result is None:
        raise PluginError(phrase("errand-without-result", "{plugin} ended without an answer", plugin=plugin.title))
    return served[0].result


class _Served:
    """Carries out what the child of an errand says."""

    def __init__(self, errand: Errand, say: Say) -> None:
        self.result: Result | None = None
        self.timezone = ""
        self._errand, self._found = errand, 0
        self._calls = Calls(say)
        self._access = AccessServed(errand.access, self._calls)

    def begin(self, start: wire.Start) -> wire.Start:
        return start

    async def take(self, message: wire.Up, size: int) -> None:
        """Carry out what the child says. Raises Hostile for what it may not say, PluginError for what ends it."""
        if size > wire.most_of(message):
            raise Hostile(f"{type(message).__name__} of {size} bytes")
        match message:
            case Progress(done, total):
                self._errand.progress(done, total)
            case FoundOne(one):
                self._take_found(one, size)
            case Result():
                self._take_result(message)
            case wire.Cancel(n):
                self._calls.cancel(n)
            case _ if not self._access.take(message, size):
                raise Hostile(f"{type(message).__name__} is nothing for a {self._errand.kind}")

    async def close(self) -> None:
        await self._calls.close()
        await self._access.close()

    def _take_found(self, one: Found, size: int) -> None:
        if self._errand.kind != SEARCH:
            raise Hostile(f"finds devices in a {self._errand.kind}")
        self._found += size
        if self._found > MOST_FOUND:
            raise Hostile(f"found more than {MOST_FOUND} bytes")
        expect_found(one)
        may = permissions_of(self._errand.plugin)
        if may is not None and may is not NOTHING and one.device.partition(":")[0] not in may.device_schemes:
            raise scheme_not_granted(self._errand.plugin.name, one.device, may)
        self._errand.found(one)

    def _take_result(self, result: Result) -> None:
        if self.result is not None:
            raise Hostile("answers twice")
        if result.tried is not None:
            expect_tried(result.tried)
        self.result = replace(result, said=tame(result.said))
