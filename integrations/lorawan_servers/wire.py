"""Protocol Buffers on the wire (protobuf.dev, "Encoding"): just enough for ChirpStack's messages, and strict. Pure.

    message   (tag value)*          tag: varint, field number << 3 | wire type
    type 0    varint                1 to 10 bytes, 7 bits each, least first
    type 1    8 bytes               type 5    4 bytes              little-endian
    type 2    length, bytes         text, bytes, a message, a map's entry

A schema maps field numbers to `Field`s. A message becomes a dictionary of its fields, by their JSON names, with the
values of ChirpStack's JSON, except that bytes and times stay as they are. Fields outside the schema are skipped, since
newer servers add some. Refused, as no serializer writes it: a known field of another wire type, a single message that
comes twice, a number beyond its bits, text that is no UTF-8, a group.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import hub
from hub.sdk.phrases import phrase

MAX_DEPTH = 64
"""Maximum depth of nested messages: only `google.protobuf.Struct` goes deeper than five."""
MAX_FIELDS = 20_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


class Field(NamedTuple):
    """A field. `kind` is a scalar of `_SCALARS`, "message", "map" (text to text), "time" or "struct". `names`: of an
    enum."""

    name: str
    kind: str
    schema: Mapping[int, Field] = {}
    repeated: bool = False
    names: tuple[str, ...] = ()


Schema = Mapping[int, Field]


def _wrong(text: str) -> hub.DecodeError:
    return hub.DecodeError("bad-protobuf", text)


def fields(data: bytes | memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield field number, wire type and value of each field: an int for a varint, else a view of its bytes.

    A view, because messages are nested: copies would cost the length of a message at each depth of it."""
    data = memoryview(data)
    at, count = 0, 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        count += 1
        if not 1 <= number < 1 << 29 or count > MAX_FIELDS:
            raise _wrong(
                phrase("lorawan_servers.no-such-field-number", "no field has the number {number}", number=number)
                if count <= MAX_FIELDS
                else phrase("lorawan_servers.too-many-fields", "too many fields")
            )
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == _LENGTH:
            size, at = _varint(data, at)
        elif kind in (_EIGHT, _FOUR):
            size = 8 if kind == _EIGHT else 4
        else:
            raise _wrong(phrase("lorawan_servers.unknown-wire-type", "wire type {type}", type=kind))
        if size > len(data) - at:
            raise _wrong(phrase("lorawan_servers.ends-within-field", "it ends within a field"))
        yield number, kind, data[at : at + size]
        at += size


def read(schema: Schema, data: bytes | memoryview, depth: int = 0) -> dict[str, Any]:
    """Decode one message. Raises DecodeError `bad-protobuf`."""
    if depth > MAX_DEPTH:
        raise _wrong(phrase("lorawan_servers.messages-too-deep", "messages {depth} deep", depth=depth))
    found: dict[str, Any] = {}
    for number, kind, value in fields(data):
        field = schema.get(number)
        if field is None:
            continue
        wanted = _SCALARS[field.kind][0] if field.kind in _SCALARS else _LENGTH
        if kind != wanted:
            raise _wrong(
                phrase(
                    "lorawan_servers.field-of-wrong-wire-type",
                    "{field} has wire type {type}",
                    field=field.name,
                    type=kind,
                )
            )
        if field.kind == "map":
            key, text = _entry(value)
            found.setdefault(field.name, {})[key] = text
        elif field.repeated:
            found.setdefault(field.name, []).append(_value(field, value, depth))
        elif field.name in found and field.kind not in _SCALARS:
            raise _wrong(phrase("lorawan_servers.field-comes-twice", "{field} comes twice", field=field.name))
        else:
            found[field.name] = _value(field, value, depth)
    return found


def _value(field: Field, value: Any, depth: int) -> Any:
    if field.kind in _SCALARS:
        plain = _SCALARS[field.kind][1](value)
        return plain if field.kind != "enum" else field.names[plain] if plain < len(field.names) else str(plain)
    if field.kind == "time":
        return _time(read(_TIMESTAMP, value, depth + 1))
    if field.kind == "struct":
        return _struct(value, depth + 1)
    return read(field.schema, value, depth + 1)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _wrong(phrase("lorawan_servers.ends-within-number", "it ends within a number"))
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                raise _wrong(phrase("lorawan_servers.number-over-64-bits", "a number of more than 64 bits"))
            return value, at
    raise _wrong(phrase("lorawan_servers.number-over-10-bytes", "a number of more than 10 bytes"))


def _uint32(value: Any) -> int:
    if value >> 32:
        raise _wrong(phrase("lorawan_servers.number-over-32-bits", "a number of more than 32 bits"))
    return int(value)


def _signed(value: int, bits: int) -> int:
    value -= (value >> 63) << 64
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise _wrong(phrase("lorawan_servers.number-of-too-many-bits", "a number of more than {bits} bits", bits=bits))
    return value


def _text(value: bytes | memoryview) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise _wrong(phrase("lorawan_servers.text-not-utf-8", "a text is no UTF-8")) from None


_SCALARS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "bool": (_VARINT, bool),
    "bytes": (_LENGTH, bytes),
    "double": (_EIGHT, lambda value: struct.unpack("<d", value)[0]),
    "enum": (_VARINT, _uint32),
    "float": (_FOUR, lambda value: struct.unpack("<f", value)[0]),
    "int32": (_VARINT, lambda value: _signed(value, 32)),
    "int64": (_VARINT, lambda value: _signed(value, 64)),
    "text": (_LENGTH, _text),
    "uint32": (_VARINT, _uint32),
}

_TIMESTAMP: Schema = {1: Field("seconds", "int64"), 2: Field("nanos", "int32")}


def _entry(value: Any) -> tuple[str, str]:
    parts = dict(_parts(value, phrase("lorawan_servers.a-maps-entry", "a map's entry")))
    return _text(parts.get(1, b"")), _text(parts.get(2, b""))


def _time(said: dict[str, int]) -> datetime:
    """Decode google.protobuf.Timestamp, to the microsecond."""
    nanos = said.get("nanos", 0)
    if not 0 <= nanos < 1_000_000_000:
        raise _wrong(
            phrase("lorawan_servers.nanoseconds-out-of-range", "{nanoseconds} ns in a time", nanoseconds=nanos)
        )
    try:
        return _EPOCH + timedelta(seconds=said.get("seconds", 0), microseconds=(nanos + 500) // 1000)
    except OverflowError:
        raise _wrong(phrase("lorawan_servers.time-beyond-9999", "a time beyond the year 9999")) from None


def _struct(data: bytes | memoryview, depth: int) -> dict[str, Any]:
    """Decode google.protobuf.Struct: map<string, Value> fields = 1."""
    found: dict[str, Any] = {}
    for entry in _all(1, data, phrase("lorawan_servers.an-object", "an object")):
        parts = dict(_parts(entry, phrase("lorawan_servers.an-objects-entry", "an object's entry")))
        found[_text(parts.get(1, b""))] = _json(parts.get(2, b""), depth + 1)
    return found


def _json(data: bytes | memoryview, depth: int) -> Any:
    """Decode google.protobuf.Value: null = 1, number = 2, string = 3, bool = 4, struct = 5, list = 6, one of them."""
    if depth > MAX_DEPTH:
        raise _wrong(phrase("lorawan_servers.objects-too-deep", "objects {depth} deep", depth=depth))
    held = [(number, kind, value) for number, kind, value in fields(data) if 1 <= number <= 6]
    if not held:
        return None
    number, kind, value = held[0]
    if len(held) > 1 or kind != (_VARINT, _EIGHT, _LENGTH, _VARINT, _LENGTH, _LENGTH)[number - 1]:
        raise _wrong(phrase("lorawan_servers.value-not-single", "an object's value is no single value"))
    if isinstance(value, int):
        return None if number == 1 else bool(value)
    if number == 2:
        return struct.unpack("<d", value)[0]
    if number == 3:
        return _text(value)
    if number == 5:
        return _struct(value, depth + 1)
    return [_json(item, depth + 1) for item in _all(1, value, phrase("lorawan_servers.a-list", "a list"))]


def _all(number: int, data: bytes | memoryview, what: str) -> Iterator[memoryview]:
    """Return the messages of that number."""
    for found, kind, value in fields(data):
        if found == number:
            if kind != _LENGTH or isinstance(value, int):
                raise _wrong(
                    phrase(
                        "lorawan_servers.part-of-wrong-wire-type",
                        "a part of {what} has wire type {type}",
                        what=what,
                        type=kind,
                    )
                )
            yield value


def _parts(data: bytes | memoryview, what: str) -> Iterator[tuple[int, memoryview]]:
    """Return key (1) and value (2) of a map's entry, each at most once."""
    seen = set()
    for number, kind, value in fields(data):
        if number not in (1, 2):
            continue
        if kind != _LENGTH or isinstance(value, int) or number in seen:
            raise _wrong(phrase("lorawan_servers.entry-without-key-and-value", "{what} is no key and value", what=what))
        seen.add(number)
        yield number, value


# -- writing ------------------------------------------------------------------------------------------------------


def number(field: int, value: int) -> bytes:
    """Encode a varint field, left out when it is 0, as every default is. `value` from 0 to 2⁶⁴ - 1."""
    return _encoded(field << 3 | _VARINT) + _encoded(value) if value else b""


def content(field: int, value: bytes | str) -> bytes:
    """Encode a field of bytes, text or a message, left out when it is empty."""
    raw = value.encode() if isinstance(value, str) else value
    return _encoded(field << 3 | _LENGTH) + _encoded(len(raw)) + raw if raw else b""


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
