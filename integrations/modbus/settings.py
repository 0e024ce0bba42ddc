"""Options of the operator: one Modbus host or serial line, and the register map of each device behind it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

import hub
from hub.sdk.metric_names import UcumUnit
from hub.sdk.phrases import phrase
from hub.sdk.session import MetricKind

Type = Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool", "string"]
Table = Literal["holding", "input", "coil", "discrete"]
Order = Literal["big", "little"]
Number = Annotated[float, Field(allow_inf_nan=False)]

WORDS: dict[str, int] = {
    "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4, "float32": 2, "float64": 4, "bool": 1,
}  # fmt: skip
BITS = ("coil", "discrete")
FLOATS = {"float32": ">f", "float64": ">d"}
LAST_ADDRESS = 0xFFFF
MOST_REGISTERS = 125  # MODBUS Application Protocol V1.1b3, §6.3 and §6.4
OF_SUNSPEC = "sunspec_"
"""Prefix of the names of SunSpec registers until they are values."""
MOST_BITS = 2000  # the same, §6.1 and §6.2


class Config(hub.Config):
    """One Modbus TCP server or gateway, or one serial line. Each further one is an integration of type `modbus`."""

    host: Annotated[
        str,
        Field(
            max_length=253,
            description="Modbus TCP: name or address of the server or gateway",
        ),
    ] = ""
    bus: Annotated[
        str,
        Field(
            max_length=32,
            description="Modbus RTU: the line, a name of `buses`, instead of host",
            title="Bus",
        ),
    ] = ""
    port: Annotated[int, Field(ge=1, le=65535, description="TCP port")] = 502
    interval: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=1),
            le=timedelta(days=1),
            description="Time between two polls of a device",
        ),
    ] = timedelta(seconds=30)
    timeout: Annotated[
        timedelta,
        Field(
            ge=timedelta(milliseconds=10),
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
            description="Requests per second, at most, on this host",
        ),
    ] = 10.0

    @model_validator(mode="after")
    def _one_way(self) -> Config:
        if bool(self.host) == bool(self.bus):
            raise ValueError(
                phrase("modbus.host-or-bus", "give either host (Modbus TCP) or bus (a serial line named in `buses`)")
            )
        return self

    def libraries(self) -> tuple[str, ...]:
        return ("pymodbus", "serialx") if self.bus else ("pymodbus",)


class Register(hub.Config):
    """One reading: where it stands in the device and how its words make a value.

    A value is `raw * scale + offset`, in the metric's own unit.
    """

    metric: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_]{0,63}$",
            description="Key of the catalogue, or one of your own",
        ),
    ]
    address: Annotated[
        int,
        Field(
            ge=0,
            le=LAST_ADDRESS,
            description="Protocol address: counts from 0",
        ),
    ]
    table: Annotated[
        Table,
        Field(
            description="Which of the four tables of the device",
            title="Table",
        ),
    ] = "holding"
    type: Annotated[
        Type,
        Field(
            description="uint16; bool where the table holds bits",
        ),
    ] = "uint16"
    length: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_REGISTERS,
            description="Registers of a string, two bytes each",
        ),
    ] = 0
    word_order: Annotated[
        Order,
        Field(
            description="big: the most significant register comes first",
            title="Word order",
        ),
    ] = "big"
    byte_order: Annotated[
        Order,
        Field(
            description="Order of the two bytes within each register",
            title="Byte order",
        ),
    ] = "big"
    scale: Annotated[Number, Field(description="The value is raw × scale + offset")] = 1.0
    offset: Annotated[Number, Field(description="In the unit of the register")] = 0.0
    mask: Annotated[
        int | None,
        Field(
            ge=1,
            description="Bits that count, shifted down to bit 0",
        ),
    ] = None
    invalid: Annotated[
        tuple[int | Number, ...],
        Field(
            max_length=16,
            description="Raw values that mean: no reading",
        ),
    ] = ()
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

    @property
    def size(self) -> int:
        """Number of registers (or bits, in a table of bits) that it takes."""
        return self.length if self.type == "string" else WORDS[self.type]

    @property
    def kind(self) -> MetricKind:
        """The kind of metric this makes."""
        kinds: dict[str, MetricKind] = {"bool": "flag", "string": "text"}
        return kinds.get(self.type, "number")

    @model_validator(mode="before")
    @classmethod
    def _bits_are_bool(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("table") in BITS and "type" not in data:
            return {**data, "type": "bool"}
        return data

    @model_validator(mode="after")
    def _agrees(self) -> Register:
        for wrong in (*self._wrong_shape(), *self._wrong_metric()):
            raise ValueError(wrong)
        return self

    def _wrong_shape(self) -> Iterator[str]:
        if self.table in BITS and self.type != "bool":
            yield phrase(
                "modbus.bits-need-bool",
                "table {table} holds single bits: type must be bool, not {type}",
                table=self.table,
                type=self.type,
            )
        if self.table in BITS and self.mask is not None:
            yield phrase(
                "modbus.no-mask-for-bits",
                "table {table} holds single bits: a mask means nothing there",
                table=self.table,
            )
        if (self.type == "string") != (self.length > 0):
            yield phrase(
                "modbus.length-of-strings",
                "length is the number of registers of a string: set it there, and only there",
            )
        if self.address + self.size - 1 > LAST_ADDRESS:
            yield phrase(
                "modbus.past-last-address",
                "{count} [register|registers] from address {address} run past {last}",
                count=self.size,
                address=self.address,
                last=LAST_ADDRESS,
            )
        if self.kind != "number" and (self.scale != 1 or self.offset != 0 or self.invalid):
            yield phrase(
                "modbus.scale-of-numbers",
                "scale, offset and invalid are for numbers, not for type {type}",
                type=self.type,
            )
        if self.scale == 0:
            yield phrase("modbus.scale-zero", "scale 0 would make every value the same")
        if self.mask is not None and self.type not in ("bool", "uint16", "uint32", "uint64"):
            yield phrase(
                "modbus.mask-of-unsigned", "mask is for bool and unsigned integers, not for type {type}", type=self.type
            )
        if self.mask is not None and self.mask >= 1 << 16 * self.size:
            yield phrase(
                "modbus.mask-too-wide", "mask 0x{mask:x} is wider than {bits} bits", mask=self.mask, bits=16 * self.size
            )
        if self.kind == "number":
            for value in self.invalid:
                if not self._fits(value):
                    yield phrase(
                        "modbus.invalid-does-not-fit",
                        "invalid value {value} does not fit {type}",
                        value=value,
                        type=self.type,
                    )

    def _fits(self, value: float) -> bool:
        if self.type in FLOATS:
            try:
                struct.pack(FLOATS[self.type], value)
            except OverflowError:
                return False
            return True
        return isinstance(value, int) and -(1 << 16 * self.size - 1) <= value < 1 << 16 * self.size

    def _wrong_metric(self) -> Iterator[str]:
        known = hub.METRICS.get(self.metric)
        if known is None:
            if self.unit is None or self.privacy is None:
                yield phrase(
                    "modbus.metric-unknown",
                    "metric {metric} is not in the catalogue: state its unit (UCUM) and its privacy class",
                    metric=self.metric,
                )
        elif known.kind != self.kind:
            yield phrase(
                "modbus.metric-of-other-kind",
                "metric {metric} is a {kind}: type {type} makes a {made}",
                metric=self.metric,
                kind=known.kind,
                type=self.type,
                made=self.kind,
            )
        elif self.unit not in (None, known.unit):
            yield phrase(
                "modbus.metric-in-other-unit",
                "metric {metric} is in {unit}, not {given}: bring it there with scale and offset",
                metric=self.metric,
                unit=known.unit,
                given=self.unit,
            )
        elif self.privacy not in (None, known.privacy):
            yield phrase(
                "modbus.privacy-of-catalogue",
                "metric {metric} is of privacy class {privacy}: the catalogue decides",
                metric=self.metric,
                privacy=known.privacy,
            )


class DeviceSettings(hub.Config):
    """The `settings:` of one device: its unit id and its register map."""

    unit: Annotated[
        int,
        Field(
            ge=1,
            le=255,
            description="Unit id: 1 to 247, or 255 for a server without units",
        ),
    ] = 1
    registers: Annotated[
        tuple[Register, ...], Field(max_length=1000, description="What is read of the device, each a value")
    ] = ()
    sunspec: Annotated[
        bool,
        Field(
            description="Read the SunSpec models that the device announces, beside `registers`",
            title="Sunspec",
        ),
    ] = False
    sunspec_address: Annotated[
        int | None,
        Field(
            ge=0,
            le=LAST_ADDRESS - 3,
            description="Where the SunSpec mark stands: 40000, 50000 or 0",
            title="Sunspec address",
        ),
    ] = None
    sunspec_part: Annotated[
        int,
        Field(
            ge=1,
            le=32,
            description="Which of several devices that one SunSpec map has, each with its name",
            title="Sunspec part",
        ),
    ] = 1
    max_gap: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_REGISTERS,
            description="Unwanted registers read along rather than asking twice",
            title="Max gap",
        ),
    ] = 8
    max_registers: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_REGISTERS,
            description="Registers that the device gives in one answer",
            title="Max registers",
        ),
    ] = MOST_REGISTERS

    @model_validator(mode="after")
    def _agrees(self) -> DeviceSettings:
        if 247 < self.unit < 255:
            raise ValueError(
                phrase(
                    "modbus.unit-reserved",
                    "unit {unit} is reserved: use 1 to 247, or 255 for a server without units",
                    unit=self.unit,
                )
            )
        if not self.registers and not self.sunspec:
            raise ValueError(
                phrase(
                    "modbus.nothing-read",
                    "nothing is read: give `registers`, or `sunspec: true` for a device that knows SunSpec",
                )
            )
        if not self.sunspec and (self.sunspec_address is not None or self.sunspec_part != 1):
            raise ValueError(
                phrase(
                    "modbus.sunspec-not-set",
                    "sunspec_address and sunspec_part say more of `sunspec: true`: set that too",
                )
            )
        seen: set[str] = set()
        for register in self.registers:
            if self.sunspec and register.metric.startswith(OF_SUNSPEC):
                raise ValueError(
                    phrase(
                        "modbus.metric-name-taken",
                        "metric {metric}: names that start with {prefix} are taken",
                        metric=register.metric,
                        prefix=OF_SUNSPEC,
                    )
                )
            if register.metric in seen:
                raise ValueError(
                    phrase(
                        "modbus.metric-read-twice",
                        "metric {metric} is read twice: one device has one value of a metric",
                        metric=register.metric,
                    )
                )
            if register.table not in BITS and register.size > self.max_registers:
                raise ValueError(
                    phrase(
                        "modbus.register-too-long",
                        "{metric} takes {count} [register|registers], more than max_registers",
                        metric=register.metric,
                        count=register.size,
                    )
                )
            seen.add(register.metric)
        return self

    def own_metrics(self) -> tuple[hub.Metric, ...]:
        """The metrics of this device that are not in the catalogue."""
        return tuple(_metric(register) for register in self.registers if register.metric not in hub.METRICS)


def _metric(register: Register) -> hub.Metric:
    title = register.metric.replace("_", " ").capitalize()
    return hub.Metric(
        key=register.metric,
        unit=register.unit or "1",
        kind=register.kind,
        resolution=_resolution(register),
        state_class="measurement" if register.kind == "number" else "",
        privacy=register.privacy or "personal",
        fr=title,
        en=title,
    )


def _resolution(register: Register) -> str:
    """Return the smallest step that scale and offset can make of a whole number."""
    if register.kind != "number":
        return "1"
    if register.type in FLOATS:
        return "0.001"
    parts = [Decimal(repr(abs(part))).normalize() for part in (register.scale, register.offset) if part]
    return format(min(Decimal(1).scaleb(int(part.as_tuple().exponent)) for part in parts), "f")
