"""Checks and decrypts secured telegrams. Pure.

Security of EnOcean Radio Networks 3.02: the security level format (3.5), teach-in (5.2), VAES (6.1), CMAC (6.2).

    30 · sealed byte · [RLC] · CMAC               of a switch (PTM): the RORG is not sent
    31 · sealed (RORG · data) · [RLC] · CMAC      of anything else
    35 · info · SLF · RLC · key…                  teach-in, in two telegrams

The rolling code (RLC) rises with each telegram. Where it is not sent, the receiver tries the next ones. A counter here
is the rolling code without its limit: it goes on rising when the code restarts at 0.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

import hub
from hub.sdk.phrases import phrase

SEC, SEC_ENCAPS, SEC_CHAIN, SEC_TEACH_IN = 0x30, 0x31, 0x33, 0x35
MAY_SAY_KEYS = (SEC_TEACH_IN, SEC_CHAIN, 0x40)
"""Kinds of telegrams in which a key may stand in clear: a teach-in, and the two that carry parts of any other."""
WINDOW = 128
"""Rolling codes that are tried where none is sent: the number of consecutive telegrams that may be lost."""
LEAP = 1 << 12
"""Maximum advance of a sent rolling code of 16 bits: beyond, it cannot be distinguished from an old one."""
_START = bytes.fromhex("3410DE8F1ABA3EFF9F5A117172EACABD")
_RLC = {0b010: (2, 0), 0b011: (2, 2), 0b100: (3, 0), 0b101: (3, 3), 0b110: (4, 3), 0b111: (4, 4)}
"""Bytes of the rolling code, and how many of them are sent, by the upper three bits of the SLF."""
_MAC = {0b01: 3, 0b10: 4}
_PLAIN, _VAES = 0b000, 0b011


class Level(NamedTuple):
    """A security level: bytes of the rolling code, bytes of it that are sent, bytes of the MAC, and whether the data
    are encrypted."""

    rlc: int
    sent: int
    mac: int
    sealed: bool

    @property
    def strong(self) -> bool:
        """Return whether telegrams cannot be guessed: a MAC of 24 bits that fits one of 129 codes is found in minutes,
        and a code of 16 bits repeats within months."""
        return self.mac == 4 and self.sent >= 3


def level(slf: int) -> Level:
    """Decode an SLF. Raises DecodeError `enocean-slf` for a level without authentication or an unknown one."""
    rlc, mac = _RLC.get(slf >> 5), _MAC.get(slf >> 3 & 3)
    if rlc is None or mac is None or slf & 7 not in (_PLAIN, _VAES):
        raise hub.DecodeError(
            "enocean-slf",
            phrase("enocean.security-level-unread", "a security level {slf:02X} that is not read", slf=slf),
        )
    return Level(*rlc, mac, slf & 7 == _VAES)


def vaes(key: bytes, code: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt: 6.1."""
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, of which VAES is made
    first = _xor(_START, code.ljust(16, b"\0"))
    out, stream = bytearray(), bytes(16)
    for at in range(0, len(data), 16):
        stream = cipher.update(_xor(first, stream) if at else first)
        out += _xor(data[at : at + 16], stream)
    return bytes(out)


def cmac(key: bytes, data: bytes, size: int) -> bytes:
    """Return the first bytes of the AES-CMAC (RFC 4493): 6.2."""
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()[:size]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


class Opened(NamedTuple):
    """A telegram with a valid MAC. `rorg` None: a switch's, which does not send it."""

    rorg: int | None
    payload: bytes
    counter: int


def open_(rorg: int, payload: bytes, key: bytes, how: Level, last: int | None) -> Opened | None:
    """Check and decrypt a telegram.

    `last`: counter of the last accepted telegram, None when there was none. Returns None for the last one again, as
    repeaters send it. Raises DecodeError: `enocean-length`, `enocean-rlc` when the rolling code is not known,
    `bad-key`, `bad-mic` when the MAC fits no possible counter: forged, replayed, or too many were missed."""
    if len(key) != 16:
        raise hub.DecodeError(
            "bad-key", phrase("enocean.bad-key-length", "a key has 16 bytes, not {count}", count=len(key))
        )
    tail = how.sent + how.mac
    if len(payload) < tail + (2 if rorg == SEC_ENCAPS else 1):
        raise hub.DecodeError(
            "enocean-length",
            phrase("enocean.bad-payload-length", "{count} [byte|bytes] of payload", count=len(payload)),
        )
    sealed, sent = payload[:-tail], payload[len(payload) - tail : len(payload) - how.mac]
    for counter in _counters(how, sent, last):
        code = (counter & (1 << 8 * how.rlc) - 1).to_bytes(how.rlc, "big")
        if hmac.compare_digest(cmac(key, bytes([rorg]) + sealed + code, how.mac), payload[-how.mac :]):
            if counter == last:
                return None
            plain = vaes(key, code, sealed) if how.sealed else sealed
            return Opened(plain[0], plain[1:], counter) if rorg == SEC_ENCAPS else Opened(None, plain, counter)
    raise hub.DecodeError(
        "bad-mic", phrase("enocean.counter-not-expected", "authentic under no counter that it may have")
    )


def _counters(how: Level, sent: bytes, last: int | None) -> Iterable[int]:
    """Yield the counters that a telegram may have, the last one first."""
    if not how.sent:
        if last is None:
            raise hub.DecodeError(
                "enocean-rlc",
                phrase("enocean.rolling-code-unknown", "its rolling code is not known: teach it in, or set `rlc`"),
            )
        return range(max(last, 0), last + WINDOW + 1)
    code = int.from_bytes(sent, "big")
    if last is None:
        return (code,)
    ahead = (code - last) % (1 << 8 * how.sent)
    return (last + ahead,) if ahead <= (LEAP if how.sent == 2 else 1 << 8 * how.sent - 1) else ()


class Taught(NamedTuple):
    """Contents of a secure teach-in. `switch`: it is a PTM, whose telegrams have no RORG."""

    slf: int
    code: int
    key: bytes
    switch: bool

    def __repr__(self) -> str:
        return f"Taught(slf={self.slf:02X})"  # never the key


class TeachIns:
    """Combines the two telegrams of secure teach-ins; of `most` senders at once, each for `seconds`."""

    def __init__(self, most: int = 8, seconds: float = 4.0) -> None:
        self._most, self._seconds = most, seconds
        self._first: dict[str, tuple[float, bytes]] = {}

    def take(self, sender: str, payload: bytes, now: float) -> Taught | None:
        """Add a telegram 35; returns the teach-in once it is complete. Raises DecodeError: `enocean-length`,
        `enocean-slf`, `enocean-psk` for one encrypted with a pre-shared key."""
        if len(payload) < 2:
            raise hub.DecodeError(
                "enocean-length", phrase("enocean.teach-in-truncated", "a secure teach-in that is cut")
            )
        if payload[0] >> 6 == 0:
            level(payload[1])
            if payload[0] & 0x08:
                raise hub.DecodeError(
                    "enocean-psk",
                    phrase("enocean.teach-in-under-psk", "a secure teach-in under a pre-shared key, which is not read"),
                )
            self._first = {s: kept for s, kept in self._first.items() if now - kept[0] < self._seconds}
            if sender in self._first or len(self._first) < self._most:
                self._first[sender] = (now, payload)
            return None
        began, first = self._first.pop(sender, (0.0, b""))
        if not first or now - began >= self._seconds:
            raise hub.DecodeError(
                "enocean-teach-in",
                phrase("enocean.teach-in-without-first", "the second telegram of a secure teach-in without the first"),
            )
        content = first[2:] + payload[1:]
        size = level(first[1]).rlc
        if len(content) != size + 16:
            raise hub.DecodeError(
                "enocean-length",
                phrase("enocean.bad-teach-in-length", "{count} bytes of rolling code and key", count=len(content)),
            )
        return Taught(first[1], int.from_bytes(content[:size], "big"), content[size:], bool(first[0] & 0x04))
