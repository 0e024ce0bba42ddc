"""Options of the operator: one OPC UA server, and the nodes of each device."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.metric_names import UcumUnit
from hub.sdk.phrases import phrase, reason_of
from integrations.opcua.addresses import where

PORT = 4840  # OPC 10000-6, 7.2
SECURITY = {"none": 1, "sign": 2, "sign-and-encrypt": 3}
"""Words of the configuration -> MessageSecurityMode."""

Number = Annotated[float, Field(allow_inf_nan=False)]


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(
            phrase("opcua.url-unreadable", "{text!r} is no address: {reason}", text=text, reason=reason_of(error))
        ) from None
    if parts.scheme != "opc.tcp" or not parts.hostname or parts.username is not None or port == 0:
        raise ValueError(
            phrase("opcua.not-an-opc-url", "expected opc.tcp://host:port or opc.tcp://host:port/path, without a user")
        )
    return text


def _thumbprint(text: str) -> str:
    plain = re.sub(r"[\s:]", "", text).lower()
    if len(plain) == 40:
        raise ValueError(
            phrase(
                "opcua.sha-1-given",
                "this is a SHA-1 thumbprint, which can be forged: the SHA-256 of the certificate is needed",
            )
        )
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise ValueError(
            phrase("opcua.not-a-sha-256", "expected the SHA-256 of the server's certificate: 64 hexadecimal digits")
        )
    return plain


Thumbprint = Annotated[str, AfterValidator(_thumbprint)]


class Config(hub.Config):
    """One OPC UA server. Each further one is an integration of type `opcua`."""

    url: Annotated[
        str,
        AfterValidator(_url),
        Field(
            max_length=1024,
            description="Address of the server: opc.tcp://host:port/path",
        ),
    ]
    security: Annotated[
        Literal["sign-and-encrypt", "sign", "none"],
        Field(
            description="`none` only where the server offers nothing else",
        ),
    ] = "sign-and-encrypt"
    policy: Annotated[
        Literal["auto", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"],
        Field(
            description="Security policy; auto: the strongest that both sides know",
            title="Policy",
        ),
    ] = "auto"
    trusted: Annotated[
        tuple[Thumbprint, ...],
        Field(
            max_length=16,
            description="SHA-256 of each server certificate that you compared at the server",
            title="Trusted",
        ),
    ] = ()
    user: Annotated[
        str,
        Field(
            max_length=128,
            description="User name; empty: anonymous",
        ),
    ] = ""
    password: Annotated[SecretStr, Field(description="Password: !secret")] = SecretStr("")
    user_certificate: Annotated[
        Path | None,
        Field(
            description="Certificate of the user as a PEM file, in place of a password",
            title="User certificate",
        ),
    ] = None
    user_key: Annotated[
        SecretStr,
        Field(
            description="Its private key as PEM, not encrypted: !secret",
            title="User key",
        ),
    ] = SecretStr("")
    directory: Annotated[
        Path | None,
        Field(
            description="Where this hub's own certificate lies; by default opcua in the hub's state directory",
        ),
    ] = None
    subscribe: Annotated[
        bool,
        Field(
            description="Let the server report changes; false: poll every node",
            title="Subscribe",
        ),
    ] = True
    publishing: Annotated[
        timedelta,
        Field(
            ge=timedelta(milliseconds=100),
            le=timedelta(hours=1),
            description="How often the server reports changes",
            title="Publishing",
        ),
    ] = timedelta(seconds=2)
    interval: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=1),
            le=timedelta(days=1),
            description="Time between two polls of what is polled",
        ),
    ] = timedelta(seconds=30)
    refresh: Annotated[
        timedelta,
        Field(
            ge=timedelta(minutes=1),
            le=timedelta(days=1),
            description="Time between two reads of what is subscribed",
            title="Refresh",
        ),
    ] = timedelta(minutes=10)
    timeout: Annotated[
        timedelta,
        Field(
            ge=timedelta(milliseconds=500),
            le=timedelta(seconds=60),
            description="How long to wait for an answer",
        ),
    ] = timedelta(seconds=10)
    clock_tolerance: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=1),
            le=timedelta(hours=1),
            description="A server's clock further off is not believed",
            title="Clock tolerance",
        ),
    ] = timedelta(seconds=30)
    max_items: Annotated[
        int,
        Field(
            ge=1,
            le=5000,
            description="Nodes read from this server, at most",
            title="Max items",
        ),
    ] = 1000

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or PORT

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        named = bool(self.user or self.user_certificate)
        if self.security == "none" and named:
            raise ValueError(
                phrase(
                    "opcua.credentials-without-security",
                    "with security none anybody could take the user's credentials: use sign-and-encrypt",
                )
            )
        if self.security == "none" and (self.policy != "auto" or self.trusted):
            raise ValueError(
                phrase(
                    "opcua.policy-without-security",
                    "security none knows neither a policy nor trusted certificates: leave both out",
                )
            )
        if self.user and self.user_certificate:
            raise ValueError(
                phrase(
                    "opcua.two-ways-for-user",
                    "a user has a password or a certificate: leave out user or user_certificate",
                )
            )
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError(phrase("opcua.password-missing", "user and password belong together"))
        if bool(self.user_certificate) != bool(self.user_key.get_secret_value()):
            raise ValueError(phrase("opcua.user-key-missing", "user_certificate and user_key belong together"))
        return self

    def holds_keys(self) -> bool:
        """The certificates of the server, which signs what it says."""
        return self.security != "none"

    def libraries(self) -> tuple[str, ...]:
        return ("asyncua",)


class NodeSettings(hub.Config):
    """One node and the reading it makes: `raw * scale + offset`, in the metric's own unit."""

    metric: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,63}$",
            description="Key of the catalogue, or one of your own",
        ),
    ]
    scale: Annotated[
        Number | None,
        Field(
            description="By default from the unit that the server states, else 1",
        ),
    ] = None
    offset: Annotated[
        Number | None,
        Field(
            description="By default from the unit that the server states, else 0",
        ),
    ] = None
    values: dict[str, bool | Number | str] = Field(
        default={},
        max_length=64,
        description="Reading of each raw value; others give none",
    )
    element: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="Which element of an array, from 0",
        ),
    ] = None
    dead_band: Annotated[
        Number,
        Field(
            ge=0,
            description="Changes up to this, in the metric's unit, are not reported",
        ),
    ] = 0.0
    sampling: Annotated[
        timedelta | None,
        Field(
            ge=timedelta(milliseconds=100),
            le=timedelta(hours=1),
            description="How often the server looks at the node; by default as often as it publishes",
        ),
    ] = None
    queue: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="Changes that wait in the server between two publications",
        ),
    ] = 10
    kind: Annotated[
        Literal["number", "flag", "text"] | None,
        Field(description="Kind of a metric of your own"),
    ] = None
    unit: Annotated[
        UcumUnit | None,
        Field(
            max_length=32,
            description="UCUM unit of a metric of your own",
        ),
    ] = None
    privacy: Annotated[
        Literal["technical", "environment", "personal"] | None,
        Field(description="Class of a metric of your own"),
    ] = None

    @model_validator(mode="after")
    def _agrees(self) -> NodeSettings:
        known = hub.METRICS.get(self.metric)
        if known is None and (self.unit is None or self.privacy is None):
            raise ValueError(
                phrase(
                    "opcua.metric-unknown",
                    "metric {metric} is not in the catalogue: state its unit (UCUM) and its privacy class",
                    metric=self.metric,
                )
            )
        if known is not None and self.unit not in (None, known.unit):
            raise ValueError(
                phrase(
                    "opcua.metric-in-other-unit",
                    "metric {metric} is in {unit}, not {given}: leave unit out",
                    metric=self.metric,
                    unit=known.unit,
                    given=self.unit,
                )
            )
        if known is not None and self.kind not in (None, known.kind):
            raise ValueError(
                phrase(
                    "opcua.metric-of-other-kind",
                    "metric {metric} is a {kind}: leave kind out",
                    metric=self.metric,
                    kind=known.kind,
                )
            )
        if known is not None and self.privacy not in (None, known.privacy):
            raise ValueError(
                phrase(
                    "opcua.privacy-of-catalogue",
                    "metric {metric} is of privacy class {privacy}: the catalogue decides",
                    metric=self.metric,
                    privacy=known.privacy,
                )
            )
        metric = self.as_metric()
        if metric.kind != "number" and (self.scale is not None or self.offset is not None or self.dead_band):
            raise ValueError(
                phrase(
                    "opcua.scale-of-numbers",
                    "scale, offset and dead_band are for numbers, and {metric} is a {kind}",
                    metric=self.metric,
                    kind=metric.kind,
                )
            )
        if self.scale == 0:
            raise ValueError(phrase("opcua.scale-zero", "scale 0 would make every value the same"))
        for said in self.values.values():
            kind = "flag" if isinstance(said, bool) else "text" if isinstance(said, str) else "number"
            if kind != metric.kind:
                raise ValueError(
                    phrase(
                        "opcua.values-of-other-kind",
                        "values: {value!r} is no reading of {metric}, which is a {kind}",
                        value=said,
                        metric=self.metric,
                        kind=metric.kind,
                    )
                )
        return self

    def as_metric(self) -> hub.Metric:
        """The metric of the catalogue, or the device's own one."""
        if (known := hub.METRICS.get(self.metric)) is not None:
            return known
        title = self.metric.replace("_", " ").capitalize()
        kind = self.kind or "number"
        return hub.Metric(
            key=self.metric,
            unit=self.unit or "1",
            kind=kind,
            resolution="0.001" if kind == "number" else "1",
            state_class="measurement" if kind == "number" else "",
            privacy=self.privacy or "personal",
            fr=title,
            en=title,
        )


class DeviceSettings(hub.Config):
    """The `settings:` of one device: its nodes by address, `ns=2;s=Boiler.Flow` or `/Boiler/FlowTemperature`."""

    namespace: Annotated[
        str,
        Field(
            max_length=255,
            description="Namespace (URI, or index as text) of the steps of paths that name none",
            title="Namespace",
        ),
    ] = ""
    nodes: Annotated[
        dict[str, NodeSettings],
        Field(
            min_length=1,
            max_length=1000,
            description="Node -> reading",
            title="Nodes",
        ),
    ]

    @model_validator(mode="after")
    def _agrees(self) -> DeviceSettings:
        seen: dict[str, str] = {}
        for address, node in self.nodes.items():
            where(address, self.namespace)
            if node.metric in seen:
                raise ValueError(
                    phrase(
                        "opcua.metric-read-twice",
                        "metric {metric} is read from {first} and from {second}: keep one",
                        metric=node.metric,
                        first=seen[node.metric],
                        second=address,
                    )
                )
            seen[node.metric] = address
        return self

    def own_metrics(self) -> tuple[hub.Metric, ...]:
        """The metrics of this device that are not in the catalogue."""
        return tuple(node.as_metric() for node in self.nodes.values() if node.metric not in hub.METRICS)
