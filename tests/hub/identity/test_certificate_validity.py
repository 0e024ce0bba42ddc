"""The dates of a certificate, as an independent reader finds them; anything else is refused, never misread."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.certificate_validity import validity

KEY = ed25519.Ed25519PrivateKey.generate()
FIRST = datetime(1950, 1, 1, tzinfo=UTC)


def made(begin: datetime, end: datetime, name: str = "hub-test") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    builder = builder.serial_number(1 << 70).not_valid_before(begin).not_valid_after(end)
    return builder.sign(KEY, None)


NAMES = st.text("ab éß", min_size=1, max_size=64).filter(lambda name: len(name.encode()) <= 64)


@given(st.integers(0, 150 * 365 * 86400), st.integers(1, 60 * 365 * 86400), NAMES)
def test_both_dates_are_those_that_another_reader_finds(begin: int, life: int, name: str) -> None:
    start = FIRST + timedelta(seconds=begin)
    certificate = made(start, start + timedelta(seconds=life), name)
    found = validity(certificate.public_bytes(Encoding.PEM).decode())
    assert found == (certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())


def test_text_round_a_certificate_and_others_behind_it_do_not_matter() -> None:
    first, second = made(FIRST, FIRST + timedelta(days=1)), made(FIRST, FIRST + timedelta(days=2))
    pem = "".join(each.public_bytes(Encoding.PEM).decode() for each in (first, second))
    assert validity(f"issued to hub-test\n{pem}\n")[1] == first.not_valid_after_utc.timestamp()


@given(st.data())
def test_damage_raises_nothing_but_a_refusal(data: st.DataObject) -> None:
    der = made(FIRST, FIRST + timedelta(days=90)).public_bytes(Encoding.DER)
    at = data.draw(st.integers(0, len(der) - 1))
    flipped = der[:at] + bytes([der[at] ^ 1 << data.draw(st.integers(0, 7))]) + der[at + 1 :]
    with contextlib.suppress(ValueError):
        validity(ssl.DER_cert_to_PEM_cert(flipped))
    with pytest.raises(ValueError, match="not a certificate"):
        validity(ssl.DER_cert_to_PEM_cert(der[:at]))


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        validity(text)
