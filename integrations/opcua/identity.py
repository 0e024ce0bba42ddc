"""This hub as an OPC UA application: its key and its certificate (OPC 10000-6, 6.2), made at first use.

    <directory>/identity.pem      0600   private key (PKCS #8) and certificate, in one file so that they always fit
    <directory>/certificate.der   0644   the certificate, to be imported at servers
    <directory>/rejected/         0700   certificates of servers that nobody trusts yet, at most KEPT (see `trust`)

The certificate is self-signed and valid for twenty years from a fixed date: a hub whose clock is not set yet must not
make one that is not yet valid for servers, and dates must lock nobody out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import hub
from hub.sdk.phrases import phrase, reason_of, system_error

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

FILE, PUBLIC = "identity.pem", "certificate.der"
BITS = 2048  # accepted by every policy in use: OPC 10000-7, Basic256Sha256 and its successors
BEGINS, ENDS = datetime(2025, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)

_making = threading.Lock()


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """The application's identity. `certificate` and `key` as DER; `uri` names the application, as its certificate does;
    `file` is the certificate to be imported at servers."""

    certificate: bytes
    key: bytes
    uri: str
    file: Path

    def __str__(self) -> str:
        """Return both thumbprints: servers show the SHA-1 one."""
        return f"SHA-1 {sha1(self.certificate)}, SHA-256 {sha256(self.certificate)}"

    def __repr__(self) -> str:
        return f"Identity({self})"


def sha256(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def sha1(der: bytes) -> str:
    """Return the thumbprint of OPC 10000-4, 7.2, as servers and tools show it. It is for display only, never for
    trust."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


def default_directory() -> Path:
    # systemd names the state directory of its service; several are separated by colons
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or "/var/lib/ilot") / "opcua"


def load(directory: Path) -> Identity:
    """Load the identity of this hub, or make one. Blocking: a key takes a second to be made. Raises NotReady when the
    directory cannot be used, AuthFailed when others can read the key."""
    try:
        with _making:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = directory / FILE
            if not path.exists():
                _make(directory)
            if path.stat().st_mode & 0o077:
                raise hub.AuthFailed(
                    phrase(
                        "opcua.key-readable-by-others",
                        "others can read this hub's private key: chmod 600 {path}",
                        path=path,
                    )
                )
            return _read(path, directory / PUBLIC)
    except OSError as error:
        raise hub.NotReady(
            phrase(
                "opcua.identity-not-kept",
                "this hub's certificate cannot be kept in {directory} ({reason}): set `directory` to one that "
                "the hub may write",
                directory=directory,
                reason=system_error(error),
            )
        ) from error


def _read(path: Path, public: Path) -> Identity:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    data = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise hub.AuthFailed(
            phrase(
                "opcua.identity-unreadable",
                "{path} does not hold this hub's key and certificate ({reason}): move it away, and a new one is "
                "made, which the servers then have to trust",
                path=path,
                reason=reason_of(error),
            )
        ) from error
    der = certificate.public_bytes(serialization.Encoding.DER)
    if not public.exists():
        write(public, der, 0o644)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain)
    return Identity(der, secret, uri, public)


def _make(directory: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    certificate = _certificate(key)
    write(directory / FILE, secret + certificate.public_bytes(serialization.Encoding.PEM), 0o600)
    write(directory / PUBLIC, certificate.public_bytes(serialization.Encoding.DER), 0o644)


def _certificate(key: RSAPrivateKey) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    host = re.sub(r"[^A-Za-z0-9.-]", "-", platform.node())[:63].strip(".-") or "hub"
    # two hubs may bear the same host name, but never the same URI
    uri = f"urn:{host}:ilot:opcua:{secrets.token_hex(4)}"
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Ilot hub {host}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ilot"),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGINS)
        .not_valid_after(ENDS)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri), x509.DNSName(host)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )


def write(path: Path, data: bytes, mode: int) -> None:
    """Write a file atomically. Raises OSError."""
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        raise
