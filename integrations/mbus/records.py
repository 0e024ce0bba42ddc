"""The records of the application layer: DIF, VIF, data. Pure.

EN 13757-3:2018, 6.2 to 6.4. An invalid record ends the telegram: the ones before it count.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import values
from integrations.mbus.values import Value
from integrations.mbus.vif import ADDITIVE, COMBINABLE, EXPONENTS, EXTENDED, EXTENSION, FB, FD, PRIMARY, Meaning

FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
MAX_EXTENSIONS, MAX_RECORDS = 10, 256
FILLER, _MANUFACTURER, _MORE = 0x2F, 0x0F, 0x1F
_PLAIN = 0x7C
_PROFILES = {"inverse compact profile", "compact profile with register numbers", "compact profile"}


class Record(NamedTuple):
    """A value. `value` is None where the meter has none; `modifiers` name the combinable VIFE; `head`: its DIF, DIFE,
    VIF and VIFE as sent."""

    function: str
    storage: int
    tariff: int
    subunit: int
    quantity: str
    unit: str
    value: Value
    modifiers: tuple[str, ...] = ()
    head: bytes = b""


class Parsed(NamedTuple):
    """All records up to the first invalid one (`problem`: its reason, a slug). `more`: another telegram follows.
    `manufacturer`: the maker's own bytes at the end."""

    records: tuple[Record, ...]
    manufacturer: bytes = b""
    more: bool = False
    problem: str = ""


def parse(data: bytes) -> Parsed:
    """Parse the records of a telegram's data."""
    found: list[Record] = []
    reader, end = _Reader(data), len(data)
    while reader.at < end and len(found) < MAX_RECORDS:
        dif = data[reader.at]
        reader.at += 1
        if dif == FILLER:
            continue
        if dif in (_MANUFACTURER, _MORE):
            return Parsed(tuple(found), reader.rest(), more=dif == _MORE)
        try:
            found.append(_record(dif, reader))
        except hub.DecodeError as error:
            return Parsed(tuple(found), problem=error.reason)
    return Parsed(tuple(found))


def heads(block: bytes) -> tuple[bytes, ...]:
    """Parse heads of records that follow one another, as in a format frame. Raises DecodeError."""
    found: list[bytes] = []
    reader = _Reader(block)
    while reader.left and len(found) < MAX_RECORDS:
        begin = reader.at
        more = reader.byte()
        if more & 0x0F == 0x0F:
            raise hub.DecodeError(
                "mbus-record", phrase("mbus.special-function", "a special function {dif:02x}", dif=more)
            )
        while more & 0x80:
            more = reader.byte()
        _meaning(reader)
        found.append(block[begin : reader.at])
    return tuple(found)


class _Reader:
    """Reads `data`; `at` is what comes next."""

    __slots__ = ("_end", "at", "data")

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self._end = data, 0, len(data)

    @property
    def left(self) -> int:
        return self._end - self.at

    def byte(self) -> int:
        at = self.at
        if at >= self._end:
            raise hub.DecodeError(
                "mbus-record", phrase("mbus.record-cut", "{wanted} bytes wanted, {left} left", wanted=1, left=0)
            )
        self.at = at + 1
        return self.data[at]

    def peek(self) -> int:
        """Return the next byte, 255 when there is none."""
        return self.data[self.at] if self.at < self._end else 0xFF

    def take(self, count: int) -> bytes:
        at = self.at
        if count > self._end - at:
            raise hub.DecodeError(
                "mbus-record",
                phrase("mbus.record-cut", "{wanted} bytes wanted, {left} left", wanted=count, left=self._end - at),
            )
        self.at = at + count
        return self.data[at : at + count]

    def plain(self) -> str:
        """Return a unit in plain text, if one begins here: its length, then printable characters in reverse order.

        It follows all VIFE (EN 13757-3:2018); older meters put it before them. Which of the two it is must be
        guessed."""
        size = self.data[self.at] if self.left else 0
        raw = self.data[self.at + 1 : self.at + 1 + size]
        if not 1 <= size <= 64 or len(raw) < size or any(not 0x20 <= byte < 0x7F for byte in raw):
            return ""
        self.at += 1 + size
        return values.text(raw)

    def rest(self) -> bytes:
        return self.take(self.left)


def _record(dif: int, reader: _Reader) -> Record:
    at, data = reader.at, reader.data
    begin, field = at - 1, dif & 0x0F
    if field == 0x0F:
        raise hub.DecodeError("mbus-record", phrase("mbus.special-function", "a special function {dif:02x}", dif=dif))
    if dif < 0x80 and at < len(data) and data[at] < _PLAIN and (simple := PRIMARY.get(data[at])) is not None:
        reader.at = at + 1  # two bytes, as in most records
        value = _value(field, simple, 0, reader, profile=False)
        function = FUNCTIONS[dif >> 4 & 3]
        return Record(function, dif >> 6, 0, 0, simple.quantity, simple.unit, value, (), data[begin : at + 1])
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    more, count = dif & 0x80, 0
    while more:
        if count >= MAX_EXTENSIONS:
            raise hub.DecodeError("mbus-record", phrase("mbus.too-many-dife", "more than ten DIFE"))
        dife = reader.byte()
        storage |= (dife & 0x0F) << (1 + 4 * count)
        tariff |= (dife >> 4 & 0x03) << (2 * count)
        subunit |= (dife >> 6 & 0x01) << count
        more, count = dife & 0x80, count + 1
    meaning, modifiers, exponent = _meaning(reader)
    head = data[begin : reader.at]
    value = _value(field, meaning, exponent, reader, profile=not _PROFILES.isdisjoint(modifiers))
    function = FUNCTIONS[dif >> 4 & 3]
    return Record(function, storage, tariff, subunit, meaning.quantity, meaning.unit, value, modifiers, head)


def _meaning(reader: _Reader) -> tuple[Meaning, tuple[str, ...], int]:
    """Decode the VIB: its meaning, its combinable VIFE, and the exponent that they add."""
    vif = reader.byte()
    simple = PRIMARY.get(vif)
    if simple is not None and vif < _PLAIN:
        return simple, (), 0
    if vif in (0xFB, 0xFD):
        extended = (FB if vif == 0xFB else FD).get(reader.peek())
        if extended is not None and extended.quantity != "manufacturer specific":
            reader.byte()
            return extended, (), 0
    plain = reader.plain() if vif & 0x7F == _PLAIN else ""
    chain: list[int] = []
    more = vif & 0x80
    while more:
        if len(chain) >= MAX_EXTENSIONS:
            raise hub.DecodeError("mbus-record", phrase("mbus.too-many-vife", "more than ten VIFE"))
        vife = reader.byte()
        chain.append(vife & 0x7F)
        more = vife & 0x80
    if vif & 0x7F == _PLAIN:
        plain = plain or reader.plain()
        if not plain:
            raise hub.DecodeError(
                "mbus-record", phrase("mbus.plain-unit-unreadable", "a unit in plain text that is none")
            )
        meaning = Meaning("plain text", plain)
    elif vif in (0xFB, 0xFD):
        table = FB if vif == 0xFB else FD
        first, chain = chain[0], chain[1:]
        meaning = table.get(first, Meaning(f"reserved {vif:02x}{first:02x}"))
    else:
        meaning = PRIMARY.get(vif & 0x7F, Meaning(f"reserved {vif:02x}"))
    if meaning.quantity == "manufacturer specific":
        return meaning, (), 0
    return meaning, *_modifiers(chain)


def _modifiers(chain: list[int]) -> tuple[tuple[str, ...], int]:
    """Return the names of combinable VIFE, and the exponent that they add."""
    modifiers, exponent, extended = [], 0, False
    for vife in chain:
        if extended:
            modifiers.append(EXTENDED.get(vife, f"reserved 7c{vife:02x}"))
            extended = False
        elif vife in EXPONENTS:
            exponent += EXPONENTS[vife]
        elif vife == EXTENSION:
            extended = True
        else:
            name = COMBINABLE.get(vife, f"reserved {vife:02x}")
            modifiers.append("additive correction" if vife in ADDITIVE else name)
            if vife == 0x7F:
                break  # manufacturer specific from here on
    return tuple(modifiers), exponent


def _value(field: int, meaning: Meaning, exponent: int, reader: _Reader, *, profile: bool) -> Value:
    if field in (0, 8):  # no data, selection for readout
        return None
    if field == values.VARIABLE:
        kind = reader.byte()
        raw = reader.take(values.variable_size(kind))
        value = raw.hex() if profile else values.variable(raw, kind)
    else:
        at, size = reader.at, values.SIZES[field]
        raw = reader.data[at : at + size]
        if len(raw) < size:
            raw = reader.take(size)  # raises
        reader.at = at + size
        if field >= 9:
            value = values.bcd(raw)
        elif field == values.REAL:
            value = values.real(raw)
        elif meaning.kind in ("date", "datetime"):
            return values.date(raw) if len(raw) == 2 else values.moment(raw)
        else:
            value = values.integer(raw)
    if value is None or isinstance(value, str):
        return value
    if meaning.kind == "text":
        return str(value)
    return values.scaled(value, meaning.exponent + exponent)
