"""The hub's live values in Home Assistant, by MQTT discovery. Read only: commands of Home Assistant are ignored."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

import hub
from hub.sdk.exporter import ExporterView, RegisterExporter

__all__ = ["Config", "register_exporters", "run"]


class Config(hub.Config):
    """Home Assistant's broker."""

    host: str = Field(
        min_length=1,
        max_length=253,
        description="The broker, by name or address.",
    )
    port: int = Field(
        default=1883,
        ge=1,
        le=65535,
        description="Its port; 8883 with TLS, by custom.",
    )
    tls: bool = Field(
        default=False,
        description="Speak TLS, and check the broker's certificate.",
    )
    ca: Path | None = Field(
        default=None,
        description="Its CA as a PEM file; by default those of the system.",
    )
    user: str = Field(default="", max_length=128, description="User name.")
    password: SecretStr = Field(default=SecretStr(""), description="Password: !secret.")
    prefix: str = Field(
        default="homeassistant",
        pattern=r"^[a-zA-Z0-9_/-]{1,64}$",
        description="Of discovery, as Home Assistant has it.",
    )
    interval: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(seconds=1),
        le=timedelta(hours=1),
        description="Between two rounds of changed values.",
    )

    def libraries(self) -> tuple[str, ...]:
        return ("aiomqtt",)


async def run(config: Config, view: ExporterView) -> None:
    """Announce and publish until cancelled. Raises NotReady when the broker cannot be reached, AuthFailed when it
    refuses the hub."""
    from plugins.homeassistant.publishing import publish  # imports aiomqtt: only where used

    await publish(config, view)


@hub.hookimpl
def register_exporters(register: RegisterExporter) -> None:
    register("homeassistant", Config, run)
