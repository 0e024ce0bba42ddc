"""Public keys of SSH in files, as `ssh-keygen` writes them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_public_key,
)

from backend.owner.key_files import read
from hub.core.errors import ConfigError
from hub.core.text import phrase

LEAST_RSA = 3072
LONGEST = 16_384


def load(path: Path) -> tuple[str, str]:
    """Return comment and digest of the public key in a file. Raises ConfigError."""
    return parse(read(path), path)


def parse(text: bytes, path: Path) -> tuple[str, str]:
    """Return comment and digest of a public key. Raises ConfigError."""
    words = text.strip().split(None, 2)
    try:
        if len(text) > LONGEST or len(words) < 2 or b"\n" in text.strip():
            raise ValueError("not one line")
        key = load_ssh_public_key(b" ".join(words[:2]))
        if not isinstance(key, (ed25519.Ed25519PublicKey, ec.EllipticCurvePublicKey)) and not (
            isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA
        ):
            raise ValueError("no Ed25519, ECDSA or long RSA")
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            phrase(
                "spaces-public-key",
                "{file} is no public key of SSH that is taken: Ed25519, ECDSA, or RSA of {bits} bits, on one line",
                file=path,
                bits=LEAST_RSA,
            )
        ) from None
    comment = words[2].decode(errors="replace") if len(words) > 2 else ""
    return "".join(one for one in comment if one.isprintable())[:100], digest_of(b" ".join(words[:2]).decode())


def digest_of(line: str) -> str:
    """Return the SHA-256 of a public key, in hexadecimal digits."""
    return sha256(b64decode(line.split()[1])).hexdigest()


def fingerprint(digest: str) -> str:
    """Return a digest as `ssh-keygen -l` shows it."""
    return "SHA256:" + b64encode(bytes.fromhex(digest)).decode().rstrip("=")


def line_of(private: bytes) -> str:
    """Return the line of a private key's public one."""
    key = load_pem_private_key(private, password=None).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
