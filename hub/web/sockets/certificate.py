"""Certificate of the hub's own pages: self-signed, made at the first start, stored in the state directory.

Browsers cannot verify it by themselves: people compare its fingerprint with the label's. It is valid from before this
code was written to 2051, so that no wrong clock locks anybody out. It is not part of a state backup: a restored hub has
a new one, and `ilot label` shows its fingerprint.

Its key is encrypted under a password derived from the hub's store key (`hub.identity.keys.page_password`): where a TPM
holds that, the card alone does not reveal it. A key in clear, of a former release, is encrypted when it is read.

Where the district certifies the hub's pages (`hub.identity.page_certificate`), that certificate, for the same key, is
used as long as it is valid; this one stays beside it.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import math
import os
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hub.core import tls
from hub.core.disk.atomic_files import make_directory, overwrite, write_atomically
from hub.core.text import phrase, reason_of
from hub.identity.certificate_validity import validity
from hub.identity.page_certificate import FILE as DISTRICT
from hub.identity.page_certificate import fingerprint

KEY, CERTIFICATE = "web.key", "web.crt"
_CLEAR = b"-----BEGIN PRIVATE KEY-----"
_FROM = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(2051, 1, 1, tzinfo=datetime.UTC)

_log = logging.getLogger(__name__)


def prepare(
    directory: Path, hub: str, names: tuple[str, ...], date: float | None = math.inf, *, password: bytes = b""
) -> tuple[ssl.SSLContext, str]:
    """Return the server's TLS context and the certificate's SHA-256 fingerprint, AB:CD:…; a certificate is made when
    none fits its key. The district's is used while it is valid at `date` (Unix seconds; None: unknown, then it is used;
    infinity: never). Blocking. Raises OSError."""
    context = tls.server(ciphers=f"{tls.LEVEL}ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    try:
        found = _take(context, directory, password)
    except (OSError, ValueError):  # ssl.SSLError is an OSError: it is missing, of another key, or cannot be decrypted
        _make(directory, hub, names, password)
        found = _take(context, directory, password)
    else:
        _encrypt(directory, password)
    if date == math.inf:
        return context, hashlib.sha256(found).digest().hex(":").upper()
    return context, refresh(context, directory, date, password=password)


def refresh(context: ssl.SSLContext, directory: Path, date: float | None, *, password: bytes = b"") -> str:
    """Use the district's certificate from now on, or the self-signed one where none is valid; return the fingerprint of
    the one in use. Blocking. Raises OSError."""
    try:
        text = (directory / DISTRICT).read_text(encoding="ascii")
        if date is None or date < validity(text)[1]:
            context.load_cert_chain(directory / DISTRICT, directory / KEY, password)
            return fingerprint(text)
    except (OSError, ValueError):
        pass  # it is missing, or for another key
    return hashlib.sha256(_take(context, directory, password)).digest().hex(":").upper()


def _take(context: ssl.SSLContext, directory: Path, password: bytes) -> bytes:
    """Load the existing certificate into the context; return it in DER. Raises OSError, ValueError."""
    context.load_cert_chain(directory / CERTIFICATE, directory / KEY, password)
    return ssl.PEM_cert_to_DER_cert((directory / CERTIFICATE).read_text(encoding="ascii"))


def _encrypt(directory: Path, password: bytes) -> None:
    """Encrypt a key in clear, and overwrite it. If the disk refuses, the pages are served all the same: that is logged,
    and repeated at the next start."""
    path = directory / KEY
    try:
        said = path.read_bytes()
        if not password or not said.startswith(_CLEAR):
            return
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        from hub.protocol.pem import private_pem

        key: Any = load_pem_private_key(said, None)
        former = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            write_atomically(path, private_pem(key, password))
            overwrite(former)
        finally:
            os.close(former)
    except (OSError, ValueError) as error:
        _log.warning(
            phrase(
                "key-pages-certificate",
                "the key of the pages' certificate still lies in clear in {path}: {reason}",
                path=path,
                reason=reason_of(error),
            )
        )


def _make(directory: Path, hub: str, names: tuple[str, ...], password: bytes) -> None:
    from cryptography import x509  # imported late: needed once in the life of a hub, and some 1.5 MiB
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    from hub.protocol.pem import private_pem

    make_directory(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hub[:64])])
    own = socket.gethostname().lower()
    dns = dict.fromkeys([*names, "localhost", own, own if "." in own else f"{own}.local"])
    alternatives = [x509.DNSName(name) for name in dns if name and name.isascii()]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.SubjectAlternativeName([*alternatives, x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    write_atomically(directory / KEY, private_pem(key, password))
    write_atomically(directory / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
