"""Files that enrol a hub which cannot reach its backend: its request, and the backend's answer. Pure.

    request = JSON {kind, identity, csr, name, signature}       identity: raw Ed25519, base64 · csr: PEM
              signature: IDENTITY over lp("ilot/enrol-request/1\\0", csr, name)
    answer  = JSON {kind, hub, url, root, certificate, trust}   root: hex fingerprint of the owner root · trust: base64

Neither is secret. The request proves that its sender holds the identity. Nothing in the answer says that it came from
the right owner: that is the fingerprint of its root, which a person reads at the backend and types at the hub.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from hub.core.errors import AuthFailed, ConfigError
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.length_prefix import lp

REQUEST_KIND, ANSWER_KIND = "ilot/enrolment-request/1", "ilot/enrolment-answer/1"
REQUEST_LABEL = b"ilot/enrol-request/1\0"
MAX_REQUEST = 16_384
MAX_ANSWER = 512 * 1024
TYPED = 16
"""Digits of the root's fingerprint that a person types: 64 bits, which nobody makes a root of their own to fit."""

_GROUP = 4
_S = TypeVar("_S", bound="Request | Answer")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A hub asks to be enrolled."""

    kind: str = REQUEST_KIND
    identity: bytes
    csr: str
    name: str
    signature: bytes


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The backend has enrolled it."""

    kind: str = ANSWER_KIND
    hub: str
    url: str
    root: str
    certificate: str
    trust: bytes


def request_statement(csr: str, name: str) -> bytes:
    """Return what the hub's identity signs."""
    return lp(REQUEST_LABEL, csr.encode(), name.encode())


def write(file: Request | Answer) -> bytes:
    """Return the bytes of a file."""
    return msgspec.json.format(msgspec.json.encode(file)) + b"\n"


def read_request(data: bytes) -> Request:
    """Read a request. Raises ConfigError when it is none, AuthFailed when its identity did not sign it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = _read(data, Request, REQUEST_KIND, MAX_REQUEST)
    try:
        public = Ed25519PublicKey.from_public_bytes(found.identity)
        public.verify(found.signature, request_statement(found.csr, found.name))
    except (ValueError, InvalidSignature):
        raise AuthFailed(
            phrase(
                "request-file-not-signed",
                "this request was not signed by the hub that it names: have the hub write it again",
            )
        ) from None
    return found


def read_answer(data: bytes, typed: str) -> Answer:
    """Read an answer whose owner root begins as somebody typed. Raises ConfigError when it is none, AuthFailed when the
    root is another."""
    found = _read(data, Answer, ANSWER_KIND, MAX_ANSWER)
    digits = re.sub(r"[\s:.-]", "", typed).lower()
    if not re.fullmatch(rf"[0-9a-f]{{{TYPED},64}}", digits):
        raise ConfigError(
            phrase(
                "root-digits-missing",
                "the fingerprint of the owner's root is typed with its first {count} digits at least, as the backend "
                "shows it: 0 to 9 and a to f",
                count=TYPED,
            )
        )
    if not re.fullmatch(r"[0-9a-f]{64}", found.root) or not found.root.startswith(digits):
        raise AuthFailed(
            phrase(
                "root-digits-differ",
                "this answer is of another owner: its root begins with {root}, which is not what was typed",
                root=grouped(found.root),
            )
        )
    return found


def grouped(root: str) -> str:
    """Return the digits of a fingerprint that a person compares."""
    head = root[:TYPED]
    return " ".join(head[at : at + _GROUP] for at in range(0, len(head), _GROUP))


def _read(data: bytes, kind: type[_S], name: str, most: int) -> _S:
    sentence = phrase("not-an-enrolment-file", "this is not a file of the kind {kind}: take the whole file", kind=name)
    if len(data) > most:
        raise ConfigError(sentence)
    try:
        found = msgspec.json.decode(shallow_json(data), type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(sentence) from error
    if found.kind != name:
        raise ConfigError(sentence)
    return found
