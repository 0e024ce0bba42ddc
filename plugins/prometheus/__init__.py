"""The hub's live values and its own counters, for a Prometheus server to scrape: OpenMetrics 1.0 or the older text
form, whichever the server asks for.

Only the addresses listed may scrape; nothing else is answered. Values that may not be stored for privacy are not shown
here.
"""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

import hub
from hub.sdk.addresses import ListenAddress, Network
from hub.sdk.exporter import ExporterView, RegisterExporter
from hub.sdk.phrases import phrase

__all__ = ["Config", "register_exporters", "run"]


class Config(hub.Config):
    """Where the server scrapes."""

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="The address of this machine it listens on.",
    )
    port: int = Field(
        default=9464,
        ge=0,
        le=65535,
        description="Its port; 0: any free one, which the log names.",
    )
    allow: tuple[Network, ...] = Field(
        default=("127.0.0.1/32", "::1/128"),
        max_length=64,
        description="Addresses and networks that may scrape.",
    )
    expire: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(days=7),
        description="A value older than this is not shown any more.",
    )

    def libraries(self) -> tuple[str, ...]:
        return ("prometheus_client",)


async def run(config: Config, view: ExporterView) -> None:
    """Answer until cancelled. Raises NotReady when the address cannot be listened on."""
    from plugins.prometheus.serving import serving  # imports aiohttp and the client library: only where used

    async with serving(config, view) as where:
        view.log.info(phrase("prometheus.listening", "Prometheus may scrape {url}", url=where))
        async for _ in view.changes(timedelta(seconds=60)):
            pass  # the server polls; this loop only reports that the plugin is running


@hub.hookimpl
def register_exporters(register: RegisterExporter) -> None:
    register("prometheus", Config, run)
