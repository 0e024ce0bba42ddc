"""Options of the operator: a connection to the KNX bus, and the group addresses of each device."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.metric_names import UcumUnit
from hub.sdk.phrases import phrase
from integrations.knx import addresses, points

MOST_GROUPS = 1000
"""Maximum group addresses of one device."""

Number = Annotated[float, Field(allow_inf_nan=False)]


def _group(written: Any) -> str:
    """Convert a group address to text: YAML reads 2563 as a number."""
    text = str(written).strip() if isinstance(written, (str, int)) and not isinstance(written, bool) else ""
    addresses.group(text)
    return text


def _individual(text: str) -> str:
    if text:
        addresses.individual(text)
    return text


GroupAddress = Annotated[str, BeforeValidator(_group)]
IndividualAddress = Annotated[str, AfterValidator(_individual)]
Dpt = Annotated[str, BeforeValidator(points.canonical)]

SECURE = ("tunnelling-secure", "routing-secure")


class Config(hub.Config):
    """One way onto one KNX installation."""

    connection: Literal["tunnelling", "tunnelling-tcp", "tunnelling-secure", "routing", "routing-secure"] = Field(
        default="routing",
        description="A tunnel through an interface or router (UDP, TCP, or TCP with KNX IP Secure), or multicast "
        "routing (in clear, or with KNX IP Secure). With `host`, a tunnel over UDP unless this says otherwise.",
        title="Connection",
    )
    host: str = Field(
        default="",
        max_length=253,
        description="The interface or router, by name or IPv4 address; for tunnelling.",
    )
    port: int = Field(
        default=3671,
        ge=1,
        le=65535,
        description="Its port; for routing, that of the multicast group.",
    )
    local_ip: str = Field(
        default="",
        max_length=64,
        description="This machine's own address or interface towards it; empty: found.",
        title="Local ip",
    )
    route_back: bool = Field(
        default=False,
        description="Tunnelling over UDP through a NAT: answer to where the request came from.",
        title="Route back",
    )
    multicast_group: str = Field(
        default="224.0.23.12",
        max_length=15,
        description="Routing: the multicast address of the backbone.",
        title="Multicast group",
    )
    individual_address: IndividualAddress = Field(
        default="",
        description="Routing: this hub's own address, such as 1.1.250. Tunnelling over TCP: which tunnel.",
        title="Individual address",
    )
    keyring: Path | None = Field(
        default=None,
        description="The ETS keyring (.knxkeys), for KNX IP Secure and KNX Data Secure.",
        title="Keyring",
    )
    keyring_password: SecretStr = Field(
        default=SecretStr(""),
        description="Its password: !secret.",
        title="Keyring password",
    )
    max_rate: float = Field(
        default=5.0,
        gt=0,
        le=20,
        description="Telegrams per second that the hub sends at most. A line carries some 40.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=3),
        ge=timedelta(milliseconds=100),
        le=timedelta(seconds=30),
        description="How long an answer to a read may take.",
    )
    levels: Literal[1, 2, 3] = Field(
        default=3,
        description="How group addresses are shown: 1/2/3, 1/515 or 2563.",
        title="Levels",
    )
    project: Path | None = Field(
        default=None,
        description="An ETS project (.knxproj) without password: names and types for `ilot capture knx`.",
        title="Project",
    )

    @model_validator(mode="before")
    @classmethod
    def _to_a_host_by_tunnel(cls, data: Any) -> Any:
        """Use a tunnel to an interface that is named, where no connection is."""
        if isinstance(data, dict) and data.get("host") and "connection" not in data:
            return {**data, "connection": "tunnelling"}
        return data

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        tunnel = self.connection.startswith("tunnelling")
        if tunnel and not self.host:
            raise ValueError(
                phrase(
                    "knx.tunnelling-without-host",
                    "tunnelling needs `host`; `ilot discover knx` searches for interfaces",
                )
            )
        if self.host and not tunnel:
            raise ValueError(
                phrase(
                    "knx.host-without-tunnelling",
                    "`host` is for tunnelling: set `connection: tunnelling`, or remove it",
                )
            )
        if self.connection in SECURE and self.keyring is None:
            raise ValueError(
                phrase(
                    "knx.connection-without-keyring",
                    "{connection} needs the ETS keyring: `keyring` and `keyring_password`",
                    connection=self.connection,
                )
            )
        if self.keyring is not None and not self.keyring_password.get_secret_value():
            raise ValueError(phrase("knx.keyring-without-password", "`keyring` needs `keyring_password`"))
        if self.route_back and self.connection != "tunnelling":
            raise ValueError(phrase("knx.route-back-without-udp", "`route_back` is for tunnelling over UDP"))
        return self

    def holds_keys(self) -> bool:
        """The keyring has the keys of KNX Data Secure."""
        return self.keyring is not None

    @property
    def where(self) -> str:
        """Return the connection as text, for messages."""
        if self.host:
            return phrase("knx.interface-at", "the KNX interface {address}", address=f"{self.host}:{self.port}")
        return phrase("knx.routing-on", "KNX routing on {address}", address=f"{self.multicast_group}:{self.port}")

    def libraries(self) -> tuple[str, ...]:
        return ("xknx",)


class Group(hub.Config):
    """One group address and the metric that its values are."""

    dpt: Dpt = Field(
        description="Its datapoint type, as ETS shows it: 9.001. In quotes where YAML would drop zeros.",
        title="Dpt",
    )
    metric: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="Key of the catalogue, or one of your own.",
    )
    also: Annotated[tuple[GroupAddress, ...], Field(max_length=16)] = Field(
        default=(),
        description="Further group addresses on which the same value is said, such as a central command's.",
        title="Also",
    )
    read: bool = Field(
        default=False,
        description="Ask for it when the hub connects. Something on the bus must have its read flag set.",
        title="Read",
    )
    every: timedelta | None = Field(
        default=None,
        ge=timedelta(seconds=10),
        le=timedelta(days=7),
        description="Ask for it when it has been silent for so long. For what does not send by itself.",
    )
    write: GroupAddress | None = Field(
        default=None,
        description="Where a command for this metric is written; it also needs the device's `writable:`. When this is "
        "another address than that of the entry, what the entry's then says confirms the command.",
        title="Write",
    )
    confirm: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=5),
        description="How long it may take until the status says what was written.",
    )
    scale: Number = Field(
        default=1.0,
        description="value × scale + offset is the metric's; no unit is checked then.",
    )
    offset: Number = Field(default=0.0, description="In the metric's unit.")
    invert: bool = Field(
        default=False,
        description="For flags: the other way round.",
        title="Invert",
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

    @property
    def point(self) -> points.Point:
        return points.POINTS[self.dpt]

    @property
    def conversion(self) -> points.Conversion:
        """Return the conversion from the datapoint type's unit to the metric's."""
        if self.scale != 1 or self.offset != 0:
            return points.Conversion(self.scale, self.offset)
        known = hub.METRICS.get(self.metric)
        unit = known.unit if known else self.unit or "1"
        return points.conversion(self.point, unit) or points.Conversion()

    @model_validator(mode="after")
    def _agrees(self) -> Group:
        for wrong in (*self._wrong_shape(), *self._wrong_metric()):
            raise ValueError(wrong)
        return self

    def _wrong_shape(self) -> list[str]:
        wrong = []
        kind = self.point.kind
        if kind != "number" and (self.scale != 1 or self.offset != 0):
            wrong.append(f"scale and offset are for numbers; {self.dpt} is a {kind}")
        if kind != "flag" and self.invert:
            wrong.append(f"invert is for flags; {self.dpt} is a {kind}")
        if self.scale == 0:
            wrong.append("scale 0 would make every value the same")
        if kind == "text" and self.write is not None and not self.dpt.startswith(("16.", "20.")):
            wrong.append(f"nothing is written to {self.dpt}: only flags, numbers, 16.xxx and 20.xxx can be")
        if self.dpt.startswith("3.") and self.write is not None:
            wrong.append("relative dimming (3.xxx) has no value to write: use the absolute address (5.001)")
        return wrong

    def _wrong_metric(self) -> list[str]:
        known = hub.METRICS.get(self.metric)
        if known is None and (self.unit is None or self.privacy is None):
            return [f"metric {self.metric} is not in the catalogue: state its unit (UCUM) and its privacy class"]
        if known is None:
            return self._wrong_unit(self.unit or "1")
        if known.kind != self.point.kind:
            return [f"metric {self.metric} is a {known.kind}: {self.dpt} makes a {self.point.kind}"]
        if self.unit not in (None, known.unit):
            return [f"metric {self.metric} is in {known.unit}, not {self.unit}"]
        if self.privacy not in (None, known.privacy):
            return [f"metric {self.metric} is of privacy class {known.privacy}: the catalogue decides"]
        return self._wrong_unit(known.unit)

    def _wrong_unit(self, unit: str) -> list[str]:
        scaled = self.scale != 1 or self.offset != 0
        if self.point.kind != "number" or scaled or points.conversion(self.point, unit) is not None:
            return []
        return [f"{self.dpt} is in {self.point.unit}, metric {self.metric} in {unit}: bring it there with scale"]

    def own_metric(self) -> hub.Metric | None:
        """Return the metric itself, when it is not in the catalogue."""
        if self.metric in hub.METRICS:
            return None
        title = self.metric.replace("_", " ").capitalize()
        number = self.point.kind == "number"
        return hub.Metric(
            key=self.metric,
            unit=self.unit or "1",
            kind=self.point.kind,
            resolution="0.001" if number else "1",
            state_class="measurement" if number else "",
            privacy=self.privacy or "personal",
            fr=title,
            en=title,
        )


class DeviceSettings(hub.Config):
    """The `settings:` of one device: its group addresses, or those at which the objects of its pack stand."""

    groups: Annotated[dict[GroupAddress, Group], Field(max_length=MOST_GROUPS)] = Field(
        default={},
        description="By group address: what is said there.",
    )
    addresses: Annotated[dict[str, GroupAddress], Field(max_length=MOST_GROUPS)] = Field(
        default={},
        description="By name of an object of the device's pack: its group address.",
        title="Addresses",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_pack(cls, data: Any) -> Any:
        """Replace `points`, the pack's objects, by `groups` at the addresses that the device gives."""
        if not isinstance(data, dict) or not ("points" in data or data.get("addresses")):
            return data
        rest = {key: value for key, value in data.items() if key not in ("points", "addresses")}
        points, named = data.get("points") or {}, data.get("addresses") or {}
        if not isinstance(points, dict) or not isinstance(named, dict):
            return data
        for name in named:
            if name not in points:
                if not points:
                    raise ValueError(
                        phrase(
                            "knx.address-without-objects",
                            "addresses: {object!r} is no object of the device's pack; it has none",
                            object=name,
                        )
                    )
                raise ValueError(
                    phrase(
                        "knx.address-of-no-object",
                        "addresses: {object!r} is no object of the device's pack; it has {objects}",
                        object=name,
                        objects=list(points),
                    )
                )
        groups = {_group(address): points[name] for name, address in named.items()}
        return {**rest, "groups": {**groups, **(rest.get("groups") or {})}}

    @model_validator(mode="after")
    def _agrees(self) -> DeviceSettings:
        if not self.groups:
            raise ValueError(
                phrase(
                    "knx.nothing-read",
                    "nothing is read: give `groups`, or `addresses` for the objects of the device's pack",
                )
            )
        metrics: dict[str, str] = {}
        heard: dict[int, str] = {}
        for address, group in self.groups.items():
            if group.metric in metrics:
                raise ValueError(
                    phrase(
                        "knx.metric-at-two-addresses",
                        "metric {metric} stands at {first} and at {second}: one device has one value of a metric;"
                        " use `also`, or a second device",
                        metric=group.metric,
                        first=metrics[group.metric],
                        second=address,
                    )
                )
            metrics[group.metric] = address
            for each in (address, *group.also):
                if (former := heard.setdefault(addresses.group(each), group.metric)) != group.metric:
                    raise ValueError(
                        phrase(
                            "knx.address-of-two-metrics",
                            "group address {address} says both {first} and {second}",
                            address=each,
                            first=former,
                            second=group.metric,
                        )
                    )
        return self
