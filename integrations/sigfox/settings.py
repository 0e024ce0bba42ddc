"""Options of the integration and of each device."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.addresses import ListenAddress
from hub.sdk.options import french
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

    help_fr = "Le serveur HTTP que les rappels de l'opérateur atteignent, directement ou par un mandataire inverse."

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
        json_schema_extra=french("Adresse de la seule interface où écouter."),
    )
    port: int = Field(default=8090, ge=0, le=65535, description="TCP port.", json_schema_extra=french("Port TCP."))
    certificate: str = Field(
        default="",
        description="File of the TLS certificate chain, PEM, of a public authority. Empty: no TLS.",
        json_schema_extra=french(
            "Fichier de la chaîne de certificats TLS, PEM, d'une autorité publique. Vide : pas de TLS."
        ),
    )
    certificate_key: str = Field(
        default="",
        description="File of its private key, PEM.",
        json_schema_extra=french("Fichier de sa clé privée, PEM."),
    )
    secret: Annotated[SecretStr, AfterValidator(_long)] = Field(
        description="What each callback must bring, always by way of `!secret`.",
        json_schema_extra=french("Ce que chaque rappel doit apporter, toujours par `!secret`."),
    )
    user: str = Field(
        default="",
        max_length=64,
        description="With one, Basic USER:SECRET counts; else Bearer SECRET.",
        json_schema_extra=french("S'il est donné, Basic UTILISATEUR:SECRET compte ; sinon Bearer SECRET."),
    )
    header: str = Field(
        default="Authorization",
        pattern=r"^[A-Za-z0-9-]{1,40}$",
        description="The header that it stands in; in another one than Authorization it stands alone.",
        json_schema_extra=french("L'en-tête où il se trouve ; dans un autre qu'Authorization il s'y trouve seul."),
    )
    max_rate: float = Field(
        default=50,
        gt=0,
        le=1000,
        description="Callbacks a second, at most.",
        json_schema_extra=french("Rappels par seconde, au plus."),
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

    help_fr = "Les rappels de l'opérateur : reçus ici, pris au serveur du propriétaire, ou les deux."

    listen: Listen | None = Field(
        default=None,
        description="Receive them here; null: not.",
        json_schema_extra=french("Les recevoir ici ; null : non."),
    )
    backend: hub.HttpUrl | None = Field(
        default=None,
        description="Address of the owner's backend to fetch them from, https; null: not.",
        json_schema_extra=french(
            "Adresse du serveur du propriétaire où les prendre, https ; null : non.", title="Serveur du propriétaire"
        ),
    )
    interval: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="How often the backend is asked.",
        json_schema_extra=french("À quel rythme le serveur est interrogé."),
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

    help_fr = "Une valeur d'une trame."

    field: str = Field(
        default="",
        max_length=48,
        description="Its name in the format; empty: that of the metric.",
        json_schema_extra=french("Son nom dans le format ; vide : celui de la grandeur.", title="Champ"),
    )
    scale: float = Field(
        default=1.0,
        description="The metric's value is raw × scale + offset.",
        json_schema_extra=french("La valeur de la grandeur est brut × scale + offset."),
    )
    offset: float = Field(
        default=0.0, description="In the metric's unit.", json_schema_extra=french("Dans l'unité de la grandeur.")
    )
    invalid: tuple[float, ...] = Field(
        default=(),
        max_length=16,
        description="Raw values that mean: no reading.",
        json_schema_extra=french("Valeurs brutes qui veulent dire : pas de relevé."),
    )


class DeviceSettings(hub.Config):
    """One device, `sigfox:` and its number in hexadecimal. What reads its payload is its pack, or `format` here."""

    help_fr = "Un appareil, `sigfox:` et son numéro en hexadécimal. Ce qui lit sa trame est son pack, ou `format` ici."

    format: Annotated[str, AfterValidator(_format)] = Field(
        default="",
        description="Its payload in the operator's grammar: temp::int:16:little-endian hum::uint:8",
        json_schema_extra=french("Sa trame dans la grammaire de l'opérateur : temp::int:16:little-endian hum::uint:8"),
    )
    values: dict[str, ValueSettings] = Field(
        default={},
        description="Its values, by metric of the catalogue.",
        json_schema_extra=french("Ses valeurs, par grandeur du catalogue."),
    )
    downlink: Annotated[str, AfterValidator(_eight)] = Field(
        default="",
        description="8 bytes, hexadecimal: what it is answered whenever it asks and nothing else waits.",
        json_schema_extra=french(
            "8 octets, hexadécimal : ce qui lui est répondu quand il demande et que rien d'autre n'attend."
        ),
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
