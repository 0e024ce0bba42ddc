"""The hub's own keys: where they are stored, and their atomic creation.

    identity   Ed25519, PKCS#8 PEM   signs epochs and STATE; pinned by the backend at enrolment; not the TLS key
    store      32 random bytes       encrypts the local SQLite and LOCAL records
    tls        ECDSA P-256, PEM      key of the client certificate

One file each in the state directory's `keys/`, mode 0600. A key of the same name, `ilot-identity`, `ilot-store`
or `ilot-tls`, in `$CREDENTIALS_DIRECTORY` (systemd `LoadCredential=`, `LoadCredentialEncrypted=`) takes its place.
Or this machine's TPM holds all three (`hub.identity.keys.sealed`), and they are in memory alone.
Beside them lies the root of raw history on disk, where that is kept (`hub.history.archive.keys`).
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519

from hub.core.disk.atomic_files import hand_over_all, make_directory, owner_of, shred, sync_directory, write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.text import phrase, system_error
from hub.protocol.hub_id import hub_id
from hub.protocol.pem import ED25519, private_pem

if TYPE_CHECKING:
    import mmap

STORE_KEY_BYTES = 32
_MAPPED: list[mmap.mmap] = []
_MAX_KEY_FILE = 16384
SEALED = "sealed.tpm"
FILES = {"identity": "identity.pem", "store": "store.key", "tls": "tls.pem"}
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*")
_P256 = bytes.fromhex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420")
"""Start of a PKCS#8 ECDSA P-256 key (RFC 5915, RFC 5480); 32 bytes of it and 70 of its public key follow. Keys written
by `create` start so, and are recognised without importing cryptography's parsers of all formats, half a MiB."""


@dataclass(frozen=True, slots=True)
class HubKeys:
    """A hub's keys in memory.

    `tls_key` is the path of a PEM file, because `ssl` reads files; where a TPM holds the keys it is a file in this
    process's memory, under a name valid in this process only.
    """

    identity: ed25519.Ed25519PrivateKey = field(repr=False)
    store_key: bytes = field(repr=False)
    tls_key: Path

    @property
    def identity_public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.identity.public_key().public_bytes_raw()

    @property
    def hub_id(self) -> str:
        return hub_id(self.identity_public)


def create(directory: Path, *, by_tpm: bool = False) -> HubKeys:
    """Create new keys in `directory`, which must not exist yet; all three appear at once, already synced.

    Created by root, they belong to the owner of the parent directory. `by_tpm`: this machine's TPM holds them, and they
    are never in a file.

    Raises ConfigError when keys are there already (they are never overwritten), StorageError when the disk refuses,
    NotReady when the TPM does.
    """
    import tempfile  # late, here and below: needed once in the life of a hub

    from cryptography.hazmat.primitives.asymmetric import ec

    if directory.exists():
        raise ConfigError(
            phrase(
                "keys-already-exist",
                "{directory} exists already: keys are never overwritten; remove it to start as a new hub",
                directory=directory,
            )
        )
    tls = ec.generate_private_key(ec.SECP256R1())
    contents = {
        "identity": private_pem(ed25519.Ed25519PrivateKey.generate()),
        "store": secrets.token_bytes(STORE_KEY_BYTES),
        "tls": private_pem(tls),
    }
    try:
        make_directory(directory.parent)
        with tempfile.TemporaryDirectory(prefix=".keys-", dir=directory.parent) as scratch:
            made = Path(scratch) / "keys"
            made.mkdir(mode=0o700)
            if by_tpm:
                from hub.identity.keys import sealed

                sealed.write(made, contents)
            for name, data in () if by_tpm else contents.items():
                write_atomically(made / FILES[name], data)
            hand_over_all(Path(scratch), owner_of(directory.parent))
            made.rename(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise StorageError(
            phrase(
                "keys-unwritable",
                "cannot write the hub's keys to {directory}: {reason}",
                directory=directory,
                reason=system_error(error),
            )
        ) from error
    return load(directory, {})


def load(directory: Path, environment: Mapping[str, str] | None = None) -> HubKeys:
    """Read the keys of `directory`, each replaced by systemd's credential where there is one.

    Raises ConfigError naming the file when a key is missing, readable by others, or not what it should be; NotReady
    when the TPM that holds them does not give them. Whether the TLS key fits its certificate is seen by `ssl`.
    """
    environment = os.environ if environment is None else environment
    given = {name: credential(name, environment) for name in FILES}
    held = _held(directory) if held_by_tpm(directory) and None in given.values() else {}
    found = {
        name: (directory / SEALED, held[name]) if path is None and held else _from(path or directory / FILES[name])
        for name, path in given.items()
    }
    identity = _identity(*found["identity"])
    store_key = _sized(
        *found["store"], STORE_KEY_BYTES, phrase("remedy-restore-backup", "restore it from the state backup")
    )
    where, tls = found["tls"]
    _expect_p256(where, tls)
    in_memory = where == directory / SEALED
    return HubKeys(identity=identity, store_key=store_key, tls_key=_in_memory(tls) if in_memory else where)


def held_by_tpm(directory: Path) -> bool:
    """Return whether a TPM holds the keys in `directory`. Raises ConfigError without permission to look."""
    try:
        return (directory / SEALED).exists()
    except OSError as error:
        raise ConfigError(
            phrase(
                "key-directory-unreadable",
                "cannot look into {directory} ({reason}): ask as the user of the hub, or as root",
                directory=directory,
                reason=system_error(error),
            )
        ) from error


def key_files(directory: Path) -> list[str]:
    """Return the key files in a directory."""
    return [file for file in FILES.values() if os.path.lexists(directory / file)]


def stray_key_files(directory: Path) -> list[Path]:
    """Return key files set aside by a restoration or left by an interrupted enrolment: they may hold the same keys."""
    places = (place for pattern in ("former-*/keys", ".keys-*/keys") for place in directory.parent.glob(pattern))
    return sorted(place / file for place in places for file in key_files(place))


def only_in_tpm(directory: Path) -> bool:
    """Return whether a TPM holds the keys and no key file exists: then the storage card alone reveals none."""
    return held_by_tpm(directory) and not key_files(directory) and not stray_key_files(directory)


def move_to_tpm(directory: Path) -> None:
    """Move the keys of `directory` from files to this machine's TPM, and destroy the files; completes an interrupted
    run.

    The hub must not be running. Raises NotReady, ConfigError, StorageError.
    """
    from hub.identity.keys import sealed

    if not held_by_tpm(directory):
        contents = {name: _read(directory / file) for name, file in FILES.items()}
        load(directory, {})  # validate first: an invalid key must not be sealed
        sealed.write(directory, contents)
    sealed.read(directory)  # nothing is destroyed unless the TPM gives it back
    try:
        for file in key_files(directory):
            shred(directory / file)
        sync_directory(directory)
    except OSError as error:
        raise StorageError(
            phrase(
                "key-files-not-destroyed",
                "key files in {directory} cannot be destroyed: {reason}",
                directory=directory,
                reason=system_error(error),
            )
        ) from error


def move_to_files(directory: Path) -> None:
    """Move the keys back from the TPM to files. The hub must not be running. Raises NotReady, ConfigError,
    StorageError."""
    from hub.identity.keys import sealed

    sealed.unseal_to_files(directory, FILES)


def page_password(keys: HubKeys) -> bytes:
    """Return the password that encrypts the key of the pages' certificate: 64 hexadecimal digits, as strong as a
    key."""
    return hmac.digest(keys.store_key, b"ilot/page-key/1\0", "sha256").hex().encode()


def credential(name: str, environment: Mapping[str, str]) -> Path | None:
    """Return the file of systemd's credential `ilot-<name>`, or None."""
    credentials = environment.get("CREDENTIALS_DIRECTORY", "")
    path = Path(credentials) / f"ilot-{name}"
    return path if credentials and path.is_file() else None


def private_file(path: Path, size: int, remedy: str = "") -> bytes:
    """Read a secret of `size` bytes. Raises ConfigError when it is missing, readable by others or of another size."""
    return _sized(
        path, _read(path), size, remedy or phrase("remedy-remove-or-put-back", "remove it, or put back what was there")
    )


def _sized(path: Path, secret: bytes, size: int, remedy: str) -> bytes:
    if len(secret) != size:
        raise ConfigError(
            phrase(
                "key-file-wrong-size",
                "{path} holds {count} bytes, not {size}; {remedy}",
                path=path,
                count=len(secret),
                size=size,
                remedy=remedy,
            )
        )
    return secret


def _held(directory: Path) -> Mapping[str, bytes]:
    from hub.identity.keys import sealed  # late: few machines have a TPM

    return sealed.read(directory)


def _from(path: Path) -> tuple[Path, bytes]:
    return path, _read(path)


def _in_memory(data: bytes) -> Path:
    """Write a file that exists in memory only and that no other process can name, open for the life of this process.

    It is mapped, because only mappings are kept out of swap (`hub.core.process_hardening`).
    """
    import mmap

    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    os.fchmod(descriptor, 0o600)
    os.ftruncate(descriptor, len(data))
    mapped = mmap.mmap(descriptor, len(data))
    mapped[:] = data
    _MAPPED.append(mapped)
    return Path(f"/proc/self/fd/{descriptor}")


def _identity(path: Path, said: bytes) -> ed25519.Ed25519PrivateKey:
    der = _der(said)
    if der.startswith(ED25519) and len(der) == len(ED25519) + 32:
        return ed25519.Ed25519PrivateKey.from_private_bytes(der[len(ED25519) :])
    identity = _private_key(path, said)
    if not isinstance(identity, ed25519.Ed25519PrivateKey):
        raise ConfigError(
            phrase("key-not-ed25519", "{path} is not an Ed25519 key; restore it from the state backup", path=path)
        )
    return identity


def _expect_p256(path: Path, said: bytes) -> None:
    der = _der(said)
    if der.startswith(_P256) and len(der) == len(_P256) + 32 + 70:
        return
    tls = _private_key(path, said)
    from cryptography.hazmat.primitives.asymmetric import ec

    if not (isinstance(tls, ec.EllipticCurvePrivateKey) and isinstance(tls.curve, ec.SECP256R1)):
        raise ConfigError(
            phrase(
                "key-not-ecdsa-p256", "{path} is not an ECDSA P-256 key; restore it from the state backup", path=path
            )
        )


def _der(pem: bytes) -> bytes:
    """Decode an unencrypted PEM key (RFC 7468, section 10); b"" for other formats."""
    found = _PEM.fullmatch(pem)
    try:
        return base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except ValueError:
        return b""


def _private_key(path: Path, said: bytes) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(said, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(
            phrase(
                "key-not-pem",
                "{path} is not an unencrypted PEM private key; restore it from the state backup",
                path=path,
            )
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigError(
                    phrase(
                        "key-readable-by-others",
                        "{path} can be read by others (mode {mode:04o}): chmod 600 {path}",
                        path=path,
                        mode=mode,
                    )
                )
            return file.read(_MAX_KEY_FILE)
    except FileNotFoundError:
        raise ConfigError(
            phrase(
                "key-file-missing",
                "{path} is missing: enrol this hub with `ilot enroll`, or restore the state backup",
                path=path,
            )
        ) from None
    except OSError as error:
        raise ConfigError(
            phrase("file-cannot-be-read", "cannot read {path}: {reason}", path=path, reason=system_error(error))
        ) from error
