"""EnOcean Serial Protocol 3: converts bytes to packets, and packets to radio telegrams. Sans-I/O.

ESP3 specification 1.51, 1.6 (packet), 2.1 (ERP1 radio) and the CRC of 2.3.1:

    55 · data length u16 · optional length u8 · type u8 · CRC-8 of these four · data · optional · CRC-8 of both
    type 1, radio:  data      RORG · payload · sender u32 · status
                    optional  subtelegrams · destination u32 · dBm · security
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase

SYNC, RADIO, RESPONSE, COMMON_COMMAND = 0x55, 0x01, 0x02, 0x05
MAX_DATA = 528
BROADCAST = b"\xff\xff\xff\xff"


def _remainder(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ (0x07 if value & 0x80 else 0)) & 0xFF
    return value


_TABLE = [_remainder(byte) for byte in range(256)]


def crc8(data: bytes) -> int:
    """Return the CRC-8 with polynomial x⁸ + x² + x + 1, start 0."""
    value = 0
    for byte in data:
        value = _TABLE[value ^ byte]
    return value


class Packet(NamedTuple):
    """A packet with valid checksums."""

    type: int
    data: bytes
    optional: bytes


class Telegram(NamedTuple):
    """A radio telegram. `sender` is 8 hexadecimal digits; `dbm` of the best subtelegram, None where the gateway does
    not report it; `repeated`: number of repetitions on its way."""

    rorg: int
    payload: bytes
    sender: str
    status: int
    dbm: int | None = None

    @property
    def repeated(self) -> int:
        return self.status & 0x0F


def pack(type_: int, data: bytes, optional: bytes = b"") -> bytes:
    """Encode a packet."""
    head = len(data).to_bytes(2, "big") + bytes([len(optional), type_])
    return bytes([SYNC]) + head + bytes([crc8(head)]) + data + optional + bytes([crc8(data + optional)])


def radio(packet: Packet) -> Telegram | None:
    """Decode the telegram of a packet; None for a packet of another type. Raises DecodeError `esp3-radio`."""
    if packet.type != RADIO:
        return None
    if len(packet.data) < 7:
        raise hub.DecodeError(
            "esp3-radio", phrase("enocean.radio-telegram-too-short", "a radio telegram of less than 7 bytes")
        )
    data, optional = packet.data, packet.optional
    dbm = -optional[5] if len(optional) >= 6 and optional[5] else None
    return Telegram(data[0], data[1:-5], data[-5:-1].hex().upper(), data[-1], dbm)


class Splitter:
    """Cuts a line's bytes into packets. `bad` counts invalid ones."""

    def __init__(self) -> None:
        self.bad = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Return the packets that `data` completes."""
        self._rest += data
        rest = self._rest
        while True:
            start = rest.find(SYNC)
            if start < 0:
                rest.clear()
                return
            del rest[:start]
            if len(rest) < 6:
                return
            size, optional = int.from_bytes(rest[1:3], "big"), rest[3]
            if crc8(bytes(rest[1:5])) != rest[5] or size > MAX_DATA:
                del rest[0]  # no packet begins here: look for the next sync byte
                continue
            end = 6 + size + optional + 1
            if len(rest) < end:
                return
            body = bytes(rest[6 : end - 1])
            if crc8(body) != rest[end - 1]:
                self.bad += 1
                del rest[0]
                continue
            packet = Packet(rest[4], body[:size], body[size:])
            del rest[:end]
            yield packet
