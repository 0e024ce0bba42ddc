"""ADDITION: a plugin or a pack for hubs, signed by its vendor. Pure. See ADR 0128.

    bundle     = MAGIC, length of the document (4 bytes, big-endian), document, the bytes of all files in its order
    document   = `hub.protocol.documents.signed_payload` under the label "ilot/addition/1\\0"
    payload    = JSON of `Addition`, bytes in base64 (RFC 4648 §4)

The files of a plugin are wheels, its own first; those of a pack have their paths below its folder. A document may also
lie beside the files that it names. Which keys count for which ids is the district's word, never the document's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.errors import AuthFailed
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.documents.release import MAX_COUNTER, File
from hub.protocol.documents.signed_payload import sign, split

MAGIC = b"ilot-addition/1\n"
LABEL = b"ilot/addition/1\0"
MAX_DOCUMENT = 1 << 20
MAX_FILES = 256
MAX_BYTES = 96 << 20
"""Bytes of all files, as they are packed."""
MARK = 16
"""Hex digits that stand for a document in names of directories."""
PLUGIN, PACK = "plugin", "pack"
_ID = {PLUGIN: re.compile(r"[a-z][a-z0-9_]{1,47}"), PACK: re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")}
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!]{0,39}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!@~=-]{0,199}")


class Addition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A plugin or a pack. `counter` rises with each of one `id`; `issued` and `expires` (the last moment to install it)
    are Unix seconds."""

    kind: Literal["plugin", "pack"]
    id: str
    version: str
    counter: int
    issued: float
    expires: float
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


class Unverified(msgspec.Struct, frozen=True):
    """A document of which nothing is verified: `addition` tells which keys must have signed it, and no more."""

    addition: Addition
    payload: bytes
    signatures: Mapping[bytes, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, in hex: the name of exactly this one."""
        return hashlib.sha256(self.payload).hexdigest()

    @property
    def mark(self) -> str:
        return self.digest[:MARK]


def sign_addition(addition: Addition, keys: Iterable[Ed25519PrivateKey]) -> bytes:
    """Return the signed document. Raises AuthFailed when hubs would refuse what it says."""
    _check(addition)
    return sign(LABEL, msgspec.json.encode(addition), keys)


def read_unverified(document: bytes) -> Unverified:
    """Raises AuthFailed: no such document, or one that no hub could install, whoever signed it."""
    try:
        payload, signatures = split(LABEL, document, MAX_DOCUMENT)
    except ValueError as error:
        raise unreadable() from error
    try:
        addition = msgspec.json.decode(shallow_json(payload), type=Addition)
    except ValueError as error:  # includes msgspec's, and what is nested too deeply
        raise AuthFailed(
            phrase(
                "addition-not-understood",
                "this hub does not understand the signed document ({reason}): it is of a later kind, or none",
                reason=str(error)[:200],
            )
        ) from error
    _check(addition)
    return Unverified(addition, payload, signatures)


def unreadable() -> AuthFailed:
    return AuthFailed(
        phrase(
            "addition-unreadable",
            "this is no signed plugin or pack of a hub, or only a part of one: choose a file *.ilot-plugin or "
            "*.ilot-pack, and copy it again",
        )
    )


def _check(addition: Addition) -> None:
    if wrong := _wrong(addition):
        raise AuthFailed(
            phrase(
                "addition-impossible",
                "the signed document says what no hub can install ({reason}): tell whoever made it",
                reason=wrong,
            )
        )


def _wrong(addition: Addition) -> str:
    if not _ID[addition.kind].fullmatch(addition.id) or not _VERSION.fullmatch(addition.version):
        return "id or version"
    if not 0 < addition.counter <= MAX_COUNTER:
        return "counter"
    if not 0 < addition.issued < addition.expires < 1e11:
        return "times"
    if not 0 < len(addition.files) <= MAX_FILES or addition.size > MAX_BYTES:
        return "size"
    return _wrong_files(addition)


def _wrong_files(addition: Addition) -> str:
    most, names = (1 if addition.kind == PLUGIN else 6), set[str]()
    for file in addition.files:
        parts = file.path.split("/")
        plain = len(parts) <= most and all(_PART.fullmatch(part) for part in parts)
        if not plain or (addition.kind == PLUGIN and not file.path.endswith(".whl")):
            return f"file {file.path[:200]!r}"
        if file.path.lower() in names or not 0 <= file.size <= MAX_BYTES or len(file.sha256) != 32 or file.executable:
            return f"file {file.path[:200]!r}"
        names.add(file.path.lower())
    folders = {"/".join(name.split("/")[:end]) for name in names for end in range(1, name.count("/") + 1)}
    return "a file that is a directory" if names & folders else ""
