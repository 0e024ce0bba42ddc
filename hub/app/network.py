"""Builds the part for this machine's network, for a hub in service and for one that is not enrolled yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hub.core.clock import Clock
from hub.core.store import Store
from hub.operations.network.service import Network
from hub.web.web_part import Web


def build_network(web: Web, store: Store, clock: Clock) -> Network:
    """Build it, and give the label of the pages the access point."""

    def claimed() -> bool | None:
        if web.options is None:  # a hub without pages is not claimed by anybody
            return True
        return web.people.accounts.claimed if web.people is not None else None

    async def audit(who: str, what: Mapping[str, Any]) -> None:
        await store.audit(clock.now(), who, what)

    network = Network(store, clock, claimed=claimed, audit=audit, port=lambda: urlsplit(web.url()).port or 0)
    web.access_point = network.label
    return network
