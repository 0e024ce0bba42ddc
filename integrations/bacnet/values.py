"""Conversion between present values and readings, with the quality from status flags. Pure.

ANSI/ASHRAE 135-2020, Clause 12: the objects; Clause 21: BACnetStatusFlags (in-alarm, fault, overridden, out-of-service)
and BACnetReliability.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import names, tags
from integrations.bacnet.names import ObjectId
from integrations.bacnet.settings import Point
from integrations.bacnet.units import SAME, UCUM, Conversion, conversion

NO_UNITS = 95
LONGEST_TEXT = 255

Reading = float | int | bool | str


class Facts(NamedTuple):
    """Properties that describe an object's values.

    `units` is its number, None when it has none; `texts`: states of a multi-state object from state 1, or inactive and
    active of a binary one; `scale`: factor of an accumulator's count."""

    units: int | None = None
    texts: tuple[str, ...] = ()
    scale: float = 1.0


class Translation:
    """Conversion between an object's present value and a reading of its metric."""

    def __init__(self, who: ObjectId, point: Point, facts: Facts) -> None:
        """Raises DecodeError when its unit cannot become the metric's."""
        self.object = who
        self.point = point
        self.kind = point.kind_of(who.type)
        self._facts = facts
        known = hub.METRICS.get(point.metric)
        self.unit = known.unit if known is not None else point.unit or UCUM.get(facts.units or NO_UNITS, "1")
        self._conversion = _conversion(who, point, facts, self.unit) if self.kind == "number" else SAME

    @property
    def metric(self) -> hub.Metric | None:
        """Return the metric when it is not in the catalogue."""
        if self.point.metric in hub.METRICS:
            return None
        title = self.point.metric.replace("_", " ").capitalize()
        number = self.kind == "number"
        whole = self.object.type in names.COUNTS and self._conversion.same and self.point.scale == 1
        return hub.Metric(
            key=self.point.metric,
            unit=self.unit,
            kind=self.kind,
            resolution="1" if not number or whole else "0.001",
            state_class="measurement" if number else "",
            privacy=self.point.privacy or "personal",
            fr=title,
            en=title,
        )

    def reading(self, values: Sequence[tags.Value]) -> Reading | None:
        """Convert a present value, None when it is no reading. Raises DecodeError when it is invalid."""
        if len(values) != 1:
            raise hub.DecodeError(
                "bad-value",
                phrase(
                    "bacnet.several-present-values",
                    "{object}: a present value is one value, not {count}",
                    object=str(self.object),
                    count=len(values),
                ),
            )
        raw = values[0]
        if raw is None:
            return None
        if isinstance(raw, (bytes, tuple)):
            raise hub.DecodeError(
                "bad-value",
                phrase(
                    "bacnet.value-of-no-reading", "{object}: not a value that a reading has", object=str(self.object)
                ),
            )
        if self.point.values is not None:
            return self.point.values.get(str(int(raw) if isinstance(raw, bool) else raw))
        if isinstance(raw, str):
            return _clean(self.object, raw)
        if self.kind == "text":
            return self._text(raw)
        if self.kind == "flag":
            if raw not in (0, 1):
                raise hub.DecodeError(
                    "bad-value",
                    phrase(
                        "bacnet.neither-active-nor-inactive",
                        "{object}: {raw} is neither active nor inactive",
                        object=str(self.object),
                        raw=raw,
                    ),
                )
            return bool(raw)
        if not math.isfinite(raw):
            return None  # a device's value for "no reading"
        if self._conversion.same and self._facts.scale == self.point.scale == 1 and not self.point.offset:
            return raw
        value = self._conversion.there(raw * self._facts.scale * self.point.scale + self.point.offset)
        if not math.isfinite(value):
            raise hub.DecodeError(
                "not-finite",
                phrase("bacnet.infinite-value", "{object}: the value is infinite", object=str(self.object)),
            )
        return value

    def raw(self, value: Reading | None) -> bytes:
        """Return the tagged value that sets the object, a Null to release it. Raises DecodeError when it has no such
        value."""
        if value is None:
            return tags.application(tags.NULL, None)
        kind = _TAGS.get(self.object.type)
        if kind is None:
            raise hub.DecodeError(
                "not-writable",
                phrase(
                    "bacnet.type-not-writable",
                    "{object}: objects of this type are not written",
                    object=str(self.object),
                ),
            )
        if self.point.values is not None:
            found = [raw for raw, reading in self.point.values.items() if reading == value]
            if not found:
                raise hub.DecodeError(
                    "no-such-value",
                    phrase(
                        "bacnet.no-raw-value",
                        "{object}: no raw value stands for {value!r} in `values`",
                        object=str(self.object),
                        value=value,
                    ),
                )
            return self._tagged(kind, _written(self.object, found[0]))
        if kind == tags.TEXT:
            return tags.application(kind, str(value))
        if isinstance(value, str):
            return self._tagged(kind, self._state(value))
        if self.kind == "number":
            if not math.isfinite(value):
                raise hub.DecodeError(
                    "no-such-value",
                    phrase(
                        "bacnet.not-a-number-to-write",
                        "{object}: {value} is no number to write",
                        object=str(self.object),
                        value=value,
                    ),
                )
            number = (self._conversion.back(float(value)) - self.point.offset) / self.point.scale / self._facts.scale
            return self._tagged(kind, number)
        return self._tagged(kind, int(value))

    def _tagged(self, kind: int, value: float) -> bytes:
        try:
            return tags.application(kind, value if kind in (tags.REAL, tags.DOUBLE) else round(value))
        except (ValueError, OverflowError):
            raise hub.DecodeError(
                "no-such-value",
                phrase(
                    "bacnet.value-does-not-fit",
                    "{object}: {value} does not fit the object",
                    object=str(self.object),
                    value=value,
                ),
            ) from None

    def _text(self, raw: float) -> str:
        """Return the state's name in the device; its number where it has none."""
        number = int(raw) - (0 if self.object.type in names.BINARY else 1)
        texts = self._facts.texts
        if 0 <= number < len(texts) and texts[number]:
            return texts[number]
        return _BINARY.get(int(raw), str(int(raw))) if self.object.type in names.BINARY else str(int(raw))

    def _state(self, text: str) -> int:
        first = 0 if self.object.type in names.BINARY else 1
        if text in self._facts.texts:
            return self._facts.texts.index(text) + first
        if self.object.type in names.BINARY and text in _BINARY.values():
            return int(text == "active")
        if text.isascii() and text.isdigit():
            return int(text)
        raise hub.DecodeError(
            "no-such-value",
            phrase("bacnet.no-such-state", "{object}: the device has no state of this name", object=str(self.object)),
        )


_BINARY = {0: "inactive", 1: "active"}
_TAGS = {
    **dict.fromkeys((0, 1, 2), tags.REAL), 46: tags.DOUBLE, **dict.fromkeys(names.BINARY, tags.ENUMERATED),
    **dict.fromkeys(names.MULTISTATE, tags.UNSIGNED), 45: tags.SIGNED, 48: tags.UNSIGNED, 40: tags.TEXT,
}  # fmt: skip


def _written(who: ObjectId, raw: str) -> float:
    """Return the number that a key of `values` stands for."""
    try:
        return float(raw)
    except ValueError:
        raise hub.DecodeError(
            "no-such-value",
            phrase(
                "bacnet.raw-value-not-a-number",
                "{object}: {raw!r} in `values` is no number to write",
                object=str(who),
                raw=raw,
            ),
        ) from None


def _conversion(who: ObjectId, point: Point, facts: Facts, into: str) -> Conversion:
    if point.unit is not None:
        found = conversion(point.unit, into)
        if found is None:
            raise hub.DecodeError(
                "unit",
                phrase(
                    "bacnet.unit-not-convertible",
                    "{object}: {unit} cannot become {into}, the unit of {metric}",
                    object=str(who),
                    unit=point.unit,
                    into=into,
                    metric=point.metric,
                ),
            )
        return found
    if point.metric not in hub.METRICS:
        return SAME
    if facts.units is None or facts.units == NO_UNITS:
        if into == "1":
            return SAME
        raise hub.DecodeError(
            "unit",
            phrase(
                "bacnet.object-without-unit",
                "{object} says no unit: state it (`unit`, UCUM); {metric} is in {into}",
                object=str(who),
                metric=point.metric,
                into=into,
            ),
        )
    unit = UCUM.get(facts.units)
    found = None if unit is None else conversion(unit, into)
    if found is None:
        said = unit or phrase("bacnet.unit-number", "BACnet unit {number}", number=facts.units)
        raise hub.DecodeError(
            "unit",
            phrase(
                "bacnet.unit-does-not-fit",
                "{object} is in {unit}, which cannot become {into}: is {metric} its metric? If so state `unit`",
                object=str(who),
                unit=said,
                into=into,
                metric=point.metric,
            ),
        )
    return found


def _clean(who: ObjectId, text: str) -> str | None:
    text = text.strip("\0 ")
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise hub.DecodeError(
            "bad-text",
            phrase("bacnet.bad-text", "{object}: a text too long, or with control characters", object=str(who)),
        )
    return text or None


def label(value: object) -> str:
    """Return a text of a device in printable form, with a maximum length."""
    text = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:100]


def facts_of(found: Iterable[tuple[int, Sequence[tags.Value]]]) -> Facts:
    """Return the facts in an object's properties; invalid ones are left out."""
    said = dict(found)
    units = _first(said.get(names.UNITS))
    texts = tuple(label(text) for text in said.get(names.STATE_TEXT, ()))
    if names.ACTIVE_TEXT in said or names.INACTIVE_TEXT in said:
        texts = (label(_first(said.get(names.INACTIVE_TEXT))), label(_first(said.get(names.ACTIVE_TEXT))))
    return Facts(int(units) if isinstance(units, int) else None, texts, _scale(_first(said.get(names.SCALE))))


def _first(values: Sequence[tags.Value] | None) -> tags.Value:
    return values[0] if values else None


def _scale(data: tags.Value) -> float:
    """Decode BACnetScale: a float under context tag 0, or the exponent of ten under 1; both come as octets."""
    if not isinstance(data, bytes):
        return 1.0
    if len(data) == 4:
        value = tags.value(tags.Tag(tags.REAL, False, 0, data))
        return float(value) if isinstance(value, float) and math.isfinite(value) and value else 1.0
    exponent = int.from_bytes(data, "big", signed=True) if data else 0
    return float(10**exponent) if -30 <= exponent <= 30 else 1.0


def quality(flags: Sequence[tags.Value] | None, reliability: Sequence[tags.Value] | None) -> tuple[hub.Quality, str]:
    """Return the quality of a value, and the slug of what reduces it, "" for none."""
    bits = _first(flags)
    fault, overridden, out_of_service = (
        bits[1:4] if isinstance(bits, tuple) and len(bits) >= 4 else (False, False, False)
    )
    reason = _first(reliability)
    if isinstance(reason, int) and reason != 0:
        return hub.Quality.BAD, names.RELIABILITIES.get(reason, f"reliability-{reason}")
    if fault:
        return hub.Quality.BAD, "fault"
    if out_of_service:
        return hub.Quality.UNCERTAIN, "out-of-service"
    if overridden:
        return hub.Quality.UNCERTAIN, "overridden"
    return hub.Quality.GOOD, ""
