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
from hub.sdk.metric_names import UcumUnit
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

    address: ListenAddress = Field(
        default="127.0.0.1",
        description="Address of the one interface to listen on.",
    )
    port: int = Field(default=8095, ge=0, le=65535, description="TCP port.")
    certificate: str = Field(
        default="",
        description="File of the TLS certificate chain, PEM. Empty: no TLS.",
    )
    certificate_key: str = Field(
        default="",
        description="File of its private key, PEM.",
    )
    plain: bool = Field(
        default=False,
        description="Listen beyond this machine without TLS: whoever is on that network reads the secret.",
        title="Plain",
    )
    secret: Annotated[SecretStr, AfterValidator(_long)] = Field(
        description="What each message must bring, always by way of `!secret`.",
    )
    user: str = Field(
        default="",
        max_length=64,
        description="With one, Basic USER:SECRET counts; else Bearer SECRET.",
    )
    header: Annotated[str, AfterValidator(_header)] = Field(
        default="Authorization",
        description="The header it stands in; in another one than Authorization it stands alone.",
    )
    max_rate: float = Field(
        default=20,
        gt=0,
        le=1000,
        description="Messages a second, at most.",
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

    url: Annotated[hub.HttpUrl, AfterValidator(_base)] | None = Field(
        default=None,
        description="Address of the server: http://host:port or https://…; null: none is polled.",
    )
    user: str = Field(
        default="",
        max_length=128,
        description="User name, for Basic authentication.",
    )
    password: SecretStr = Field(default=SecretStr(""), description="Password: !secret.")
    token: SecretStr = Field(
        default=SecretStr(""),
        description="Bearer token, in place of user and password: !secret.",
    )
    headers: dict[Annotated[str, AfterValidator(_header)], SecretStr] = Field(
        default={},
        max_length=16,
        description="Further headers, such as an API key, each by way of `!secret`.",
    )
    interval: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="Time between two requests for the same page.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(milliseconds=100),
        le=timedelta(seconds=60),
        description="How long to wait for an answer.",
    )
    max_rate: float = Field(
        default=2,
        gt=0,
        le=100,
        description="Requests a second, at most, on this server.",
    )
    listen: Listen | None = Field(
        default=None,
        description="Take what devices send; null: nothing listens.",
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

    path: Annotated[str, AfterValidator(_path)] = Field(
        default="",
        description="Where it stands: energy, or meters[0].value; empty: the document itself.",
    )
    scale: Number = Field(
        default=1.0,
        description="The metric's value is raw × scale + offset.",
    )
    offset: Number = Field(default=0.0, description="In the metric's unit.")
    on: str = Field(
        default="",
        max_length=64,
        description="What a flag says when it is true; else on, true, open, 1…",
    )
    off: str = Field(
        default="",
        max_length=64,
        description="What it says when it is false.",
    )
    kind: Literal["number", "flag", "text"] | None = Field(
        default=None,
        description="Kind of a metric of your own.",
    )
    unit: UcumUnit | None = Field(
        default=None,
        max_length=32,
        description="UCUM unit of a metric of your own.",
    )
    privacy: Literal["technical", "environment", "personal"] | None = Field(
        default=None,
        description="Class of a metric of your own.",
    )


class DeviceSettings(hub.Config):
    """One device: the page it is read from, the name under which it sends, or both."""

    path: Annotated[str, AfterValidator(_page)] = Field(
        default="",
        max_length=512,
        description="Its page on the server, with query: /status; empty: it is not polled.",
    )
    hook: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]{0,64}$",
        description="It sends to /hook/<hook>; empty: it does not.",
        title="Hook",
    )
    time: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="Where the date of the values stands: Unix seconds or milliseconds, ISO 8601 with zone.",
    )
    message_id: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None,
        description="Where the sender's own id of the message stands, a text or whole number; one that comes again "
        "under it is kept once.",
        title="Message id",
    )
    values: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], ValueSettings] = Field(
        min_length=1,
        max_length=200,
        description="Its values, by metric.",
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
