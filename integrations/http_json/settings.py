"""Options of the operator: a polled web server, a webhook endpoint, and the paths of values."""

from __future__ import annotations

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.addresses import ListenAddress
from hub.sdk.jsonpath import JsonPath
from hub.sdk.options import french
from hub.sdk.phrases import phrase
from integrations.http_json.decode import Entry

LEAST_SECRET = 20
Number = Annotated[float, Field(allow_inf_nan=False)]


def _base(url: hub.HttpUrl) -> hub.HttpUrl:
    if url.username or url.password:
        raise ValueError(
            phrase("http_json.user-in-address", "no user in the address: it would be shown; use `user` and `password`")
        )
    if url.query or url.fragment:
        raise ValueError(
            phrase(
                "http_json.url-with-more-than-path",
                "scheme, host, port and perhaps a path only: what follows is each device's `path`",
            )
        )
    return url


def _path(text: str) -> str:
    JsonPath.parse(text)
    return text


def _page(text: str) -> str:
    if text and not (text.startswith("/") and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError(phrase("http_json.expected-path-like", "expected a path like /status or /api/meter?id=1"))
    if "#" in text or text.startswith("//"):
        raise ValueError(
            phrase("http_json.path-leads-elsewhere", "expected a path like /status: it leads to no other host")
        )
    return text


def _long(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < LEAST_SECRET:
        raise ValueError(
            phrase(
                "http_json.secret-too-short",
                "a secret of at least {least} characters; `openssl rand -hex 24` makes one",
                least=LEAST_SECRET,
            )
        )
    return secret


def _header(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", name) or name.lower() in ("host", "content-length", "connection"):
        raise ValueError(
            phrase("http_json.header-cannot-be-set", "{header!r} is no header that can be set", header=name)
        )
    return name


class Listen(hub.Config):
    """A small HTTP server for devices that send by themselves."""

    help_fr = "Un petit serveur HTTP pour les appareils qui envoient d'eux-mêmes."

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
        json_schema_extra=french("Adresse de la seule interface où écouter."),
    )
    port: int = Field(default=8095, ge=0, le=65535, description="TCP port.", json_schema_extra=french("Port TCP."))
    certificate: str = Field(
        default="",
        description="File of the TLS certificate chain, PEM. Empty: no TLS.",
        json_schema_extra=french("Fichier de la chaîne de certificats TLS, PEM. Vide : pas de TLS."),
    )
    certificate_key: str = Field(
        default="",
        description="File of its private key, PEM.",
        json_schema_extra=french("Fichier de sa clé privée, PEM."),
    )
    plain: bool = Field(
        default=False,
        description="Listen beyond this machine without TLS: whoever is on that network reads the secret.",
        json_schema_extra=french(
            "Écouter au-delà de cette machine sans TLS : quiconque est sur ce réseau lit le secret.", title="Sans TLS"
        ),
    )
    secret: Annotated[SecretStr, AfterValidator(_long)] = Field(
        description="What each message must bring, always by way of `!secret`.",
        json_schema_extra=french("Ce que chaque message doit apporter, toujours par `!secret`."),
    )
    user: str = Field(
        default="",
        max_length=64,
        description="With one, Basic USER:SECRET counts; else Bearer SECRET.",
        json_schema_extra=french("S'il est donné, Basic UTILISATEUR:SECRET compte ; sinon Bearer SECRET."),
    )
    header: Annotated[str, AfterValidator(_header)] = Field(
        default="Authorization",
        description="The header it stands in; in another one than Authorization it stands alone.",
        json_schema_extra=french("L'en-tête où il se trouve ; dans un autre qu'Authorization il s'y trouve seul."),
    )
    max_rate: float = Field(
        default=20,
        gt=0,
        le=1000,
        description="Messages a second, at most.",
        json_schema_extra=french("Messages par seconde, au plus."),
    )

    @model_validator(mode="after")
    def _safe(self) -> Listen:
        if bool(self.certificate) != bool(self.certificate_key):
            raise ValueError(
                phrase("http_json.certificate-and-key-together", "certificate and certificate_key belong together")
            )
        if not self.certificate and not self.plain and not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError(
                phrase(
                    "http_json.secret-in-clear",
                    "without TLS the secret would travel in clear: give certificate and certificate_key, listen "
                    "on 127.0.0.1 behind a reverse proxy of this machine, or say plain: true",
                )
            )
        return self


class Config(hub.Config):
    """One web server whose pages are polled, a door for webhooks, or both."""

    help_fr = "Un serveur web dont les pages sont lues, une porte pour des webhooks, ou les deux."

    url: Annotated[hub.HttpUrl, AfterValidator(_base)] | None = Field(
        default=None,
        description="Address of the server: http://host:port or https://…; null: none is polled.",
        json_schema_extra=french("Adresse du serveur : http://hôte:port ou https://… ; null : aucun n'est interrogé."),
    )
    user: str = Field(
        default="",
        max_length=128,
        description="User name, for Basic authentication.",
        json_schema_extra=french("Nom d'utilisateur, pour l'authentification Basic."),
    )
    password: SecretStr = Field(
        default=SecretStr(""), description="Password: !secret.", json_schema_extra=french("Mot de passe : !secret.")
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        description="Bearer token, in place of user and password: !secret.",
        json_schema_extra=french("Jeton Bearer, à la place d'un utilisateur et mot de passe : !secret."),
    )
    headers: dict[Annotated[str, AfterValidator(_header)], SecretStr] = Field(
        default={},
        max_length=16,
        description="Further headers, such as an API key, each by way of `!secret`.",
        json_schema_extra=french("D'autres en-têtes, comme une clé d'API, chacun par `!secret`."),
    )
    interval: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="Time between two requests for the same page.",
        json_schema_extra=french("Temps entre deux demandes de la même page."),
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(milliseconds=100),
        le=timedelta(seconds=60),
        description="How long to wait for an answer.",
        json_schema_extra=french("Combien de temps attendre une réponse."),
    )
    max_rate: float = Field(
        default=2,
        gt=0,
        le=100,
        description="Requests a second, at most, on this server.",
        json_schema_extra=french("Demandes par seconde, au plus, sur ce serveur."),
    )
    listen: Listen | None = Field(
        default=None,
        description="Take what devices send; null: nothing listens.",
        json_schema_extra=french("Prendre ce que des appareils envoient ; null : rien n'écoute."),
    )

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.url is None and self.listen is None:
            raise ValueError(phrase("http_json.neither-url-nor-listen", "nothing would be read: give url or listen"))
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError(phrase("http_json.user-and-password-together", "user and password belong together"))
        if self.user and self.token.get_secret_value():
            raise ValueError(phrase("http_json.user-or-token", "a user or a token: leave one out"))
        if self.url is None and (self.user or self.token.get_secret_value() or self.headers):
            raise ValueError(
                phrase(
                    "http_json.credentials-without-url",
                    "credentials are for the server that `url` names, and there is none",
                )
            )
        return self


class ValueSettings(hub.Config):
    """One value of a document."""

    help_fr = "Une valeur d'un document."

    path: Annotated[str, AfterValidator(_path)] = Field(
        default="",
        description="Where it stands: energy, or meters[0].value; empty: the document itself.",
        json_schema_extra=french("Où elle se trouve : energy, ou meters[0].value ; vide : le document lui-même."),
    )
    scale: Number = Field(
        default=1.0,
        description="The metric's value is raw × scale + offset.",
        json_schema_extra=french("La valeur de la grandeur est brut × scale + offset."),
    )
    offset: Number = Field(
        default=0.0, description="In the metric's unit.", json_schema_extra=french("Dans l'unité de la grandeur.")
    )
    on: str = Field(
        default="",
        max_length=64,
        description="What a flag says when it is true; else on, true, open, 1…",
        json_schema_extra=french("Ce que dit un état quand il est vrai ; sinon on, true, open, 1…"),
    )
    off: str = Field(
        default="",
        max_length=64,
        description="What it says when it is false.",
        json_schema_extra=french("Ce qu'il dit quand il est faux."),
    )
    kind: Literal["number", "flag", "text"] | None = Field(
        default=None,
        description="Kind of a metric of your own.",
        json_schema_extra=french("Sorte d'une grandeur à vous."),
    )
    unit: str | None = Field(
        default=None,
        max_length=32,
        description="UCUM unit of a metric of your own.",
        json_schema_extra=french("Unité UCUM d'une grandeur à vous."),
    )
    privacy: Literal["technical", "environment", "personal"] | None = Field(
        default=None,
        description="Class of a metric of your own.",
        json_schema_extra=french("Classe d'une grandeur à vous."),
    )


class DeviceSettings(hub.Config):
    """One device: the page it is read from, the name under which it sends, or both."""

    help_fr = "Un appareil : la page où il est lu, le nom sous lequel il envoie, ou les deux."

    path: Annotated[str, AfterValidator(_page)] = Field(
        default="",
        max_length=512,
        description="Its page on the server, with query: /status; empty: it is not polled.",
        json_schema_extra=french(
            "Sa page sur le serveur, avec ses paramètres : /status ; vide : il n'est pas interrogé."
        ),
    )
    hook: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]{0,64}$",
        description="It sends to /hook/<hook>; empty: it does not.",
        json_schema_extra=french("Il envoie à /hook/<hook> ; vide : il n'envoie pas.", title="Nom du webhook"),
    )
    time: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="Where the date of the values stands: Unix seconds or milliseconds, ISO 8601 with zone.",
        json_schema_extra=french(
            "Où se trouve la date des valeurs : secondes ou millisecondes Unix, ISO 8601 avec fuseau."
        ),
    )
    values: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], ValueSettings] = Field(
        min_length=1,
        max_length=200,
        description="Its values, by metric.",
        json_schema_extra=french("Ses valeurs, par grandeur."),
    )

    @model_validator(mode="after")
    def _agrees(self) -> DeviceSettings:
        if not self.path and not self.hook:
            raise ValueError(
                phrase("http_json.neither-path-nor-hook", "nothing says how it is read: give path or hook")
            )
        for name, value in self.values.items():
            known = hub.METRICS.get(name)
            if known is None and (value.unit is None or value.privacy is None):
                raise ValueError(
                    phrase(
                        "http_json.metric-not-in-catalogue",
                        "metric {metric} is not in the catalogue: state its unit (UCUM) and its privacy class",
                        metric=name,
                    )
                )
            if known is not None and (value.unit, value.privacy, value.kind) != (None, None, None):
                raise ValueError(
                    phrase(
                        "http_json.metric-in-catalogue",
                        "metric {metric} is in the catalogue: leave unit, privacy and kind out",
                        metric=name,
                    )
                )
            if _metric(name, value).kind != "number" and (value.scale != 1 or value.offset != 0):
                raise ValueError(
                    phrase(
                        "http_json.scale-needs-number",
                        "scale and offset are for numbers, and {metric} is none",
                        metric=name,
                    )
                )
            if value.scale == 0:
                raise ValueError(phrase("http_json.scale-is-zero", "scale 0 would make every value the same"))
        return self

    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(_metric(name, v), JsonPath.parse(v.path), v.scale, v.offset, v.on, v.off)
            for name, v in self.values.items()
        )

    def own_metrics(self) -> tuple[hub.Metric, ...]:
        """The metrics of this device that are not in the catalogue."""
        return tuple(_metric(name, value) for name, value in self.values.items() if name not in hub.METRICS)


def _metric(name: str, value: ValueSettings) -> hub.Metric:
    if (known := hub.METRICS.get(name)) is not None:
        return known
    title = name.replace("_", " ").capitalize()
    kind = value.kind or "number"
    return hub.Metric(
        key=name,
        unit=value.unit or "1",
        kind=kind,
        resolution="0.001" if kind == "number" else "1",
        state_class="measurement" if kind == "number" else "",
        privacy=value.privacy or "personal",
        fr=title,
        en=title,
    )
