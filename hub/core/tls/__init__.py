"""The TLS contexts of this house, and why a certificate was refused. Nothing else makes a context.

Python's own defaults differ: since 3.13 `ssl.create_default_context` insists on the strict profile of RFC 5280 and
takes whatever stands in the file of CAs for a root, older ones do neither; Debian builds it with other ciphers and
another oldest version of TLS. Here each is said, so that a broker, a proxy or a backend that one Python accepts is
accepted by all (docs/adr/0088).

    checked       the chain up to what is trusted, every signature, dates, host name, use for a server, that each
                  issuer is a CA and may be so far up, name constraints, critical extensions, strength of keys and
                  hashes (OpenSSL's security level 2)
    not checked   the form alone that RFC 5280 asks of whoever issues: key identifiers, critical or not, key usage of
                  a CA that states none. Many CAs of buildings lack it, and nobody without the CA's key gains by it
    trusted       each certificate in the file of CAs as it stands: a root, an intermediate CA, or the server's own.
                  What is above it is not looked for
    TLS           1.2 or newer, 1.3 to the owner's hosts; of 1.2, suites with forward secrecy and no SHA-1

What `SSLKEYLOGFILE` names is not written: no variable of the environment shows what a hub says.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from hub.core.tls.causes import Refusal

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which Python does not name."""
VERIFY = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
LEVEL = "@SECLEVEL=2:"
CIPHERS = f"{LEVEL}ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""Ciphers of TLS 1.2, as CPython sets them where nobody says otherwise; of TLS 1.3 (RFC 8446) all are good. The level
asks for 112 bits of security: RSA of 2048 bits, no SHA-1 in a signature."""
_DEEP = 8


def client(
    ca: str = "",
    *,
    file: Path | None = None,
    shown: tuple[Path, Path] | None = None,
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    dates: bool = True,
) -> ssl.SSLContext:
    """A context to call a server with, which must show a certificate for its name. `ca` (PEM) and `file` are whom to
    trust, else the machine's own CAs; `shown`: certificate and key of our own. Without `dates` no certificate is too
    old or too new. Reads files. Raises OSError, which ssl.SSLError is, and ValueError for a `ca` that is no PEM."""
    if not ca.isascii():  # Python says so by a TypeError
        raise ValueError("a CA in PEM is ASCII")
    made = _plain(ssl.PROTOCOL_TLS_CLIENT, CIPHERS, oldest, newest)
    made.verify_flags = VERIFY if dates else VERIFY | NO_CHECK_TIME
    made.hostname_checks_common_name = True  # only of a certificate without names in subjectAltName
    if ca or file is not None:
        made.load_verify_locations(cafile=file, cadata=ca or None)
    else:
        made.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if shown is not None:
        made.load_cert_chain(*shown)
    return made


def unverified(oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """A context that takes any certificate: for what carries its own signatures, and to look at a certificate that was
    refused. Nothing of ours may be sent over it."""
    made = _plain(ssl.PROTOCOL_TLS_CLIENT, CIPHERS, oldest)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def server(
    *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, ciphers: str = CIPHERS, clients: Path | None = None
) -> ssl.SSLContext:
    """A context to serve with; `load_cert_chain` gives it its certificate. `clients` (PEM): who has a certificate of
    this CA may show it, anybody else may call too. Raises OSError."""
    made = _plain(ssl.PROTOCOL_TLS_SERVER, ciphers, oldest)
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.verify_flags = VERIFY
    if clients is not None:
        made.verify_mode = ssl.CERT_OPTIONAL
        made.load_verify_locations(clients)
    return made


def _plain(
    side: int, ciphers: str, oldest: ssl.TLSVersion, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.minimum_version, made.maximum_version = oldest, newest
    made.set_ciphers(ciphers)
    made.options |= ssl.OP_NO_COMPRESSION
    return made


def refusal(error: BaseException | None) -> Refusal | None:
    """Why a certificate was refused, of an error or of what it was raised of; None when it is about something else."""
    for _ in range(_DEEP):
        code = getattr(error, "verify_code", None)  # aiohttp derives an error of its own, and says it in its cause
        if isinstance(error, ssl.SSLCertVerificationError) and isinstance(code, int):
            return Refusal(code, error.verify_message)
        if error is None:
            return None
        error = error.__cause__ or error.__context__  # aiomqtt hides it (`from None`)
    return None


class Tls:
    """TLS with whom a plugin calls by another protocol than HTTP. `client(file=…, shown=(certificate, key))` is an
    `ssl.SSLContext` with the checks of this hub, alike on each version of Python: TLS 1.2 or newer, the CAs in the
    PEM `file` or else the machine's; it reads files and raises OSError. `refusal(error)` says why a certificate was
    refused, None when it was not: `.told(ca)` for people, where `ca` names the option of the CA file; `.passing` where
    time may mend it. A plugin makes no context by itself."""

    client = staticmethod(client)
    refusal = staticmethod(refusal)
