"""Decodes what precedes the records: the sender's identity and the protection of the data. Pure.

EN 13757-3:2018, 5 (CI fields) and EN 13757-7:2018, 7.5 and 7.6 (headers, configuration field, security modes).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase

LONG, SHORT, NONE, FIXED, ERROR = 0x72, 0x7A, 0x78, 0x73, 0x70
COMPACT = {0x73: LONG, 0x7B: SHORT, 0x79: NONE}
"""CI fields of compact frames → those of full frames with the same header. On the wire, 73 is the fixed structure."""
FORMAT = {0x6B: LONG, 0x6A: SHORT, 0x69: NONE}
"""The same, of format frames."""
FULL = {LONG: LONG, SHORT: SHORT, NONE: NONE, **COMPACT, **FORMAT}
SIZES = {LONG: 12, SHORT: 4, NONE: 0}
"""Bytes of a header, without a configuration field extension."""
ENCRYPTIONS = (2, 3, 4, 5, 7, 8, 9, 10, 13)
"""Security modes that encrypt (EN 13757-7:2018, Table 17); others are reserved or say nothing of a cipher."""

MEDIA = {
    0x00: "other", 0x01: "oil", 0x02: "electricity", 0x03: "gas", 0x04: "heat", 0x05: "steam", 0x06: "warm water",
    0x07: "water", 0x08: "heat cost allocator", 0x09: "compressed air", 0x0A: "cooling (outlet)",
    0x0B: "cooling (inlet)", 0x0C: "heat (inlet)", 0x0D: "heat and cooling", 0x0E: "bus or system component",
    0x0F: "unknown", 0x14: "calorific value", 0x15: "hot water", 0x16: "cold water", 0x17: "dual register water",
    0x18: "pressure", 0x19: "A/D converter", 0x1A: "smoke detector", 0x1B: "room sensor", 0x1C: "gas detector",
    0x20: "breaker", 0x21: "valve", 0x25: "customer unit (display)", 0x28: "waste water", 0x29: "waste",
    0x2A: "carbon dioxide", 0x31: "communication controller", 0x32: "unidirectional repeater",
    0x33: "bidirectional repeater", 0x36: "radio converter (system side)", 0x37: "radio converter (meter side)",
}  # fmt: skip

ERRORS = (
    phrase("mbus.error-unspecified", "the meter says: unspecified error"),
    phrase("mbus.error-ci-field", "the meter says: unimplemented CI field"),
    phrase("mbus.error-buffer", "the meter says: buffer too long, truncated"),
    phrase("mbus.error-records", "the meter says: too many records"),
    phrase("mbus.error-record-end", "the meter says: premature end of record"),
    phrase("mbus.error-dife", "the meter says: more than ten DIFE"),
    phrase("mbus.error-vife", "the meter says: more than ten VIFE"),
    phrase("mbus.error-reserved", "the meter says: reserved"),
    phrase("mbus.error-busy", "the meter says: application busy"),
    phrase("mbus.error-readouts", "the meter says: too many readouts"),
)


class Identity(NamedTuple):
    """A meter's own address: three letters of maker, 8 digits, version, medium; `raw` its 8 bytes as sent: M, A."""

    manufacturer: str
    id: str
    version: int
    medium: int
    raw: bytes

    @property
    def device(self) -> str:
        """Return the device id: unique with maker, version and medium, as in EN 13757-7."""
        return f"mbus:{self.manufacturer}-{self.id}-{self.version:02x}-{self.medium:02x}"


class Header(NamedTuple):
    """A header. `identity` is None where only the link layer has it. `mode` is the security mode, 0 for none; `blocks`:
    number of encrypted blocks of 16 bytes, from the configuration field."""

    identity: Identity | None
    access: int
    status: int
    mode: int
    blocks: int
    size: int


@functools.lru_cache(maxsize=256)
def manufacturer(raw: bytes) -> str:
    """Decode the maker (EN 13757-3, 5.6): three letters of five bits each."""
    word = int.from_bytes(raw, "little")
    return "".join(chr((word >> shift & 0x1F) + 64) for shift in (10, 5, 0))


def identity(raw: bytes) -> Identity:
    """Decode M and A as in a wireless link layer: 2 + 4 + 1 + 1 bytes. The id is BCD; hexadecimal digits stay as they
    are, since meters use them as wildcards and error codes."""
    return Identity(manufacturer(raw[:2]), raw[2:6][::-1].hex(), raw[6], raw[7], raw)


def read(ci: int, data: bytes) -> Header:
    """Decode the header behind a CI field that announces records. Raises DecodeError: `mbus-ci`, `mbus-header`."""
    if ci == NONE:
        return Header(None, 0, 0, 0, 0, 0)
    if ci not in (LONG, SHORT):
        raise hub.DecodeError("mbus-ci", phrase("mbus.unknown-ci-field", "a CI field {ci:02x} that is not read", ci=ci))
    size = SIZES[ci]
    if len(data) < size:
        raise hub.DecodeError(
            "mbus-header",
            phrase("mbus.header-cut", "a header of {size} bytes in {received}", size=size, received=len(data)),
        )
    who = identity(data[4:6] + data[0:4] + data[6:8]) if ci == LONG else None
    access, status, low, high = data[size - 4 : size]
    mode = high & 0x1F
    extra = {7: 1, 13: 1}.get(mode, 0)  # the configuration field extension
    if len(data) < size + extra:
        raise hub.DecodeError(
            "mbus-header", phrase("mbus.no-configuration-extension", "no configuration field extension")
        )
    return Header(who, access, status, mode, low >> 4 if mode in (5, 7, 13) else 0, size + extra)


def status_words(status: int) -> list[str]:
    """Return the state of the meter in words (EN 13757-3, Table 6); the upper three bits are the maker's."""
    words = [("", "busy", "application error", "abnormal condition")[status & 3]] if status & 3 else []
    return words + [
        word for bit, word in ((4, "power low"), (8, "permanent error"), (16, "temporary error")) if status & bit
    ]
