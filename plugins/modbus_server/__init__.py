"""A Modbus TCP server with the hub's live values, for a building's supervisor. Read only, for the clients listed.

Each series has a slot of four input registers, which it keeps over restarts and when its hardware is replaced:

    4n, 4n+1   the value, IEEE 754 single precision, most significant word first; 0 or 1 for a flag
    4n+2       its age in seconds, 65535 when older than that
    4n+3       its validity: 0 never heard, 1 good, 2 uncertain, 3 bad or expired

and, where it is a flag, the discrete input n. Unit 1. Function codes that write are refused with exception 1.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field

import hub
from hub.sdk.addresses import ListenAddress, Network
from hub.sdk.exporter import ExporterView, RegisterExporter

__all__ = ["Config", "register_exporters", "run"]


class Config(hub.Config):
    """Where the supervisor asks."""

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="The address of this machine it listens on.",
    )
    port: int = Field(
        default=5020,
        ge=0,
        le=65535,
        description="Its port; 0: any free one, which the log names.",
    )
    allow: tuple[Network, ...] = Field(
        default=("127.0.0.1/32", "::1/128"),
        max_length=64,
        description="Addresses and networks that may ask.",
    )
    expire: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=1),
        le=timedelta(hours=18),
        description="A value older than this is no longer valid.",
    )
    points: Path | None = Field(
        default=None,
        description="A CSV file to write the list of points to, for whoever configures the supervisor.",
    )

    def libraries(self) -> tuple[str, ...]:
        return ("pymodbus",)


async def run(config: Config, view: ExporterView) -> None:
    """Answer until cancelled. Raises NotReady when the address cannot be listened on."""
    from plugins.modbus_server.serving import serve  # imports pymodbus: only where used

    await serve(config, view)


@hub.hookimpl
def register_exporters(register: RegisterExporter) -> None:
    register("modbus_server", Config, run)
