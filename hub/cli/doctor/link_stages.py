"""Stages of the connection to the backend, until one fails: name, proxy, connection, TLS, certificate, clock,
admission. It uses blocking sockets and nothing of the hub's own link, which may be what is broken."""

from __future__ import annotations

import datetime as dt
import email.utils
import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.cli.doctor.link_route import Route, StageFailed, reach
from hub.core import tls
from hub.core.text import phrase, system_error
from hub.core.tls import causes
from hub.operations.doctor.findings import (
    ADMISSION,
    CERTIFICATE,
    CLOCK,
    CONNECTION,
    INTERCEPTION,
    OK,
    REFUSAL,
    WRONG,
    Finding,
)

if TYPE_CHECKING:
    from cryptography import x509

MAX_SKEW_S = 300.0
_MOST_NAMES = 8


def run_stages(way: Route) -> Iterator[Finding]:
    """Yield each passed stage, then the one that fails, if any."""
    try:
        with reach(way) as raw:
            yield Finding(
                CONNECTION,
                OK,
                phrase("end-answers-by-proxy", "{host}:{port} answers through the proxy", host=way.host, port=way.port)
                if way.proxy
                else phrase("end-answers", "{host}:{port} answers", host=way.host, port=way.port),
            )
            with _secure(way, raw) as secure:
                yield Finding(
                    "TLS",
                    OK,
                    phrase(
                        "tls-with-owners-ca",
                        "{version}, {cipher}, the owner's CA",
                        version=secure.version(),
                        cipher=(secure.cipher() or ("?",))[0],
                    ),
                )
                if way.speaks_http:
                    yield from _ask(way, secure)
    except StageFailed as failure:
        yield failure.finding


def _secure(way: Route, raw: socket.socket) -> ssl.SSLSocket:
    try:
        return way.context.wrap_socket(raw, server_hostname=way.host)
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(way, error) from error
    except (ssl.SSLError, OSError) as error:
        raise StageFailed(
            "TLS",
            phrase("no-tls", "no TLS 1.3 with {host}: {reason}", host=way.host, reason=_plain(error)),
            phrase("tls-disturbed", "something on the way takes part in TLS, or this is not the backend's port"),
        ) from error


def _distrusted(way: Route, error: ssl.SSLCertVerificationError) -> StageFailed:
    """Return why a certificate was refused: a second connection without verification, which sends nothing, reads it."""
    why, shown = causes.Refusal(error.verify_code, error.verify_message), _shown(way)
    if why.kind == causes.STRANGER:
        return _strange(way, why, shown)
    if why.kind == causes.DATES:
        return _dated(way, why, shown)
    if why.kind == causes.NAME:
        says = phrase(
            "certificate-of-other-name",
            "the backend's certificate is for {names}, not good for {host} ({words})",
            names=(_names(shown) if shown else []) or phrase("certificate-no-name", "no name"),
            host=way.host,
            words=why.words,
        )
        return StageFailed(CERTIFICATE, says, why.remedy_of_owner())
    says = phrase("backends-certificate-refused", "the backend's certificate is refused: {reason}", reason=why.cause)
    return StageFailed(CERTIFICATE, says, why.remedy_of_owner())


def _strange(way: Route, why: causes.Refusal, shown: x509.Certificate | None) -> StageFailed:
    """Return who issued it, and whether that has the name of a trusted CA."""
    from cryptography import x509

    named = {x509.load_der_x509_certificate(ca).subject for ca in way.context.get_ca_certs(binary_form=True)}
    if shown is not None and shown.issuer in named and shown.issuer != shown.subject:
        return StageFailed(
            CERTIFICATE,
            phrase(
                "ca-of-other-key",
                "{issuer} is the name of the owner's CA, but another key signed ({words})",
                issuer=_issuer(shown),
                words=why.words,
            ),
            phrase(
                "ca-of-other-key-remedy",
                "if that CA has a new key, the owner signs it into the trust document; else somebody poses as it",
            ),
        )
    return StageFailed(
        INTERCEPTION,
        phrase(
            "another-ca-answers",
            "another CA answers for {host}: {issuer}, not the one the owner named; {reason}",
            host=way.host,
            issuer=_issuer(shown),
            reason=why.cause,
        ),
        phrase(
            "another-ca-remedy",
            "a proxy or firewall opens TLS here: its administrator exempts this host. If the owner has a new CA, the "
            "owner signs a new trust document; if that CA is below the owner's, the backend sends its certificate too",
        ),
    )


def _issuer(shown: x509.Certificate | None) -> str:
    if shown is None:
        return phrase("issuer-unreadable", "an unreadable one")
    return shown.issuer.rfc4514_string() or phrase("issuer-without-name", "one without a name")


def _dated(way: Route, why: causes.Refusal, shown: x509.Certificate | None) -> StageFailed:
    """Return which dates are wrong, and whether this clock can be the cause."""
    late = why.code == causes.EXPIRED
    whose, when, remedy = _outside(way, shown, late)
    facts = {"whose": whose, "moment": when, "clock": _clock_words(way), "words": why.words}
    if late:
        says = phrase(
            "certificate-ended", "{whose} ended {moment}, this machine's clock says {clock} ({words})", **facts
        )
    else:
        says = phrase(
            "certificate-begins", "{whose} begins {moment}, this machine's clock says {clock} ({words})", **facts
        )
    if way.synchronised:
        return StageFailed(CERTIFICATE, says, remedy)
    if late:
        remedy = phrase("unless-clock-wrong", "{remedy}, unless the clock is wrong", remedy=remedy)
        return StageFailed(CERTIFICATE, says, remedy)
    remedy = phrase(
        "set-the-clock", "set the clock, or let it reach a time server; if it is right, {remedy}", remedy=remedy
    )
    return StageFailed(CLOCK, says, remedy)


def _clock_words(way: Route) -> str:
    """Return what this machine's clock says, and whether a time server keeps it."""
    now = _date(way.now)
    if way.synchronised is None:
        return now
    if way.synchronised:
        return phrase("clock-kept", "{moment}, which a time server keeps", moment=now)
    return phrase("clock-not-kept", "{moment}, which no time server keeps", moment=now)


def _outside(way: Route, shown: x509.Certificate | None, late: bool) -> tuple[str, str, str]:
    """Return the certificate, from the backend's to the owner's CA, that is outside its dates; the date; who must
    act."""
    if shown is not None:
        date = (shown.not_valid_after_utc if late else shown.not_valid_before_utc).timestamp()
        if (date < way.now) is late:
            remedy = (
                phrase("operator-renews-certificate", "the backend's operator renews it")
                if late
                else phrase("certificate-made-anew", "the certificate is dated ahead, and made anew")
            )
            return phrase("backends-certificate", "the backend's certificate"), _date(date), remedy
    for ca in way.context.get_ca_certs():
        date = ssl.cert_time_to_seconds(str(ca["notAfter" if late else "notBefore"]))
        if (date < way.now) is late:
            remedy = phrase("owner-signs-ca", "the owner signs another CA into the trust document")
            return phrase("owners-ca", "the owner's CA"), _date(date), remedy
    return (
        phrase("ca-between", "a CA between the backend's certificate and the owner's"),
        phrase("at-another-date", "at another date"),
        phrase("operator-renews-ca", "whoever runs that CA renews it"),
    )


def _names(shown: x509.Certificate) -> list[str]:
    from cryptography import x509

    try:
        found = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(name.value) for name in found][:_MOST_NAMES]


def _shown(way: Route) -> x509.Certificate | None:
    """Return the presented certificate; None when it cannot be read."""
    from cryptography import x509

    try:
        with reach(way) as raw, tls.unverified().wrap_socket(raw, server_hostname=way.host) as secure:
            return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    except (StageFailed, OSError, ValueError):
        return None


def _ask(way: Route, secure: ssl.SSLSocket) -> Iterator[Finding]:
    """Send an empty message: the backend checks the sender before the contents."""
    asking = http.client.HTTPConnection(way.host, way.port)
    asking.sock = secure
    try:
        asking.request("POST", f"/v1/hubs/{way.hub}/records", b"")
        reply = asking.getresponse()
        said = reply.read(300).decode(errors="replace").strip()
    except ssl.SSLError as error:
        raise StageFailed(
            CERTIFICATE,
            phrase(
                "own-certificate-refused", "the backend refuses this hub's certificate: {reason}", reason=_plain(error)
            ),
            phrase(
                "operator-looks-at-log",
                "its operator looks at its log; `ilot doctor` says how long the certificate lasts",
            ),
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise StageFailed(
            ADMISSION,
            phrase("message-not-answered", "no answer to a message: {reason}", reason=_reason(error)),
            phrase("is-this-the-backend", "is this the backend?"),
        ) from error
    skew = _skew(reply.headers.get("Date", ""), way.now)
    if skew is not None:
        wrong = abs(skew) > MAX_SKEW_S
        yield Finding(
            CLOCK,
            WRONG if wrong else OK,
            phrase("clock-ahead-of-backend", "{seconds:.0f} s ahead of the backend's", seconds=skew)
            if skew > 0
            else phrase("clock-behind-backend", "{seconds:.0f} s behind the backend's", seconds=abs(skew)),
            phrase("clock-dates-readings", "readings carry this clock's time: let it reach a time server")
            if wrong
            else "",
        )
    if reply.status in (401, 403):
        raise StageFailed(
            REFUSAL,
            phrase(
                "backend-refuses-hub",
                "the backend refuses {hub} ({status}): {reason}",
                hub=way.hub,
                status=reply.status,
                reason=said,
            ),
            phrase("backend-operator-admits", "its operator admits it again"),
        )
    if reply.status not in (200, 400):  # 400: the sender was accepted, and the empty message refused
        raise StageFailed(
            ADMISSION,
            phrase("answer-is", "the answer is {status}: {reason}", status=reply.status, reason=said),
            phrase("is-the-backend-well", "is this the backend, and is it well?"),
        )
    yield Finding(ADMISSION, OK, phrase("backend-knows-hub", "the backend knows {hub}", hub=way.hub))


def _skew(date: str, now: float) -> float | None:
    try:
        return now - email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _plain(error: OSError) -> str:
    """Return an OpenSSL error in words."""
    reason = getattr(error, "reason", None)
    if reason:
        return str(reason).replace("_", " ").lower()
    return system_error(error) or phrase("connection-cut", "cut off")


def _reason(error: Exception) -> str:
    return system_error(error) or type(error).__name__


def _date(unix_s: float) -> str:
    return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%d %H:%M} UTC"
