"""Trust in servers, and choice of the endpoint.

A certificate is trusted only when the configuration names its SHA-256: neither the signature of an authority nor an
earlier connection counts. An untrusted one is stored as evidence; its server receives nothing but the request for its
endpoints, which OPC UA sends without security (OPC 10000-4, 5.4.1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import hub
from hub.sdk.phrases import Phrase, phrase
from integrations.opcua.identity import sha1, sha256, write
from integrations.opcua.messages import Certificate, Endpoint, Endpoints
from integrations.opcua.settings import SECURITY, Config

POLICY = "http://opcfoundation.org/UA/SecurityPolicy#"
POLICIES = ("Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep", "Basic256Sha256")
"""Security policies, the strongest first. Basic256 and Basic128Rsa15 are withdrawn (OPC 10000-7) and never used."""

LEAST_BITS = 2048
KEPT = 16


class Door(NamedTuple):
    """The endpoint in use. `mode` and `policy` are OPC UA's; `certificate` is None without security."""

    mode: int
    policy: str
    certificate: Certificate | None
    tokens: tuple[tuple[str, str], ...] = ()

    @property
    def security(self) -> Phrase:
        """Return mode and policy, for people."""
        if self.certificate is None:
            return phrase("opcua.no-security", "no security at all")
        return self._secured()

    def _secured(self) -> Phrase:
        return phrase(
            "opcua.mode-with-policy",
            "{mode} with {policy}",
            mode=self.mode_word,
            policy=self.policy.removeprefix(POLICY),
        )

    @property
    def mode_word(self) -> str:
        return {mode: word for word, mode in SECURITY.items()}.get(self.mode, "?")


class Untrusted(hub.AuthFailed):
    """A server's certificate that the configuration does not name."""

    def __init__(self, text: str, certificate: Certificate) -> None:
        self.certificate = certificate
        super().__init__(text)


def choose(config: Config, offered: Endpoints) -> Door:
    """Return the endpoint to use. Raises AuthFailed when there is none as configured, Untrusted when its certificate is
    not trusted."""
    mode = SECURITY[config.security]
    fitting = [endpoint for endpoint in offered.endpoints if endpoint.mode == mode]
    if mode == SECURITY["none"]:
        if not fitting:
            raise hub.AuthFailed(
                phrase(
                    "opcua.no-unsecured-endpoint",
                    "{url} offers no connection without security: it offers {offers}",
                    url=config.url,
                    offers=_offers(offered),
                )
            )
        return Door(mode, f"{POLICY}None", None, tuple(fitting[0].tokens))
    wanted = POLICIES if config.policy == "auto" else (config.policy,)
    for policy in wanted:
        for endpoint in fitting:
            if endpoint.policy == POLICY + policy:
                return Door(mode, endpoint.policy, _judged(config, offered, endpoint), tuple(endpoint.tokens))
    raise hub.AuthFailed(
        phrase(
            "opcua.security-not-offered",
            "{url} does not offer {security} with {policies}; it offers {offers}",
            url=config.url,
            security=config.security,
            policies=wanted,
            offers=_offers(offered),
        )
    )


def secure_offers(offered: Endpoints) -> list[Phrase]:
    """Return the supported secured endpoints of a server, which a configuration without security leaves unused."""
    found = {
        Door(e.mode, e.policy, None)._secured(): None
        for e in offered.endpoints
        if e.mode > 1 and e.policy.removeprefix(POLICY) in POLICIES
    }
    return list(found)


def _offers(offered: Endpoints) -> list[str]:
    found = {f"{Door(e.mode, '', None).mode_word}/{e.policy.removeprefix(POLICY)}": None for e in offered.endpoints}
    return [text for text in found if text.isprintable()] or [phrase("opcua.nothing", "nothing")]


def _judged(config: Config, offered: Endpoints, endpoint: Endpoint) -> Certificate:
    known = range(len(offered.certificates))
    certificate = offered.certificates[endpoint.certificate] if endpoint.certificate in known else Certificate(b"")
    if not certificate.der:
        raise hub.AuthFailed(
            phrase(
                "opcua.no-certificate-shown",
                "{url} shows no certificate that can be read: look at the server's configuration",
                url=config.url,
            )
        )
    thumbprint = sha256(certificate.der)
    if thumbprint not in config.trusted:
        raise Untrusted(_untrusted(config, certificate, thumbprint), certificate)
    if certificate.bits < LEAST_BITS:
        raise hub.AuthFailed(
            phrase(
                "opcua.certificate-key-too-short",
                "the certificate of {url} has a key of {bits} bits: it needs {least} or more",
                url=config.url,
                bits=certificate.bits,
                least=LEAST_BITS,
            )
        )
    return certificate


def _untrusted(config: Config, certificate: Certificate, thumbprint: str) -> str:
    if config.trusted:
        return phrase(
            "opcua.certificate-changed",
            "the certificate of {url} changed and is not trusted; nothing was sent to it. It says: {about}. "
            "Compare the thumbprint with what the server itself shows; if it is the same, add to the "
            "integration: trusted: [{thumbprint}]",
            url=config.url,
            about=about(certificate),
            thumbprint=thumbprint,
        )
    return phrase(
        "opcua.certificate-not-trusted",
        "the certificate of {url} is not trusted; nothing was sent to it. It says: {about}. "
        "Compare the thumbprint with what the server itself shows; if it is the same, add to the "
        "integration: trusted: [{thumbprint}]",
        url=config.url,
        about=about(certificate),
        thumbprint=thumbprint,
    )


def about(certificate: Certificate) -> str:
    """Describe a certificate. Its own contents are unverified claims."""
    said = "".join(letter if letter.isprintable() else "?" for letter in certificate.subject)
    return phrase(
        "opcua.about-certificate",
        "{subject}, until {day}, SHA-256 {sha256}, SHA-1 {sha1}",
        subject=said or phrase("opcua.unnamed-certificate", "no name"),
        day=_day(certificate.ends),
        sha256=sha256(certificate.der),
        sha1=sha1(certificate.der),
    )


def expired(certificate: Certificate, now: float) -> str:
    """Return why its dates are not valid, "" when they are. It is used all the same: a person compared it, and dates
    must lock nobody out."""
    if certificate.ends < now:
        return phrase("opcua.certificate-ended", "it ended on {day}", day=_day(certificate.ends))
    if certificate.begins > now:
        return phrase("opcua.certificate-begins", "it begins on {day}", day=_day(certificate.begins))
    return ""


def keep(directory: Path, certificate: Certificate) -> Path | None:
    """Store an untrusted certificate as evidence, the newest KEPT of them; None when that is not possible. Blocking."""
    path = directory / "rejected" / f"{sha256(certificate.der)}.der"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write(path, certificate.der, 0o600)
        for old in _newest_first(path.parent)[KEPT:]:
            old.unlink()
        return path
    return None


def _newest_first(directory: Path) -> Sequence[Path]:
    return sorted(directory.glob("*.der"), key=lambda path: path.stat().st_mtime, reverse=True)


def _day(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "?"
