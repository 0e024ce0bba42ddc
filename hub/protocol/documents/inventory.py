"""The inventory: keys of devices that the owner sends to one hub, sealed to it and signed by the owner. Pure.

    document   = lp("ilot/inventory/1\\0", head, sealed, cap, signature Ed25519, ML-DSA-65, public Ed25519, ML-DSA-65)
    head       = msgpack map of `Head`; readable by everybody
    k          = 256 random bits, for this document alone
    sealed     = AES-256-GCM(k).encrypt(nonce, zstd(msgpack list of Wish), "ilot/inventory/1\\0" ‖ H(head))
                 nonce = 12 zero bytes, because k seals once
    cap        = Suite(MLKEM768_X25519, HKDF_SHA256, AES_256_GCM).encrypt(k, the hub's key, "ilot/inventory/1\\0" ‖
                 H(head) ‖ kid)
    signatures = the owner root's, both over lp("ilot/inventory/1\\0", head, sealed, cap); both must hold, and the root
                 must be the one that the hub pinned at its enrolment

    hub's key  = X-Wing (ML-KEM-768 with X25519), made of the store key: ML-KEM's seed d ‖ z and X25519's private key
                 are HMAC-SHA256(store key, "ilot/inventory-key/1\\0" ‖ n) for n = 0, 1 and 2. It is no file of its own,
                 and a hub restored from its state backup opens what was sealed to the former machine
    card       = JSON {"format": "ilot-hub-card/1", hub, identity, public, signature}, bytes in base64; signature =
                 IDENTITY.sign(lp("ilot/hub-card/1\\0", public)); the hub's name is the hash of `identity`, so that a
                 card that holds says whose key it is

lp and H as in `hub.protocol.length_prefix` and `hub.protocol.records.seal`; RFC 9180 (HPKE), FIPS 203, FIPS 204, RFC
8032, RFC 8878 (zstd). `head.commitment` = H("ilot/commit/1\\0" ‖ k). `head.number` rises with each inventory that an
owner makes: where two name one device, the higher counts, in whatever order they come. At most 512 KiB, 16 MiB when
opened.
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from hub.core.errors import AuthFailed, ConfigError, DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.protocol.device_labels.device_request import DeviceRequest
from hub.protocol.documents.recovery_key_file import RecipientKey, write_file
from hub.protocol.documents.trust import Root, RootPublic, fingerprint
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records.compression import expand
from hub.protocol.records.seal import COMMIT_LABEL, SUITE, H, kid_of, load_public

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LABEL, KEY_LABEL, CARD_LABEL = b"ilot/inventory/1\0", b"ilot/inventory-key/1\0", b"ilot/hub-card/1\0"
CARD_FORMAT = "ilot-hub-card/1"
MAX_DOCUMENT, MAX_BODY, MAX_CARD = 512 << 10, 16 << 20, 16384
MOST = 20_000
"""Devices in one inventory."""

_NONCE = bytes(12)
_MAX_HEAD = 4096


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Header in clear: for which hub, of which owner, how many devices. `made` is Unix seconds."""

    hub: Annotated[str, Meta(max_length=64)]
    owner: Annotated[str, Meta(max_length=200)]
    number: Annotated[int, Meta(ge=1, le=2**62)]
    made: Annotated[float, Meta(ge=0, le=2**40)]
    devices: Annotated[int, Meta(ge=0, le=MOST)]
    kid: Annotated[bytes, Meta(min_length=32, max_length=32)]
    commitment: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Inventory(NamedTuple):
    """A document whose signatures hold; still sealed."""

    head: Head
    sealed: bytes
    cap: bytes
    info: bytes


class InventoryKeyCard(NamedTuple):
    """A hub, and the key that is its own, verified."""

    hub: str
    public: bytes


class _CardFile(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    hub: str
    identity: bytes
    public: bytes
    signature: bytes


def hub_key(store_key: bytes) -> RecipientKey:
    """The key that inventories of this hub are sealed to."""
    first, second, third = (hmac.digest(store_key, KEY_LABEL + bytes([n]), "sha256") for n in range(3))
    mlkem = MLKEM768PrivateKey.from_seed_bytes(first + second)
    return write_file("hub", mlkem, X25519PrivateKey.from_private_bytes(third))[0]


def make_card(identity: ed25519.Ed25519PrivateKey, public: bytes) -> bytes:
    """Make the key card that a hub shows its owner, who seals an inventory to it."""
    own = identity.public_key().public_bytes_raw()
    file = _CardFile(
        format=CARD_FORMAT,
        hub=hub_id(own),
        identity=own,
        public=public,
        signature=identity.sign(lp(CARD_LABEL, public)),
    )
    return msgspec.json.format(msgspec.json.encode(file)) + b"\n"


def read_card(data: bytes) -> InventoryKeyCard:
    """Raises ConfigError when it is none, or not signed by the hub that it names."""
    try:
        file = msgspec.json.decode(shallow_json(data[: MAX_CARD + 1]), type=_CardFile)
        load_public(file.public)
        ed25519.Ed25519PublicKey.from_public_bytes(file.identity).verify(file.signature, lp(CARD_LABEL, file.public))
    except InvalidSignature as error:
        raise ConfigError(
            phrase("card-altered", "this card was altered: its hub's signature does not hold. Ask for it again")
        ) from error
    except (msgspec.DecodeError, ValueError, DecodeError) as error:
        raise ConfigError(
            phrase("not-a-card", "this is not a card of an Îlot hub: `ilot inventory card` prints one there")
        ) from error
    if file.format != CARD_FORMAT or file.hub != hub_id(file.identity):
        raise ConfigError(phrase("card-forged", "this card names a hub that did not sign it: it is a forgery"))
    return InventoryKeyCard(file.hub, file.public)


def seal(
    devices: Sequence[DeviceRequest], card: InventoryKeyCard, root: Root, *, owner: str, number: int, made: float
) -> bytes:
    """The document. Raises DecodeError when it would be too large to be read."""
    key, kid = os.urandom(32), kid_of(card.public)
    head = msgspec.msgpack.encode(
        Head(
            hub=card.hub,
            owner=owner,
            number=number,
            made=made,
            devices=len(devices),
            kid=kid,
            commitment=H(COMMIT_LABEL + key),
        )
    )
    info = LABEL + H(head)
    sealed = AESGCM(key).encrypt(_NONCE, zstd.compress(msgspec.msgpack.encode(list(devices)), 9), info)
    told = lp(LABEL, head, sealed, SUITE.encrypt(key, load_public(card.public), info=info + kid))
    document = told + lp(root.ed25519.sign(told), root.mldsa65.sign(told), *root.public)
    if len(document) > MAX_DOCUMENT or len(devices) > MOST:
        raise DecodeError(
            "too-large",
            phrase(
                "inventory-too-large",
                "an inventory holds at most {devices} devices and {kibibytes} KiB: make several",
                devices=MOST,
                kibibytes=MAX_DOCUMENT >> 10,
            ),
        )
    return document


def is_one(data: bytes) -> bool:
    """True when a file claims to be an inventory."""
    return data.startswith(lp(LABEL))


def read(data: bytes, pinned: bytes) -> Inventory:
    """A document that the owner root of this fingerprint signed. Raises DecodeError when it is none or not whole,
    AuthFailed when another signed it or it was altered."""
    try:
        parts = unlp(data) if len(data) <= MAX_DOCUMENT else []
    except DecodeError:
        parts = []
    if len(parts) != 8 or parts[0] != LABEL or len(parts[1]) > _MAX_HEAD:
        raise DecodeError(
            "no-inventory",
            phrase("inventory-cut-short", "this is not a whole inventory of an Îlot owner: copy the file again"),
        )
    _, raw, sealed, cap, ed_signature, ml_signature, ed_public, ml_public = parts
    if not hmac.compare_digest(fingerprint(RootPublic(ed_public, ml_public)), pinned):
        raise AuthFailed(
            phrase(
                "inventory-of-another-owner",
                "this inventory is signed by another owner than the one this hub is enrolled with",
            )
        )
    told = lp(*parts[:4])
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(ed_public).verify(ed_signature, told)
        mldsa.MLDSA65PublicKey.from_public_bytes(ml_public).verify(ml_signature, told)
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(
            phrase(
                "inventory-altered", "this inventory was altered: the owner's signatures do not hold. Ask for it again"
            )
        ) from error
    try:
        head = msgspec.msgpack.decode(raw, type=Head)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(
            "no-inventory",
            phrase("inventory-head-unreadable", "its head cannot be read ({reason})", reason=reason_of(error)),
        ) from error
    return Inventory(head, sealed, cap, LABEL + H(raw))


def open_inventory(inventory: Inventory, hub: str, key: RecipientKey) -> list[DeviceRequest]:
    """Open an inventory for the hub it is sealed to. Raises AuthFailed for another, DecodeError when its content cannot
    be read."""
    if inventory.head.hub != hub or inventory.head.kid != key.kid:
        raise AuthFailed(
            phrase(
                "inventory-for-another-hub",
                "this inventory is for {hub}, and only that hub opens it; this is {this_hub}: ask the owner "
                "for one made from this hub's card",
                hub=inventory.head.hub,
                this_hub=hub,
            )
        )
    try:
        secret = SUITE.decrypt(inventory.cap, key.private, info=inventory.info + key.kid)
        if len(secret) != 32 or not hmac.compare_digest(H(COMMIT_LABEL + secret), inventory.head.commitment):
            raise AuthFailed(
                phrase(
                    "inventory-wrong-capsule",
                    "the capsule of this inventory holds another key than its head commits to",
                )
            )
        body = AESGCM(secret).decrypt(_NONCE, inventory.sealed, inventory.info)
    except InvalidTag as error:
        raise AuthFailed(
            phrase(
                "inventory-not-opened", "this inventory does not open with this hub's key: ask the owner for another"
            )
        ) from error
    try:
        devices = msgspec.msgpack.decode(expand(body, MAX_BODY), type=list[DeviceRequest])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError(
            "no-inventory",
            phrase("inventory-content-unreadable", "its content cannot be read ({reason})", reason=reason_of(error)),
        ) from error
    if len(devices) > MOST:
        raise DecodeError(
            "too-large",
            phrase("inventory-too-many-devices", "an inventory holds at most {devices} devices", devices=MOST),
        )
    return devices
