"""Configuration of reads over a connection: characteristics of a device, intervals, and the layout of their bytes.
Pure.

    settings:
        gatt:
            - service: "181a"              # any of the three widths of a UUID
              characteristic: "2a6e"       # defined by Bluetooth: needs no fields (`integrations.bluetooth.sig`)
            - service: 0000cafe-…          # a maker's own
              characteristic: 0000babe-…
              mode: notify                 # read (every `interval`) or notify
              fields:
                  - { metric: temperature, at: 0, type: i16le, scale: 0.01, invalid: [-32768] }
                  - { metric: door, at: 2, type: bit, bit: 0 }

A number is `raw * scale + offset` in the metric's own unit, computed in decimal, so that it is the double nearest to
what the sensor meant. A raw value named in `invalid`, a text that is no UTF-8 and a float that is no number give no
reading. Bytes that no field covers are ignored.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import Field as Option
from pydantic import TypeAdapter, ValidationError, field_validator, model_validator

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth import advert, sig
from integrations.bluetooth.floats import medfloat16, medfloat32
from integrations.bluetooth.text import printable

Values = dict[str, float | int | bool | str]
Type = Literal[
    "u8",
    "i8",
    "u16le",
    "u16be",
    "i16le",
    "i16be",
    "u24le",
    "u24be",
    "i24le",
    "i24be",
    "u32le",
    "u32be",
    "i32le",
    "i32be",
    "u64le",
    "u64be",
    "i64le",
    "i64be",
    "f32le",
    "f32be",
    "f64le",
    "f64be",
    "medfloat16",
    "medfloat32",
    "bit",
    "utf8",
]
Number = Annotated[Decimal, Option(allow_inf_nan=False, ge=Decimal("-1e12"), le=Decimal("1e12"), max_digits=24)]

LONGEST = 512
"""Bytes of an attribute value (Bluetooth Core 5.4, vol 3 part F §3.2.9)."""

SIZES = {name: int(re.sub(r"\D", "", name)) // 8 for name in get_args(Type) if name not in ("bit", "utf8")} | {"bit": 1}
"""Bytes of each type that has a fixed size."""

_FLOATS = {"f32le": "<f", "f32be": ">f", "f64le": "<d", "f64be": ">d"}


class Field(hub.Config):
    """One reading within a value."""

    metric: Annotated[
        str,
        Option(
            pattern=r"^[a-z][a-z0-9_]{0,63}$",
            description="Key of the catalogue",
        ),
    ]
    at: Annotated[
        int,
        Option(
            ge=0,
            lt=LONGEST,
            description="First byte, counted from 0",
        ),
    ] = 0
    type: Annotated[
        Type,
        Option(
            description="How its bytes are read; le: least significant byte first",
        ),
    ]
    length: Annotated[
        int,
        Option(
            ge=0,
            le=128,
            description="Bytes of a utf8; 0: to the end of the value",
        ),
    ] = 0
    bit: Annotated[
        int,
        Option(
            ge=0,
            le=7,
            description="Which bit of the byte; 0 is the lowest",
        ),
    ] = 0
    scale: Annotated[
        Number,
        Option(
            description="The raw number is multiplied by it",
        ),
    ] = Decimal(1)
    offset: Annotated[Number, Option(description="and this is added")] = Decimal(0)
    invalid: Annotated[
        tuple[int, ...],
        Option(
            max_length=16,
            description="Raw values that mean: no reading",
        ),
    ] = ()

    @model_validator(mode="after")
    def _fits(self) -> Field:
        numbers = self.scale != 1 or self.offset != 0
        if self.type in ("bit", "utf8") and (numbers or self.invalid):
            raise ValueError(
                phrase("bluetooth.type-without-scale", "{type} has no scale, offset or invalid values", type=self.type)
            )
        if self.bit and self.type != "bit":
            raise ValueError(phrase("bluetooth.bit-without-bit-type", "bit belongs to type: bit"))
        if self.length and self.type != "utf8":
            raise ValueError(phrase("bluetooth.length-without-utf8", "length belongs to type: utf8"))
        if self.at + self.size > LONGEST:
            raise ValueError(
                phrase("bluetooth.field-past-end", "it ends behind byte {last}, which no value has", last=LONGEST)
            )
        return self

    @property
    def size(self) -> int:
        """Bytes that it needs; 0 for a utf8 without length."""
        return SIZES.get(self.type, self.length)


class Characteristic(hub.Config):
    """One characteristic that is read, or that notifies."""

    service: Annotated[str, Option(description="UUID of its service", title="Service")]
    characteristic: Annotated[str, Option(description="Its own UUID", title="Characteristic")]
    mode: Annotated[
        Literal["read", "notify"],
        Option(
            description="notify: the device speaks by itself",
        ),
    ] = "read"
    interval: Annotated[
        timedelta,
        Option(
            ge=timedelta(seconds=10),
            le=timedelta(days=7),
            description="Time between two reads, in seconds",
        ),
    ] = timedelta(minutes=15)
    fields: Annotated[
        tuple[Field, ...],
        Option(
            max_length=64,
            description="Nothing where Bluetooth defines the characteristic",
        ),
    ] = ()

    @field_validator("service", "characteristic")
    @classmethod
    def _uuid(cls, text: str) -> str:
        if not advert.is_uuid(text):
            raise ValueError(
                phrase(
                    "bluetooth.uuid-malformed",
                    "a UUID has 4 or 8 hexadecimal digits, or 32 in the form 0000cafe-0000-1000-8000-…",
                )
            )
        return advert.service_key(text)

    @model_validator(mode="after")
    def _readable(self) -> Characteristic:
        if not self.fields and self.characteristic not in sig.CHARACTERISTICS:
            raise ValueError(
                phrase(
                    "bluetooth.characteristic-undefined",
                    "characteristic {characteristic} is not one that Bluetooth defines: it needs fields",
                    characteristic=self.characteristic,
                )
            )
        metrics = [field.metric for field in self.fields]
        twice = sorted({metric for metric in metrics if metrics.count(metric) > 1})
        if twice:
            raise ValueError(
                phrase(
                    "bluetooth.two-fields-of-metric",
                    "two fields are {metric!r}; name the second {metric}_2",
                    metric=twice[0],
                )
            )
        return self


class Settings(hub.Config):
    """The `settings:` of a Bluetooth device."""

    gatt: Annotated[
        tuple[Characteristic, ...],
        Option(
            max_length=32,
            description="What is read over a connection; nothing: none",
            title="Gatt",
        ),
    ] = ()


def read(item: Characteristic, data: bytes) -> tuple[Values, tuple[str, ...]]:
    """Decode a value of a characteristic → readings by metric, and reasons for the fields that gave none.

    Raises DecodeError `truncated` that names the field, or `too-long` beyond `LONGEST` bytes: then the whole value is
    discarded."""
    if len(data) > LONGEST:
        raise hub.DecodeError(
            "too-long",
            phrase("bluetooth.value-too-long", "{count} bytes, the most is {most}", count=len(data), most=LONGEST),
        )
    if not item.fields:
        values = sig.value(item.characteristic, data)
        return values, () if values else (f"unknown-{sig.CHARACTERISTICS[item.characteristic].metric}",)
    return read_fields(item.fields, data)


def read_fields(fields: tuple[Field, ...], data: bytes) -> tuple[Values, tuple[str, ...]]:
    """Decode fields as `read` does."""
    values: Values = {}
    skipped: list[str] = []
    for field in fields:
        stop = field.at + field.size
        if stop > len(data):
            raise hub.DecodeError("truncated", _cut(field, len(data)))
        value = _value(field, data)
        if value is None:
            skipped.append(f"unknown-{field.metric}")
        else:
            values[field.metric] = value
    return values, tuple(skipped)


def _cut(field: Field, size: int) -> str:
    if field.size <= 1:
        return phrase(
            "bluetooth.byte-missing",
            "field {metric} is byte {first} of a value that has {size} bytes",
            metric=field.metric,
            first=field.at,
            size=size,
        )
    return phrase(
        "bluetooth.bytes-missing",
        "field {metric} is bytes {first} to {last} of a value that has {size} bytes",
        metric=field.metric,
        first=field.at,
        last=field.at + field.size - 1,
        size=size,
    )


def _value(field: Field, data: bytes) -> float | int | bool | str | None:
    part = data[field.at : field.at + field.size] if field.size else data[field.at :]
    if field.type == "bit":
        return bool(part[0] >> field.bit & 1)
    if field.type == "utf8":
        return _text(part)
    if field.type in _FLOATS:
        number: float = struct.unpack(_FLOATS[field.type], part)[0]
        return _scaled(field, Decimal(number)) if math.isfinite(number) else None
    if field.type.startswith("medfloat"):
        raw = int.from_bytes(part, "little")
        value = medfloat16(raw) if field.size == 2 else medfloat32(raw)
        return None if value is None or raw in field.invalid else _scaled(field, Decimal(repr(value)))
    raw = int.from_bytes(part, "big" if field.type.endswith("be") else "little", signed=field.type[0] == "i")
    if raw in field.invalid:
        return None
    return raw if field.scale == 1 and field.offset == 0 else _scaled(field, Decimal(raw))


def _scaled(field: Field, raw: Decimal) -> float | None:
    value = float(raw * field.scale + field.offset)
    return value if math.isfinite(value) else None


def _text(part: bytes) -> str | None:
    try:
        return printable(part.partition(b"\0")[0].decode()).strip() or None
    except UnicodeDecodeError:
        return None


_FIELDS: TypeAdapter[tuple[Field, ...]] = TypeAdapter(Annotated[tuple[Field, ...], Option(min_length=1, max_length=64)])


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | None:
    """Decode a value together with its fields, as given by lines of `ilot decode ble`. None for any other frame. Raises
    DecodeError: `bad-fields` that names the field and the problem, and as `read` does."""
    if "fields" not in frame.data:
        return None
    [data] = [value for section, value in frame.data.items() if section.startswith("characteristic:")]
    try:
        fields = _FIELDS.validate_python(json.loads(frame.data["fields"]))
    except ValidationError as error:
        raise hub.DecodeError("bad-fields", _explain(error)) from None
    values, skipped = read_fields(fields, data)
    return hub.Decoded(device=f"ble:{frame.address}", values=values, proof=hub.Proof("gatt"), skipped=skipped)


def _explain(error: ValidationError) -> str:
    """Return `fields[0].type: …` for the first validation error."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    raised = first.get("ctx", {}).get("error")
    why = reason_of(raised) if isinstance(raised, ValueError) else first["msg"]
    return phrase("bluetooth.option-wrong", "{option}: {reason}", option=f"fields{path}", reason=why)
