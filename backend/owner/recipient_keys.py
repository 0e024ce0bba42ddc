"""Recipient keys: X-Wing key pairs (ML-KEM-768 with X25519) to which hubs seal. Their file format is in
`hub.protocol.documents.recovery_key_file`."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.core.errors import ConfigError
from hub.core.text import phrase, reason_of, system_error
from hub.protocol.documents.recovery_key_file import RecipientKey, write_file
from hub.protocol.documents.recovery_key_file import read_file as parse

__all__ = ["RecipientKey", "generate", "load", "parse"]


def generate(role: str) -> tuple[RecipientKey, bytes]:
    """Generate a key for `role` ("ingest" or "recovery"); return it with the contents of its file."""
    return write_file(role, MLKEM768PrivateKey.generate(), X25519PrivateKey.generate())


def load(path: Path) -> RecipientKey:
    """Read a key file. Raises ConfigError naming it."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=path, reason=system_error(error))
        ) from error
    except ConfigError as error:
        raise ConfigError(phrase("fault-in-file", "{file}: {reason}", file=path, reason=reason_of(error))) from error
