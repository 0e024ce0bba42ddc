"""The state backup: what makes a hub this hub, in one sealed and signed document. Pure.

    document   = lp("ilot/backup/1\\0", head, sealed, kid_1, cap_1 … kid_n, cap_n, signature)
    head       = msgpack map of `Head`; readable by everybody, like an epoch's
    k          = 256 random bits, for this document alone
    sealed     = AES-256-GCM(k).encrypt(nonce, zstd(msgpack map of `Contents`), "ilot/backup/1\\0" ‖ H(head))
                 nonce = 12 zero bytes, because k seals once
    cap_i      = Suite(MLKEM768_X25519, HKDF_SHA256, AES_256_GCM).encrypt(k, pk_i, "ilot/backup/1\\0" ‖ H(head) ‖ kid_i)
                 one for each *recovery* recipient of TRUST, and for nobody else
    signature  = IDENTITY.sign("ilot/backup-sig/1\\0" ‖ all that stands before it)          Ed25519, RFC 8032

lp and H as in `hub.protocol.length_prefix` and `hub.protocol.records.seal`; RFC 9180 (HPKE), RFC 8878 (zstd).
`head.commitment` = H("ilot/commit/1\\0" ‖ k), so that one document cannot open to two contents. The hub's name is the
hash of `head.identity`, so a signature that holds also says whose backup it is; that it is the newest one, only
`generation` and whoever remembers it can say. At most 16 MiB, 64 MiB when opened.
"""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from msgspec import Meta

from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.documents.recovery_key_file import RECOVERY
from hub.protocol.documents.trust import Recipient
from hub.protocol.hub_id import hub_id
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records.compression import expand
from hub.protocol.records.seal import COMMIT_LABEL, SUITE, H, kid_of, load_public

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LABEL, SIGNATURE_LABEL = b"ilot/backup/1\0", b"ilot/backup-sig/1\0"
MAX_DOCUMENT, MAX_BODY = 16 << 20, 64 << 20
MAX_GENERATION = 2**62

SENT_PREFIX = "sent/"
"""Counters that this hub spends (downlinks, commands), in the small state and in the store's `meta`, stand under this
prefix: they jump ahead at a restoration (`ahead`), because more may have been spent since the backup."""
SENT_JUMP = 1024
SENT_EVERY_S = 120.0
SENT_MOST = 6144
"""Numbers that may have been used since the backup: one per counter every SENT_EVERY_S seconds, at most SENT_MOST,
which is eight days and a half."""

STATE_PREFIX, RESTORED, SKIP = "state/", "restored", "skip"
"""A plugin's own state stands under `state/<instance>/`."""

_NONCE = bytes(12)
_LEVEL = 9
_MAX_HEAD, _MAX_RECIPIENTS, _MAX_FILES = 4096, 16, 256
MOST_PLUGINS = 256
_KEYS = {"identity", "store", "tls"}

Id16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
T = TypeVar("T")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Header in clear. `generation` rises with every backup and start of this hub; `made` is Unix seconds."""

    hub: Annotated[str, Meta(max_length=64)]
    generation: Annotated[int, Meta(ge=1, le=MAX_GENERATION)]
    made: Annotated[float, Meta(ge=0, le=2**40)]
    identity: Bytes32
    trust_version: Annotated[int, Meta(ge=1)]
    commitment: Bytes32


class StreamEnd(msgspec.Struct, frozen=True):
    """End of one (stream, run) when the backup was made: the last durable number, and the numbers acked."""

    stream: str
    run: Id16
    last: int
    acked: list[tuple[int, int]]


class InstalledPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is installed apart from the hub's environment, without its code, which is its vendor's: whoever
    restores the hub installs it again. `digest` is that of the document that its vendor signed, `counter` and `signers`
    are of it too, `types` the names that it registers."""

    id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,47}\Z")]
    version: Annotated[str, Meta(max_length=100)]
    counter: Annotated[int, Meta(ge=0, le=2**62)]
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{0,128}\Z")]
    signers: Annotated[tuple[Annotated[bytes, Meta(max_length=64)], ...], Meta(max_length=16)]
    vendor: Annotated[str, Meta(max_length=100)]
    types: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=64)]


class Contents(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sealed content. `config` is the first file's name and `files` every file by its path relative to that one's
    directory, secrets.yaml too; `keys` are "identity" and "tls" (PEM) and "store" (32 bytes); `trust`, `enrolment` and
    `certificate` are the state directory's files; `store` is the store's file; `local` is the buffer's small state with
    the replay counters; `streams` is shown to people only: no reading and no ack set is restored. `plugins` are noted
    where the hub is restored, so that it says which to install again."""

    config: str
    files: dict[str, bytes]
    keys: dict[str, bytes]
    trust: bytes
    enrolment: bytes
    certificate: bytes
    store: bytes
    local: dict[str, Any]
    streams: list[StreamEnd]
    plugins: Annotated[list[InstalledPlugin], Meta(max_length=MOST_PLUGINS)] = []


class Backup(NamedTuple):
    """A document, its signature verified by `read`; still sealed."""

    head: Head
    sealed: bytes
    caps: dict[bytes, bytes]
    info: bytes


def seal(
    contents: Contents,
    *,
    identity: Ed25519PrivateKey,
    generation: int,
    made: float,
    trust_version: int,
    recipients: Iterable[Recipient],
) -> bytes:
    """The document. Raises AuthFailed when nobody may recover, DecodeError when it would be too large to be read."""
    owners = [recipient for recipient in recipients if recipient.role == RECOVERY]
    if not owners:
        raise AuthFailed(
            phrase(
                "trust-without-recovery-key",
                "the trust document names no recovery key: there is nobody to seal a backup to",
            )
        )
    key, public = os.urandom(32), identity.public_key().public_bytes_raw()
    head = msgspec.msgpack.encode(
        Head(
            hub=hub_id(public),
            generation=generation,
            made=made,
            identity=public,
            trust_version=trust_version,
            commitment=H(COMMIT_LABEL + key),
        )
    )
    info = LABEL + H(head)
    body = msgspec.msgpack.encode(contents)
    if len(body) > MAX_BODY:
        raise DecodeError(
            "too-large",
            phrase(
                "hub-state-too-large",
                "the state of this hub has {count} bytes, a backup holds {limit}",
                count=len(body),
                limit=MAX_BODY,
            ),
        )
    parts = [LABEL, head, AESGCM(key).encrypt(_NONCE, zstd.compress(body, _LEVEL), info)]
    for owner in owners:
        kid = kid_of(owner.public)
        parts += (kid, SUITE.encrypt(key, load_public(owner.public), info=info + kid))
    told = lp(*parts)
    document = told + lp(identity.sign(SIGNATURE_LABEL + told))
    if len(document) > MAX_DOCUMENT:
        raise DecodeError(
            "too-large",
            phrase(
                "backup-file-too-large",
                "the backup has {count} bytes, at most {limit} are read",
                count=len(document),
                limit=MAX_DOCUMENT,
            ),
        )
    return document


def read(data: bytes) -> Backup:
    """A document whose signature holds, for the hub that it names. Nothing is opened.

    Raises DecodeError when it is no backup or not whole, AuthFailed when it is not signed by the hub it names.
    """
    if len(data) > MAX_DOCUMENT:
        raise DecodeError(
            "too-large",
            phrase("backup-too-large", "a backup has at most {limit} bytes", limit=MAX_DOCUMENT),
        )
    if not data.startswith(lp(LABEL)):
        raise DecodeError("not-a-backup", phrase("not-a-state-backup", "this is not a state backup of an Îlot hub"))
    try:
        parts = unlp(data)
    except DecodeError as error:
        raise DecodeError(
            "bad-backup",
            phrase("backup-cut-short", "this backup is cut short or damaged ({reason})", reason=reason_of(error)),
        ) from error
    count, odd = divmod(len(parts) - 4, 2)
    if odd or not 0 < count <= _MAX_RECIPIENTS or len(parts[1]) > _MAX_HEAD:
        raise DecodeError(
            "bad-backup", phrase("backup-wrong-parts", "this backup is damaged: it does not have the parts of a backup")
        )
    _, raw, sealed, *keys, signature = parts
    head = _decoded(raw, Head)
    try:
        Ed25519PublicKey.from_public_bytes(head.identity).verify(
            signature, SIGNATURE_LABEL + data[: -4 - len(signature)]
        )
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(
            phrase("backup-altered", "this backup was altered: its hub's signature does not hold. Use another copy")
        ) from error
    if head.hub != hub_id(head.identity):
        raise AuthFailed(phrase("backup-forged", "this backup names a hub that did not sign it: it is a forgery"))
    return Backup(head, sealed, dict(zip(keys[::2], keys[1::2], strict=True)), LABEL + H(raw))


def open_backup(backup: Backup, kid: bytes, private: MLKEM768X25519PrivateKey) -> Contents:
    """Open a backup with a recovery key. Raises AuthFailed when it is sealed to another, DecodeError when its content
    cannot be read."""
    cap = backup.caps.get(kid)
    if cap is None:
        raise AuthFailed(
            phrase(
                "backup-sealed-to-others",
                "this backup is not sealed to the key {key}…: only the owner's recovery key opens it",
                key=kid.hex()[:8],
            )
        )
    try:
        key = SUITE.decrypt(cap, private, info=backup.info + kid)
    except InvalidTag as error:
        raise AuthFailed(
            phrase("backup-capsule-not-opened", "the capsule for this recovery key does not open")
        ) from error
    if len(key) != 32 or not hmac.compare_digest(H(COMMIT_LABEL + key), backup.head.commitment):
        raise AuthFailed(phrase("backup-wrong-capsule", "the capsule holds another key than the backup commits to"))
    try:
        body = AESGCM(key).decrypt(_NONCE, backup.sealed, backup.info)
    except InvalidTag as error:
        raise AuthFailed(
            phrase("backup-content-of-another", "the content of this backup does not belong to its head")
        ) from error
    return _checked(_decoded(expand(body, MAX_BODY), Contents))


def ahead(head: Head, *, lived: int, now: float) -> int:
    """Return how far the generation and every sent counter jump at a restoration at `now` (Unix s). `lived` is the
    highest generation that anybody knows of this hub, 0 where nobody knows any.

    A restoration of the same backup before this one has carried the generation as far ahead as its counters, so what it
    may have spent lies below. Where nobody knows of it, time keeps the two apart: the later one jumps further, by one
    counter in SENT_EVERY_S.
    """
    since = int(max(0.0, now - head.made) / SENT_EVERY_S)
    return SENT_JUMP + max(lived - head.generation, min(since, SENT_MOST), 0)


def jumped(values: Mapping[str, Any], jump: int) -> dict[str, Any]:
    """The small state of a restored hub: receive windows as they were, sent counters `jump` ahead, and every plugin
    that keeps a state told so by its keys RESTORED and SKIP: what it counts in its own way, it skips itself. What it
    was to skip before and has not yet is added: the life before this one may have done so."""
    found = {
        name: value + jump if name.startswith(SENT_PREFIX) and type(value) is int else value
        for name, value in values.items()
    }
    for prefix in {f"{STATE_PREFIX}{name.split('/', 2)[1]}/" for name in values if name.startswith(STATE_PREFIX)}:
        before = values.get(prefix + SKIP, SENT_JUMP) if values.get(prefix + RESTORED) is True else 0
        found[prefix + RESTORED] = True
        found[prefix + SKIP] = jump + (before if type(before) is int else SENT_JUMP)
    return found


def _decoded(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(raw, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DecodeError("bad-backup", reason_of(error)) from error


def _checked(contents: Contents) -> Contents:
    """Names that stay where they belong: a restoration writes them to the disk."""
    wrong = [name for name in contents.files if not _stays(name)]
    if wrong or len(contents.files) > _MAX_FILES or contents.config not in contents.files:
        raise DecodeError(
            "bad-backup",
            phrase(
                "backup-wrong-file-names",
                "the names of its configuration files are impossible: {names}",
                names=[repr(name) for name in wrong[:3]],
            ),
        )
    if set(contents.keys) != _KEYS:
        raise DecodeError("bad-backup", phrase("backup-without-keys", "it does not hold the three keys of a hub"))
    return contents


def _stays(name: str) -> bool:
    path = PurePosixPath(name)
    whole = 0 < len(name) <= 1024 and name.isprintable() and str(path) == name
    return whole and not path.is_absolute() and path.parts != () and ".." not in path.parts
