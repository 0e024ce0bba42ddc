"""TRUST: only what the pinned owner root signed, whole and newest, is believed."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import AuthFailed
from hub.protocol.documents.trust import (
    LABEL,
    MAX_DOCUMENT,
    AckKey,
    Egress,
    Recipient,
    Root,
    Trust,
    egress_of,
    fingerprint,
    read_trust,
    sign_trust,
)
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records.seal import kid_of


def recipient(role: str) -> Recipient:
    public = MLKEM768PrivateKey.generate().public_key().public_bytes_raw()
    public += X25519PrivateKey.generate().public_key().public_bytes_raw()
    return Recipient(kid=kid_of(public), role=role, public=public)


def ack_key() -> AckKey:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return AckKey(kid=kid_of(public), public=public)


ROOT = Root.generate()
PINNED = fingerprint(ROOT.public)
TRUST = Trust(
    version=3,
    owner="Ville de Plaine",
    recipients=(recipient("ingest"), recipient("recovery")),
    ack_keys=(ack_key(),),
    egress=(Egress("data.example", 8443, "PEM"),),
    command_keys=({"kid": "00", "scope": ["comfort"]},),
    issued=1_800_000_000.0,
)
DOCUMENT = sign_trust(ROOT, TRUST)


def signed(payload: bytes, root: Root = ROOT) -> bytes:
    """A document rightly signed, whatever its payload says."""
    message = lp(LABEL) + payload
    return lp(LABEL, payload, root.ed25519.sign(message), root.mldsa65.sign(message), *root.public)


def test_what_the_root_signed_reads_back_equal() -> None:
    assert read_trust(DOCUMENT, PINNED) == TRUST
    assert read_trust(DOCUMENT, PINNED, at_least_version=3).version == 3


def test_an_older_version_than_one_seen_is_refused() -> None:
    with pytest.raises(AuthFailed, match=r"older \(version 3\).*version 4"):
        read_trust(DOCUMENT, PINNED, at_least_version=4)


def test_another_root_is_refused_though_its_signatures_hold() -> None:
    with pytest.raises(AuthFailed, match="another owner root"):
        read_trust(sign_trust(Root.generate(), TRUST), PINNED)


@pytest.mark.parametrize("broken", ["ed25519", "mldsa65"])
def test_one_signature_of_two_is_not_enough(broken: str) -> None:
    parts = unlp(DOCUMENT)
    message = lp(LABEL) + parts[1]
    if broken == "ed25519":
        parts[2] = Ed25519PrivateKey.generate().sign(message)
    else:
        parts[3] = MLDSA65PrivateKey.generate().sign(message)
    with pytest.raises(AuthFailed, match="altered on its way"):
        read_trust(lp(*parts), PINNED)


def test_a_root_half_of_which_was_replaced_is_another_root() -> None:
    mixed = Root(ROOT.ed25519, MLDSA65PrivateKey.generate())
    with pytest.raises(AuthFailed, match="another owner root"):
        read_trust(sign_trust(mixed, TRUST), PINNED)


def test_a_signature_made_for_another_label_does_not_hold() -> None:
    payload = unlp(DOCUMENT)[1]
    message = lp(b"ilot/other/1\0") + payload
    forged = lp(LABEL, payload, ROOT.ed25519.sign(message), ROOT.mldsa65.sign(message), *ROOT.public)
    with pytest.raises(AuthFailed, match="altered"):
        read_trust(forged, PINNED)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_no_altered_byte_passes(at: int, change: int) -> None:
    altered = bytearray(DOCUMENT)
    altered[at] ^= change
    with pytest.raises(AuthFailed):
        read_trust(bytes(altered), PINNED)


@given(st.one_of(st.binary(max_size=300), st.integers(0, len(DOCUMENT) - 1).map(lambda n: DOCUMENT[:n])))
@settings(deadline=None)
def test_bytes_that_are_no_document_give_one_clear_error(data: bytes) -> None:
    with pytest.raises(AuthFailed):
        read_trust(data, PINNED)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_a_payload_that_the_root_signed_and_nobody_can_read_is_refused(payload: bytes) -> None:
    with pytest.raises(AuthFailed, match="owner signs a correct one"):
        read_trust(signed(payload), PINNED)


def test_deep_nesting_is_no_crash() -> None:
    with pytest.raises(AuthFailed, match="cannot be read"):
        read_trust(signed(b"[" * 100_000), PINNED)


def test_a_document_beyond_its_size_is_not_read() -> None:
    with pytest.raises(AuthFailed, match="at most"):
        read_trust(DOCUMENT + bytes(MAX_DOCUMENT), PINNED)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 0}, "version"),
        ({"recipients": TRUST.recipients[:1]}, "recovery"),
        ({"recipients": (*TRUST.recipients, recipient("spy"))}, "no other role"),
        ({"recipients": (*TRUST.recipients, TRUST.recipients[0])}, "named twice"),
        ({"recipients": (Recipient(bytes(32), "ingest", TRUST.recipients[0].public), TRUST.recipients[1])}, "key id"),
        ({"recipients": (Recipient(kid_of(b"x"), "ingest", b"x"), TRUST.recipients[1])}, "cannot be read"),
        ({"ack_keys": ()}, "acknowledgement key"),
        ({"ack_keys": (AckKey(bytes(32), bytes(32)),)}, "wrong size or key id"),
        ({"egress": (Egress("data.example", 0, "PEM"),)}, "egress"),
        ({"egress": (Egress("DATA.example", 1, "PEM"),)}, "egress"),
        ({"egress": (Egress("data.example", 1, ""),)}, "egress"),
    ],
)
def test_a_document_no_hub_could_follow_is_neither_signed_nor_read(change: dict[str, object], why: str) -> None:
    wrong = msgspec.structs.replace(TRUST, **change)
    with pytest.raises(AuthFailed, match=why):
        sign_trust(ROOT, wrong)
    with pytest.raises(AuthFailed, match=why):
        read_trust(signed(msgspec.json.encode(wrong)), PINNED)


def test_a_field_of_a_later_version_is_passed_over() -> None:
    later = msgspec.json.encode({**msgspec.to_builtins(TRUST), "update_root": "…"})
    assert read_trust(signed(later), PINNED) == TRUST


def test_egress_is_exact_about_host_and_port() -> None:
    assert egress_of(TRUST, "DATA.example", 8443) == TRUST.egress[0]
    assert egress_of(TRUST, "data.example", 443) is None
    assert egress_of(TRUST, "evil.data.example", 8443) is None


def test_the_private_root_does_not_show_in_a_repr() -> None:
    assert "PrivateKey" not in repr(ROOT)
