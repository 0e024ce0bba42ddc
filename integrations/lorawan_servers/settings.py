"""Options of a server's broker and of each device."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

import hub
from hub.sdk.phrases import phrase

DEVICE = re.compile(r"lorawan:([0-9a-f]{16})")


def _metric(name: str) -> str:
    if name not in hub.METRICS:
        raise ValueError(
            phrase(
                "lorawan_servers.metric-not-in-catalogue", "{metric!r} is not in the catalogue of metrics", metric=name
            )
        )
    return name


class Broker(hub.Config):
    """How the broker is reached that carries the server's messages."""

    host: str = Field(
        description="The broker, by name or address.",
        min_length=1,
        max_length=253,
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
    certificate: Path | None = Field(
        default=None,
        description="Certificate that the hub shows, PEM, where the broker wants one.",
    )
    certificate_key: Path | None = Field(default=None, description="Its private key, PEM.")
    user: str = Field(default="", description="User name.", max_length=256)
    password: SecretStr = Field(
        default=SecretStr(""),
        description="Password or API key: !secret.",
    )
    client_id: str = Field(
        default="",
        max_length=64,
        pattern=r"^[\x21-\x7e]*$",
        description="Name of the hub's session there; by default one that no other hub has.",
    )
    protocol: Literal["5", "3.1.1"] = Field(
        default="5",
        description="Version of MQTT; 5 falls back to 3.1.1 where the broker does not know it.",
    )
    keep: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(minutes=1),
        le=timedelta(days=90),
        description="How long the broker keeps messages for the hub while it is away (MQTT 5).",
    )

    @field_validator("protocol", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return "5" if value == 5 else value  # YAML reads `protocol: 5` as a number

    @model_validator(mode="after")
    def _whole(self) -> Broker:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError(
                phrase(
                    "lorawan_servers.certificate-and-key-together", "certificate and certificate_key belong together"
                )
            )
        if not self.tls and (self.ca is not None or self.certificate is not None):
            raise ValueError(
                phrase("lorawan_servers.certificates-without-tls", "ca and certificate are for TLS: say `tls: true`")
            )
        return self

    def holds_keys(self) -> bool:
        """TLS, under which nobody reads or changes a message on its way."""
        return self.tls

    @property
    def where(self) -> str:
        return phrase("lorawan_servers.the-broker", "the broker {host}:{port}", host=self.host, port=self.port)

    def libraries(self) -> tuple[str, ...]:
        return ("aiomqtt",)


class ValueSettings(hub.Config):
    """One value of what the server's own codec decoded."""

    path: str = Field(
        pattern=r"^[^.\x00-\x1f]{1,64}(\.[^.\x00-\x1f]{1,64}){0,7}$",
        description="Where it stands: keys joined by dots, an element of a list by its number: channels.0.value.",
    )
    scale: float = Field(
        default=1.0,
        allow_inf_nan=False,
        description="The metric's value is raw × scale + offset.",
    )
    offset: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="In the metric's unit.",
    )


class DeviceSettings(hub.Config):
    """One device, `lorawan:` and its DevEUI in lower-case hexadecimal. The server has its keys."""

    confirmed: bool = Field(
        default=True,
        description="Downlinks want the device's acknowledgement; without, sent counts as done.",
    )
    decoded: dict[Annotated[str, AfterValidator(_metric)], ValueSettings] = Field(
        default={},
        max_length=64,
        description="For a device without a pack: what of the object that the server decodes is a reading, by metric.",
        title="Decoded",
    )


def eui_of(device: str) -> str | None:
    """Return the DevEUI in a device id, None when it is no LoRaWAN id."""
    found = DEVICE.fullmatch(device)
    return found[1] if found else None
