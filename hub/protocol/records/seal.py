"""Sealing: one epoch's keys, its signed announcement, and each record's nonce, cipher, signature and digest.

The construction is stated in full in `hub.store_and_forward.buffer`. Standards: RFC 9180 (HPKE) with KEM 0x647a
(X-Wing: ML-KEM-768, FIPS 203, with X25519, RFC 7748), RFC 8032 (Ed25519), NIST SP 800-38D (GCM), RFC 8439
(ChaCha20-Poly1305).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite

from hub.core.errors import DecodeError, StorageError
from hub.core.text import phrase, reason_of
from hub.protocol.length_prefix import lp
from hub.protocol.records import framing

EPOCH_LABEL = b"ilot/epoch/1\0"
EPOCH_SIGNATURE_LABEL = b"ilot/epoch-sig/1\0"
COMMIT_LABEL = b"ilot/commit/1\0"
RECORD_LABEL = b"ilot/rec/1\0"
LOCAL_LABEL = b"ilot/local/1\0"

AES = "aes-256-gcm"
CHACHA = "chacha20-poly1305"
AEADS: dict[str, type[AESGCM] | type[ChaCha20Poly1305]] = {AES: AESGCM, CHACHA: ChaCha20Poly1305}
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
MLKEM_PUBLIC_SIZE = 1184
PUBLIC_SIZE = MLKEM_PUBLIC_SIZE + 32
TAG_SIZE = 16
NO_RUN = bytes(16)
NO_DIGEST = bytes(32)

_NONCE = struct.Struct(">B3xQ")


class Recipient(Protocol):
    """Public key that records are sealed to: `public` is ML-KEM-768 (1184 B, FIPS 203) then X25519 (32 B, RFC 7748)."""

    @property
    def kid(self) -> bytes: ...
    @property
    def role(self) -> str: ...
    @property
    def public(self) -> bytes: ...


class Trust(Protocol):
    """The part of the owner's trust document that the buffer needs."""

    @property
    def version(self) -> int: ...
    @property
    def recipients(self) -> Sequence[Recipient]: ...


def H(data: bytes) -> bytes:  # noqa: N802 - the construction's own name
    """SHA-256."""
    return hashlib.sha256(data).digest()


def kid_of(public: bytes) -> bytes:
    """The id of a recipient's key: SHA-256 of its encoding."""
    return H(public)


def load_public(public: bytes) -> MLKEM768X25519PublicKey:
    """A recipient's key from its 1216 bytes. Raises DecodeError when they are none."""
    if len(public) != PUBLIC_SIZE:
        raise DecodeError(
            "bad-key",
            phrase(
                "recipient-key-wrong-size",
                "a recipient's public key is {size} bytes, not {count}",
                size=PUBLIC_SIZE,
                count=len(public),
            ),
        )
    try:
        return MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:MLKEM_PUBLIC_SIZE]),
            X25519PublicKey.from_public_bytes(public[MLKEM_PUBLIC_SIZE:]),
        )
    except ValueError as error:
        raise DecodeError("bad-key", reason_of(error)) from error


def nonce(kind: int, counter: int) -> bytes:
    """kind ‖ 000 ‖ counter: 12 bytes, never the same twice under one key."""
    return _NONCE.pack(kind, counter)


def local_key(store_key: bytes, eid: bytes) -> bytes:
    """The key of one epoch's LOCAL records. One key each epoch, so that counters may start again at 1."""
    return hmac.digest(store_key, LOCAL_LABEL + eid, "sha256")


def default_aead(cpuinfo: str = "/proc/cpuinfo") -> str:
    """AES-256-GCM where the processor has AES instructions, else ChaCha20-Poly1305."""
    try:
        with open(cpuinfo, encoding="ascii", errors="replace") as lines:
            has_aes = any(
                "aes" in line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))
            )
    except OSError:
        return CHACHA
    return AES if has_aes else CHACHA


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """Who seals, and with which keys: the hub's id, its identity key, its store key (32 bytes, for LOCAL records), and
    the cipher: one of AEADS, by default the one that suits the processor."""

    hub: str
    identity: Ed25519PrivateKey
    store_key: bytes
    aead: str = field(default_factory=default_aead)


class Previous(NamedTuple):
    """The end of the run before: its id, its last seq in this stream and that record's digest."""

    run: bytes = NO_RUN
    seq: int = 0
    digest: bytes = NO_DIGEST


class EpochStart(NamedTuple):
    """Where an epoch begins: its run (16 bytes), its stream, the number of its segment, the seq of its first record,
    how many readings (run, stream) has before it, the Unix time in seconds, and where the run before ended."""

    run: bytes
    stream: str
    segment: int
    first_seq: int
    total: int
    commit_s: int
    previous: Previous


class Sealed(NamedTuple):
    """A sealed record, framed and final. A retry writes `raw` again; it never seals again under the same epoch."""

    raw: bytes
    digest: bytes


class Sealer:
    """The keys of one epoch, from its first record to its last. Keys exist in this object only."""

    def __init__(self, keys: SealingKeys, trust: Trust, start: EpochStart) -> None:
        """Make fresh keys and announce them to every recipient of `trust`.

        Raises StorageError when `trust` names nobody to seal to, DecodeError when one of its keys is none.
        """
        if not trust.recipients:
            raise StorageError(
                phrase("trust-without-recipient", "the trust document names no recipient: there is nobody to seal to")
            )
        key = os.urandom(32)
        signer = Ed25519PrivateKey.generate()
        kids = [kid_of(recipient.public) for recipient in trust.recipients]
        body = lp(
            EPOCH_LABEL,
            keys.hub.encode(),
            start.run,
            start.stream.encode(),
            u64(start.segment),
            u64(start.first_seq),
            start.previous.run,
            u64(start.previous.seq),
            start.previous.digest,
            keys.aead.encode(),
            signer.public_key().public_bytes_raw(),
            H(COMMIT_LABEL + key),
            *kids,
            u64(trust.version),
        )
        info = EPOCH_LABEL + H(body)
        caps = [
            SUITE.encrypt(key, load_public(recipient.public), info=info + kid)
            for recipient, kid in zip(trust.recipients, kids, strict=True)
        ]
        full = body + lp(*caps)
        self.eid = H(full)
        self.epoch = framing.pack_record(
            framing.pack_header(
                framing.EPOCH,
                len(full),
                readings=0,
                seq=start.first_seq,
                total=start.total,
                commit_s=start.commit_s,
                more=True,
            ),
            full,
            keys.identity.sign(EPOCH_SIGNATURE_LABEL + full),
        )
        self._cipher: AESGCM | ChaCha20Poly1305 | None = AEADS[keys.aead](key)
        self._local: AESGCM | ChaCha20Poly1305 | None = AEADS[keys.aead](local_key(keys.store_key, self.eid))
        self._signer: Ed25519PrivateKey | None = signer
        self._last = {framing.TABLE: 0, framing.LOCAL: 0, framing.BLOCK: start.first_seq - 1}
        _LIVE.add(self)

    def seal(
        self, kind: int, counter: int, body: bytes, *, readings: int, total: int, commit_s: int, more: bool = False
    ) -> Sealed:
        """Encrypt, sign and frame one record. `more`: it is not the last one of its commit.

        `counter` is the seq of a BLOCK, GAP or CLOCK (one series for the three), or the own counter of TABLE or
        LOCAL. Raises StorageError when it is not above the last one used, or when the keys are gone.
        """
        cipher = self._local if kind == framing.LOCAL else self._cipher
        if cipher is None or self._signer is None:
            raise StorageError(
                phrase("epoch-keys-gone", "the keys of this epoch are gone: it ended, or this process is a fork")
            )
        series = framing.BLOCK if kind in framing.NUMBERED else kind
        if counter <= self._last[series]:
            raise StorageError(
                phrase(
                    "seal-number-reused",
                    "refused to seal number {number} again (last was {last})",
                    number=counter,
                    last=self._last[series],
                )
            )
        header = framing.pack_header(
            kind, len(body) + TAG_SIZE, readings=readings, seq=counter, total=total, commit_s=commit_s, more=more
        )
        self._last[series] = counter  # before encrypting: a failure below must burn the nonce, never free it
        payload = cipher.encrypt(nonce(kind, counter), body, self.eid + header)
        signature = self._signer.sign(RECORD_LABEL + self.eid + H(header + payload))
        return Sealed(framing.pack_record(header, payload, signature), H(header + payload + signature))

    def counter(self, kind: int) -> int:
        """The next free counter of TABLE or LOCAL, or the next seq."""
        return self._last[framing.BLOCK if kind in framing.NUMBERED else kind] + 1

    def close(self) -> None:
        """Drop the keys. What was sealed stays sealed, to this hub too."""
        self._cipher = self._local = self._signer = None


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


_LIVE: weakref.WeakSet[Sealer] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A fork has the same counters: sealing in both would use a nonce twice."""
    for sealer in list(_LIVE):
        sealer.close()


os.register_at_fork(after_in_child=_forget_in_child)
