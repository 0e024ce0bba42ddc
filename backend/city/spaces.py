"""Ways into provider spaces beside HTTPS, and what is counted of all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from backend.api.metric_families import COUNTER, GAUGE, Family, by_label, counter
from backend.city.city import City
from backend.city.open_api.spaces import sftp
from backend.city.open_api.spaces.arrivals import arrivals_of
from backend.owner.broker import Address


@asynccontextmanager
async def answering(city: City, at: tuple[str, int] | None, broker: Address | None) -> AsyncIterator[int]:
    """Let providers come by SFTP at an address, and by a broker, until the block is left; gives the port of SFTP, 0
    without one. Raises ConfigError, StorageError, OSError."""
    async with AsyncExitStack() as parts:
        port = 0
        if at is not None:
            port = await parts.enter_async_context(sftp.serving(city, *at))
        if broker is not None:
            from backend.city.open_api.spaces import mqtt

            await parts.enter_async_context(mqtt.listening(city, broker))
        yield port


def metrics(city: City) -> list[Family]:
    """Return what this process counted."""
    arrivals = arrivals_of(city)
    refused = tuple(
        ((("way", way), ("reason", code)), float(count)) for (way, code), count in sorted(arrivals.refused.items())
    )
    taken = sorted((way, float(count)) for way, count in arrivals.taken.items())
    found = [
        by_label("ilot_backend_space_drops_total", COUNTER, "Drops of providers that were taken.", "way", taken),
        Family("ilot_backend_space_refusals_total", COUNTER, "Drops of providers that were refused.", refused),
    ]
    if arrivals.gate is not None:
        before, after = arrivals.gate.counts
        now = [("before", float(before)), ("after", float(after))]
        gave_way = float(arrivals.gate.gave_way)
        found += [
            by_label("ilot_backend_sftp_connections", GAUGE, "Connections of SFTP by their login.", "login", now),
            counter("ilot_backend_sftp_gave_way_total", "Connections without a login ended for others.", gave_way),
        ]
    return found
