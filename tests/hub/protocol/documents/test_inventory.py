"""Keys on their way from the district to one hub."""

from __future__ import annotations

import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, ConfigError, DecodeError
from hub.protocol.device_labels.device_request import DeviceRequest
from hub.protocol.documents.inventory import (
    MAX_DOCUMENT,
    hub_key,
    is_one,
    make_card,
    open_inventory,
    read,
    read_card,
    seal,
)
from hub.protocol.documents.trust import Root, fingerprint
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp, unlp

ROOT, STRANGER = Root.generate(), Root.generate()
PINNED = fingerprint(ROOT.public)
IDENTITY, STORE_KEY = Ed25519PrivateKey.generate(), os.urandom(32)
HUB = hub_id(IDENTITY.public_key().public_bytes_raw())
KEY = hub_key(STORE_KEY)
CARD = read_card(make_card(IDENTITY, KEY.public))
DEVICES = [
    DeviceRequest(device=f"lorawan:{n:016x}", key=bytes([n] * 16).hex(), settings={"join_eui": "00" * 8}, line=n)
    for n in range(1, 40)
]


def made(root: Root = ROOT, card: object = CARD) -> bytes:
    return seal(DEVICES, card, root, owner="Ville", number=7, made=1.8e9)


DOCUMENT = made()


def test_only_the_hub_it_is_for_opens_it_and_nothing_in_it_is_in_clear() -> None:
    sealed = read(DOCUMENT, PINNED)
    assert (sealed.head.hub, sealed.head.owner, sealed.head.number, sealed.head.devices) == (HUB, "Ville", 7, 39)
    assert open_inventory(sealed, HUB, KEY) == DEVICES
    assert is_one(DOCUMENT)
    assert not any(bytes.fromhex(one.key) in DOCUMENT or one.device.encode() in DOCUMENT for one in DEVICES)
    for hub, key in ((HUB, hub_key(os.urandom(32))), ("hub-another", KEY)):
        with pytest.raises(AuthFailed, match="only that hub opens it"):
            open_inventory(sealed, hub, key)


def test_the_key_is_made_of_the_store_key_so_that_a_restored_hub_has_it() -> None:
    assert hub_key(STORE_KEY).kid == KEY.kid
    assert open_inventory(read(DOCUMENT, PINNED), HUB, hub_key(STORE_KEY)) == DEVICES


def test_another_owners_signature_counts_for_nothing() -> None:
    with pytest.raises(AuthFailed, match="another owner"):
        read(made(STRANGER), PINNED)
    parts = unlp(made(STRANGER))
    parts[6:] = list(ROOT.public)  # the right root named, the stranger's signatures
    with pytest.raises(AuthFailed, match="altered"):
        read(lp(*parts), PINNED)
    right, other = unlp(DOCUMENT), unlp(made(STRANGER))
    for at in (4, 5):  # both must hold
        mixed = [*right]
        mixed[at] = other[at]
        with pytest.raises(AuthFailed, match="altered"):
            read(lp(*mixed), PINNED)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_no_changed_byte_is_believed(at: int, by: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[at] ^= by
    with pytest.raises((AuthFailed, DecodeError)):
        read(bytes(changed), PINNED)


@given(st.binary(max_size=400))
def test_whatever_arrives_is_refused_with_a_reason(data: bytes) -> None:
    for document in (data, lp(b"ilot/inventory/1\0") + data):
        with pytest.raises((AuthFailed, DecodeError)):
            read(document, PINNED)
    with pytest.raises(ConfigError):
        read_card(data)


def test_a_signed_body_that_is_no_list_of_devices_is_refused() -> None:
    strange = seal([DeviceRequest(device="x")], CARD, ROOT, owner="Ville", number=1, made=1.0)
    assert open_inventory(read(strange, PINNED), HUB, KEY) == [DeviceRequest(device="x")]
    with pytest.raises(DecodeError, match="make several"):
        seal(
            [DeviceRequest(device=os.urandom(400).hex()) for _ in range(2000)],
            CARD,
            ROOT,
            owner="V",
            number=1,
            made=1.0,
        )
    with pytest.raises(DecodeError):
        read(DOCUMENT + bytes(MAX_DOCUMENT), PINNED)


@pytest.mark.parametrize("field", ["hub", "identity", "public", "signature"])
def test_a_card_says_whose_it_is_and_nobody_else_can_say_it(field: str) -> None:
    card = json.loads(make_card(IDENTITY, KEY.public))
    other = json.loads(make_card(Ed25519PrivateKey.generate(), hub_key(os.urandom(32)).public))
    with pytest.raises(ConfigError):
        read_card(json.dumps({**card, field: other[field]}).encode())
    assert read_card(json.dumps(card).encode()).hub == HUB
