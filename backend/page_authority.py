"""The authority for the hubs' own pages, apart from the one that hubs trust: technicians' phones are given it.

    pages-ca.pem  pages-ca.key     made with the first request
    pages.json                     hub → names beyond its own that the owner lets it have

A hub holds its page's key, and who steals a hub steals that. So what this authority signs must open nothing else: hubs
do not know it, and a hub is only given names that nobody else's page goes by: `<hub id>.local`, addresses that are not
routed on the internet (RFC 1918, RFC 4193, link-local), and what the owner granted by name. Two hubs may have the same
private address in two buildings: a stolen one could pose as the page at its own address in another network, where it
would first have to be.
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

from backend import pki
from backend.directory_lock import alone
from backend.key_files import certificate_key, keep, read
from hub.core.errors import ConfigError, DecodeError, StorageError
from hub.protocol.pem import private_pem

CA, KEY, GRANTED = "pages-ca.pem", "pages-ca.key", "pages.json"
LIFE = timedelta(days=397)
MOST = 16
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*")


def authority(directory: Path, owner: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority, made when there is none. Raises ConfigError, StorageError."""
    if not (directory / CA).exists():
        with alone(directory):  # of two first requests at once, the key of one would lie beside the other's certificate
            if not (directory / CA).exists():
                _make(directory, owner)
    try:
        return x509.load_pem_x509_certificate(read(directory / CA)), certificate_key(directory / KEY)
    except ValueError as error:
        raise ConfigError(f"{directory / CA} is damaged ({error}): restore it from a backup") from error


def _make(directory: Path, owner: str) -> None:
    key = pki.new_key()
    certificate = pki.make_ca(key, f"{owner} (pages)")
    try:
        keep(directory, KEY, private_pem(key))
        keep(directory, CA, pki.pem(certificate), 0o644)
    except OSError as error:
        raise StorageError(f"cannot write {directory}: {error.strerror or error}") from error


def granted(directory: Path) -> dict[str, list[str]]:
    """Hub → the names that the owner granted it. Raises ConfigError."""
    path = directory / GRANTED
    try:
        return msgspec.json.decode(read(path), type=dict[str, list[str]]) if path.exists() else {}
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is damaged ({error}): restore it from a backup") from error


def grant(directory: Path, hub: str, names: Iterable[str]) -> list[str]:
    """Let a hub's page go by these names from now on, and by no others. Raises ConfigError, StorageError."""
    wanted = [name.lower() for name in names]
    if wrong := [name for name in wanted if not _NAME.fullmatch(name)]:
        raise ConfigError(f"{wrong[0][:80]!r} is no host name")
    with alone(directory):
        return _grant(directory, hub, wanted)


def _grant(directory: Path, hub: str, wanted: list[str]) -> list[str]:
    known = granted(directory)
    taken = {name: other for other, its in known.items() if other != hub for name in its}
    if twice := [name for name in wanted if name in taken]:
        raise ConfigError(f"{twice[0]} is {taken[twice[0]]}'s: two hubs cannot go by one name")
    try:
        keep(directory, GRANTED, msgspec.json.format(msgspec.json.encode({**known, hub: wanted})))
    except OSError as error:
        raise StorageError(f"cannot write {directory}: {error.strerror or error}") from error
    return wanted


def certify(directory: Path, owner: str, hub: str, csr: bytes, names: Iterable[str]) -> bytes:
    """A page certificate (PEM) for those of the names that a hub may have; its own is always one. Raises DecodeError
    when the request is none, ConfigError, StorageError."""
    public = pki.requested_key(csr)
    allowed = set(granted(directory).get(hub, ()))
    its = [f"{hub.lower()}.local", *(name.lower() for name in list(names)[:MOST])]
    kept = [name for name in dict.fromkeys(its) if name == its[0] or name in allowed or _private(name)]
    ca, key = authority(directory, owner)
    try:
        return pki.pem(pki.make_server_certificate(ca, key, public, kept, LIFE))
    except ValueError as error:
        raise DecodeError("bad-names", f"a certificate cannot hold these names: {error}") from error


def _private(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback and not address.is_unspecified and not address.is_multicast
