"""All keys of a hub in one file that only this machine's TPM opens: the storage card alone is useless. Blocking.

    <state>/keys/sealed.tpm   lp("ilot/sealed-keys/1\\0", blob, nonce, ciphertext)
    blob         a key of 32 random bytes, sealed by the TPM (`hub.identity.keys.tpm`); a PEM file is longer than a TPM
                 seals (TPM 2.0 Part 2, 10.4.1: 128 bytes)
    ciphertext   AES-256-GCM(that key, nonce of 12 bytes, msgpack {name: bytes}, aad = lp(label, blob))

It takes precedence over key files beside it. Such files exist only where a power cut came before all were destroyed; a
half overwritten file is no key any more. The interrupted operation is then repeated.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.core.disk.atomic_files import owner_of, sync_directory, write_atomically
from hub.core.errors import ConfigError, DecodeError, NotReady, StorageError
from hub.core.text import phrase, reason_of, system_error
from hub.identity.keys import SEALED, tpm
from hub.protocol.length_prefix import lp, unlp

_LABEL = b"ilot/sealed-keys/1\0"
_BLOB = b"ilot/keys-tpm/1\0"
_NONCE_BYTES = 12
_MAX_BYTES = 65536
_NAMES = frozenset(("identity", "store", "tls"))


def read(directory: Path) -> dict[str, bytes]:
    """Return {"identity", "store", "tls": the content of its file}.

    Raises NotReady when the TPM refuses, ConfigError when this is no such file.
    """
    path = directory / SEALED
    try:
        with path.open("rb") as file:
            said = file.read(_MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            phrase("file-cannot-be-read", "cannot read {path}: {reason}", path=path, reason=system_error(error))
        ) from error
    try:
        label, blob, nonce, ciphertext = unlp(said)
        if label != _LABEL:
            raise DecodeError(
                "sealed-keys", phrase("sealed-keys-wrong-start", "its first bytes are not those of sealed keys")
            )
        key = tpm.unseal(blob, _BLOB)
        opened = AESGCM(key).decrypt(nonce, ciphertext, lp(label, blob))
        contents = msgspec.msgpack.decode(opened, type=dict[str, bytes])
    except NotReady as error:
        raise NotReady(
            phrase(
                "sealed-keys-not-opened",
                "{path}: {reason}. On another machine, or after its TPM was cleared, these keys cannot be "
                "opened: restore the state backup (`ilot restore`)",
                path=path,
                reason=reason_of(error),
            )
        ) from error
    except (DecodeError, InvalidTag, ValueError) as error:
        raise ConfigError(
            phrase("sealed-keys-damaged", "{path} is damaged: restore the state backup (`ilot restore`)", path=path)
        ) from error
    if contents.keys() != _NAMES:
        raise ConfigError(
            phrase(
                "sealed-keys-missing",
                "{path} does not hold the keys of a hub: restore the state backup (`ilot restore`)",
                path=path,
            )
        )
    return contents


def write(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Seal `contents` by the TPM, in the form that `read` returns.

    The TPM has returned the sealing key before the file exists, because the file takes precedence over all others from
    then on. Raises NotReady, StorageError.
    """
    key, nonce = secrets.token_bytes(32), secrets.token_bytes(_NONCE_BYTES)
    blob = tpm.seal(key, _BLOB)
    ciphertext = AESGCM(key).encrypt(nonce, msgspec.msgpack.encode(dict(contents)), lp(_LABEL, blob))
    _write(directory / SEALED, lp(_LABEL, blob, nonce, ciphertext))


def unseal_to_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write the keys that the TPM holds back to files, then remove the sealed file. Raises NotReady, ConfigError,
    StorageError."""
    for name, data in read(directory).items():
        _write(directory / files[name], data)
    try:
        (directory / SEALED).unlink()  # atomic: it takes precedence over the files; no shredding, since it is sealed
        sync_directory(directory)
    except OSError as error:
        raise StorageError(
            phrase(
                "directory-not-removed",
                "{directory} cannot be removed: {reason}",
                directory=directory / SEALED,
                reason=system_error(error),
            )
        ) from error


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data, owner=owner_of(path.parent))
    except OSError as error:
        raise StorageError(
            phrase("file-not-writable", "{path} cannot be written: {reason}", path=path, reason=system_error(error))
        ) from error
