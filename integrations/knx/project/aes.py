"""Members of a zip archive that are encrypted with AES, as ETS 6 writes them. Pure.

WinZip "AES Encryption Information: Encryption Specification AE-1 and AE-2", version 1.04: compression method 99, an
extra field 0x9901 (version, "AE", strength, the real method), and before the data a salt and two octets to verify the
password; after it the first ten octets of an HMAC-SHA1. Keys by PBKDF2-HMAC-SHA1, 1,000 rounds; AES in counter mode,
the counter little-endian from 1.

ETS 6 gives the archive a password of its own, made of the project's: base64 of PBKDF2-HMAC-SHA256 over its UTF-16LE,
salt `21.project.ets.knx.org`, 65,536 rounds, 32 octets. This is undocumented, but used by several programs that read
such projects; the tests check it against one of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import hub
from hub.sdk.phrases import phrase

METHOD = 99
EXTRA = 0x9901
_SALT = b"21.project.ets.knx.org"
_ROUNDS = 65_536
_ZIP_ROUNDS = 1000
_TAG = 10
_VERIFIER = 2
_BLOCK = 16


class Sealed(NamedTuple):
    """Contents of the extra field: octets of the key, and the compression method inside."""

    key: int
    method: int


def archive_password(password: str) -> bytes:
    """Derive the archive's password from the project's, as ETS 6 does."""
    raw = hashlib.pbkdf2_hmac("sha256", password.encode("utf-16-le"), _SALT, _ROUNDS, 32)
    return base64.b64encode(raw)


def sealed(extra: bytes) -> Sealed:
    """Parse the extra field of a member. Raises DecodeError `zip-encryption`."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == EXTRA and length >= 7 and len(extra) >= 4 + 7:
            _, vendor, strength, method = struct.unpack_from("<H2sBH", extra, 4)
            if vendor == b"AE" and strength in (1, 2, 3):
                return Sealed(8 + 8 * strength, method)
        extra = extra[4 + length :]
    raise hub.DecodeError(
        "zip-encryption",
        phrase(
            "knx.unknown-encryption",
            "a member is encrypted in an unknown way: export the project without password",
        ),
    )


def opened(data: bytes, sealed: Sealed, password: bytes) -> bytes:
    """Decrypt a member; the octets are still compressed. Raises DecodeError with `wrong-password` or `zip-damaged`."""
    salt_length = sealed.key // 2
    if len(data) < salt_length + _VERIFIER + _TAG:
        raise hub.DecodeError(
            "zip-damaged", phrase("knx.encrypted-member-too-short", "an encrypted member is too short")
        )
    salt, verifier = data[:salt_length], data[salt_length : salt_length + _VERIFIER]
    body, tag = data[salt_length + _VERIFIER : -_TAG], data[-_TAG:]
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, _ZIP_ROUNDS, 2 * sealed.key + _VERIFIER)
    cipher_key, tag_key, expected = keys[: sealed.key], keys[sealed.key : 2 * sealed.key], keys[-_VERIFIER:]
    if not hmac.compare_digest(expected, verifier):
        raise hub.DecodeError(
            "wrong-password", phrase("knx.wrong-project-password", "the password does not open this project")
        )
    if not hmac.compare_digest(hmac.new(tag_key, body, "sha1").digest()[:_TAG], tag):
        raise hub.DecodeError(
            "zip-damaged",
            phrase(
                "knx.encrypted-member-damaged", "an encrypted member fails its check: wrong password, or a damaged file"
            ),
        )
    return _counter_mode(cipher_key, body)


def _counter_mode(key: bytes, body: bytes) -> bytes:
    """Apply AES-CTR with a little-endian counter: the key stream is the counters, encrypted block by block."""
    blocks = -(-len(body) // _BLOCK)
    counters = b"".join(number.to_bytes(_BLOCK, "little") for number in range(1, blocks + 1))
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - of counters: this is counter mode
    stream = encryptor.update(counters) + encryptor.finalize()
    mixed = int.from_bytes(body, "big") ^ int.from_bytes(stream[: len(body)], "big")
    return mixed.to_bytes(len(body), "big")
