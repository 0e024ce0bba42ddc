"""The hub's own keys: where they live, and how they come to be there whole or not at all.

    identity   Ed25519, PKCS#8 PEM   signs epochs and STATE; pinned by the backend at enrolment; not the TLS key
    store      32 random bytes       encrypts the local SQLite and LOCAL records
    tls        ECDSA P-256, PEM      key of the client certificate

One file each in the state directory's `keys/`, mode 0600. A key of the same name, `ilot-identity`, `ilot-store`
or `ilot-tls`, in `$CREDENTIALS_DIRECTORY` (systemd `LoadCredential=`, `LoadCredentialEncrypted=`) takes its place.
Beside them lies the root of raw history on disk, where that is kept (`hub.rawdisk.roots`).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519

from hub.disk.files import hand_over_all, make_directory, owner_of, sync_directory, write_atomically
from hub.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

STORE_KEY_BYTES = 32
_MAX_KEY_FILE = 16384
_FILES = {"identity": "identity.pem", "store": "store.key", "tls": "tls.pem"}
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*")
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""How PKCS#8 of an Ed25519 key begins (RFC 8410, 7); its 32 bytes follow."""
_P256 = bytes.fromhex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420")
"""Of an ECDSA P-256 key (RFC 5915, RFC 5480); its 32 bytes follow, and 70 of its public key. What `create` writes
begins so: a start need not import cryptography's readers of all formats for it, half a MiB."""


def hub_id(identity_public: bytes) -> str:
    """Name of the hub whose raw Ed25519 public key is given: `hub-` and 16 characters of base32."""
    return "hub-" + base64.b32encode(hashlib.sha256(identity_public).digest()[:10]).decode().lower()


@dataclass(frozen=True, slots=True)
class HubKeys:
    """A hub's keys in memory. `tls_key` is the path of a PEM file, because that is what `ssl` reads."""

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


def create(directory: Path) -> HubKeys:
    """Make new keys in `directory`, which must not exist yet; all three appear at once, already synced. Those that root
    makes are the owner's of the directory around.

    Raises ConfigError when keys are there already (they are never overwritten), StorageError when the disk refuses.
    """
    import tempfile  # late, here and below: once in the life of a hub

    from cryptography.hazmat.primitives.asymmetric import ec

    if directory.exists():
        raise ConfigError(f"{directory} exists already: keys are never overwritten; remove it to start as a new hub")
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
            for name, data in contents.items():
                write_atomically(made / _FILES[name], data)
            hand_over_all(Path(scratch), owner_of(directory.parent))
            made.rename(directory)
        sync_directory(directory.parent)
    except OSError as error:
        raise StorageError(f"cannot write the hub's keys to {directory}: {error.strerror or error}") from error
    return load(directory, {})


def load(directory: Path, environment: Mapping[str, str] | None = None) -> HubKeys:
    """Read the keys of `directory`, each replaced by systemd's credential where there is one.

    Raises ConfigError naming the file when a key is missing, readable by others, or not what it should be; whether the
    TLS key fits its certificate is seen by `ssl`.
    """
    found = {name: _find(name, directory, os.environ if environment is None else environment) for name in _FILES}
    identity = _identity(found["identity"])
    store_key = private_file(found["store"], STORE_KEY_BYTES, "restore it from the state backup")
    _expect_p256(found["tls"])
    return HubKeys(identity=identity, store_key=store_key, tls_key=found["tls"])


def private_pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8, unencrypted: the file's mode protects it."""
    if isinstance(key, ed25519.Ed25519PrivateKey):  # each backup of the state holds it
        body = base64.b64encode(
            _ED25519 + key.private_bytes_raw()
        )  # one line: RFC 7468 breaks them after 64 characters
        return b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def credential(name: str, environment: Mapping[str, str]) -> Path | None:
    """The file of systemd's credential `ilot-<name>`, None where there is none."""
    credentials = environment.get("CREDENTIALS_DIRECTORY", "")
    path = Path(credentials) / f"ilot-{name}"
    return path if credentials and path.is_file() else None


def private_file(path: Path, size: int, remedy: str = "remove it, or put back what was there") -> bytes:
    """A secret of so many bytes. Raises ConfigError naming the file when it is missing, readable by others or of
    another size."""
    secret = _read(path)
    if len(secret) != size:
        raise ConfigError(f"{path} holds {len(secret)} bytes, not {size}; {remedy}")
    return secret


def _find(name: str, directory: Path, environment: Mapping[str, str]) -> Path:
    return credential(name, environment) or directory / _FILES[name]


def _identity(path: Path) -> ed25519.Ed25519PrivateKey:
    said = _read(path)
    der = _der(said)
    if der.startswith(_ED25519) and len(der) == len(_ED25519) + 32:
        return ed25519.Ed25519PrivateKey.from_private_bytes(der[len(_ED25519) :])
    identity = _private_key(path, said)
    if not isinstance(identity, ed25519.Ed25519PrivateKey):
        raise ConfigError(f"{path} is not an Ed25519 key; restore it from the state backup")
    return identity


def _expect_p256(path: Path) -> None:
    said = _read(path)
    der = _der(said)
    if der.startswith(_P256) and len(der) == len(_P256) + 32 + 70:
        return
    tls = _private_key(path, said)
    from cryptography.hazmat.primitives.asymmetric import ec

    if not (isinstance(tls, ec.EllipticCurvePrivateKey) and isinstance(tls.curve, ec.SECP256R1)):
        raise ConfigError(f"{path} is not an ECDSA P-256 key; restore it from the state backup")


def _der(pem: bytes) -> bytes:
    """What an unencrypted key holds that is written as RFC 7468, 10 has it; b"" where it is written otherwise."""
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
        raise ConfigError(f"{path} is not an unencrypted PEM private key; restore it from the state backup") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigError(f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}")
            return file.read(_MAX_KEY_FILE)
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is missing: enrol this hub with `ilot enroll`, or restore the state backup"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
