"""Badges: what the district says of one person, checked by any of its hubs without a network. Pure.

    text       = "ILOT1:" ‖ base32 (RFC 4648 §6, without padding) of lp(payload, kid, signature): the QR code
    payload    = msgpack array of `Badge`
    kid        = the first 8 bytes of SHA-256(public key) of a badge key that TRUST names
    signature  = Ed25519 over lp("ilot/badge/1\\0", payload)

    document   = lp("ilot/badges-revoked/1\\0", payload, kid, signature)        which badges are worth nothing any more
    payload    = msgpack array of `Revoked`
    signature  = Ed25519 over lp("ilot/badges-revoked/1\\0", payload)

A picture of a badge is not enough. `Badge.secret` is Argon2id (`hub.core.password_hash`) of a passphrase that the
backend draws, 50 random bits, and shows once: who has the picture can try passphrases without a hub, and 2^50 tries of
50 ms outlast the 30 days that a badge is good for. People do not choose it, since what people choose is guessed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from msgspec import Meta

from hub.core.errors import AuthFailed, DecodeError
from hub.core.password_hash import SIZE
from hub.core.text import phrase
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records.seal import kid_of

LABEL, REVOKED_LABEL = b"ilot/badge/1\0", b"ilot/badges-revoked/1\0"
PREFIX = "ILOT1:"
MAX_TEXT, MAX_DOCUMENT = 2048, 256 << 10
LONGEST_S = 30 * 86_400.0
EARLY_S = 300.0
"""A hub's clock may be so far behind that of who issues."""
EVERYWHERE = "*"
GROUPS = (5, 5)
"""Characters of each group of a passphrase, five bits each (Base32, RFC 4648)."""
ROLES = ("lecteur", "auditeur", "technicien", "administrateur")
_KID = 8
_BASE32 = re.compile(r"[A-Z2-7]+")


class Badge(msgspec.Struct, frozen=True, array_like=True):
    """`id` is random; `sites` names sites or hubs, "*" is every one; `begin` and `until` are Unix seconds."""

    id: Annotated[bytes, Meta(min_length=8, max_length=8)]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    role: Annotated[str, Meta(max_length=16)]
    sites: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(min_length=1, max_length=16)]
    begin: int
    until: int
    secret: Annotated[bytes, Meta(min_length=SIZE, max_length=SIZE)]

    def __repr__(self) -> str:
        return f"<Badge {self.id.hex()} of a {self.role}>"


class Revoked(msgspec.Struct, frozen=True, array_like=True):
    """`number` rises with each list; `issued` is Unix seconds."""

    number: Annotated[int, Meta(ge=1, le=2**62)]
    issued: int
    ids: Annotated[tuple[Annotated[bytes, Meta(min_length=8, max_length=8)], ...], Meta(max_length=20_000)]


class BadBadge(AuthFailed):
    """`reason` is a slug: unreadable, altered, stranger, early, expired, revoked, site."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason


def make_badge(badge: Badge, key: ed25519.Ed25519PrivateKey) -> str:
    """The text of its QR code. Raises BadBadge when hubs would refuse it."""
    _check(badge)
    payload = msgspec.msgpack.encode(badge)
    return PREFIX + base64.b32encode(_signed(LABEL, payload, key)).decode().rstrip("=")


def read_badge(text: str, keys: Iterable[bytes]) -> Badge:
    """Read a badge that was signed by one of these raw public keys. Raises BadBadge."""
    text = "".join(text.split()).upper()
    body = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or len(text) > MAX_TEXT or not _BASE32.fullmatch(body):
        raise BadBadge("unreadable", phrase("not-a-badge", "this is not a badge: its text starts with ILOT1:"))
    try:
        payload = _verified(LABEL, base64.b32decode(body + "=" * (-len(body) % 8)), keys)
        badge = msgspec.msgpack.decode(payload, type=Badge)
    except (ValueError, msgspec.DecodeError, RecursionError, DecodeError):
        raise BadBadge(
            "unreadable", phrase("badge-unreadable", "this badge cannot be read: scan it again, whole")
        ) from None
    _check(badge)
    return badge


def make_revoked(revoked: Revoked, key: ed25519.Ed25519PrivateKey) -> bytes:
    return lp(REVOKED_LABEL) + _signed(REVOKED_LABEL, msgspec.msgpack.encode(revoked), key)


def read_revoked(document: bytes, keys: Iterable[bytes]) -> Revoked:
    """Raises BadBadge."""
    try:
        if len(document) > MAX_DOCUMENT or not document.startswith(lp(REVOKED_LABEL)):
            raise DecodeError("no-list", phrase("badge-list-missing", "this is not a list of badges"))
        payload = _verified(REVOKED_LABEL, document[len(lp(REVOKED_LABEL)) :], keys)
        return msgspec.msgpack.decode(payload, type=Revoked)
    except (ValueError, msgspec.DecodeError, RecursionError, DecodeError):
        raise BadBadge(
            "unreadable", phrase("badge-list-cut-short", "this is not a whole list of withdrawn badges: fetch it again")
        ) from None


def admit(
    badge: Badge, *, here: Collection[str], revoked: Collection[bytes], now: float | None, at_least: float
) -> None:
    """Raises BadBadge unless it is good here and now. `here` names this hub and its sites. `now` is None while the
    clock is not sure: then only what is over even at `at_least`, the latest moment that the owner has signed, is over;
    a wrong clock keeps nobody out."""
    if badge.id in revoked:
        raise BadBadge(
            "revoked", phrase("badge-withdrawn", "this badge was withdrawn by the district: ask for another")
        )
    if EVERYWHERE not in badge.sites and not set(badge.sites) & set(here):
        raise BadBadge(
            "site",
            phrase("badge-of-another-site", "this badge is not for this site: the district names the sites of a badge"),
        )
    if now is not None and now < badge.begin - EARLY_S:
        raise BadBadge(
            "early", phrase("badge-not-yet-valid", "this badge is not valid yet; or this hub's clock is wrong")
        )
    if (at_least if now is None else now) >= badge.until:
        raise BadBadge("expired", phrase("badge-expired", "this badge has expired: the district issues another"))


def _check(badge: Badge) -> None:
    if badge.role not in ROLES or not 0 < badge.until - badge.begin <= LONGEST_S:
        raise BadBadge(
            "altered",
            phrase(
                "badge-role-or-duration",
                "a badge has one of the roles {roles} and is valid for at most 30 days",
                roles=list(ROLES),
            ),
        )
    if not badge.name.isprintable() or not all(site.isprintable() for site in badge.sites):
        raise BadBadge("altered", phrase("badge-text-unprintable", "a badge's name and sites are printable text"))


def _signed(label: bytes, payload: bytes, key: ed25519.Ed25519PrivateKey) -> bytes:
    kid = kid_of(key.public_key().public_bytes_raw())[:_KID]
    return lp(payload, kid, key.sign(lp(label, payload)))


def _verified(label: bytes, data: bytes, keys: Iterable[bytes]) -> bytes:
    payload, kid, signature = unlp(data)
    public = next((one for one in keys if kid_of(one)[:_KID] == kid), None)
    if public is None:
        raise BadBadge(
            "stranger",
            phrase(
                "badge-signer-unknown",
                "the owner's trust document names no key that signed this: is it another district's?",
            ),
        )
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, lp(label, payload))
    except InvalidSignature:
        raise BadBadge("altered", phrase("badge-altered", "this was altered: its signature does not hold")) from None
    return payload
