"""The note that a hub was restored, which stays where its backup came from. Pure.

    document  = lp("ilot/restored/1\\0", head, signature)
    head      = msgpack map {hub, identity, generation, at}: the generation that the restored hub began with, and when
                (Unix s)
    signature = IDENTITY.sign("ilot/restored/1\\0" ‖ head)                                      Ed25519, RFC 8032

It holds no secret. Whoever restores the same backup again learns from it how far the life before may have counted. A
stranger can remove it, and cannot make one that says more than there was.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.documents.backup import MAX_GENERATION
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp, unlp

LABEL = b"ilot/restored/1\0"
MAX_DOCUMENT = 1024


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Content of a note."""

    hub: Annotated[str, Meta(max_length=64)]
    identity: Annotated[bytes, Meta(min_length=32, max_length=32)]
    generation: Annotated[int, Meta(ge=1, le=MAX_GENERATION)]
    at: Annotated[float, Meta(ge=0, le=2**40)]


def sign_note(identity: Ed25519PrivateKey, *, generation: int, at: float) -> bytes:
    """The document."""
    public = identity.public_key().public_bytes_raw()
    head = msgspec.msgpack.encode(Note(hub=hub_id(public), identity=public, generation=generation, at=at))
    return lp(LABEL, head, identity.sign(LABEL + head))


def read_note(data: bytes) -> Note:
    """A note whose signature holds, for the hub that it names. Raises DecodeError when it is none or not whole,
    AuthFailed when that hub did not sign it."""
    try:
        label, head, signature = unlp(data) if len(data) <= MAX_DOCUMENT else (b"", b"", b"")
        note = msgspec.msgpack.decode(head, type=Note) if label == LABEL else None
    except (DecodeError, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise DecodeError(
            "bad-note",
            phrase(
                "restore-note-unreadable",
                "this is not a note of a restoration, or it is damaged ({reason})",
                reason=reason_of(error),
            ),
        ) from error
    if note is None:
        raise DecodeError("bad-note", phrase("not-a-restore-note", "this is not a note of a restoration"))
    try:
        Ed25519PublicKey.from_public_bytes(note.identity).verify(signature, LABEL + head)
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(
            phrase("restore-note-altered", "this note of a restoration was altered: its hub's signature does not hold")
        ) from error
    if note.hub != hub_id(note.identity):
        raise AuthFailed(phrase("restore-note-forged", "this note of a restoration names a hub that did not sign it"))
    return note
