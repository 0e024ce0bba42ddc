"""Documents signed by the hub's identity, verifiable on any machine. Pure but for the keys.

    statement   lp("ilot/evidence/1", hub id, Unix seconds in decimal, SHA-256 of the content)
    HTML        content ‖ `<!-- ilot-evidence 1 HUB SECONDS PUBLIC SIGNATURE -->` and a newline
    JSON        `{"report":` content `,"evidence":{"hub":…,"at":…,"public":…,"signature":…}}` and a newline
    other       the line of HTML, without the comment's marks, in a file of the same name with `.sig` behind it

PUBLIC is the raw Ed25519 key (RFC 8032), SIGNATURE the signature of the statement, both base64. The hub's id is derived
from its public key (`hub.protocol.hub_id`), so a document itself proves which hub wrote it; whose hub that is, is known
from its label and the owner's backend.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hub.core.errors import HubError
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp

LABEL = b"ilot/evidence/1"
_LINE = re.compile(r"ilot-evidence 1 (hub-[a-z2-7]{16}) ([0-9]{1,12}) ([A-Za-z0-9+/=]{44}) ([A-Za-z0-9+/=]{88})")
_START, _MIDDLE = b'{"report":', b',"evidence":'


class NotEvidence(HubError):
    """Raised for a document without a signature, or with an invalid one."""

    exit_code = 7


class Proof(NamedTuple):
    """The hub that signed a document, and when (Unix seconds)."""

    hub: str
    at: int


class _Evidence(msgspec.Struct):
    hub: str
    at: int
    public: str
    signature: str


def sealed_html(content: bytes, key: Ed25519PrivateKey, at: float) -> bytes:
    return content + f"<!-- {_line(content, key, at)} -->\n".encode()


def sealed_json(content: bytes, key: Ed25519PrivateKey, at: float) -> bytes:
    """Sign a document; `content` is one JSON value."""
    found = _LINE.fullmatch(_line(content, key, at))
    assert found is not None  # noqa: S101 - we wrote it
    evidence = _Evidence(found[1], int(found[2]), found[3], found[4])
    return _START + content + _MIDDLE + msgspec.json.encode(evidence) + b"}\n"


def signature_of(content: bytes, key: Ed25519PrivateKey, at: float) -> bytes:
    """Return the `.sig` file for any other document."""
    return _line(content, key, at).encode() + b"\n"


def verify(document: bytes, beside: bytes | None = None) -> Proof:
    """Verify a document, with its `.sig` file if it has one. Raises NotEvidence with the reason."""
    if beside is not None:
        found = _LINE.fullmatch(beside.decode("ascii", "replace").strip())
        content = document
    elif document.startswith(_START):
        content, _, tail = document.removeprefix(_START).rpartition(_MIDDLE)
        try:
            evidence = msgspec.json.decode(shallow_json(tail.rstrip().removesuffix(b"}")), type=_Evidence)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise NotEvidence(
                phrase("evidence-not-readable", "this is no signed document: its evidence cannot be read")
            ) from None
        said = f"ilot-evidence 1 {evidence.hub} {evidence.at} {evidence.public} {evidence.signature}"
        found = _LINE.fullmatch(said)
    else:
        content, mark, tail = document.rpartition(b"<!-- ilot-evidence")
        found = _LINE.fullmatch(("ilot-evidence" + tail.decode("ascii", "replace")).strip().removesuffix(" -->"))
        found = found if mark and tail.endswith(b" -->\n") else None
    if found is None:
        raise NotEvidence(
            phrase("document-not-signed", "this is no document that a hub signed, or its last line is gone")
        )
    hub, at = found[1], int(found[2])
    try:
        public = base64.b64decode(found[3], validate=True)
        signature = base64.b64decode(found[4], validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _statement(hub, at, content))
    except (ValueError, InvalidSignature):
        raise NotEvidence(
            phrase("signature-does-not-hold", "it was changed after the hub signed it: the signature does not hold")
        ) from None
    if hub_id(public) != hub:
        raise NotEvidence(
            phrase("document-of-another-key", "its key is not that of {hub}: somebody else signed it", hub=hub)
        )
    return Proof(hub, at)


def _line(content: bytes, key: Ed25519PrivateKey, at: float) -> str:
    public = key.public_key().public_bytes_raw()
    hub = hub_id(public)
    signature = key.sign(_statement(hub, int(at), content))
    return f"ilot-evidence 1 {hub} {int(at)} {_text(public)} {_text(signature)}"


def _statement(hub: str, at: int, content: bytes) -> bytes:
    return lp(LABEL, hub.encode(), str(at).encode(), hashlib.sha256(content).digest())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
