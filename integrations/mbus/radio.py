"""The wireless link layer, and the layers between it and the records. Pure.

EN 13757-4:2019: frame formats A and B and their CRC (clauses 12 and 13), extended link layer (13.2). EN 13757-7:2018:
authentication and fragmentation layer (6), security modes 5 and 7 (7.6). OMS Specification Volume 2, 4.3: key
derivation, also in these clauses.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import header, sense
from integrations.mbus.header import Header, Identity

POLYNOMIAL = 0x3D65
ELL = {0x8C: 2, 0x8D: 8, 0x8E: 10, 0x8F: 16}
"""Bytes of an extended link layer by its CI field: CC ACC [M2 A2] [SN CRC]."""
AFL = 0x90
_PLAIN = b"\x2f\x2f"
_SEALED = phrase("mbus.sealed", "sealed")


class Layer(NamedTuple):
    """A decrypted wireless telegram: its sender, its records (with `ci`), and its protection. "opened": sealed in the
    air, and the receiver has opened it: nothing proves who sent it."""

    sender: Identity
    ci: int
    head: Header | None
    data: bytes
    protected: str  # "none", "opened", "mode 5", "mode 7", "AES-CTR"
    authenticated: bool
    counter: int | None = None


def _remainder(value: int) -> int:
    for _ in range(8):
        value = (value << 1 ^ POLYNOMIAL if value & 0x8000 else value << 1) & 0xFFFF
    return value


_TABLE = [_remainder(byte << 8) for byte in range(256)]


def crc(data: bytes) -> int:
    """Return the CRC of EN 13757-4, 12.5: polynomial 3D65, start 0, complement."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _TABLE[value >> 8 ^ byte]
    return value ^ 0xFFFF


def strip(raw: bytes) -> bytes:
    """Return a telegram without its CRCs, L unchanged: receivers print it with them (format A or B) or without. Raises
    DecodeError: `wmbus-frame`, `wmbus-crc`."""
    if len(raw) < 11 or raw[0] < 10:  # L counts C, M, A and CI
        raise hub.DecodeError(
            "wmbus-frame", phrase("mbus.not-a-telegram", "{count} bytes are no telegram", count=len(raw))
        )
    if len(raw) == raw[0] + 1:
        whole = _format_b(raw)
        return raw if whole is None else whole
    blocks = 1 + -(-(raw[0] - 9) // 16) if raw[0] > 9 else 1
    if len(raw) != raw[0] + 1 + 2 * blocks:
        raise hub.DecodeError(
            "wmbus-frame",
            phrase(
                "mbus.wrong-length",
                "a length of {length} in a telegram of {count} bytes",
                length=raw[0],
                count=len(raw),
            ),
        )
    out, at = bytearray(), 0
    for number in range(blocks):
        size = 10 if number == 0 else min(16, len(raw) - at - 2)
        block = raw[at : at + size]
        if crc(block) != int.from_bytes(raw[at + size : at + size + 2], "big"):
            raise hub.DecodeError(
                "wmbus-crc",
                phrase("mbus.checksum-of-block", "the checksum of block {number} is wrong", number=number + 1),
            )
        out += block
        at += size + 2
    return bytes(out)


def _format_b(raw: bytes) -> bytes | None:
    """Remove the CRCs of format B, None when there are none: they are counted in L, so only they can tell."""
    if len(raw) < 14:
        return None
    first = raw[:128] if len(raw) > 130 else raw
    if crc(first[:-2]) != int.from_bytes(first[-2:], "big"):
        return None
    rest = raw[len(first) :]
    if rest and crc(rest[:-2]) != int.from_bytes(rest[-2:], "big"):
        raise hub.DecodeError(
            "wmbus-crc", phrase("mbus.checksum-of-block", "the checksum of block {number} is wrong", number=2)
        )
    body = first[:-2] + rest[:-2]
    return bytes([len(body) - 1]) + body[1:]


def open_(raw: bytes, key: bytes | None) -> Layer:
    """Decrypt a telegram without CRCs. Raises DecodeError: `wmbus-frame`, `needs-key` when it is encrypted and `key` is
    None, `bad-key` when the key does not decrypt it."""
    sender = header.identity(raw[2:10])
    ci, data, counter = raw[10], raw[11:], None
    protected, authenticated = "none", False
    if ci in ELL:
        ci, data, protected, counter = _extended(ci, data, sender, key)
        if protected != "none":
            return Layer(sender, ci, _head(ci, data), _body(ci, data), protected, False, counter)
    layer: _Afl | None = None
    if ci == AFL:
        layer, ci, data = _fragment(data)
        counter = layer.counter
    head = _head(ci, data)
    if head is None or head.mode == 0 or (not head.blocks and head.mode == 5):
        return Layer(sender, ci, head, _body(ci, data), "none", False, counter)
    if head.mode == 5:
        body, protected = _mode_5(head, sender, data[head.size :], key)
    elif head.mode == 7:
        body, protected, authenticated = _mode_7(head, sender, ci, data, key, layer)
    else:
        body, protected = _other_mode(head, data[head.size :])
    return Layer(sender, ci, head, body, protected, authenticated, counter)


def _head(ci: int, data: bytes) -> Header | None:
    return header.read(header.FULL[ci], data) if ci in header.FULL else None


def _body(ci: int, data: bytes) -> bytes:
    head = _head(ci, data)
    return data if head is None else data[head.size :]


def _extended(ci: int, data: bytes, sender: Identity, key: bytes | None) -> tuple[int, bytes, str, int | None]:
    """Decode an extended link layer: the next CI, its data, their protection, the session number."""
    size = ELL[ci]
    if len(data) < size + 1:
        raise hub.DecodeError(
            "wmbus-frame", phrase("mbus.extended-link-layer-cut", "an extended link layer that is cut")
        )
    if ci not in (0x8D, 0x8F):
        return data[size], data[size + 1 :], "none", None
    session = int.from_bytes(data[size - 6 : size - 2], "little")
    sealed = data[size - 2 :]  # the CRC of the data is encrypted too
    if session >> 29 == 0:
        plain, protected = sealed, "none"
    elif session >> 29 == 1:
        plain, protected = _counted(data, sealed, sender, key)
    else:
        raise hub.DecodeError(
            "wmbus-mode",
            phrase(
                "mbus.unknown-link-encryption",
                "encryption {encryption} of the extended link layer is not read",
                encryption=session >> 29,
            ),
        )
    if crc(plain[2:]) != int.from_bytes(plain[:2], "little"):
        raise hub.DecodeError("wmbus-crc", phrase("mbus.payload-checksum-wrong", "the payload's checksum is wrong"))
    if len(plain) < 3:
        raise hub.DecodeError(
            "wmbus-frame", phrase("mbus.extended-link-layer-empty", "an extended link layer with nothing behind it")
        )
    return plain[2], plain[3:], protected, session


def _counted(data: bytes, sealed: bytes, sender: Identity, key: bytes | None) -> tuple[bytes, str]:
    """Decrypt AES-128-CTR of an extended link layer, whose checksum shows whether the receiver has done so already."""
    if key is not None:
        control = bytes([data[0] & 0xEF])  # a repeater sets this bit: not part of the counter
        start = sender.raw + control + data[len(data) - len(sealed) - 4 : len(data) - len(sealed)] + bytes(3)
        opener = Cipher(algorithms.AES(_sized(key)), modes.CTR(start)).decryptor()
        plain = opener.update(sealed) + opener.finalize()
        if crc(plain[2:]) == int.from_bytes(plain[:2], "little"):
            return plain, "AES-CTR"
    if crc(sealed[2:]) == int.from_bytes(sealed[:2], "little"):
        return sealed, "opened"
    if key is None:
        raise hub.DecodeError("needs-key", _SEALED)
    raise hub.DecodeError("bad-key", phrase("mbus.payload-checksum-wrong", "the payload's checksum is wrong"))


class _Afl(NamedTuple):
    counter: int | None
    mac: bytes
    control: bytes  # MCL
    rest: bytes  # data covered by the MAC: TPL from its CI on
    length: bytes  # ML, where there is one
    fragment: int


def _fragment(data: bytes) -> tuple[_Afl, int, bytes]:
    """Decode an authentication and fragmentation layer in one piece. EN 13757-7, 6.2."""
    size = data[0] if data else 0
    if len(data) < size + 2 or size < 2:
        raise hub.DecodeError(
            "wmbus-frame", phrase("mbus.authentication-layer-cut", "an authentication layer that is cut")
        )
    layer, rest = data[1 : size + 1], data[size + 1 :]
    control = int.from_bytes(layer[:2], "little")
    if control & 0x4000 or control & 0xFF > 1:
        raise hub.DecodeError(
            "wmbus-fragment", phrase("mbus.telegram-in-pieces", "a telegram in several pieces is not read")
        )
    at = 2
    mcl = mac = length = b""
    counter: int | None = None

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        if at > len(layer):
            raise hub.DecodeError(
                "wmbus-frame", phrase("mbus.authentication-layer-cut", "an authentication layer that is cut")
            )
        return layer[at - count : at]

    if control & 0x2000:
        mcl = take(1)
    if control & 0x0200:
        take(2)  # key information
    if control & 0x0800:
        counter = int.from_bytes(take(4), "little")
    if control & 0x0400:
        mac = take({3: 2, 4: 4, 5: 8, 6: 12, 7: 16, 8: 12}.get(mcl[0] & 0x0F if mcl else 5, 8))
    if control & 0x1000:
        length = take(2)
    return _Afl(counter, mac, mcl, rest, length, control & 0xFF), rest[0], rest[1:]


def _sized(key: bytes) -> bytes:
    if len(key) != 16:
        raise hub.DecodeError("bad-key", phrase("mbus.key-length", "a key has 16 bytes, not {count}", count=len(key)))
    return key


def _announced(head: Header, body: bytes) -> int:
    """Return the sealed bytes that the header announces. Raises DecodeError when they are not there."""
    size = 16 * head.blocks
    if len(body) < size:
        raise hub.DecodeError(
            "wmbus-frame",
            phrase(
                "mbus.sealed-bytes-missing",
                "{announced} sealed bytes announced, {received} there",
                announced=size,
                received=len(body),
            ),
        )
    return size


def _mode_5(head: Header, sender: Identity, body: bytes, key: bytes | None) -> tuple[bytes, str]:
    """Decrypt AES-128-CBC with the meter's key; the clear text begins with 2F 2F."""
    opened = body[:2] == _PLAIN
    if key is not None and (not opened or len(body) >= 16 * head.blocks):
        size = _announced(head, body)
        start = (head.identity or sender).raw + bytes([head.access]) * 8
        opener = Cipher(algorithms.AES(_sized(key)), modes.CBC(start)).decryptor()
        plain = opener.update(body[:size]) + opener.finalize()
        if plain[:2] == _PLAIN:
            return plain + body[size:], "mode 5"
    if opened:  # by the receiver
        return body, "opened"
    _announced(head, body)
    if key is None:
        raise hub.DecodeError("needs-key", _SEALED)
    raise hub.DecodeError("bad-key", phrase("mbus.key-does-not-open", "the key does not open it"))


def _mode_7(
    head: Header, sender: Identity, ci: int, data: bytes, key: bytes | None, layer: _Afl | None
) -> tuple[bytes, str, bool]:
    """Decrypt AES-128-CBC with keys of this very message, and check its MAC. One that the receiver has opened is sealed
    again for that, where there is a key."""
    body = data[head.size :]
    opened = body[:2] == _PLAIN
    if opened and key is None:
        return body, "opened", False
    size = _announced(head, body)
    if layer is None or layer.counter is None:
        raise hub.DecodeError(
            "wmbus-frame", phrase("mbus.no-message-counter", "security mode 7 without a message counter")
        )
    if key is None:
        raise hub.DecodeError("needs-key", _SEALED)
    who = (head.identity or sender).raw[2:6]
    counter = layer.counter.to_bytes(4, "little")
    derived = [_cmac(_sized(key), bytes([use]) + counter + who + b"\x07" * 7) for use in (0, 1)]
    before = layer.control + counter + layer.length + bytes([ci]) + data[: head.size]
    cipher = Cipher(algorithms.AES(derived[0]), modes.CBC(bytes(16)))
    if opened:
        sealer = cipher.encryptor()
        again = sealer.update(body[:size]) + sealer.finalize() + body[size:]
        if _authentic(derived[1], before + again, layer.mac):
            return body, "mode 7", True
    if not _authentic(derived[1], before + body, layer.mac):
        raise hub.DecodeError("bad-key", phrase("mbus.not-authentic", "the message is not authentic under this key"))
    opener = cipher.decryptor()
    plain = opener.update(body[:size]) + opener.finalize()
    if size and plain[:2] != _PLAIN:
        raise hub.DecodeError("bad-key", phrase("mbus.key-does-not-open", "the key does not open it"))
    return plain + body[size:], "mode 7", True


def _authentic(key: bytes, covered: bytes, mac: bytes) -> bool:
    return bool(mac) and _cmac(key, covered)[: len(mac)] == mac


def _other_mode(head: Header, body: bytes) -> tuple[bytes, str]:
    """Return the records of a telegram whose security mode is not read, where they are in clear all the same."""
    if head.mode not in header.ENCRYPTIONS and sense.clear(body):
        return body, "none"
    if body[:2] == _PLAIN and sense.clear(body):
        return body, "opened"
    raise hub.DecodeError(
        "wmbus-mode", phrase("mbus.unknown-security-mode", "security mode {mode} is not read", mode=head.mode)
    )


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()
