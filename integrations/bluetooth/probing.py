"""Probes adapters and proxies once, for `ilot check --probe`."""

from __future__ import annotations

import asyncio
from logging import LoggerAdapter, getLogger
from typing import TYPE_CHECKING

import hub
from integrations.bluetooth import radio
from integrations.bluetooth.proxy import ProxySource
from integrations.bluetooth.sources import Hearing, Sources

if TYPE_CHECKING:
    from integrations.bluetooth import Config


async def adapters(config: Config) -> list[str]:
    """Return the adapters that would scan. Raises NotReady, AuthFailed."""
    async with radio.BlueZ.connected() as bluez:
        present = await bluez.adapters()
    wrong = radio.complaint(config.adapters, present)
    if wrong:
        raise hub.NotReady(wrong)
    names = radio.usable(config.adapters, present)
    return [f"{a.name} ({a.address})" for a in present if a.name in names]


async def proxies(config: Config) -> list[str]:
    """Return the answer of each proxy. Raises NotReady or AuthFailed of the first that fails."""
    log, clock = LoggerAdapter(getLogger("hub.bluetooth"), {}), asyncio.get_running_loop().time
    sources = Sources(config.proxies, lambda listening: None)
    return [
        await ProxySource(
            name, proxy, hear=lambda heard: None, sources=sources, hearing=Hearing(0), clock=clock, log=log
        ).probe()
        for name, proxy in config.proxies.items()
    ]
