"""A signed document proves which hub wrote it, and that nothing in it was changed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hub.energy import evidence
from hub.energy.evidence import NotEvidence, verify
from hub.protocol.hub_id import hub_id

KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"2" * 32)
HUB = hub_id(KEY.public_key().public_bytes_raw())


def test_each_kind_of_document_is_checked_by_itself():
    assert verify(evidence.sealed_html(b"<p>12 kWh</p>\n", KEY, 1_800_000_000.7)) == (HUB, 1_800_000_000)
    assert verify(evidence.sealed_json(b'{"kwh":12}', KEY, 1_800_000_000)) == (HUB, 1_800_000_000)
    assert verify(b"a;b\r\n", evidence.signature_of(b"a;b\r\n", KEY, 1_800_000_000)).hub == HUB


@given(st.data())
def test_one_changed_byte_anywhere_is_found(data):
    make = data.draw(st.sampled_from([evidence.sealed_html, evidence.sealed_json]))
    document = bytearray(make(b'{"kwh":12,"month":"2026-03"}', KEY, 1_800_000_000))
    at = data.draw(st.integers(0, len(document) - 1))
    change = data.draw(st.integers(1, 255))
    document[at] ^= change
    try:
        proof = verify(bytes(document))
    except NotEvidence:
        return
    # white space behind the evidence, or how its JSON is written, is not what was signed
    assert proof == (HUB, 1_800_000_000)
    assert b'{"kwh":12,"month":"2026-03"}' in bytes(document)


def test_a_document_that_another_key_signed_in_this_hubs_name_is_refused():
    document = evidence.sealed_html(b"<p>", OTHER, 1_800_000_000)
    other = hub_id(OTHER.public_key().public_bytes_raw())
    with pytest.raises(NotEvidence):
        verify(document.replace(other.encode(), HUB.encode()))


def test_the_dates_and_the_contents_of_two_documents_cannot_be_mixed():
    one, two = (evidence.sealed_html(text, KEY, 1_800_000_000) for text in (b"<p>1", b"<p>2"))
    with pytest.raises(NotEvidence):
        verify(one[:4] + two[4:])
    with pytest.raises(NotEvidence):
        verify(one.replace(b"1800000000", b"1800000001"))


@pytest.mark.parametrize(
    "document", [b"", b"<p>", b'{"report":{}}', b'{"report":{},"evidence":3}', b"<!-- ilot-evidence"]
)
def test_what_nobody_signed_is_no_evidence(document):
    with pytest.raises(NotEvidence):
        verify(document)
