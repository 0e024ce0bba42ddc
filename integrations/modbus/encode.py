"""Encodes a value to register words: the reverse of `decode`. Pure."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.decode import Value
from integrations.modbus.settings import FLOATS, Register


def encode(register: Register, value: Value) -> list[int]:
    """Return the words for `value`, which is in the metric's unit. Raises DecodeError: `not-writable` where the map is
    not reversible, `does-not-fit` where no words stand for this value."""
    if register.table in ("input", "discrete"):
        raise hub.DecodeError(
            "not-writable",
            phrase(
                "modbus.table-read-only",
                "{metric}: table {table} is read-only by definition",
                metric=register.metric,
                table=register.table,
            ),
        )
    if register.mask is not None:
        raise hub.DecodeError(
            "not-writable",
            phrase(
                "modbus.bits-not-writable",
                "{metric}: bits within a register are not written",
                metric=register.metric,
            ),
        )
    if register.type == "string":
        raise hub.DecodeError(
            "not-writable",
            phrase("modbus.texts-not-writable", "{metric}: texts are not written", metric=register.metric),
        )
    if register.type == "bool":
        return [int(bool(value))]
    if isinstance(value, bool | str):
        raise hub.DecodeError(
            "does-not-fit", phrase("modbus.value-not-number", "{metric} is a number", metric=register.metric)
        )
    data = _float(register, value) if register.type in FLOATS else _integer(register, value)
    words = [int.from_bytes(data[at : at + 2], register.byte_order) for at in range(0, len(data), 2)]
    return words if register.word_order == "big" else words[::-1]


def writable(register: Register) -> bool:
    """Return whether a command can write it at all."""
    return register.table in ("holding", "coil") and register.mask is None and register.type != "string"


def _does_not_fit(register: Register, value: float) -> hub.DecodeError:
    return hub.DecodeError(
        "does-not-fit",
        phrase(
            "modbus.value-does-not-fit",
            "{metric}: {value:g} does not fit {type}",
            metric=register.metric,
            value=value,
            type=register.type,
        ),
    )


def _float(register: Register, value: float) -> bytes:
    try:
        return struct.pack(FLOATS[register.type], (value - register.offset) / register.scale)
    except OverflowError:
        raise _does_not_fit(register, value) from None


def _integer(register: Register, value: float) -> bytes:
    if not math.isfinite(value):
        raise _does_not_fit(register, value)
    exact = (Decimal(repr(value)) - Decimal(repr(register.offset))) / Decimal(repr(register.scale))
    raw, size = int(exact.to_integral_value()), 2 * register.size
    signed = register.type.startswith("int")
    if any(raw == invalid for invalid in register.invalid):
        raise hub.DecodeError(
            "does-not-fit",
            phrase(
                "modbus.value-means-none",
                "{metric}: {value:g} is what the device says for no value",
                metric=register.metric,
                value=value,
            ),
        )
    try:
        return raw.to_bytes(size, "big", signed=signed)
    except OverflowError:
        raise _does_not_fit(register, value) from None
