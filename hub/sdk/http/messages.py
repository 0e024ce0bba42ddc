"""What is asked and answered, as values. Pure."""

from __future__ import annotations

import ssl
import zlib
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from hub.core.text import Phrase, phrase, reason_of

_PORTS = {"http": 80, "https": 443}
_TARGET = "/:?#[]@!$&'()*+,;=%~"
_SAID = 300
"""Characters of a text that says what went wrong: a server may have written it."""
Resolved = list[Any]
"""Entries of `getaddrinfo`, at least one."""
FORMS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""Codings of a body, and zlib's number for each."""


class Unanswered(Exception):
    """No answer, or none of HTTP. The text says why, and names no credential."""


class CertificateRefused(Unanswered):
    """Who answers there has no certificate that counts."""


class ProxyRefused(Unanswered):
    """`status` is what the proxy said to CONNECT, 0 when it did not answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class TooLong(Unanswered):
    """The body is longer than whoever asked wanted."""


class OwnAddress(Unanswered):
    """The name leads to this machine itself, or to no machine in particular."""


class Answer(NamedTuple):
    """`headers` by name as it was sent; of a name that came twice, the first."""

    status: int
    headers: dict[str, str]
    body: bytes


class Place(NamedTuple):
    """Where a connection leads; those to the same place are one another's equals."""

    scheme: str
    host: str
    port: int
    context: ssl.SSLContext | None
    proxy: str | None


def asked(
    method: str,
    url: str,
    context: ssl.SSLContext | None,
    proxy: str | None,
    headers: Mapping[str, str] | None,
    body: bytes | None,
) -> tuple[Place, str, list[tuple[str, str]]]:
    """Where to, the target and the headers of one request. Raises Unanswered when it cannot be written down."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        if not host:
            raise ValueError
    except (ValueError, KeyError):  # its text may hold the credentials of the address
        raise Unanswered(
            phrase(
                "address-to-call-malformed",
                "an address to call needs http:// or https://, a host, and a port below 65536",
            )
        ) from None
    if (parts.scheme == "https") != (context is not None):
        raise Unanswered(phrase("https-without-tls-context", "https needs a context for its TLS, and http none"))
    target = _quoted(parts.path or "/") + (f"?{_quoted(parts.query)}" if parts.query else "")
    named = {name.lower() for name in headers or ()}
    given = list((headers or {}).items())
    if "host" not in named:
        there = bracketed(host)
        given.insert(0, ("Host", there if port == _PORTS[parts.scheme] else f"{there}:{port}"))
    if parts.username is not None and "authorization" not in named:
        given.append(("Authorization", basic(parts.username, parts.password)))
    if body is not None or method in ("POST", "PUT", "PATCH"):
        given.append(("Content-Length", str(len(body or b""))))
    return Place(parts.scheme, host, port, context, proxy), target, given


def _quoted(text: str) -> str:
    """Bytes that were no UTF-8, as a server's Location may hold, are themselves again."""
    return quote(text, safe=_TARGET, errors="surrogateescape")


def unpacked(data: bytes, form: str, limit: int) -> bytes:
    """A body that came compressed, though nobody asked for it. Raises Unanswered, TooLong."""
    for window in (FORMS[form], -zlib.MAX_WBITS):  # some mean raw DEFLATE by `deflate`: RFC 9110, 8.4.1.2
        unpacking = zlib.decompressobj(window)
        try:
            plain = unpacking.decompress(data, limit + 1)
        except zlib.error:
            continue
        if len(plain) > limit:
            raise TooLong(phrase("answer-too-long", "more than {most} bytes", most=limit))
        if unpacking.eof:
            return plain
    raise Unanswered(phrase("body-not-in-stated-form", "a body that should be {form} is not", form=form))


def elsewhere(host: str, own: str, addresses: Resolved) -> Resolved:
    """Of the addresses that a name was resolved to, those of other machines: whoever answers for the name could send us
    to this one's own services, which believe what comes from here (DNS rebinding). An address as it was written, and
    the names of this machine (`own`, localhost), lead where they say. Raises OwnAddress when none is left."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        pass
    else:
        return addresses
    host = host.lower().rstrip(".")
    if host in ("localhost", own.lower()) or host.endswith(".localhost") or host.partition(".")[0] == own.lower():
        return addresses
    kept = []
    for one in addresses:
        found = ip_address(str(one[4][0]).partition("%")[0])
        found = getattr(found, "ipv4_mapped", None) or found
        near = found.is_link_local and not host.endswith(".local")  # of mDNS, such addresses are usual
        if not (found.is_loopback or found.is_unspecified or found.is_multicast or near):
            kept.append(one)
    if not kept:
        raise OwnAddress(
            phrase(
                "name-leads-to-this-machine",
                "the name leads to {address}, which is no other machine: write the address that is meant",
                address=found,
            )
        )
    return kept


def refusal(error: OSError | ValueError) -> Unanswered:
    """What to tell of a connection that failed while it was made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRefused((error.verify_message or str(error))[:_SAID])
    return Unanswered(said(error))


def said(error: Exception) -> str:
    """What the error says, as a phrase where it was raised with one or is a common one of the system."""
    given = error.strerror if isinstance(error, OSError) else None
    text = given if isinstance(given, Phrase) else reason_of(error)
    return text if isinstance(text, Phrase) else str(given or text)[:_SAID] or type(error).__name__


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def basic(user: str, password: str | None) -> str:
    """RFC 7617, UTF-8. Both as they stand in a URL."""
    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password or '')}".encode()).decode("ascii")
