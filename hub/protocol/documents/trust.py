"""TRUST: what the owner says may be believed. Pure; the owner's root signs it, every hub pins that root.

    document    = lp("ilot/trust/1\\0", payload, signature Ed25519, ML-DSA-65, public key Ed25519, ML-DSA-65)
    payload     = JSON of `Trust`, bytes in base64 (RFC 4648 §4)
    signatures  = both over the exact bytes lp("ilot/trust/1\\0") ‖ payload; FIPS 204 ML-DSA-65 with an empty context
    fingerprint = SHA-256(lp("ilot/root/1\\0", ed25519 public, ml-dsa-65 public))

Both signatures must hold, so that breaking one kind of mathematics is not enough. Recipients, acknowledgement
keys, command, configuration and badge keys and egress come from here and from nowhere else. `version` rises; a hub
passes the highest it ever saw as `at_least_version`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from hub.core.errors import AuthFailed, DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records.seal import kid_of, load_public

LABEL = b"ilot/trust/1\0"
ROOT_LABEL = b"ilot/root/1\0"
MAX_DOCUMENT = 262144
_PART_SIZES = (len(LABEL), None, 64, 3309, 32, 1952)


class Recipient(msgspec.Struct, frozen=True):
    """A recipient of every epoch. `public` is an ML-KEM-768 encapsulation key (FIPS 203, 1,184 bytes) and an X25519
    public key (RFC 7748, 32 bytes); `kid` = SHA-256(`public`); `role` "ingest" or "recovery"."""

    kid: bytes
    role: str
    public: bytes


class AckKey(msgspec.Struct, frozen=True):
    """Raw Ed25519 key that may acknowledge. `kid` = SHA-256(`public`)."""

    kid: bytes
    public: bytes


class BadgeKey(msgspec.Struct, frozen=True):
    """Raw Ed25519 key that may sign badges (`hub.protocol.documents.badges`). `kid` = SHA-256(`public`)."""

    kid: bytes
    public: bytes


class Egress(msgspec.Struct, frozen=True):
    """A host that a hub may call, and the CA (PEM) that its certificate must chain to."""

    host: str
    port: int
    ca_pem: str


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The owner's word. `issued` is Unix seconds. `command_keys` and `config_keys` are kept as they came. A document
    without `badge_keys` has the bytes that it had before there were any: hubs that know none skip them."""

    version: int
    owner: str
    recipients: tuple[Recipient, ...]
    ack_keys: tuple[AckKey, ...]
    egress: tuple[Egress, ...] = ()
    command_keys: tuple[dict[str, Any], ...] = ()
    config_keys: tuple[dict[str, Any], ...] = ()
    issued: float = 0.0
    badge_keys: tuple[BadgeKey, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def badge_publics(self) -> tuple[bytes, ...]:
        """The raw public keys that may sign badges."""
        return () if isinstance(self.badge_keys, msgspec.UnsetType) else tuple(key.public for key in self.badge_keys)


class RootPublic(NamedTuple):
    """Raw public halves of an owner root: 32 bytes of Ed25519, 1,952 of ML-DSA-65."""

    ed25519: bytes
    mldsa65: bytes


@dataclass(frozen=True, slots=True)
class Root:
    """An owner root with its private halves. Lives offline."""

    ed25519: ed25519.Ed25519PrivateKey = field(repr=False)
    mldsa65: mldsa.MLDSA65PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> Root:
        return cls(ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA65PrivateKey.generate())

    @property
    def public(self) -> RootPublic:
        return RootPublic(self.ed25519.public_key().public_bytes_raw(), self.mldsa65.public_key().public_bytes_raw())


def fingerprint(root: RootPublic) -> bytes:
    """The 32 bytes that a hub pins at enrolment and a person compares."""
    return hashlib.sha256(lp(ROOT_LABEL, root.ed25519, root.mldsa65)).digest()


def sign_trust(root: Root, trust: Trust) -> bytes:
    """The signed document. Raises AuthFailed when hubs would refuse what it says."""
    _check(trust)
    payload = msgspec.json.encode(trust)
    signed = lp(LABEL) + payload
    return lp(LABEL, payload, root.ed25519.sign(signed), root.mldsa65.sign(signed), *root.public)


def read_trust(data: bytes, pinned: bytes, at_least_version: int = 0) -> Trust:
    """Verify a document against the `pinned` fingerprint of the owner root.

    Raises AuthFailed, saying who must act, when it is unreadable, signed by another root, altered, older than
    `at_least_version`, or says something that no hub could follow.
    """
    payload, ed_signature, ml_signature, ed_public, ml_public = _split(data)
    root = RootPublic(ed_public, ml_public)
    found = fingerprint(root)
    if not hmac.compare_digest(found, pinned):
        raise AuthFailed(
            phrase(
                "trust-of-another-root",
                "the trust document is signed by another owner root ({found}…, pinned {pinned}…): ask the "
                "owner for a new enrolment token, and why the root changed",
                found=found.hex()[:16],
                pinned=pinned.hex()[:16],
            )
        )
    signed = lp(LABEL) + payload
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(ed_public).verify(ed_signature, signed)
        mldsa.MLDSA65PublicKey.from_public_bytes(ml_public).verify(ml_signature, signed)
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(
            phrase(
                "trust-altered",
                "the trust document was altered on its way: a signature of the owner root does not hold; "
                "look for whoever stands between this hub and its backend",
            )
        ) from error
    try:
        trust = msgspec.json.decode(shallow_json(payload), type=Trust)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuthFailed(
            phrase(
                "trust-unreadable",
                "the trust document cannot be read ({reason}): the owner signs a correct one",
                reason=reason_of(error),
            )
        ) from error
    _check(trust)
    if trust.version < at_least_version:
        raise AuthFailed(
            phrase(
                "trust-older-than-seen",
                "the trust document is older (version {version}) than one seen before (version {seen}): the "
                "owner publishes the newest one again; if it was not withdrawn on purpose, somebody replays",
                version=trust.version,
                seen=at_least_version,
            )
        )
    return trust


def egress_of(trust: Trust, host: str, port: int) -> Egress | None:
    """The entry that allows `host`:`port`, if the owner declared it."""
    return next((entry for entry in trust.egress if entry.host == host.lower() and entry.port == port), None)


def _split(data: bytes) -> list[bytes]:
    if len(data) > MAX_DOCUMENT:
        raise AuthFailed(
            phrase(
                "trust-too-large",
                "the trust document has {count} bytes, at most {limit} are read",
                count=len(data),
                limit=MAX_DOCUMENT,
            )
        )
    try:
        parts = unlp(data)
    except DecodeError:
        parts = []
    fits = len(parts) == len(_PART_SIZES) and all(
        want is None or len(part) == want for part, want in zip(parts, _PART_SIZES, strict=True)
    )
    if not fits or parts[0] != LABEL:
        raise AuthFailed(
            phrase("not-a-trust-document", "this is not a trust document of an Îlot owner: check the backend's address")
        )
    return parts[1:]


def _check(trust: Trust) -> None:
    faults = []
    if trust.version < 1:
        faults.append(phrase("trust-version-not-positive", "its version is not above 0"))
    if {recipient.role for recipient in trust.recipients} != {"ingest", "recovery"}:
        faults.append(
            phrase("trust-recipient-roles", "it must name an ingest and a recovery recipient, and no other role")
        )
    if not trust.ack_keys:
        faults.append(phrase("trust-without-ack-key", "it names no acknowledgement key"))
    if not all(_is_recipient(recipient) for recipient in trust.recipients):
        faults.append(
            phrase("trust-recipient-key-wrong", "a recipient's key cannot be read or is not what its key id says")
        )
    if any(len(k.public) != 32 or k.kid != kid_of(k.public) for k in trust.ack_keys):
        faults.append(phrase("trust-ack-key-wrong", "an acknowledgement key has the wrong size or key id"))
    badges = () if isinstance(trust.badge_keys, msgspec.UnsetType) else trust.badge_keys
    if any(len(k.public) != 32 or k.kid != kid_of(k.public) for k in badges):
        faults.append(phrase("trust-badge-key-wrong", "a badge key has the wrong size or key id"))
    kids = [*(r.kid for r in trust.recipients), *(k.kid for k in trust.ack_keys), *(k.kid for k in badges)]
    if len(set(kids)) != len(kids):
        faults.append(phrase("trust-key-twice", "a key is named twice"))
    if any(not e.host or e.host != e.host.lower() or not 0 < e.port < 65536 or not e.ca_pem for e in trust.egress):
        faults.append(phrase("trust-egress-incomplete", "an egress entry lacks its lower-case host, port or CA"))
    if faults:
        raise AuthFailed(
            phrase(
                "trust-cannot-be-followed",
                "the trust document cannot be followed: {faults}. The owner signs a correct one",
                faults=faults,
            )
        )


def _is_recipient(recipient: Recipient) -> bool:
    try:
        load_public(recipient.public)
    except DecodeError:
        return False
    return recipient.kid == kid_of(recipient.public)
