"""What the operator writes: the hub's own place on the BACnet network, and the objects of each device."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

import hub
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
        raise ValueError(f"expected an IPv4 address, like 192.168.10.20 or 192.168.10.20:{PORT}") from None
    if not 1 <= port <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return text


def split_port(text: str) -> tuple[str, int]:
    """`192.0.2.1:47809` → host and port; without one, BACnet's."""
    host, colon, port = text.partition(":")
    return host, int(port) if colon and port.isascii() and port.isdigit() else 0 if colon else PORT


def readable(name: str) -> str:
    if object_id(name).type not in READABLE:
        raise ValueError(f"{name} has no present value that is a reading")
    return name


Address = Annotated[str, AfterValidator(_host)]
Instance = Annotated[int, Field(ge=0, le=LAST_INSTANCE)]
Seconds = timedelta


class Discovery(hub.Config):
    """Asking who is there. Without this section nothing is ever broadcast."""

    broadcast: Annotated[
        Address | None,
        Field(description="Broadcast address of the network, like 192.168.10.255; none: the BBMD spreads it"),
    ] = None
    low: Annotated[Instance, Field(description="Lowest device instance that is asked for")] = 0
    high: Annotated[Instance, Field(description="Highest device instance that is asked for")] = LAST_INSTANCE
    every: Annotated[
        timedelta,
        Field(ge=timedelta(0), le=timedelta(days=30), description="Ask this often; 0s: only for a device's address"),
    ] = timedelta(0)


class Config(hub.Config):
    """One BACnet/IP network, and the hub's own address on it."""

    address: Annotated[
        str,
        Field(min_length=7, max_length=15, description="The hub's own IPv4 address there; 0.0.0.0: all it has"),
        AfterValidator(_host),
    ] = "0.0.0.0"  # noqa: S104 - devices are told by their addresses; a specific one is better, and said in the README
    port: Annotated[int, Field(ge=0, le=65535, description="The hub's own UDP port; 0: any")] = PORT
    interval: Annotated[
        timedelta,
        Field(ge=timedelta(seconds=1), le=timedelta(days=1), description="Time between two polls of a device"),
    ] = timedelta(seconds=60)
    timeout: Annotated[
        timedelta,
        Field(ge=timedelta(milliseconds=50), le=timedelta(seconds=60), description="How long to wait for an answer"),
    ] = timedelta(seconds=3)
    retries: Annotated[int, Field(ge=0, le=5, description="Further attempts when a device stays silent")] = 2
    max_rate: Annotated[float, Field(gt=0, le=1000, description="Requests per second, at most, on this network")] = 10.0
    lifetime: Annotated[
        timedelta,
        Field(ge=timedelta(seconds=10), le=timedelta(hours=24), description="Of a subscription; renewed at half of it"),
    ] = timedelta(minutes=10)
    notifications: Annotated[
        Literal["confirmed", "unconfirmed", "none"],
        Field(description="How devices tell changes: acknowledged, not acknowledged, or not at all (polling only)"),
    ] = "confirmed"
    bbmd: Annotated[Address | None, Field(description="Register as a foreign device with the BBMD at this address")] = (
        None
    )
    bbmd_lifetime: Annotated[
        timedelta,
        Field(ge=timedelta(seconds=10), le=timedelta(hours=18), description="Of that registration; renewed at half"),
    ] = timedelta(minutes=5)
    discover: Annotated[Discovery | None, Field(description="Ask who is there, by broadcast")] = None

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.discover is not None and self.discover.broadcast is None and self.bbmd is None:
            raise ValueError("discover needs `broadcast`, the broadcast address of the network, or a `bbmd`")
        return self


class Point(hub.Config):
    """One object of a device and the reading it makes."""

    metric: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="Key of the catalogue, or one of your own")
    ]
    unit: Annotated[
        str | None, Field(max_length=32, description="UCUM unit of the object where it says none, or a wrong one")
    ] = None
    privacy: Annotated[
        Literal["technical", "environment", "personal"] | None, Field(description="Class of a metric of your own")
    ] = None
    kind: Annotated[Kind | None, Field(description="Of a metric of your own: number, flag or text")] = None
    scale: Annotated[Number, Field(description="Factor, before the unit is converted")] = 1.0
    offset: Annotated[Number, Field(description="Added after the factor")] = 0.0
    values: Annotated[
        dict[str, bool | Number | str] | None,
        Field(max_length=256, description="Raw value, as text → reading; any other raw value gives none"),
    ] = None
    notify: Annotated[bool, Field(description="false: this object is polled, never subscribed to")] = True
    priority: Annotated[
        int, Field(ge=1, le=16, description="At which a command is written: 1 highest, 8 operator, 16 lowest")
    ] = 16

    @model_validator(mode="after")
    def _agrees(self) -> Point:
        if self.scale == 0:
            raise ValueError("scale 0 would make every value the same")
        if self.priority == 6:
            raise ValueError("priority 6 is kept for minimum on and off times (BACnet, Clause 19.2)")
        known = hub.METRICS.get(self.metric)
        if known is None:
            if self.privacy is None:
                raise ValueError(f"metric {self.metric} is not in the catalogue: state its privacy class")
        else:
            if self.privacy not in (None, known.privacy):
                raise ValueError(f"metric {self.metric} is of privacy class {known.privacy}: the catalogue decides")
            if self.kind not in (None, known.kind):
                raise ValueError(f"metric {self.metric} is a {known.kind}: the catalogue decides")
        return self

    def kind_of(self, object_type: int) -> str:
        """What kind of metric this makes."""
        known = hub.METRICS.get(self.metric)
        return known.kind if known is not None else self.kind or KINDS[object_type]


class DeviceSettings(hub.Config):
    """The `settings:` of one device; its instance is in its id."""

    address: Annotated[
        Address | None, Field(description="IP address, and port when it is not 47808; none: asked for by broadcast")
    ] = None
    network: Annotated[
        int, Field(ge=0, le=65534, description="BACnet network behind the router at that address; 0: no router")
    ] = 0
    mac: Annotated[
        str, Field(pattern=r"^([0-9a-fA-F]{2}){0,7}$", description="Its MAC address there, hexadecimal: 0c on MS/TP")
    ] = ""
    interval: Annotated[
        timedelta | None,
        Field(ge=timedelta(seconds=1), le=timedelta(days=1), description="Time between two polls of this device"),
    ] = None
    objects: Annotated[
        dict[Annotated[str, AfterValidator(readable)], Point],
        Field(min_length=1, max_length=2000, description="type:instance → its reading, like analog-input:3"),
    ]

    @model_validator(mode="after")
    def _agrees(self) -> DeviceSettings:
        if bool(self.network) != bool(self.mac):
            raise ValueError("network and mac are given together: where behind the router the device is")
        if self.network and self.address is None:
            raise ValueError("a device behind a router needs the router's address")
        seen: dict[str, str] = {}
        for name, point in self.objects.items():
            if (other := seen.setdefault(point.metric, name)) != name:
                raise ValueError(
                    f"metric {point.metric} is read of {other} and of {name}: one device has one value of a metric"
                )
            self._agree(name, point)
        return self

    def _agree(self, name: str, point: Point) -> None:
        object_type = object_id(name).type
        made, wanted = KINDS[object_type], point.kind_of(object_type)
        # a binary's text is that of its state in the device; a multi-state's number is that of its state
        natural = (
            made == wanted,
            made == "flag" and wanted == "text",
            object_type in MULTISTATE and wanted == "number",
        )
        if not any(natural) and point.values is None:
            raise ValueError(
                f"metric {point.metric} is a {wanted}, {name} makes a {made}: map it with `values`, like "
                "{'1': true, '2': false}"
            )
        if made != "number" and (point.scale != 1 or point.offset or (point.unit and wanted != "number")):
            raise ValueError(f"scale, offset and unit are for numbers, not for {name}")

    def station(self) -> Station | None:
        """Where it is, None when that must be asked for."""
        if self.address is None:
            return None
        return Station(*split_port(self.address), self.network, bytes.fromhex(self.mac))


def instance_of(device: str) -> int | None:
    """The instance in `bacnet:<instance>`, None when there is none."""
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
