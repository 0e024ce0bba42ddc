"""RELEASE: what a release of the hub is, signed by the release keys. Pure. See ADR 0116.

    bundle     = MAGIC, length of the document (4 bytes, big-endian), document, packed files
    document   = `hub.protocol.documents.signed_payload` under the label "ilot/release/1\\0"
    payload    = JSON of `Release`, bytes in base64 (RFC 4648 §4)
    packed     = the bytes of all files in the order of the document, as one .xz stream

Nothing of the payload is read before enough signatures hold. The document says the path, size and hash of each file, so
that a bundle can hold no link, no device and no path that leads out of its directory: there is no way to say one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.errors import AuthFailed
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.documents import signed_payload
from hub.protocol.documents.signed_payload import SigningKeys, sign, split, verified

MAGIC = b"ilot-release/1\n"
LABEL = b"ilot/release/1\0"
MAX_DOCUMENT = 8 << 20
MAX_FILES = 20_000
MAX_UNPACKED = 512 << 20
MAX_PACKED = 192 << 20
MAX_PATH, MAX_NOTES, MAX_KEYS = 240, 4000, 8
MAX_COUNTER = 9_999_999_999
ARCHITECTURES = ("amd64", "arm64")
_PART = re.compile(r"[A-Za-z0-9_+@~=, ()\-][A-Za-z0-9_.+@~=, ()\-]*|\.[A-Za-z0-9_+\-][A-Za-z0-9_.+\-]*")
_VERSION = re.compile(r"[A-Za-z0-9.+~:\-]{1,64}")
_PYTHON = re.compile(r"3\.\d{1,2}")


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a release: its path below the release's directory, its bytes, its SHA-256."""

    path: str
    size: int
    sha256: bytes
    executable: bool = False


class Release(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A release. `counter` rises with each; `after`: lowest counter of the release that may be replaced by it. `issued`
    and `expires` are Unix seconds, and so is `built`, the time of its files, which their bytecode names. `writes`:
    format of the state that it writes, `reads`: the highest that it opens.
    `keys`: those that sign later releases, when they change with this one."""

    counter: int
    version: str
    architecture: str
    python: str
    issued: float
    expires: float
    built: int = 0
    after: int = 0
    writes: int
    reads: int
    notes: str = ""
    keys: tuple[bytes, ...] = ()
    threshold: int = 0
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


ReleaseKeys = SigningKeys


class Signed(NamedTuple):
    """A verified release, and who signed it: SHA-256 of each public key."""

    release: Release
    signers: tuple[bytes, ...]


def sign_release(release: Release, keys: Iterable[Ed25519PrivateKey]) -> bytes:
    """Return the signed document. Raises AuthFailed when hubs would refuse what it says."""
    _check(release)
    return sign(LABEL, msgspec.json.encode(release), keys)


def add_signature(document: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the document with one more signature, of a key that lies elsewhere. Raises AuthFailed."""
    return signed_payload.add_signature(LABEL, *_split(document), key)


def read_release(document: bytes, trusted: ReleaseKeys) -> Signed:
    """Verify a document. Raises AuthFailed, saying who must act: unreadable, too few signatures of trusted keys,
    altered, or not what a hub could install."""
    if trusted.threshold < 1 or len(trusted.keys) < trusted.threshold:
        raise AuthFailed(
            phrase(
                "release-no-keys",
                "this hub knows no release keys, so that it takes no release: install the package of a maker that "
                "ships "
                "them in /usr/lib/ilot/release-keys",
            )
        )
    payload, signatures = _split(document)
    signers = verified(LABEL, payload, signatures, trusted.keys)
    if len(signers) < trusted.threshold:
        raise AuthFailed(
            phrase(
                "release-not-signed",
                "the release is not signed by {needed} of the release keys of this hub ({count} [signature holds|"
                "signatures hold]): it was altered on its way, or it is somebody else's. Ask whoever gave it to you",
                needed=trusted.threshold,
                count=len(signers),
            )
        )
    try:
        release = msgspec.json.decode(shallow_json(payload), type=Release)
    except ValueError as error:  # includes msgspec's, and what is nested too deeply
        raise AuthFailed(
            phrase(
                "release-not-understood",
                "this hub does not understand the release ({reason}): it is of a later kind; install a release "
                "between first",
                reason=str(error)[:200],
            )
        ) from error
    _check(release)
    return Signed(release, signers)


def _split(document: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the payload, and signer → signature."""
    try:
        return split(LABEL, document, MAX_DOCUMENT)
    except ValueError as error:
        raise AuthFailed(
            phrase("release-unreadable", "this is no release bundle of the hub, or only a part of one: copy it again")
        ) from error


def _check(release: Release) -> None:
    """Raise AuthFailed for what no hub could install, whoever signed it."""
    wrong = _wrong(release)
    if wrong:
        raise AuthFailed(
            phrase(
                "release-impossible",
                "the release says what no hub can install ({reason}): tell whoever made it",
                reason=wrong,
            )
        )


def _wrong(release: Release) -> str:
    if not 0 < release.counter <= MAX_COUNTER or not 0 <= release.after <= MAX_COUNTER:
        return "counter"
    if not _VERSION.fullmatch(release.version) or not _PYTHON.fullmatch(release.python):
        return "version"
    if not 0 <= release.writes <= release.reads < 1 << 31 or len(release.notes) > MAX_NOTES:
        return "formats or notes"
    if not 0 < release.issued < release.expires < 1e11 or not 0 <= release.built < 1 << 32:
        return "times"
    if bool(release.keys) != bool(release.threshold) or not 0 <= release.threshold <= len(release.keys) <= MAX_KEYS:
        return "keys"
    if any(len(key) != 32 for key in release.keys) or len(set(release.keys)) != len(release.keys):
        return "keys"
    if not 0 < len(release.files) <= MAX_FILES or release.size > MAX_UNPACKED:
        return "size"
    return _wrong_paths(release.files)


def _wrong_paths(files: tuple[File, ...]) -> str:
    names: set[str] = set()
    folders: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        if len(file.path) > MAX_PATH or not all(_PART.fullmatch(part) for part in parts):
            return f"path {file.path[:MAX_PATH]!r}"
        if file.path in names or not 0 <= file.size <= MAX_UNPACKED or len(file.sha256) != 32:
            return f"file {file.path!r}"
        names.add(file.path)
        folders.update("/".join(parts[:end]) for end in range(1, len(parts)))
    return "a file that is a directory" if names & folders else ""
