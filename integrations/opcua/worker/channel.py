"""Secure channel and session (OPC 10000-4, 5.5 and 5.6), by asyncua."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from asyncua import Client, ua
from asyncua.client.ua_session import UaSession
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import x509_from_der
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key

from integrations.opcua import messages as m
from integrations.opcua.worker.relay import Relay, Transport
from integrations.opcua.worker.values import localized, text

POLICIES = {
    policy.URI: policy
    for policy in (
        security_policies.SecurityPolicyBasic256Sha256,
        security_policies.SecurityPolicyAes128Sha256RsaOaep,
        security_policies.SecurityPolicyAes256Sha256RsaPss,
    )
}
"""Supported policies, without the withdrawn ones (Basic128Rsa15, Basic256)."""

RENEW_AFTER = 0.75
"""Share of a channel's lifetime after which it is renewed (OPC 10000-4, 5.5.2.1)."""

IN_CLEAR = 0x80210000  # BadIdentityTokenRejected
MOST_ENDPOINTS, MOST_CERTIFICATES, MOST_TOKENS = 32, 4, 16
LOCALES = ["fr", "en"]


class Denied(Exception):
    """A refusal by the worker itself, with its own text."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(why)


class Session(UaSession):
    """asyncua's session, without its own publish loop, which goes on after messages that it could not read."""

    def ensure_publish_loop(self) -> None:
        pass


class Channel:
    """A channel. `dial` returns the connection that the hub has opened."""

    def __init__(self, dial: Callable[[], Relay], url: str, timeout_s: float) -> None:
        self._client = client = Client(url, timeout=timeout_s)
        client.uaclient = Transport(timeout_s, dial)
        client.uaclient.session = Session(client.uaclient)

    async def endpoints(self) -> m.Endpoints:
        """Return the server's endpoints. The connection ends after that."""
        found = (await self._client.connect_and_get_server_endpoints() or [])[:MOST_ENDPOINTS]
        certificates = list({bytes(e.ServerCertificate): None for e in found if e.ServerCertificate})
        certificates = certificates[:MOST_CERTIFICATES]
        offered = [
            m.Endpoint(
                int(e.SecurityMode),
                text(e.SecurityPolicyUri),
                certificates.index(bytes(e.ServerCertificate)) if e.ServerCertificate in certificates else -1,
                [
                    (text(token.TokenType.name), text(token.SecurityPolicyUri))
                    for token in (e.UserIdentityTokens or [])[:MOST_TOKENS]
                ],
            )
            for e in found
        ]
        name = localized(found[0].Server.ApplicationName) if found else ""
        return m.Endpoints(offered, [described(der) for der in certificates], name)

    async def open(self, asked: m.Open) -> Client:
        """Open channel and session. Raises what asyncua raises, and Denied."""
        client = self._client
        client.name = client.description = asked.name
        client.application_uri = client.product_uri = asked.application
        client.secure_channel_timeout, client.session_timeout = asked.channel_ms, asked.session_ms
        client.set_locale(LOCALES)
        if asked.server_certificate:
            self._secure(asked)
        if asked.user:
            client.set_user(asked.user)
            client.set_password(asked.password)
        if asked.user_certificate:
            client.user_certificate = x509_from_der(asked.user_certificate)
            client.user_private_key = load_der_private_key(asked.user_key, None)
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        if asked.user and client.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            token = client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri
            if token not in POLICIES:
                raise Denied(IN_CLEAR, m.IN_CLEAR)
        await client.activate_session(asked.user or None, asked.password, client.user_certificate)
        return client

    def _secure(self, asked: m.Open) -> None:
        if asked.policy not in POLICIES:
            raise Denied(0x80550000, "BadSecurityPolicyRejected")
        certificate, key = x509_from_der(asked.certificate), load_der_private_key(asked.key, None)
        server, mode = x509_from_der(asked.server_certificate), ua.MessageSecurityMode(asked.mode)
        policy: Any = POLICIES[asked.policy](server, certificate, key, mode)
        self._client.security_policy = policy
        self._client.uaclient.set_security(policy)

    async def renewing(self) -> None:
        """Renew the channel's keys in time, until cancelled. Raises what asyncua raises."""
        while True:
            await asyncio.sleep(self._client.secure_channel_timeout / 1000 * RENEW_AFTER)
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()

    async def close(self) -> None:
        with contextlib.suppress(Exception):  # the channel ends in any case
            await self._client.uaclient.close_session(True)
            await self._client.close_secure_channel()


def described(der: bytes) -> m.Certificate:
    """Describe a server's certificate, or the first of a chain; only its bytes when it cannot be parsed."""
    try:
        certificate = x509_from_der(der)
        der = certificate.public_bytes(Encoding.DER)
        key = certificate.public_key()
        return m.Certificate(
            der if len(der) <= 8192 else b"",
            text(certificate.subject.rfc4514_string()),
            _uri(certificate),
            certificate.not_valid_before_utc.timestamp(),
            certificate.not_valid_after_utc.timestamp(),
            key.key_size if isinstance(key, rsa.RSAPublicKey) else 0,
        )
    except Exception:  # certificate parsers raise many kinds of errors
        return m.Certificate(b"")


def _uri(certificate: x509.Certificate) -> str:
    with contextlib.suppress(x509.ExtensionNotFound):
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        return text(uris[0]) if uris else ""
    return ""
