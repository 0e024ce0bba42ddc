"""Options of the operator: the hub's address on the BACnet network, and the objects of each device."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

import hub
from hub.sdk.metric_names import UcumUnit
from hub.sdk.phrases import phrase
from hub.sdk.session import MetricKind
from integrations.bacnet.decode import Station
from integrations.bacnet.names import KINDS, LAST_INSTANCE, MULTISTATE, OBJECT_NAMES, READABLE, object_id
from integrations.bacnet.units import UCUM

PORT = 47808
Number = Annotated[float, Field(allow_inf_nan=False)]
Kind = Literal["number", "flag", "text"]


def _host(text: str) -> str:
    host, port = split_port(text)
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise ValueError(
            phrase(
                "bacnet.expected-ipv4-address",
                "expected an IPv4 address, like 192.168.10.20 or 192.168.10.20:{port}",
                port=PORT,
            )
        ) from None
    if not 1 <= port <= 65535:
        raise ValueError(phrase("bacnet.bad-port", "a port is a number from 1 to 65535"))
    return text


def split_port(text: str) -> tuple[str, int]:
    """Split `192.0.2.1:47809` into host and port; by default BACnet's."""
    host, colon, port = text.partition(":")
    return host, int(port) if colon and port.isascii() and port.isdigit() else 0 if colon else PORT


def readable(name: str) -> str:
    if object_id(name).type not in READABLE:
        raise ValueError(
            phrase("bacnet.object-without-reading", "{object} has no present value that is a reading", object=name)
        )
    return name


Address = Annotated[str, AfterValidator(_host)]
Instance = Annotated[int, Field(ge=0, le=LAST_INSTANCE)]
Seconds = timedelta


class Discovery(hub.Config):
    """Asking who is there. Without this section nothing is ever broadcast."""

    broadcast: Annotated[
        Address | None,
        Field(
            description="Broadcast address of the network, like 192.168.10.255; none: the BBMD spreads it",
        ),
    ] = None
    low: Annotated[
        Instance,
        Field(
            description="Lowest device instance that is asked for",
        ),
    ] = 0
    high: Annotated[
        Instance,
        Field(
            description="Highest device instance that is asked for",
        ),
    ] = LAST_INSTANCE
    every: Annotated[
        timedelta,
        Field(
            ge=timedelta(0),
            le=timedelta(days=30),
            description="Ask this often; 0s: only for a device's address",
        ),
    ] = timedelta(0)


class Config(hub.Config):
    """One BACnet/IP network, and the hub's own address on it."""

    address: Annotated[
        str,
        Field(
            min_length=7,
            max_length=15,
            description="The hub's own IPv4 address there; 0.0.0.0: all it has",
        ),
        AfterValidator(_host),
    ] = "0.0.0.0"  # noqa: S104 - devices are told by their addresses; a specific one is better, and said in the README
    port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="The hub's own UDP port; 0: any",
        ),
    ] = PORT
    interval: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=1),
            le=timedelta(days=1),
            description="Time between two polls of a device",
        ),
    ] = timedelta(seconds=60)
    timeout: Annotated[
        timedelta,
        Field(
            ge=timedelta(milliseconds=50),
            le=timedelta(seconds=60),
            description="How long to wait for an answer",
        ),
    ] = timedelta(seconds=3)
    retries: Annotated[
        int,
        Field(
            ge=0,
            le=5,
            description="Further attempts when a device stays silent",
        ),
    ] = 2
    max_rate: Annotated[
        float,
        Field(
            gt=0,
            le=1000,
            description="Requests per second, at most, on this network",
        ),
    ] = 10.0
    lifetime: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=10),
            le=timedelta(hours=24),
            description="Of a subscription; renewed at half of it",
        ),
    ] = timedelta(minutes=10)
    notifications: Annotated[
        Literal["confirmed", "unconfirmed", "none"],
        Field(
            description="How devices tell changes: acknowledged, not acknowledged, or not at all (polling only)",
            title="Notifications",
        ),
    ] = "confirmed"
    bbmd: Annotated[
        Address | None,
        Field(
            description="Register as a foreign device with the BBMD at this address",
            title="Bbmd",
        ),
    ] = None
    bbmd_lifetime: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=10),
            le=timedelta(hours=18),
            description="Of that registration; renewed at half",
            title="Bbmd lifetime",
        ),
    ] = timedelta(minutes=5)
    discover: Annotated[
        Discovery | None,
        Field(
            description="Ask who is there, by broadcast",
            title="Discover",
        ),
    ] = None

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.discover is not None and self.discover.broadcast is None and self.bbmd is None:
            raise ValueError(
                phrase(
                    "bacnet.discover-needs-broadcast",
                    "discover needs `broadcast`, the broadcast address of the network, or a `bbmd`",
                )
            )
        return self


class Point(hub.Config):
    """One object of a device and the reading it makes."""

    metric: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,63}$",
            description="Key of the catalogue, or one of your own",
        ),
    ]
    unit: Annotated[
        UcumUnit | None,
        Field(
            max_length=32,
            description="UCUM unit of the object where it says none, or a wrong one",
        ),
    ] = None
    privacy: Annotated[
        Literal["technical", "environment", "personal"] | None,
        Field(description="Class of a metric of your own"),
    ] = None
    kind: Annotated[
        Kind | None,
        Field(
            description="Of a metric of your own: number, flag or text",
        ),
    ] = None
    scale: Annotated[
        Number,
        Field(
            description="Factor, before the unit is converted",
        ),
    ] = 1.0
    offset: Annotated[Number, Field(description="Added after the factor")] = 0.0
    values: Annotated[
        dict[str, bool | Number | str] | None,
        Field(
            max_length=256,
            description="Raw value, as text → reading; any other raw value gives none",
        ),
    ] = None
    notify: Annotated[
        bool,
        Field(
            description="false: this object is polled, never subscribed to",
            title="Notify",
        ),
    ] = True
    priority: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="At which a command is written: 1 highest, 8 operator, 16 lowest",
        ),
    ] = 16

    @model_validator(mode="after")
    def _agrees(self) -> Point:
        if self.scale == 0:
            raise ValueError(phrase("bacnet.scale-zero", "scale 0 would make every value the same"))
        if self.priority == 6:
            raise ValueError(
                phrase(
                    "bacnet.priority-six-reserved",
                    "priority 6 is kept for minimum on and off times (BACnet, Clause 19.2)",
                )
            )
        known = hub.METRICS.get(self.metric)
        if known is None:
            if self.privacy is None:
                raise ValueError(
                    phrase(
                        "bacnet.own-metric-without-privacy",
                        "metric {metric} is not in the catalogue: state its privacy class",
                        metric=self.metric,
                    )
                )
        else:
            if self.privacy not in (None, known.privacy):
                raise ValueError(
                    phrase(
                        "bacnet.privacy-of-catalogue",
                        "metric {metric} is of privacy class {privacy}: the catalogue decides",
                        metric=self.metric,
                        privacy=known.privacy,
                    )
                )
            if self.kind not in (None, known.kind):
                raise ValueError(
                    phrase(
                        "bacnet.kind-of-catalogue",
                        "metric {metric} is a {kind}: the catalogue decides",
                        metric=self.metric,
                        kind=known.kind,
                    )
                )
        return self

    def kind_of(self, object_type: int) -> MetricKind:
        """Return the kind of metric for an object of this type."""
        known = hub.METRICS.get(self.metric)
        return known.kind if known is not None else self.kind or KINDS[object_type]


class DeviceSettings(hub.Config):
    """The `settings:` of one device; its instance is in its id."""

    address: Annotated[
        Address | None,
        Field(
            description="IP address, and port when it is not 47808; none: asked for by broadcast",
        ),
    ] = None
    network: Annotated[
        int,
        Field(
            ge=0,
            le=65534,
            description="BACnet network behind the router at that address; 0: no router",
            title="Network",
        ),
    ] = 0
    mac: Annotated[
        str,
        Field(
            pattern=r"^([0-9a-fA-F]{2}){0,7}$",
            description="Its MAC address there, hexadecimal: 0c on MS/TP",
        ),
    ] = ""
    interval: Annotated[
        timedelta | None,
        Field(
            ge=timedelta(seconds=1),
            le=timedelta(days=1),
            description="Time between two polls of this device",
        ),
    ] = None
    objects: Annotated[
        dict[Annotated[str, AfterValidator(readable)], Point],
        Field(
            min_length=1,
            max_length=2000,
            description="type:instance → its reading, like analog-input:3",
            title="Objects",
        ),
    ]

    @model_validator(mode="after")
    def _agrees(self) -> DeviceSettings:
        if bool(self.network) != bool(self.mac):
            raise ValueError(
                phrase(
                    "bacnet.network-without-mac",
                    "network and mac are given together: where behind the router the device is",
                )
            )
        if self.network and self.address is None:
            raise ValueError(
                phrase("bacnet.router-without-address", "a device behind a router needs the router's address")
            )
        seen: dict[str, str] = {}
        for name, point in self.objects.items():
            if (other := seen.setdefault(point.metric, name)) != name:
                raise ValueError(
                    phrase(
                        "bacnet.metric-read-twice",
                        "metric {metric} is read of {first} and of {second}: one device has one value of a metric",
                        metric=point.metric,
                        first=other,
                        second=name,
                    )
                )
            self._agree(name, point)
        return self

    def _agree(self, name: str, point: Point) -> None:
        object_type = object_id(name).type
        made, wanted = KINDS[object_type], point.kind_of(object_type)
        # texts of binary objects are state texts of the device; numbers of multi-state objects are states
        natural = (
            made == wanted,
            made == "flag" and wanted == "text",
            object_type in MULTISTATE and wanted == "number",
        )
        if not any(natural) and point.values is None:
            raise ValueError(
                phrase(
                    "bacnet.kind-does-not-fit",
                    "metric {metric} is a {wanted}, {object} makes a {made}: map it with "
                    "`values`, like {{'1': true, '2': false}}",
                    metric=point.metric,
                    wanted=wanted,
                    object=name,
                    made=made,
                )
            )
        if made != "number" and (point.scale != 1 or point.offset or (point.unit and wanted != "number")):
            raise ValueError(
                phrase(
                    "bacnet.scale-of-no-number", "scale, offset and unit are for numbers, not for {object}", object=name
                )
            )

    def station(self) -> Station | None:
        """Return its address, None when it must be located."""
        if self.address is None:
            return None
        return Station(*split_port(self.address), self.network, bytes.fromhex(self.mac))


def instance_of(device: str) -> int | None:
    """Return the instance in `bacnet:<instance>`, None when there is none."""
    scheme, _, number = device.partition(":")
    if scheme != "bacnet" or not (number.isascii() and number.isdigit()) or int(number) > LAST_INSTANCE:
        return None
    return int(number)


__all__ = [
    "OBJECT_NAMES",
    "UCUM",
    "Config",
    "DeviceSettings",
    "Discovery",
    "Point",
    "instance_of",
    "readable",
    "split_port",
]
