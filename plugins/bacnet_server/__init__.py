"""A BACnet/IP device with the hub's live values, for a building's supervisor. Read only, for the clients listed.

Each series is an object, which keeps its type and instance over restarts and when its hardware is replaced: a number an
analog input (a set point an analog value), a flag a binary input or value, a text a multi-state value. ANSI/ASHRAE
135-2020, Annex J; by bacpypes3.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

import hub
from hub.sdk.addresses import Network
from hub.sdk.exporter import ExporterView, RegisterExporter
from hub.sdk.phrases import phrase

__all__ = ["Config", "register_exporters", "run"]


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError(
            phrase("bacnet_server.expected-ipv4-address", "expected an IPv4 address, like 192.0.2.2")
        ) from None


class Config(hub.Config):
    """Where the supervisor asks, and who the hub is there."""

    instance: int = Field(
        ge=0,
        le=4_194_302,
        description="The hub's own device instance: unlike any other on the network.",
    )
    name: str = Field(
        default="",
        max_length=64,
        description="Its object name; by default ilot- and the hub's id.",
    )
    address: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1",
        description="The address of this machine it listens on.",
    )
    port: int = Field(
        default=47808,
        ge=0,
        le=65535,
        description="Its UDP port; 0: any free one, which the log names.",
    )
    broadcast: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description="Broadcast address of that network, to hear Who-Is that is sent to everybody.",
    )
    allow: tuple[Network, ...] = Field(
        default=("127.0.0.1/32",),
        max_length=64,
        description="Addresses and networks that may ask.",
    )
    expire: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=10),
        le=timedelta(days=7),
        description="A value older than this is a communication failure.",
    )
    max_rate: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Questions per second, at most, of all clients.",
    )
    points: Path | None = Field(
        default=None,
        description="A file to write the list of points to (EDE 2.3, CSV), for whoever configures the supervisor.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.broadcast is not None and not self.port:
            raise ValueError(
                phrase(
                    "bacnet_server.broadcast-without-port",
                    "broadcast needs a port that clients know: 47808, unless the site uses another",
                )
            )
        return self

    def libraries(self) -> tuple[str, ...]:
        return ("bacpypes3",)


async def run(config: Config, view: ExporterView) -> None:
    """Answer until cancelled. Raises NotReady when the address cannot be listened on."""
    from plugins.bacnet_server.serving import serve  # imports bacpypes3: only where used

    await serve(config, view)


@hub.hookimpl
def register_exporters(register: RegisterExporter) -> None:
    register("bacnet_server", Config, run)
