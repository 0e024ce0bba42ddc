"""Protocols of wireless M-Bus receivers: converts their bytes to telegrams. Sans-I/O.

IMST iM871A (WMBus HCI specification): A5 · control, endpoint · message · length · payload · [time u32] · [RSSI] · [CRC]
    control   2 a time is attached, 4 an RSSI, 8 a CRC: of all behind the A5, X.25 (reflected 1021), low byte first
    a telegram of the air is message 03 of endpoint 2: from its C field on, without its CRCs
Amber AMB8465 as it leaves the factory: telegrams as they are, L first, without their CRCs and without any frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import hub
from integrations.mbus import radio

SYNC = 0xA5
DEVICE, RADIO = 0x01, 0x02
PING, PONG, SET_CONFIG, CONFIG_SET, TELEGRAM = 0x01, 0x02, 0x03, 0x04, 0x03
MODES = {"S": 0x00, "T": 0x03, "C": 0x06}
"""The radio modes of an iM871A that listen to meters: S1, T1, C1 with frame format A."""
CONTROLS = (0x44, 0x46, 0x06, 0x00, 0x08, 0x18)
"""C fields of telegrams that a meter sends spontaneously or in answer."""


class Heard(NamedTuple):
    """A wireless telegram, L first, without CRCs; `dbm` where the receiver reports it."""

    telegram: bytes
    dbm: int | None = None


class Message(NamedTuple):
    """A message of an iM871A."""

    endpoint: int
    id: int
    payload: bytes
    dbm: int | None = None


def _remainder(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
    return value


_TABLE = [_remainder(byte) for byte in range(256)]


def crc16(data: bytes) -> int:
    """Return the CRC X.25: polynomial 1021 reflected, start FFFF, complement."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF


def message(endpoint: int, id_: int, payload: bytes = b"") -> bytes:
    """Encode a message to an iM871A, with its CRC."""
    body = bytes([0x80 | endpoint, id_, len(payload)]) + payload
    return bytes([SYNC]) + body + crc16(body).to_bytes(2, "little")


def listen_in(mode: str) -> bytes:
    """Encode the command that makes an iM871A listen in a radio mode until it is switched off, and report the RSSI of
    each telegram."""
    return message(DEVICE, SET_CONFIG, bytes([0x00, 0x02, MODES[mode], 0x10 | 0x20, 1, 0]))


class Im871a:
    """Cuts a line's bytes into messages. `bad` counts invalid ones."""

    def __init__(self) -> None:
        self.bad = 0
        self._rest = bytearray()

    def messages(self, data: bytes) -> Iterator[Message]:
        """Return the messages that `data` completes."""
        self._rest += data
        rest = self._rest
        while True:
            start = rest.find(SYNC)
            del rest[: start if start >= 0 else len(rest)]
            if len(rest) < 4:
                return
            control = rest[1] >> 4
            if control & 1 or not 1 <= rest[1] & 0x0F <= 4:
                del rest[0]  # no message begins here
                continue
            timed, strength, checked = 4 * bool(control & 2), bool(control & 4), 2 * bool(control & 8)
            end = 4 + rest[3] + timed + strength + checked
            if len(rest) < end:
                return
            body = bytes(rest[1 : end - checked])
            if checked and crc16(body) != int.from_bytes(rest[end - 2 : end], "little"):
                self.bad += 1
                del rest[0]
                continue
            dbm = _dbm(body[-1]) if strength else None
            yield Message(rest[1] & 0x0F, rest[2], bytes(rest[4 : 4 + rest[3]]), dbm)
            del rest[:end]

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Return the wireless telegrams among them. Others are counted."""
        for one in self.messages(data):
            if (one.endpoint, one.id) != (RADIO, TELEGRAM):
                continue
            try:
                yield Heard(radio.strip(bytes([len(one.payload)]) + one.payload), one.dbm)
            except hub.DecodeError:
                self.bad += 1


def _dbm(raw: int) -> int:
    """Convert the RSSI of its radio chip: −127 dBm at 0, a little more than half a dB a step."""
    return round(80 / 150 * raw - 100 - 4000 / 150)


class Amber:
    """Cuts bytes into telegrams without any frame. They have no checksum: anything with a valid beginning is passed on,
    and the decoder checks it."""

    def __init__(self) -> None:
        self.bad = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Return the telegrams that `data` completes."""
        self._rest += data
        rest = self._rest
        while len(rest) >= 2:
            if rest[0] < 10 or rest[1] not in CONTROLS:
                self.bad += 1
                del rest[0]
                continue
            size = rest[0] + 1
            if len(rest) < size:
                return
            try:
                yield Heard(radio.strip(bytes(rest[:size])))
                del rest[:size]
            except hub.DecodeError:
                self.bad += 1
                del rest[0]
