"""Runs every source of one integration at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from integrations.bluetooth import capture
from integrations.bluetooth.adapters import GROUP, Adapters, Scanning
from integrations.bluetooth.gatt import AdapterConnector, Connector, ProxyConnector
from integrations.bluetooth.intake import Heard
from integrations.bluetooth.life import Life
from integrations.bluetooth.sources import Hearing, Sources

if TYPE_CHECKING:
    from integrations.bluetooth import Config


class Listening:
    """The sources: call `run` until cancelled. `changed` is called with the number of sources that listen; `proxies`
    are connected while they are in it."""

    def __init__(
        self,
        config: Config,
        life: Life,
        *,
        hear: Callable[[Heard], None],
        count: Callable[[str, str], None],
        changed: Callable[[int], None] = lambda listening: None,
    ) -> None:
        clock = asyncio.get_running_loop().time
        groups = [GROUP, *config.proxies, *([capture.GROUP] if config.capture else ())]
        self.sources = Sources(groups, changed)
        hearing = Hearing(config.deaf.total_seconds())
        self._config, self._hear, self._count = config, hear, count
        self._adapters = Adapters(
            Scanning(config.adapters, config.scanning, config.check),
            life=life,
            hear=hear,
            count=count,
            sources=self.sources,
            hearing=hearing,
            clock=clock,
        )
        self.proxies = {}
        if config.proxies:
            from integrations.bluetooth.proxy import ProxySource  # imports aioesphomeapi: only with proxies

            self.proxies = {
                name: ProxySource(
                    name, proxy, hear=hear, sources=self.sources, hearing=hearing, clock=clock, log=life.log
                )
                for name, proxy in config.proxies.items()
            }

    def connector(self, source: str) -> Connector | None:
        """Return the connector of a source; None when it opens no connections."""
        proxy = self.proxies.get(source)
        if proxy is not None:
            return ProxyConnector(lambda: proxy.client, lambda: proxy.features) if proxy.slots else None
        return AdapterConnector(source) if self.sources.up.get(source) == GROUP else None

    def capacity(self, source: str) -> int:
        """Return the number of simultaneous connections of a source."""
        proxy = self.proxies.get(source)
        return self._config.connections if proxy is None else proxy.slots

    async def run(self) -> None:
        """Listen until cancelled. Raises an ExceptionGroup of NotReady or AuthFailed when no source is left to listen
        with."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._adapters.run(), name="adapters")
            for name, proxy in self.proxies.items():
                tasks.create_task(proxy.run(), name=name)
            if self._config.capture:
                playing = capture.play(self._config.capture, hear=self._hear, count=self._count, sources=self.sources)
                tasks.create_task(playing, name="capture")
