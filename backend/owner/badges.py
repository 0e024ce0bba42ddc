"""Badges that an owner issues: the signing key, the list of holders, and the signed list of withdrawn badges.

    badge.key          Ed25519; TRUST names it
    badges.json        every badge issued: id, name, role, sites, begin, until, and when it was withdrawn. No passphrase
    badges.revoked     the signed list (`hub.protocol.documents.badges`), which the server gives to hubs; withdrawn
                       badges that have not expired

Whoever has badge.key can make badges of any role for any hub, but can neither read readings nor command devices with
it. Keep it where badges are issued. A new key (`ilot backend badge key --new`) invalidates all badges of the former
one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from backend.owner import directory as owners
from backend.owner.key_files import file_damaged, owner_root, read, signing_key, write_key_file
from backend.owner.lock import locked
from hub.core import password_hash
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of
from hub.protocol.documents.badges import GROUPS, BadBadge, Badge, Revoked, make_badge, make_revoked, read_revoked
from hub.protocol.documents.trust import BadgeKey, sign_trust
from hub.protocol.pem import private_pem
from hub.protocol.records.seal import kid_of

KEY, ISSUED, REVOKED = "badge.key", "badges.json", "badges.revoked"
DAY = 86_400


class IssuedBadge(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of badges.json. `id` is hexadecimal, times are Unix seconds."""

    id: str
    name: str
    role: str
    sites: tuple[str, ...]
    begin: int
    until: int
    revoked_at: int | None = None


def make_key(directory: Path, *, new: bool = False, root: Path | None = None) -> owners.Owner:
    """Create badge.key and sign the TRUST that names it, under the directory's lock. Raises ConfigError when there is
    one and `new` is false, or the root is not available; StorageError."""
    with locked(directory):
        return _make_key(directory, new=new, root=root)


def _make_key(directory: Path, *, new: bool, root: Path | None) -> owners.Owner:
    owner = owners.load(directory)
    there = (directory / KEY).exists() and bool(owner.trust.badge_publics)
    if there and not new:
        raise ConfigError(
            phrase(
                "badge-key-there",
                "{file} is there already; --new makes another, and every badge worth nothing",
                file=directory / KEY,
            )
        )
    signer = owner_root(root or directory / "root", owner.settings.root)
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    trust = msgspec.structs.replace(
        owner.trust,
        version=owner.trust.version + 1,
        issued=time.time(),
        badge_keys=(BadgeKey(kid=kid_of(public), public=public),),
    )
    try:
        write_atomically(directory / KEY, private_pem(key))  # the server has no use for it, and is not given it
        write_key_file(directory, "trust.bin", sign_trust(signer, trust), 0o644)
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
    return owners.load(directory)


def issue(directory: Path, *, name: str, role: str, sites: Sequence[str], days: float) -> tuple[IssuedBadge, str, str]:
    """Issue a badge; return its entry, the text of its QR code and its passphrase. Raises ConfigError, StorageError."""
    with locked(directory):
        return _issue(directory, name=name, role=role, sites=sites, days=days)


def _issue(directory: Path, *, name: str, role: str, sites: Sequence[str], days: float) -> tuple[IssuedBadge, str, str]:
    key, now = _key(directory), int(time.time())
    passphrase = password_hash.new_code(GROUPS)
    badge = Badge(
        id=secrets.token_bytes(8),
        name=name.strip(),
        role=role,
        sites=tuple(sites),
        begin=now,
        until=now + round(days * DAY),
        secret=password_hash.make(passphrase),
    )
    try:
        text = make_badge(badge, key)
        msgspec.msgpack.decode(msgspec.msgpack.encode(badge), type=Badge)
    except (BadBadge, msgspec.ValidationError) as error:
        raise ConfigError(
            phrase("badge-would-be-refused", "hubs would refuse this badge: {reason}", reason=reason_of(error))
        ) from error
    one = IssuedBadge(
        id=badge.id.hex(), name=badge.name, role=role, sites=badge.sites, begin=badge.begin, until=badge.until
    )
    _keep(directory, [*listed(directory), one])
    return one, text, passphrase


def revoke(directory: Path, number: str) -> IssuedBadge:
    """Withdraw a badge: sign a list that names it. Raises ConfigError for an unknown one, StorageError."""
    with locked(directory):
        return _revoke(directory, number)


def _revoke(directory: Path, number: str) -> IssuedBadge:
    key, now, known = _key(directory), int(time.time()), listed(directory)
    found = [one for one in known if one.id.startswith(number.lower())] if number else []
    if len(found) != 1:
        raise ConfigError(
            phrase(
                "badge-id-ambiguous",
                "{count} badges begin with {number!r}: `ilot backend badge list` shows their ids",
                count=len(found),
                number=number[:16],
            )
        )
    one = found[0]
    if one.revoked_at is None:
        one = msgspec.structs.replace(one, revoked_at=now)
        known = [one if other.id == one.id else other for other in known]
        _keep(directory, known)
    gone = tuple(bytes.fromhex(other.id) for other in known if other.revoked_at is not None and other.until > now)
    document = make_revoked(Revoked(max(now, _number(directory, key) + 1), now, gone), key)
    try:
        write_key_file(directory, REVOKED, document, 0o644)
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
    return one


def listed(directory: Path) -> list[IssuedBadge]:
    """Return every badge issued, oldest first. Raises ConfigError."""
    path = directory / ISSUED
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(read(path), type=list[IssuedBadge])
    except msgspec.DecodeError as error:
        raise ConfigError(file_damaged(path, error)) from error


def _key(directory: Path) -> ed25519.Ed25519PrivateKey:
    owner = owners.load(directory)
    if not (directory / KEY).exists():
        raise ConfigError(
            phrase(
                "badge-key-missing",
                "there is no {key} in {directory}: `ilot backend badge key {directory}` makes it",
                key=KEY,
                directory=directory,
            )
        )
    key = signing_key(directory / KEY)
    if key.public_key().public_bytes_raw() not in owner.trust.badge_publics:
        raise ConfigError(
            phrase(
                "badge-key-not-in-trust",
                "{directory} is not named by trust.bin: `ilot backend badge key --new` makes another",
                directory=directory / KEY,
            )
        )
    return key


def _number(directory: Path, key: ed25519.Ed25519PrivateKey) -> int:
    """Return the number of the current list; hubs ignore a list that a former key signed, so it counts as none."""
    path = directory / REVOKED
    try:
        return read_revoked(path.read_bytes(), [key.public_key().public_bytes_raw()]).number
    except (OSError, BadBadge):
        return 0


def _keep(directory: Path, known: Sequence[IssuedBadge]) -> None:
    try:
        write_atomically(directory / ISSUED, msgspec.json.format(msgspec.json.encode(known)))
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
