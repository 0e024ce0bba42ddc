"""Certificate authority of the hubs' own pages, installed on technicians' phones; apart from the one that hubs trust.

    pages-ca.pem  pages-ca.key     made with the first request
    pages.json                     hub → further names that the owner granted it

A hub holds the key of its page, and whoever steals a hub steals that key. So certificates of this authority must open
nothing else: hubs do not trust it, and a hub is only given names that no other page goes by: `<hub id>.local`,
addresses that are not routed on the internet (RFC 1918, RFC 4193, link-local), and names that the owner granted. Two
hubs may have the same private address in two buildings: a stolen one could pose as the page at its own address in
another network, if it were brought there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from backend.owner import pki
from backend.owner.key_files import certificate_key, file_damaged, read, write_key_file
from backend.owner.lock import locked
from hub.core.errors import ConfigError, DecodeError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of
from hub.protocol.pem import private_pem

CA, KEY, GRANTED = "pages-ca.pem", "pages-ca.key", "pages.json"
LIFE = timedelta(days=397)
MOST = 16
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*")


def authority(directory: Path, owner: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the authority, created on first use. Raises ConfigError, StorageError."""
    if not (directory / CA).exists():
        with locked(directory):  # or two first requests would mix their key and certificate
            if not (directory / CA).exists():
                _make(directory, owner)
    try:
        return x509.load_pem_x509_certificate(read(directory / CA)), certificate_key(directory / KEY)
    except ValueError as error:
        raise ConfigError(file_damaged(directory / CA, error)) from error


def _make(directory: Path, owner: str) -> None:
    key = pki.new_key()
    certificate = pki.make_ca(key, f"{owner} (pages)")
    try:
        write_key_file(directory, KEY, private_pem(key))
        write_key_file(directory, CA, pki.pem(certificate), 0o644)
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error


def granted(directory: Path) -> dict[str, list[str]]:
    """Return hub → names that the owner granted it. Raises ConfigError."""
    path = directory / GRANTED
    try:
        return msgspec.json.decode(read(path), type=dict[str, list[str]]) if path.exists() else {}
    except msgspec.DecodeError as error:
        raise ConfigError(file_damaged(path, error)) from error


def grant(directory: Path, hub: str, names: Iterable[str]) -> list[str]:
    """Replace the names that are granted to a hub's page; return them. Raises ConfigError, StorageError."""
    wanted = [name.lower() for name in names]
    if wrong := [name for name in wanted if not _NAME.fullmatch(name)]:
        raise ConfigError(phrase("not-a-host-name", "{name!r} is no host name", name=wrong[0][:80]))
    with locked(directory):
        return _grant(directory, hub, wanted)


def _grant(directory: Path, hub: str, wanted: list[str]) -> list[str]:
    known = granted(directory)
    taken = {name: other for other, its in known.items() if other != hub for name in its}
    if twice := [name for name in wanted if name in taken]:
        raise ConfigError(
            phrase(
                "name-of-another-hub",
                "{name} is {hub}'s: two hubs cannot go by one name",
                name=twice[0],
                hub=taken[twice[0]],
            )
        )
    try:
        write_key_file(directory, GRANTED, msgspec.json.format(msgspec.json.encode({**known, hub: wanted})))
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
    return wanted


def certify(directory: Path, owner: str, hub: str, csr: bytes, names: Iterable[str]) -> bytes:
    """Return a page certificate (PEM) for those of the names that a hub may have; its own is always one. Raises
    DecodeError when the request is invalid, ConfigError, StorageError."""
    public = pki.requested_key(csr)
    allowed = set(granted(directory).get(hub, ()))
    its = [f"{hub.lower()}.local", *(name.lower() for name in list(names)[:MOST])]
    kept = [name for name in dict.fromkeys(its) if name == its[0] or name in allowed or _private(name)]
    ca, key = authority(directory, owner)
    try:
        return pki.pem(pki.make_server_certificate(ca, key, public, kept, LIFE))
    except ValueError as error:
        raise DecodeError(
            "bad-names",
            phrase("names-not-certifiable", "a certificate cannot hold these names: {reason}", reason=reason_of(error)),
        ) from error


def _private(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback and not address.is_unspecified and not address.is_multicast
