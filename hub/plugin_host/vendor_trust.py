"""Whose plugins and packs count here: the vendors of the configuration, and the index that lists and revokes.

A signature counts where the configuration names its key for that id: what is signed says nothing of that. The stored
index was verified when it was taken, and is honoured from then on, whatever the network does.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.config.parts.vendors import PluginTrust
from hub.core.errors import AuthFailed
from hub.core.text import Phrase, phrase
from hub.protocol.documents.addition import LABEL, Unverified
from hub.protocol.documents.plugin_index import PluginIndex
from hub.protocol.documents.signed_payload import verified


class Vouched(NamedTuple):
    """A document whose signatures hold. `vendor`: its name in the configuration; `signers`: SHA-256 of each key."""

    document: Unverified
    vendor: str
    signers: tuple[bytes, ...]


def vouched(document: Unverified, trust: PluginTrust) -> Vouched:
    """Return who vouches for a document. Raises AuthFailed when no vendor that may ship it signed it."""
    id = document.addition.id
    for name, vendor in trust.vendors.items():
        held = verified(LABEL, document.payload, document.signatures, vendor.raw) if vendor.may_ship(id) else ()
        if len(held) >= vendor.threshold:
            return Vouched(document, name, held)
    shipping = [name for name, vendor in trust.vendors.items() if vendor.may_ship(id)]
    if not shipping:
        raise AuthFailed(
            phrase(
                "vendor-unknown",
                "no vendor of the configuration ships {id}: if you trust whoever made it, name the key and {id} under "
                "`plugins: {{vendors: …}}`",
                id=id,
            )
        )
    raise AuthFailed(
        phrase(
            "vendor-did-not-sign",
            "{id} is not signed by the keys of {vendors}: it was altered on its way, or it is somebody else's. Ask "
            "whoever gave it to you",
            id=id,
            vendors=shipping,
        )
    )


def revocation(index: PluginIndex | None, one: Vouched) -> Phrase | None:
    """Return why this one is revoked, None when it is not."""
    addition = one.document.addition
    found = None if index is None else index.revocation(addition.id, addition.counter, one.document.digest, one.signers)
    return None if found is None else revoked(addition.id, addition.version, found.reason)


def revoked(id: str, version: str, reason: str) -> Phrase:
    return phrase("plugin-revoked", "{id} {version} is revoked: {reason}", id=id, version=version, reason=reason)
