"""The records of the application layer: DIF, VIF, data. Pure.

EN 13757-3:2018, 6.2 to 6.4. An invalid record ends the telegram: the ones before it count.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import values
from integrations.mbus.values import Value
from integrations.mbus.vif import ADDITIVE, COMBINABLE, EXPONENTS, FB, FD, PRIMARY, Meaning

FUNCTIONS = ("instantaneous", "maximum", "minimum", "error")
MAX_EXTENSIONS, MAX_RECORDS = 10, 256
_FILLER, _MANUFACTURER, _MORE = 0x2F, 0x0F, 0x1F
_PLAIN = 0x7C


class Record(NamedTuple):
    """A value. `value` is None where the meter has none; `modifiers` name the combinable VIFE."""

    function: str
    storage: int
    tariff: int
    subunit: int
    quantity: str
    unit: str
    value: Value
    modifiers: tuple[str, ...] = ()


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
    reader = _Reader(data)
    while reader.left and len(found) < MAX_RECORDS:
        dif = reader.byte()
        if dif == _FILLER:
            continue
        if dif in (_MANUFACTURER, _MORE):
            return Parsed(tuple(found), reader.rest(), more=dif == _MORE)
        try:
            found.append(_record(dif, reader))
        except hub.DecodeError as error:
            return Parsed(tuple(found), problem=error.reason)
    return Parsed(tuple(found))


class _Reader:
    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._end = data, 0, len(data)

    @property
    def left(self) -> int:
        return self._end - self._at

    def byte(self) -> int:
        at = self._at
        if at >= self._end:
            raise hub.DecodeError(
                "mbus-record", phrase("mbus.record-cut", "{wanted} bytes wanted, {left} left", wanted=1, left=0)
            )
        self._at = at + 1
        return self._data[at]

    def peek(self) -> int:
        """Return the next byte, 255 when there is none."""
        return self._data[self._at] if self._at < self._end else 0xFF

    def take(self, count: int) -> bytes:
        at = self._at
        if count > self._end - at:
            raise hub.DecodeError(
                "mbus-record",
                phrase("mbus.record-cut", "{wanted} bytes wanted, {left} left", wanted=count, left=self._end - at),
            )
        self._at = at + count
        return self._data[at : at + count]

    def plain(self) -> str:
        """Return a unit in plain text, if one begins here: its length, then printable characters in reverse order.

        It follows all VIFE (EN 13757-3:2018); older meters put it before them. Which of the two it is must be
        guessed."""
        size = self._data[self._at] if self.left else 0
        raw = self._data[self._at + 1 : self._at + 1 + size]
        if not 1 <= size <= 64 or len(raw) < size or any(not 0x20 <= byte < 0x7F for byte in raw):
            return ""
        self._at += 1 + size
        return values.text(raw)

    def rest(self) -> bytes:
        return self.take(self.left)


def _record(dif: int, reader: _Reader) -> Record:
    field = dif & 0x0F
    if field == 0x0F:
        raise hub.DecodeError("mbus-record", phrase("mbus.special-function", "a special function {dif:02x}", dif=dif))
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
    profile = bool(modifiers) and any("compact profile" in word for word in modifiers)
    value = _value(field, meaning, exponent, reader, profile=profile)
    return Record(FUNCTIONS[dif >> 4 & 3], storage, tariff, subunit, meaning.quantity, meaning.unit, value, modifiers)


def _meaning(reader: _Reader) -> tuple[Meaning, tuple[str, ...], int]:
    """Decode the VIB: its meaning, its combinable VIFE, and the exponent that they add."""
    vif = reader.byte()
    simple = PRIMARY.get(vif)
    if simple is not None and vif < _PLAIN:  # one byte, as in most records
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
    modifiers, exponent = [], 0
    for vife in chain:
        if vife in EXPONENTS:
            exponent += EXPONENTS[vife]
            continue
        modifiers.append("additive correction" if vife in ADDITIVE else COMBINABLE.get(vife, f"reserved {vife:02x}"))
        if vife == 0x7F:
            break  # manufacturer specific from here on
    return meaning, tuple(modifiers), exponent


def _value(field: int, meaning: Meaning, exponent: int, reader: _Reader, *, profile: bool) -> Value:
    if field in (0, 8):  # no data, selection for readout
        return None
    if field == values.VARIABLE:
        kind = reader.byte()
        raw = reader.take(values.variable_size(kind))
        value = raw.hex() if profile else values.variable(raw, kind)
    else:
        raw = reader.take(values.SIZES[field])
        if field in values.BCD:
            value = values.bcd(raw)
        elif field == values.REAL:
            value = values.real(raw)
        elif meaning.kind in {"date", "datetime"}:
            return values.date(raw) if len(raw) == 2 else values.moment(raw)
        else:
            value = values.integer(raw)
    if value is None or isinstance(value, str):
        return value
    if meaning.kind == "text":
        return str(value)
    return values.scaled(value, meaning.exponent + exponent)
