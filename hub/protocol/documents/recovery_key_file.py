"""The file of a recipient's private key, as `ilot backend init` makes it and `ilot restore` is handed it. Pure.

JSON: {"format": "ilot-recipient-key/1", "role": "ingest" | "recovery", "kid": hex, "private": base64}, `private`
being the ML-KEM-768 seed (64 bytes, FIPS 203 d ‖ z) and the X25519 key (32 bytes).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from hub.core.errors import ConfigError
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.records.seal import kid_of

FORMAT = "ilot-recipient-key/1"
RECOVERY = "recovery"
MAX_FILE = 4096


class RecipientKey(NamedTuple):
    """A private recipient key: `public` is its 1,216-byte encoding, `kid` that encoding's SHA-256."""

    role: str
    kid: bytes
    public: bytes
    private: MLKEM768X25519PrivateKey


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    role: str
    kid: str
    private: bytes


def write_file(role: str, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> tuple[RecipientKey, bytes]:
    """The key of these halves, and the contents of its file."""
    key = _join(role, mlkem, x25519)
    private = mlkem.private_bytes_raw() + x25519.private_bytes_raw()
    file = _File(format=FORMAT, role=role, kid=key.kid.hex(), private=private)
    return key, msgspec.json.format(msgspec.json.encode(file)) + b"\n"


def read_file(data: bytes) -> RecipientKey:
    """The key in the contents of a key file. Raises ConfigError."""
    try:
        file = msgspec.json.decode(shallow_json(data[: MAX_FILE + 1]), type=_File)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(file.private[:64])
        key = _join(file.role, mlkem, X25519PrivateKey.from_private_bytes(file.private[64:]))
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            phrase("not-a-recipient-key", "this is not a recipient key file of Îlot ({format})", format=FORMAT)
        ) from error
    if file.format != FORMAT or key.kid.hex() != file.kid:
        raise ConfigError(
            phrase(
                "recipient-key-damaged",
                "this recipient key file is damaged: the key is not the one that its key id names",
            )
        )
    return key


def read_recovery_key(data: bytes) -> RecipientKey:
    """`read_file`, of the owner's recovery key and no other. Raises ConfigError."""
    key = read_file(data)
    if key.role != RECOVERY:
        raise ConfigError(
            phrase(
                "recipient-key-wrong-role",
                "this is a key of the role {role}; a backup is sealed to the owner's recovery key alone",
                role=key.role[:16],
            )
        )
    return key


def _join(role: str, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> RecipientKey:
    public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return RecipientKey(role, kid_of(public), public, MLKEM768X25519PrivateKey(mlkem, x25519))
