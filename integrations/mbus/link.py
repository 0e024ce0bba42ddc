"""The wired link layer: converts between the bytes of a line and telegrams. Sans-I/O.

EN 13757-2:2018, 5 (IEC 60870-5-2, FT 1.2):

    E5                                      acknowledgement
    10 C A checksum 16                      short
    68 L L 68 C A CI data… checksum 16      long; L counts C to the end of data; control when there is no data

The checksum is the sum of the bytes from C on, modulo 256.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase

ACK, SHORT, LONG, STOP = 0xE5, 0x10, 0x68, 0x16
MAX_TELEGRAM = 261


class Telegram(NamedTuple):
    """A telegram: `control` and `address` of the link layer; `ci` and `data` of a long one, else None and empty."""

    control: int
    address: int
    ci: int | None = None
    data: bytes = b""


def read(raw: bytes) -> Telegram | None:
    """Decode a whole telegram; None for an acknowledgement. Raises DecodeError: `mbus-frame`, `mbus-checksum`."""
    if raw == bytes([ACK]):
        return None
    if len(raw) == 5 and raw[0] == SHORT and raw[-1] == STOP:
        _check(raw[1:3], raw[3])
        return Telegram(raw[1], raw[2])
    if len(raw) < 9 or raw[0] != LONG or raw[3] != LONG or raw[-1] != STOP:
        raise hub.DecodeError(
            "mbus-frame", phrase("mbus.neither-short-nor-long", "neither a short nor a long telegram")
        )
    if raw[1] != raw[2] or raw[1] != len(raw) - 6:
        raise hub.DecodeError(
            "mbus-frame",
            phrase(
                "mbus.wrong-lengths",
                "a length of {first} and {second} in a telegram of {count} bytes",
                first=raw[1],
                second=raw[2],
                count=len(raw),
            ),
        )
    _check(raw[4:-2], raw[-2])
    return Telegram(raw[4], raw[5], raw[6], raw[7:-2])


def short(control: int, address: int) -> bytes:
    """Encode a short telegram, as the master sends it."""
    return bytes([SHORT, control, address, (control + address) & 0xFF, STOP])


def long(control: int, address: int, ci: int, data: bytes = b"") -> bytes:
    """Encode a long telegram; without data, a control telegram. Raises ValueError above 252 bytes of data."""
    body = bytes([control, address, ci]) + data
    if len(body) > 255:
        raise ValueError("a telegram carries at most 252 bytes")
    return bytes([LONG, len(body), len(body), LONG]) + body + bytes([sum(body) & 0xFF, STOP])


def _check(body: bytes, checksum: int) -> None:
    if sum(body) & 0xFF != checksum:
        raise hub.DecodeError(
            "mbus-checksum",
            phrase(
                "mbus.checksum-wrong",
                "the checksum is {computed:02x}, {sent:02x} was sent",
                computed=sum(body) & 0xFF,
                sent=checksum,
            ),
        )


class Splitter:
    """Cuts a stream into telegrams; invalid bytes are skipped one by one."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Return the whole telegrams that `data` completes, without checking checksums."""
        self._rest += data
        while self._rest:
            size = self._size()
            if size == 0:
                del self._rest[0]
            elif len(self._rest) < size:
                return
            else:
                yield bytes(self._rest[:size])
                del self._rest[:size]

    def _size(self) -> int:
        """Return the bytes of the telegram that begins here; 0 when none does; more than there are when it is not known
        yet."""
        rest = self._rest
        if rest[0] == ACK:
            return 1
        if rest[0] == SHORT:
            return 5 if len(rest) < 5 or rest[4] == STOP else 0
        if rest[0] != LONG:
            return 0
        if len(rest) < 4:
            return MAX_TELEGRAM
        if rest[1] != rest[2] or rest[3] != LONG or rest[1] < 3:
            return 0
        size = rest[1] + 6
        return size if len(rest) < size or rest[size - 1] == STOP else 0
