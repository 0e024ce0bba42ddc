"""Options of the integration and of each device."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.addresses import ListenAddress
from hub.sdk.phrases import phrase
from hub.sdk.sigfox.grammar import Grammar

_DOWNLINK = re.compile(r"([0-9A-Fa-f]{16})?")


def _long(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < 20:
        raise ValueError(
            phrase("sigfox.secret-too-short", "a secret of at least 20 characters; `openssl rand -hex 24` makes one")
        )
    return secret


def _format(text: str) -> str:
    if text:
        Grammar(text)
    return text


def _eight(text: str) -> str:
    if not _DOWNLINK.fullmatch(text):
        raise ValueError(
            phrase("sigfox.downlink-has-8-bytes", "a downlink is 8 bytes: 16 hexadecimal digits, in quotes")
        )
    return text.lower()


class Listen(hub.Config):
    """The HTTP server that the operator's callbacks reach, directly or by way of a reverse proxy."""

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
    )
    port: int = Field(default=8090, ge=0, le=65535, description="TCP port.")
    certificate: str = Field(
        default="",
        description="File of the TLS certificate chain, PEM, of a public authority. Empty: no TLS.",
    )
    certificate_key: str = Field(
        default="",
        description="File of its private key, PEM.",
    )
    secret: Annotated[SecretStr, AfterValidator(_long)] = Field(
        description="What each callback must bring, always by way of `!secret`.",
    )
    user: str = Field(
        default="",
        max_length=64,
        description="With one, Basic USER:SECRET counts; else Bearer SECRET.",
    )
    header: str = Field(
        default="Authorization",
        pattern=r"^[A-Za-z0-9-]{1,40}$",
        description="The header that it stands in; in another one than Authorization it stands alone.",
    )
    max_rate: float = Field(
        default=50,
        gt=0,
        le=1000,
        description="Callbacks a second, at most.",
    )

    @model_validator(mode="after")
    def _safe(self) -> Listen:
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError(
                phrase("sigfox.certificate-and-key-together", "certificate and certificate_key belong together")
            )
        if not self.certificate and not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError(
                phrase(
                    "sigfox.secret-in-clear",
                    "without TLS the secret would travel in clear: give certificate and certificate_key, or "
                    "listen on 127.0.0.1 behind a reverse proxy on this machine",
                )
            )
        return self


class Config(hub.Config):
    """The operator's callbacks: received here, fetched from the owner's backend, or both."""

    listen: Listen | None = Field(
        default=None,
        description="Receive them here; null: not.",
    )
    backend: hub.HttpUrl | None = Field(
        default=None,
        description="Address of the owner's backend to fetch them from, https; null: not.",
        title="Backend",
    )
    interval: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="How often the backend is asked.",
    )

    @model_validator(mode="after")
    def _reached(self) -> Config:
        if self.listen is None and self.backend is None:
            raise ValueError(
                phrase("sigfox.no-way-for-callbacks", "no callback could reach this: give listen or backend")
            )
        if self.backend is not None and (self.backend.scheme != "https" or self.backend.query):
            raise ValueError(
                phrase("sigfox.backend-address-malformed", "backend: an https:// address with host, port and path only")
            )
        return self


class ValueSettings(hub.Config):
    """One value of a payload."""

    field: str = Field(
        default="",
        max_length=48,
        description="Its name in the format; empty: that of the metric.",
        title="Field",
    )
    scale: float = Field(
        default=1.0,
        description="The metric's value is raw × scale + offset.",
    )
    offset: float = Field(default=0.0, description="In the metric's unit.")
    invalid: tuple[float, ...] = Field(
        default=(),
        max_length=16,
        description="Raw values that mean: no reading.",
    )


class DeviceSettings(hub.Config):
    """One device, `sigfox:` and its number in hexadecimal. What reads its payload is its pack, or `format` here."""

    format: Annotated[str, AfterValidator(_format)] = Field(
        default="",
        description="Its payload in the operator's grammar: temp::int:16:little-endian hum::uint:8",
    )
    values: dict[str, ValueSettings] = Field(
        default={},
        description="Its values, by metric of the catalogue.",
    )
    downlink: Annotated[str, AfterValidator(_eight)] = Field(
        default="",
        description="8 bytes, hexadecimal: what it is answered whenever it asks and nothing else waits.",
    )

    @model_validator(mode="after")
    def _named(self) -> DeviceSettings:
        if bool(self.format) != bool(self.values):
            raise ValueError(
                phrase(
                    "sigfox.format-and-values-together",
                    "format and values belong together: how the payload is read, and what of it is kept",
                )
            )
        names = {field.name for field in Grammar(self.format).fields} if self.format else set()
        for metric, value in self.values.items():
            if metric not in hub.METRICS:
                raise ValueError(
                    phrase(
                        "sigfox.metric-not-in-catalogue",
                        "{metric!r} is no metric of the catalogue; a pack may bring its own",
                        metric=metric,
                    )
                )
            if (value.field or metric) not in names:
                raise ValueError(
                    phrase(
                        "sigfox.format-without-field",
                        "{metric}: the format has no field {field!r}",
                        metric=metric,
                        field=value.field or metric,
                    )
                )
        return self
