"""Conversion of a node's change to a reading, and of a reading to a raw value for writing. Pure.

Types are the built-in ones of OPC 10000-6, 5.1.2, dates those of OPC 10000-4, 7.11: the source timestamp is the time of
the value, the server timestamp the time at which the server sampled it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.opcua import status, units
from integrations.opcua.messages import Change, Resolved
from integrations.opcua.settings import NodeSettings

Value = float | int | bool | str

MAX_TEXT = 64
TOGETHER_S = 0.1
"""Seconds within which readings count as simultaneous: a server that reads its controllers dates each value by
itself."""

_INTEGERS = {
    "SByte": (-(1 << 7), (1 << 7) - 1), "Byte": (0, (1 << 8) - 1), "Int16": (-(1 << 15), (1 << 15) - 1),
    "UInt16": (0, (1 << 16) - 1), "Int32": (-(1 << 31), (1 << 31) - 1), "UInt32": (0, (1 << 32) - 1),
    "Int64": (-(1 << 63), (1 << 63) - 1), "UInt64": (0, (1 << 64) - 1),
}  # fmt: skip
_NUMBERS = {*_INTEGERS, "Float", "Double", "DateTime"}
_TEXTS = {"String", "LocalizedText", "Guid"}


class Point(NamedTuple):
    """A node of a device, as the server has it: value = raw * `scale` + `offset`, in the metric's unit."""

    device: str
    address: str
    metric: hub.Metric
    node: NodeSettings
    id: str
    kind: str
    scale: float = 1.0
    offset: float = 0.0


class Said(NamedTuple):
    """A reading and its time (None for now)."""

    device: str
    metric: str
    value: Value
    time: float | None
    quality: hub.Quality


def point(device: str, address: str, node: NodeSettings, found: Resolved) -> Point:
    """Check a node against its metric.

    Raises DecodeError: `opcua-unit` when the server states a unit that cannot be converted to the metric's,
    `opcua-type` for a type that makes no such reading."""
    metric = node.as_metric()
    _check_type(node, metric, found)
    scale, offset = node.scale, node.offset
    if scale is None and offset is None and metric.kind == "number" and not node.values:
        unit = units.ucum(found.unit_id, found.unit)
        way = units.Conversion() if unit is None else units.conversion(unit, metric.unit)
        if way is None:
            stated = unit or found.unit or phrase("opcua.unit-number", "unit {number}", number=found.unit_id)
            raise hub.DecodeError(
                "opcua-unit",
                phrase(
                    "opcua.unit-not-convertible",
                    "the server gives {given}, {metric} is in {unit}: set scale (1 if it is right)",
                    given=stated,
                    metric=metric.key,
                    unit=metric.unit,
                ),
            )
        scale, offset = way
    return Point(device, address, metric, node, found.node, found.kind, scale or 1.0, offset or 0.0)


def _check_type(node: NodeSettings, metric: hub.Metric, found: Resolved) -> None:
    if found.array != (node.element is not None) and found.kind:
        raise hub.DecodeError(
            "opcua-type",
            phrase("opcua.is-array", "it is an array: say which `element`")
            if found.array
            else phrase("opcua.is-single-value", "it is a single value: leave `element` out"),
        )
    if not found.kind:
        raise hub.DecodeError(
            "opcua-type",
            phrase("opcua.type-without-reading", "its values are of a type that gives no reading, such as a structure"),
        )
    fits = {"number": _NUMBERS | {"Boolean"}, "flag": {*_INTEGERS, "Boolean"}, "text": _TEXTS}[metric.kind]
    if not node.values and found.kind not in fits:
        raise hub.DecodeError(
            "opcua-type",
            phrase(
                "opcua.type-does-not-fit",
                "{type} makes no {kind}, which {metric} is: see `values`",
                type=found.kind,
                kind=metric.kind,
                metric=metric.key,
            ),
        )


def reading(point: Point, change: Change) -> Value | None:
    """Return the value of a change; None when it has none. Raises DecodeError `opcua-type`, `not-finite` or
    `bad-text`."""
    raw = change.value
    if change.kind == "" or raw is None:
        if change.kind and change.status < 0x80000000:
            raise hub.DecodeError(
                "opcua-type",
                phrase(
                    "opcua.no-reading-of-type",
                    "{metric}: {type} gives no reading",
                    metric=point.metric.key,
                    type=change.kind,
                ),
            )
        return None
    if point.node.values:
        return point.node.values.get(_key_of(raw))
    if point.metric.kind == "flag":
        if isinstance(raw, bool | int):
            return bool(raw)
    elif point.metric.kind == "text":
        if isinstance(raw, str):
            return _text(point, raw)
    elif not isinstance(raw, str):
        return _number(point, change.kind, raw)
    raise hub.DecodeError(
        "opcua-type",
        phrase(
            "opcua.type-gives-other-kind",
            "{metric}: {type} makes no {kind}",
            metric=point.metric.key,
            type=change.kind,
            kind=point.metric.kind,
        ),
    )


def _key_of(raw: Value) -> str:
    """Format a raw value as in the keys of `values`."""
    if isinstance(raw, bool):
        return str(raw).lower()
    return str(int(raw)) if isinstance(raw, float) and raw.is_integer() else str(raw)


def _text(point: Point, raw: str) -> str | None:
    said = raw.strip()
    if not said.isprintable():
        raise hub.DecodeError(
            "bad-text",
            phrase("opcua.control-characters", "{metric}: holds control characters", metric=point.metric.key),
        )
    return said[:MAX_TEXT] or None


def _number(point: Point, kind: str, raw: float) -> float | int:
    if not math.isfinite(raw):
        raise hub.DecodeError(
            "not-finite",
            phrase("opcua.value-not-finite", "{metric}: the value is no finite number", metric=point.metric.key),
        )
    raw = int(raw) if isinstance(raw, bool) else raw
    if kind == "Float":
        raw = _shortest(raw)
    if point.scale == 1 and point.offset == 0:
        return raw
    # in decimal, so that 217 * 0.1 is 21.7
    value = float(Decimal(repr(raw)) * Decimal(repr(point.scale)) + Decimal(repr(point.offset)))
    if not math.isfinite(value):
        raise hub.DecodeError(
            "not-finite",
            phrase("opcua.value-not-finite", "{metric}: the value is no finite number", metric=point.metric.key),
        )
    return float(f"{value:.14g}")


def _shortest(raw: float) -> float:
    """Return the shortest decimal that is the same number in 32 bits: 21.7, where its 64 bits are
    21.700000762939453."""
    try:
        packed = struct.pack("<f", raw)
        return next(n for digits in (6, 7, 8) if struct.pack("<f", n := float(f"{raw:.{digits}g}")) == packed)
    except (OverflowError, StopIteration):
        return raw


def when(change: Change, now: float, tolerance: float, *, fresh: bool) -> tuple[float | None, str]:
    """Return the time of the value, None for now, and the reason if the server's timestamp was rejected, "" when it was
    not.

    A change has its source timestamp, as long as the server's clock agrees with this hub's `now` within `tolerance`
    seconds. A value that was only read (not `fresh`) is valid now, however old it is: then the source timestamp counts
    only when it is within the tolerance too."""
    if change.server is not None and abs(change.server - now) > tolerance:
        return None, "opcua-clock"
    if change.source is None:
        return None, ""
    if change.source > now + tolerance:
        return None, "opcua-clock"
    if now - change.source <= tolerance:
        return change.source, ""
    # an old timestamp: accepted for a change only where the server's clock is known to be right
    return (change.source, "") if fresh and change.server is not None else (None, "")


def reports(said: Iterable[Said], proof: hub.Proof) -> list[hub.Report]:
    """Combine readings into few reports: those of one device and quality within TOGETHER_S are one, with the time of
    the last. Two values of one metric are never combined."""
    made: list[list[Said]] = []
    open_: dict[tuple[str, hub.Quality], list[Said]] = {}
    for one in said:
        group = open_.get((one.device, one.quality))
        if group is None or not _together(group, one):
            group = open_[one.device, one.quality] = []
            made.append(group)
        group.append(one)
    return [
        hub.Report(
            device=group[0].device,
            values={one.metric: one.value for one in group},
            quality=group[0].quality,
            time=max((one.time for one in group if one.time is not None), default=None),
            proof=proof,
        )
        for group in made
    ]


def _together(group: Sequence[Said], one: Said) -> bool:
    first = group[0].time
    if any(other.metric == one.metric for other in group) or (first is None) != (one.time is None):
        return False
    return first is None or one.time is None or abs(one.time - first) <= TOGETHER_S


def raw(point: Point, value: Value) -> Value:
    """Return the raw value to write for a reading. Raises DecodeError with what is wrong: nothing is rounded into a
    range."""
    if point.node.element is not None:
        raise hub.DecodeError(
            "opcua-type", phrase("opcua.element-not-writable", "an element of an array is not written")
        )
    if point.node.values:
        for word, said in point.node.values.items():
            if said == value and isinstance(said, bool) == isinstance(value, bool):
                return _typed(point, word)
        raise hub.DecodeError(
            "opcua-range", phrase("opcua.value-not-in-values", "`values` has no raw value for {value!r}", value=value)
        )
    if point.metric.kind == "text":
        if point.kind == "Guid" or not isinstance(value, str):
            raise hub.DecodeError(
                "opcua-type", phrase("opcua.type-not-text", "{type} cannot be written as a text", type=point.kind)
            )
        return value
    if isinstance(value, str):
        raise hub.DecodeError(
            "opcua-type", phrase("opcua.value-not-text", "{metric} is no text", metric=point.metric.key)
        )
    if point.metric.kind == "flag":
        return bool(value) if point.kind == "Boolean" else int(bool(value))
    number = (Decimal(repr(float(value))) - Decimal(repr(point.offset))) / Decimal(repr(point.scale))
    return _typed(point, str(number))


def _typed(point: Point, word: str) -> Value:
    """Convert a raw value written as text to the server's type."""
    if point.kind in _TEXTS:
        return word
    if point.kind == "Boolean":
        if word in ("true", "false", "0", "1"):
            return word in ("true", "1")
        raise hub.DecodeError("opcua-type", phrase("opcua.not-a-boolean", "{word!r} is no Boolean", word=word))
    try:
        number = float(word)
    except ValueError:
        raise hub.DecodeError("opcua-type", phrase("opcua.not-a-number", "{word!r} is no number", word=word)) from None
    if point.kind not in _INTEGERS:
        return number
    whole = round(Decimal(word))
    low, high = _INTEGERS[point.kind]
    if abs(whole - Decimal(word)) > Decimal("1e-6"):
        raise hub.DecodeError(
            "opcua-range",
            phrase(
                "opcua.not-a-whole-number",
                "{type} holds whole numbers, {number:g} is none",
                type=point.kind,
                number=number,
            ),
        )
    if not low <= whole <= high:
        raise hub.DecodeError(
            "opcua-range",
            phrase(
                "opcua.number-out-of-range",
                "{type} holds {low} to {high}, not {number}",
                type=point.kind,
                low=low,
                high=high,
                number=whole,
            ),
        )
    return whole


def quality(change: Change) -> hub.Quality:
    return status.quality(change.status)
