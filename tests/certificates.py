"""Certificates with one thing out of the ordinary each, and a TLS server on loopback that shows them."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
SIGNS = {
    "digital_signature": False, "content_commitment": False, "key_encipherment": False, "data_encipherment": False,
    "key_agreement": False, "crl_sign": True, "encipher_only": False, "decipher_only": False,
}  # fmt: skip
_SERVER_AUTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


@dataclass
class Made:
    """A certificate and its key; `chain` is what a server sends: it, and each issuer but the root."""

    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        return _pem(self.certificate)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def made(
    name: str,
    issuer: Made | None = None,
    *,
    ca: bool | None = None,
    pathlen: int | None = None,
    start: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + DAY,
    names: tuple[str, ...] = ("127.0.0.1",),
    bits: int = 0,
    identifiers: bool = True,
    may_sign: bool | None = None,
    constraints_critical: bool = True,
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    use: x509.ExtensionType | None = _SERVER_AUTH,
) -> Made:
    """Without `issuer` self-signed. `ca` None: no basicConstraints. `bits`: of an RSA key, 0 is ECDSA P-256.
    `identifiers`: key identifiers. `may_sign`: keyCertSign, None: no key usage. `names` are the server's, () for
    none."""
    key = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuing = issuer.certificate.subject if issuer else subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuing)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=pathlen), constraints_critical)
    if may_sign is not None:
        builder = builder.add_extension(x509.KeyUsage(**SIGNS, key_cert_sign=may_sign), critical=True)
    if not ca:
        alternatives = [_alternative(one) for one in names]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        if use is not None:
            builder = builder.add_extension(use, critical=False)
    if identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if issuer:
            above = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            named = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above)
            builder = builder.add_extension(named, critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    above_it = issuer.chain if issuer and issuer.chain else ()
    return Made(certificate, key, (certificate, *above_it) if issuer else ())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def files(one: Made, directory: Path, name: str = "server") -> tuple[Path, Path]:
    """PEM files: what it sends, and its key."""
    shown, key = directory / f"{name}.crt", directory / f"{name}.key"
    shown.write_text("".join(_pem(each) for each in one.chain or (one.certificate,)))
    key.write_bytes(
        one.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return shown, key


@contextmanager
def serving(
    one: Made, directory: Path, answer: bytes = b"", *, ciphers: str = "ALL", oldest: bool = False
) -> Iterator[int]:
    """A TLS server on 127.0.0.1 that shows it, however weak; its port. `oldest`: it knows TLS 1.2 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    if oldest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*files(one, directory))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve() -> None:
        while True:
            try:
                plain = listener.accept()[0]
            except OSError:
                return
            plain.settimeout(5)
            with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as secure:
                if answer and secure.recv(4096):
                    secure.sendall(answer)
                    secure.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
