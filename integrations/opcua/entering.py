"""Opens a session on a connection: chooses an endpoint, checks the server's certificate, and authenticates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.opcua import identity as identities
from integrations.opcua import messages as m
from integrations.opcua.identity import Identity
from integrations.opcua.link import Link, Nonsense, Refusal, linked
from integrations.opcua.settings import Config
from integrations.opcua.trust import Door, choose, secure_offers

LEAST_SESSION_MS = 60_000
OPENING = 4
"""Factor on `timeout` for opening a session: it takes about ten requests, most of which a good server answers at
once."""

_NO_USER = {0x801F0000, 0x80200000, 0x80210000}
"""BadUserAccessDenied, BadIdentityTokenInvalid, BadIdentityTokenRejected: OPC 10000-4, 5.6.3."""

_NOT_US = {
    0x80120000, 0x80130000, 0x80140000, 0x80160000, 0x80170000, 0x80180000, 0x80190000, 0x801A0000, 0x801D0000,
    0x810D0000, 0x81140000,
}  # fmt: skip
"""BadCertificateInvalid, BadSecurityChecksFailed and other codes of a server that does not trust a client."""

_FULL = 0x80560000  # BadTooManySessions


class Entered(NamedTuple):
    """An open session. `identity` is None without security; `unused`: secured endpoints that are not used."""

    link: Link
    door: Door
    server: m.Opened
    identity: Identity | None
    unused: Sequence[str]


@asynccontextmanager
async def entered(config: Config, name: str) -> AsyncIterator[Entered]:
    """Open a session named `name`. Raises NotReady when the server cannot be reached or does not accept this hub yet,
    AuthFailed when a person has to change something here."""
    identity, user = await asyncio.to_thread(_own, config)
    async with linked(config) as link:
        timeout_s = config.timeout.total_seconds()
        await link.dial(needed=False)
        try:
            offered = await link.ask(m.Discover(config.url, timeout_s), m.Endpoints)
        except Refusal as error:
            if link.nonsense:
                raise Nonsense(link.peer, link.nonsense) from error
            raise hub.NotReady(
                phrase(
                    "opcua.offers-unknown",
                    "{peer} does not say what it offers: {reason}",
                    peer=link.peer,
                    reason=reason_of(error),
                )
            ) from error
        door = choose(config, offered)
        await link.dial(needed=True)
        try:
            opening = _opening(config, name, door, identity, user)
            server = await link.ask(opening, m.Opened, seconds=OPENING * timeout_s)
        except Refusal as error:
            raise _refused(config, link, identity, error) from error
        yield Entered(link, door, server, identity, [] if door.certificate else secure_offers(offered))


def _opening(config: Config, name: str, door: Door, identity: Identity | None, user: tuple[bytes, bytes]) -> m.Open:
    # a server that is only polled receives nothing between two polls
    session_ms = max(LEAST_SESSION_MS, int(3000 * config.interval.total_seconds()))
    return m.Open(
        config.url,
        f"ilot {name}"[: m.TEXT],
        identity.uri if identity else "urn:ilot:opcua",
        config.timeout.total_seconds(),
        door.mode,
        door.policy,
        door.certificate.der if door.certificate else b"",
        identity.certificate if identity else b"",
        identity.key if identity else b"",
        config.user,
        config.password.get_secret_value(),
        *user,
        session_ms=session_ms,
    )


def _refused(config: Config, link: Link, identity: Identity | None, error: Refusal) -> hub.NotReady | hub.AuthFailed:
    code = error.code & 0xFFFF0000
    if error.name == m.IN_CLEAR:
        return hub.AuthFailed(
            phrase(
                "opcua.password-in-clear",
                "{url} wants the password in clear, or under a policy that is withdrawn: use security "
                "sign-and-encrypt, or have its user token policy changed at the server",
                url=config.url,
            )
        )
    if code in _NO_USER:
        return hub.AuthFailed(_refused_user(config, error))
    if code in _NOT_US and identity is not None:
        return hub.NotReady(
            phrase(
                "opcua.hub-not-trusted",
                "{url} does not trust this hub yet ({reason}): trust its certificate at the server: {thumbprints}, the "
                "file {file}",
                url=config.url,
                reason=reason_of(error),
                thumbprints=identity,
                file=identity.file,
            )
        )
    if link.nonsense:
        return Nonsense(link.peer, link.nonsense)
    if code == _FULL:
        return hub.NotReady(
            phrase(
                "opcua.no-session-left",
                "{url} opens no session: it has no session left, others hold them: {reason}",
                url=config.url,
                reason=reason_of(error),
            )
        )
    return hub.NotReady(
        phrase("opcua.no-session", "{url} opens no session: {reason}", url=config.url, reason=reason_of(error))
    )


def _refused_user(config: Config, error: Refusal) -> str:
    if config.user_certificate:
        return phrase(
            "opcua.user-certificate-refused",
            "{url} refuses the user's certificate, have it trusted at the server: {reason}",
            url=config.url,
            reason=reason_of(error),
        )
    if config.user:
        return phrase(
            "opcua.user-refused",
            "{url} refuses the user, check `user` and `password`: {reason}",
            url=config.url,
            reason=reason_of(error),
        )
    return phrase(
        "opcua.anonymous-refused",
        "{url} refuses anybody without a name, set `user`: {reason}",
        url=config.url,
        reason=reason_of(error),
    )


def _own(config: Config) -> tuple[Identity | None, tuple[bytes, bytes]]:
    """Load this hub's identity, and the user's certificate and key. Blocking."""
    if config.security == "none":
        return None, (b"", b"")
    identity = identities.load(config.directory or identities.default_directory())
    if config.user_certificate is None:
        return identity, (b"", b"")
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        certificate = x509.load_pem_x509_certificate(config.user_certificate.read_bytes())
        key = serialization.load_pem_private_key(config.user_key.get_secret_value().encode(), None)
    except (OSError, ValueError, TypeError) as error:
        raise hub.AuthFailed(
            phrase(
                "opcua.user-certificate-unreadable",
                "the user's certificate or key cannot be read: {reason}",
                reason=reason_of(error),
            )
        ) from error
    der, plain = serialization.Encoding.DER, serialization.NoEncryption()
    secret = key.private_bytes(der, serialization.PrivateFormat.PKCS8, plain)
    return identity, (certificate.public_bytes(der), secret)
