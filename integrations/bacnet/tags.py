"""Tagged values of BACnet, both ways. Pure.

ANSI/ASHRAE 135-2020, Clause 20.2. A tag is an octet: number (bits 7-4, 15: in the next octet), class (bit 3, 1 is
context specific) and length or type (bits 2-0: 5 more octets say the length, 6 opens, 7 closes).

    Null None · Boolean bool · Unsigned, Signed, Enumerated int · Real, Double float · OctetString bytes ·
    CharacterString str · BitString tuple of bool · ObjectIdentifier ObjectId · Date, Time bytes (4 octets, as sent)

Invalid input raises hub.DecodeError; nothing reads past the given bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet.names import ObjectId

Value = None | bool | int | float | str | bytes | tuple[bool, ...] | ObjectId

NULL, BOOLEAN, UNSIGNED, SIGNED, REAL, DOUBLE, OCTETS, TEXT, BITS, ENUMERATED, DATE, TIME, OBJECT = range(13)
OPEN, CLOSE = 6, 7
MOST_DEPTH = 16
MOST_BITS = 1024
"""Maximum bits of a bit string: one for each possible object type (Clause 20.2.14), and no property has more."""
_CHARSETS = {0: "utf-8", 3: "utf-32-be", 4: "utf-16-be", 5: "iso-8859-1"}  # Clause 20.2.9


class Tag(NamedTuple):
    """A tag and its octets. `form` is OPEN or CLOSE for those of a pair, else 0; an application Boolean has its value
    in `data`."""

    number: int
    context: bool
    form: int
    data: bytes


def read(data: bytes, at: int) -> tuple[Tag, int]:
    """Return the tag at an index and the index after it."""
    try:
        first = data[at]
        at += 1
        number = first >> 4
        if number == 15:
            number, at = data[at], at + 1
        context, length = bool(first & 8), first & 7
        if context and length >= OPEN:
            return Tag(number, True, length, b""), at
        if length > 5:
            raise hub.DecodeError(
                "bad-tag", phrase("bacnet.bad-application-tag", "an application tag cannot open or close")
            )
        if not context and number == BOOLEAN:
            return Tag(number, False, 0, bytes((length,))), at
        if length == 5:
            length, at = _length(data, at)
    except IndexError:
        raise hub.DecodeError("truncated", phrase("bacnet.ends-within-tag", "the message ends within a tag")) from None
    if at + length > len(data):
        raise hub.DecodeError(
            "truncated", phrase("bacnet.value-longer-than-message", "a value is longer than its message")
        )
    return Tag(number, context, 0, data[at : at + length]), at + length


def _length(data: bytes, at: int) -> tuple[int, int]:
    size = {254: 2, 255: 4}.get(data[at], 0)
    if not size:
        return data[at], at + 1
    if at + 1 + size > len(data):
        raise hub.DecodeError("truncated", phrase("bacnet.ends-within-length", "the message ends within a length"))
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def value(tag: Tag) -> Value:
    """Decode an application tag."""
    data, size = tag.data, len(tag.data)
    number = tag.number
    if number == REAL and size == 4:
        return float(struct.unpack(">f", data)[0])
    if number in (UNSIGNED, ENUMERATED) and 1 <= size <= 8:
        return int.from_bytes(data, "big")
    if number == BOOLEAN and data in (b"\0", b"\1"):
        return data == b"\1"
    if number == BITS and size >= 1 and data[0] < 8 and (size > 1 or data[0] == 0):
        count = 8 * (size - 1) - data[0]
        if count > MOST_BITS:
            raise hub.DecodeError(
                "bad-value",
                phrase(
                    "bacnet.too-many-bits",
                    "a string of {count} bits, at most {most} are read",
                    count=count,
                    most=MOST_BITS,
                ),
            )
        return tuple(bool(data[1 + n // 8] >> (7 - n % 8) & 1) for n in range(count))
    if number == NULL and size == 0:
        return None
    if number == SIGNED and 1 <= size <= 8:
        return int.from_bytes(data, "big", signed=True)
    if number == DOUBLE and size == 8:
        return float(struct.unpack(">d", data)[0])
    if number == TEXT and size >= 1:
        return _text(data)
    if number == OCTETS:
        return data
    if number == OBJECT and size == 4:
        return object_of(data)
    if number in (DATE, TIME) and size == 4:
        return data
    raise hub.DecodeError(
        "bad-value",
        phrase(
            "bacnet.bad-tag-size",
            "application tag {number} cannot have {size} octets",
            number=number,
            size=size,
        ),
    )


def object_of(data: bytes) -> ObjectId:
    """Decode an object identifier (Clause 20.2.14): ten bits of type, 22 of instance."""
    if len(data) != 4:
        raise hub.DecodeError(
            "bad-value",
            phrase("bacnet.bad-object-identifier", "an object identifier has 4 octets, not {count}", count=len(data)),
        )
    whole = int.from_bytes(data, "big")
    return ObjectId(whole >> 22, whole & 0x3FFFFF)


def _text(data: bytes) -> str:
    charset = _CHARSETS.get(data[0])
    if charset is None:
        raise hub.DecodeError(
            "bad-text",
            phrase("bacnet.unknown-character-set", "character set {number} is not known here", number=data[0]),
        )
    try:
        return data[1:].decode(charset)
    except UnicodeDecodeError:
        raise hub.DecodeError(
            "bad-text", phrase("bacnet.text-not-in-charset", "the text is not {charset}", charset=charset)
        ) from None


class Reader:
    """Reads one message, tag by tag."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def peek(self) -> Tag:
        return read(self.data, self.at)[0]

    def next(self) -> Tag:
        tag, self.at = read(self.data, self.at)
        return tag

    def context(self, number: int) -> bytes:
        """Return the octets of context tag `number`, which must come next."""
        tag = self.next()
        if not tag.context or tag.form or tag.number != number:
            raise hub.DecodeError(
                "bad-tag", phrase("bacnet.context-tag-expected", "context tag {number} was expected", number=number)
            )
        return tag.data

    def unsigned(self, number: int) -> int:
        data = self.context(number)
        if not 1 <= len(data) <= 4:
            raise hub.DecodeError(
                "bad-value",
                phrase(
                    "bacnet.bad-context-number",
                    "context tag {number} is a number of 1 to 4 octets, not {count}",
                    number=number,
                    count=len(data),
                ),
            )
        return int.from_bytes(data, "big")

    def optional(self, number: int) -> int | None:
        """Return the number in context tag `number` when that comes next."""
        if self and self._is(number, 0):
            return self.unsigned(number)
        return None

    def object(self, number: int) -> ObjectId:
        return object_of(self.context(number))

    def application(self, number: int) -> Value:
        """Return the value of the application tag `number`, which must come next."""
        tag = self.next()
        if tag.context or tag.number != number:
            raise hub.DecodeError(
                "bad-tag",
                phrase("bacnet.application-tag-expected", "application tag {number} was expected", number=number),
            )
        return value(tag)

    def opens(self, number: int) -> bool:
        """Consume an opening tag `number` when that comes next."""
        return self._pass(number, OPEN)

    def closes(self, number: int) -> bool:
        return self._pass(number, CLOSE)

    def must(self, done: bool, what: str) -> None:
        if not done:
            raise hub.DecodeError("bad-tag", phrase("bacnet.part-expected", "{part} was expected", part=what))

    def values(self, number: int) -> list[Value]:
        """Return the application values up to the closing tag `number`, which is consumed too. Constructed values
        within are skipped."""
        found: list[Value] = []
        depth = 0
        while True:
            tag = self.next()
            if tag.form == CLOSE and not depth and tag.number == number:
                return found
            if tag.form == OPEN:
                depth += 1
                if depth > MOST_DEPTH:
                    raise hub.DecodeError(
                        "too-deep",
                        phrase("bacnet.nested-too-deep", "more levels within each other than any property has"),
                    )
            elif tag.form == CLOSE:
                depth -= 1
                if depth < 0:
                    raise hub.DecodeError(
                        "bad-tag", phrase("bacnet.unmatched-closing-tag", "a closing tag closes nothing")
                    )
            elif not tag.context and not depth:
                found.append(value(tag))
            elif not depth:
                found.append(tag.data)  # a context-tagged choice, as in a scale

    def _is(self, number: int, form: int) -> bool:
        tag = self.peek()
        return tag.context and tag.form == form and tag.number == number

    def _pass(self, number: int, form: int) -> bool:
        if not self or not self._is(number, form):
            return False
        self.next()
        return True


def tag(number: int, data: bytes, *, context: bool = False) -> bytes:
    """Encode a tag with its octets. `number` is below 15."""
    head = number << 4 | (8 if context else 0)
    size = len(data)
    if size < 5:
        return bytes((head | size,)) + data
    if size < 254:
        return bytes((head | 5, size)) + data
    if size > 0xFFFF:
        raise ValueError("a value of more than 65535 octets")
    return bytes((head | 5, 254)) + size.to_bytes(2, "big") + data


def opening(number: int) -> bytes:
    return bytes((number << 4 | 8 | OPEN,))


def closing(number: int) -> bytes:
    return bytes((number << 4 | 8 | CLOSE,))


def unsigned(number: int) -> bytes:
    """Encode a number from 0 in the fewest octets."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def context(number: int, content: int | ObjectId | bool) -> bytes:
    """Encode a number, a Boolean or an object under a context tag."""
    if isinstance(content, ObjectId):
        return tag(number, (content.type << 22 | content.instance).to_bytes(4, "big"), context=True)
    return tag(number, unsigned(int(content)), context=True)


def application(kind: int, content: Value) -> bytes:
    """Encode a value under its application tag: NULL, UNSIGNED, SIGNED, REAL, DOUBLE, ENUMERATED or TEXT."""
    if kind == NULL:
        return b"\0"
    if kind == TEXT:
        return tag(TEXT, b"\0" + str(content).encode())
    if isinstance(content, (int, float)):
        if kind == REAL:
            return tag(REAL, struct.pack(">f", content))
        if kind == DOUBLE:
            return tag(DOUBLE, struct.pack(">d", content))
        number = int(content)
        if kind == SIGNED:
            return tag(SIGNED, number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True))
        if kind in (UNSIGNED, ENUMERATED) and number >= 0:
            return tag(kind, unsigned(number))
    raise ValueError(f"application tag {kind} cannot hold {content!r}")
