"""Private keys of an owner in files. The reading functions raise ConfigError naming the file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.core.disk.atomic_files import PRIVATE, give, owner_of
from hub.core.disk.safe_paths import leading
from hub.core.errors import ConfigError
from hub.core.text import Phrase, phrase, reason_of, system_error
from hub.protocol.documents.trust import Root, fingerprint


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=path, reason=system_error(error))
        ) from error


def file_damaged(file: Path, error: BaseException) -> Phrase:
    """Return the phrase of a file of an owner whose content cannot be used."""
    return phrase(
        "file-damaged", "restore {file} from a backup, it is damaged: {reason}", file=file, reason=reason_of(error)
    )


def write_key_file(directory: Path, name: str, data: bytes, mode: int = PRIVATE) -> None:
    """Write a file of an owner's directory that the server reads. When root writes it, it belongs to the directory's
    user, or the server could not read it. Raises OSError."""
    with leading(directory / name, directory, follow=False) as spot:
        spot.write(data, mode, partial(give, owner=owner_of(directory)))


def signing_key(path: Path) -> ed25519.Ed25519PrivateKey:
    key = load_pem_private_key(read(path), password=None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError(
            phrase("owner-key-not-ed25519", "{file} is not an Ed25519 key: restore it from a backup", file=path)
        )
    return key


def certificate_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(read(path), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(
            phrase("owner-key-not-ecdsa", "{file} is not an ECDSA key: restore it from a backup", file=path)
        )
    return key


def owner_root(directory: Path, pinned: str) -> Root:
    """Load the owner root in `directory`, whose fingerprint must be `pinned` (hex)."""
    try:
        seed = mldsa.MLDSA65PrivateKey.from_seed_bytes(read(directory / "mldsa65.seed"))
    except ValueError as error:
        raise ConfigError(
            phrase("seed-not-mldsa65", "{directory}/mldsa65.seed is no ML-DSA-65 seed", directory=directory)
        ) from error
    root = Root(signing_key(directory / "ed25519.pem"), seed)
    if fingerprint(root.public).hex() != pinned:
        raise ConfigError(
            phrase(
                "root-of-another-owner",
                "{directory} holds another owner's root: hubs would refuse what it signs",
                directory=directory,
            )
        )
    return root
