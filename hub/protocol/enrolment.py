"""Enrolment, as hub and backend both know it: the token, and the statements that are signed. Pure.

token  = "ilot1." + base64url of JSON {url, root, id, secret, expires}        (padding optional)
         root: hex fingerprint of the owner root · secret: base64, 16 bytes · expires: Unix seconds
proof  = HMAC-SHA256(secret, lp(identity public key, certificate request))
signature = IDENTITY over lp("ilot/enrol/1\\0", token id, certificate request): asked of a hub that the backend
         knows already, so that a token and another hub's public key are not enough for a certificate in its name
renewal, of the certificate alone, later: IDENTITY signs lp("ilot/renew/1\\0", backend's nonce, hub, request)
certificate of the pages: IDENTITY signs lp("ilot/page-certificate/1\\0", nonce, hub, request, names…)
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from hub.core.errors import ConfigError
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.protocol.length_prefix import lp

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

TOKEN_PREFIX = "ilot1."  # noqa: S105 - the prefix of tokens, not one
SECRET_BYTES = 16
ENROL_LABEL, RENEWAL_LABEL = b"ilot/enrol/1\0", b"ilot/renew/1\0"
PAGE_LABEL = b"ilot/page-certificate/1\0"
_MAX_TOKEN = 4096


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Content of an enrolment token. `str()` is its text."""

    url: str
    root: str
    id: str
    secret: bytes
    expires: float

    def __str__(self) -> str:
        return TOKEN_PREFIX + base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    def __repr__(self) -> str:
        return f"Token(url={self.url!r}, id={self.id!r})"


def read_token(text: str) -> Token:
    """Raises ConfigError when `text` is no token."""
    text = "".join(text.split())
    if not text.startswith(TOKEN_PREFIX) or len(text) > _MAX_TOKEN:
        raise ConfigError(
            phrase(
                "token-wrong-start",
                "an enrolment token starts with {start!r}; `ilot backend token` prints one",
                start=TOKEN_PREFIX,
            )
        )
    body = text.removeprefix(TOKEN_PREFIX)
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        token = msgspec.json.decode(shallow_json(data), type=Token)
        whole = len(token.secret) == SECRET_BYTES and len(bytes.fromhex(token.root)) == 32
        https_address(token.url)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise ConfigError(phrase("token-damaged", "this enrolment token is damaged: copy it again, whole")) from error
    if not whole:
        raise ConfigError(phrase("token-damaged", "this enrolment token is damaged: copy it again, whole"))
    return token


def token_proof(secret: bytes, identity_public: bytes, csr: bytes) -> bytes:
    """Return the proof that the sender holds the token's secret, for this identity and this request only."""
    return hmac.digest(secret, lp(identity_public, csr), "sha256")


def enrolment_statement(token_id: str, csr: bytes) -> bytes:
    """Return the statement that the hub's identity signs to be enrolled with this token."""
    return lp(ENROL_LABEL, token_id.encode(), csr)


def renewal_statement(nonce: bytes, hub: str, csr: bytes) -> bytes:
    """Return the statement that the hub's identity signs to get another certificate, in answer to a nonce of the
    backend."""
    return lp(RENEWAL_LABEL, nonce, hub.encode(), csr)


def make_csr(key: ec.EllipticCurvePrivateKey, hub: str) -> bytes:
    """A PEM certificate request (RFC 2986) in the name of `hub`."""
    from cryptography import x509  # late: a running hub only reads what an enrolment left
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hub)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def https_address(url: str) -> tuple[str, int]:
    """Host and port of an https URL without path. Raises ValueError on any other."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError(phrase("url-not-https", "{url!r} is not https://host:port", url=url))
    return parts.hostname, parts.port or 443


def page_certificate_statement(nonce: bytes, hub: str, csr: bytes, names: list[str]) -> bytes:
    """Return the statement that the hub's identity signs to have the certificate of its pages certified."""
    return lp(PAGE_LABEL, nonce, hub.encode(), csr, *(name.encode() for name in names))
