"""PLUGIN INDEX: which plugins and packs a district lists, and which are revoked, in one signed file. Pure. ADR 0128.

    file       = `hub.protocol.documents.signed_payload` under the label "ilot/plugin-index/1\\0"
    payload    = JSON of `PluginIndex`, bytes in base64 (RFC 4648 §4)

A hub takes one whose counter is above that of the one it has, and honours the last one without a network, also when it
is old: `expires` is only when people are told so.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.errors import AuthFailed
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.documents.release import MAX_COUNTER
from hub.protocol.documents.signed_payload import SigningKeys, sign, split, verified

LABEL = b"ilot/plugin-index/1\0"
MAX_DOCUMENT = 1 << 20
MAX_ENTRIES = 4096
SUFFIX = ".ilot-index"


class Listed(msgspec.Struct, frozen=True):
    """One that the district lists: `digest` is the SHA-256 of the payload of its document, in hex."""

    id: str
    version: str
    digest: str


class Revoked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may not be installed and does not start: those of this `id` up to the counter `through`, that of this
    `digest`, or what this `signer` (SHA-256 of its public key) signed. `reason` is for people."""

    reason: str
    id: str = ""
    through: int = 0
    digest: str = ""
    signer: bytes = b""


class PluginIndex(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An index. `issued` and `expires` are Unix seconds."""

    counter: int
    issued: float
    expires: float
    listed: tuple[Listed, ...] = ()
    revoked: tuple[Revoked, ...] = ()

    def revocation(self, id: str, counter: int, digest: str, signers: Iterable[bytes]) -> Revoked | None:
        """Return why this one may not run, None when it may. A signature of a revoked key counts for nothing, and one
        of two signers is enough to doubt it."""
        signed = set(signers)
        for one in self.revoked:
            if (one.id == id and one.id and counter <= one.through) or (one.digest and one.digest == digest):
                return one
            if one.signer and one.signer in signed:
                return one
        return None

    def lists(self, digest: str) -> bool:
        return any(one.digest == digest for one in self.listed)


def sign_index(index: PluginIndex, keys: Iterable[Ed25519PrivateKey]) -> bytes:
    """Raises AuthFailed when hubs would refuse what it says."""
    _check(index)
    return sign(LABEL, msgspec.json.encode(index), keys)


def read_index(document: bytes, trusted: SigningKeys) -> PluginIndex:
    """Raises AuthFailed: unreadable, too few signatures of trusted keys, altered, impossible."""
    try:
        payload, signatures = split(LABEL, document, MAX_DOCUMENT)
    except ValueError as error:
        raise _unreadable() from error
    held = verified(LABEL, payload, signatures, trusted.keys)
    if trusted.threshold < 1 or len(held) < trusted.threshold:
        raise AuthFailed(
            phrase(
                "index-not-signed",
                "the index is not signed by {needed} of the keys of `plugins.index` in the configuration ({count} "
                "[signature holds|signatures hold]): it was altered on its way, or it is another district's",
                needed=trusted.threshold,
                count=len(held),
            )
        )
    return _decoded(payload)


def read_stored_index(document: bytes) -> PluginIndex:
    """Read an index that was verified when it was taken. Raises AuthFailed."""
    try:
        payload, _ = split(LABEL, document, MAX_DOCUMENT)
    except ValueError as error:
        raise _unreadable() from error
    return _decoded(payload)


def _decoded(payload: bytes) -> PluginIndex:
    try:
        index = msgspec.json.decode(shallow_json(payload), type=PluginIndex)
    except ValueError as error:
        raise _unreadable() from error
    _check(index)
    return index


def _unreadable() -> AuthFailed:
    return AuthFailed(phrase("index-unreadable", "this is no index of plugins, or only a part of one: copy it again"))


def _check(index: PluginIndex) -> None:
    sound = (
        0 < index.counter <= MAX_COUNTER
        and 0 < index.issued < index.expires < 1e11
        and len(index.listed) + len(index.revoked) <= MAX_ENTRIES
        and all(0 < len(one.reason) <= 500 and (one.id or one.digest or one.signer) for one in index.revoked)
    )
    if not sound:
        raise AuthFailed(phrase("index-impossible", "the index says what no hub can use: tell whoever made it"))
