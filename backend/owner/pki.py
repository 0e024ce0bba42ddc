"""The owner's certificate authority: one CA, server certificates, a client certificate for each hub. Pure.

All keys are ECDSA P-256. Profile: RFC 5280, with the extended key usages kept apart, so that a hub's certificate
cannot serve and the server's cannot pose as a hub. `not_before` lies a day back for hubs whose clock lags.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.core.errors import DecodeError
from hub.core.text import phrase

CA_YEARS = 20
LEAF_LIFE = timedelta(days=824)
_MAX_CSR = 8192


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def make_ca(key: ec.EllipticCurvePrivateKey, owner: str) -> x509.Certificate:
    """Self-signed CA certificate, path length 0."""
    name = _name(f"{owner} Îlot CA"[:64])
    builder = _builder(name, name, key.public_key(), timedelta(days=365 * CA_YEARS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def make_server_certificate(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    names: list[str],
    life: timedelta = LEAF_LIFE,
) -> x509.Certificate:
    """Server certificate for host names and IP addresses; each of `names` becomes a subjectAltName."""
    builder = _leaf(ca, public, names[0][:64], ExtendedKeyUsageOID.SERVER_AUTH, life)
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    return builder.add_extension(alternatives, critical=False).sign(ca_key, hashes.SHA256())


def make_hub_certificate(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, csr_pem: bytes, hub: str, life: timedelta = LEAF_LIFE
) -> x509.Certificate:
    """Client certificate whose common name is `hub`, whatever the request asked for; good for `life` from now.

    Raises DecodeError when the request is unreadable, its signature wrong, or its key not ECDSA P-256.
    """
    return make_client_certificate(ca, ca_key, requested_key(csr_pem), hub, life)


def requested_key(csr_pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a certificate request. Raises DecodeError when the request is unreadable, its signature wrong, or its
    key not ECDSA P-256."""
    if len(csr_pem) > _MAX_CSR:
        raise DecodeError(
            "too-large",
            phrase("certificate-request-too-long", "a certificate request has at most {count} bytes", count=_MAX_CSR),
        )
    try:
        csr = x509.load_pem_x509_csr(csr_pem)
        public, valid = csr.public_key(), csr.is_signature_valid
    except Exception as error:
        raise DecodeError(
            "bad-csr", phrase("not-a-certificate-request", "not a PEM certificate request (RFC 2986)")
        ) from error
    if not valid:
        raise DecodeError(
            "bad-csr", phrase("certificate-request-unsigned", "the request is not signed by the key it names")
        )
    if not (isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)):
        raise DecodeError("bad-csr", phrase("certificate-request-key-wrong", "the request's key must be ECDSA P-256"))
    return public


def make_client_certificate(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    name: str,
    life: timedelta = LEAF_LIFE,
) -> x509.Certificate:
    """Client certificate whose common name is `name`, good for `life` from now."""
    return _leaf(ca, public, name, ExtendedKeyUsageOID.CLIENT_AUTH, life).sign(ca_key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _leaf(
    ca: x509.Certificate,
    public: ec.EllipticCurvePublicKey,
    name: str,
    use: x509.ObjectIdentifier,
    life: timedelta = LEAF_LIFE,
) -> x509.CertificateBuilder:
    builder = _builder(_name(name), ca.subject, public, life)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(ca=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    authority = x509.SubjectKeyIdentifier.from_public_key(ca.public_key())
    return builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(life, timedelta(days=1)))
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
