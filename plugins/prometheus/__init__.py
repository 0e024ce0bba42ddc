"""The hub's live values and its own counters, for a Prometheus server to scrape: OpenMetrics 1.0 or the older text
form, whichever the server asks for.

Only the addresses listed may scrape; nothing else is answered. What may not be kept for privacy is not shown here.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

import hub

__all__ = ["Config", "register_exporters", "run"]


class Config(hub.Config):
    """Where the server scrapes."""

    address: hub.ListenAddress = Field(default="127.0.0.1", description="The address of this machine it listens on.")
    port: int = Field(default=9464, ge=0, le=65535, description="Its port; 0: any free one, which the log names.")
    allow: tuple[hub.Network, ...] = Field(
        default=("127.0.0.1/32", "::1/128"), max_length=64, description="Addresses and networks that may scrape."
    )
    expire: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=7),
        description="A value older than this is not shown any more.",
    )


async def run(config: Config, view: hub.View) -> None:
    """Answer until cancelled. Raises NotReady when the address cannot be listened on."""
    from plugins.prometheus.serving import serving  # aiohttp's server and the client library: only where used

    async with serving(config, view) as where:
        view.log.info("Prometheus may scrape %s", where)
        async for _ in view.changes(timedelta(seconds=60)):
            pass  # the server asks; this only tells the supervisor that all is well


@hub.hookimpl
def register_exporters(register: hub.RegisterExporter) -> None:
    register("prometheus", Config, run)
