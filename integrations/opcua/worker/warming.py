"""Warm-up of asyncua: does its lazy imports, compilation and caching before the worker is sandboxed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.crypto.uacrypto import x509_from_der
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from integrations.opcua.worker.channel import POLICIES, described

_SERVICES = (
    "GetEndpoints", "OpenSecureChannel", "CloseSecureChannel", "CreateSession", "ActivateSession", "CloseSession",
    "Browse", "BrowseNext", "TranslateBrowsePathsToNodeIds", "Read", "Write", "CreateSubscription",
    "DeleteSubscriptions", "CreateMonitoredItems", "Publish",
)  # fmt: skip
_STRUCTURES = (
    ua.ResponseHeader, ua.ServiceFault, ua.Acknowledge, ua.ErrorMessage, ua.EUInformation, ua.Range,
    ua.DataChangeFilter, ua.DataChangeNotification, ua.StatusChangeNotification, ua.EndpointDescription,
    ua.UserNameIdentityToken, ua.X509IdentityToken, ua.AnonymousIdentityToken, ua.AsymmetricAlgorithmHeader,
    ua.SymmetricAlgorithmHeader, ua.SequenceHeader, ua.LocalizedText, ua.DataValue,
)  # fmt: skip


def warm() -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module("wait_for2")  # used by asyncua below Python 3.12
    for name in _SERVICES:
        for kind in (f"{name}Request", f"{name}Response"):
            _both_ways(getattr(ua, kind)())
    for structure in _STRUCTURES:
        _both_ways(structure())
    _keys()
    asyncio.run(_clock())


def _keys() -> None:
    """Use every kind of cryptography once, with a small throw-away key, which takes 10 ms to be made."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it protects nothing
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:nobody")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    der = made.public_bytes(serialization.Encoding.DER)
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain)
    described(der)
    certificate, own = x509_from_der(der), serialization.load_der_private_key(secret, None)
    for policy in POLICIES.values():
        mode = ua.MessageSecurityMode.SignAndEncrypt
        channel: Any = policy(certificate, certificate, own, mode)
        channel.make_local_symmetric_key(b"0" * 32, b"1" * 32)
        channel.make_remote_symmetric_key(b"0" * 32, b"1" * 32, 1000)
        for way in (channel.asymmetric_cryptography, channel.symmetric_cryptography):
            data = bytes(way.plain_block_size())
            way.decrypt(way.encrypt(data))
            with contextlib.suppress(Exception):  # the two sides of a channel have different keys
                way.verify(data, way.signature(data))


def _both_ways(given: Any) -> None:
    with contextlib.suppress(Exception):  # an empty one may be unreadable; the cache is filled all the same
        struct_from_binary(type(given), Buffer(struct_to_binary(given)))


async def _clock() -> None:
    async with asyncio.timeout(1):
        await asyncio.sleep(0)
