"""The recipient's side: check an epoch, open its records. Everything here may be hostile.

    epoch = verify_epoch(raw, identity_public)     who sealed this, for whom
    opener = open_epoch(epoch, private_keys)       its key, out of the capsule for one of ours
    opened = opener.open(raw_record)               signature, cipher, decompression, body: in this order

What comes in wrong raises AuthFailed (a signature, capsule, commitment or tag does not hold), DecodeError (it
holds and yet cannot be read) or SegmentDamaged (no intact record), and nothing else.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from hub.core.errors import AuthFailed, DecodeError, SegmentDamaged
from hub.core.text import phrase, reason_of
from hub.protocol.length_prefix import lp, unlp
from hub.protocol.records import framing
from hub.protocol.records.bodies import (
    Block,
    ClockMark,
    Gap,
    Local,
    Table,
    Tables,
    decode_clock,
    decode_gap,
    decode_local,
    decode_table,
)
from hub.protocol.records.compression import expand
from hub.protocol.records.rows import STREAMS
from hub.protocol.records.seal import (
    AEADS,
    COMMIT_LABEL,
    EPOCH_LABEL,
    EPOCH_SIGNATURE_LABEL,
    RECORD_LABEL,
    SUITE,
    H,
    kid_of,
    local_key,
    nonce,
)

__all__ = [
    "Block", "ClockMark", "Epoch", "Gap", "Local", "Opened", "Opener", "Table", "Tables", "kid_of", "load_private",
    "open_epoch", "open_local", "split", "verify_epoch",
]  # fmt: skip

_FIXED = 12  # parts of an epoch's body beside the kids and the trust version
MAX_RECIPIENTS = 64
_SEED_SIZE = 64


class Epoch(msgspec.Struct, frozen=True):
    """EPOCH record of one segment, its signature verified. `raw` is the record as stored."""

    eid: bytes
    hub: str
    run: bytes
    stream: str
    segment: int
    first_seq: int
    previous_run: bytes
    previous_seq: int
    previous_digest: bytes
    aead: str
    signer: bytes  # Ed25519 public key of the records
    commitment: bytes
    kids: tuple[bytes, ...]
    caps: tuple[bytes, ...]
    trust_version: int
    info: bytes
    raw: bytes


class Opened(NamedTuple):
    """A record, verified and read. `seq` is 0 for a TABLE; `readings` counts those of this record alone; `digest` is
    its identity beside (hub, run, stream, seq); `packed` is the body as its hub compressed it."""

    kind: int
    seq: int
    readings: int
    commit_s: int
    digest: bytes
    body: Table | Block | Gap | ClockMark | Local
    packed: bytes


def load_private(encoding: bytes) -> MLKEM768X25519PrivateKey:
    """A recipient's private key from ML-KEM-768 seed (64 B) then X25519 key (32 B). Raises DecodeError."""
    try:
        return MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(encoding[:_SEED_SIZE]),
            X25519PrivateKey.from_private_bytes(encoding[_SEED_SIZE:]),
        )
    except ValueError as error:
        raise DecodeError("bad-key", reason_of(error)) from error


def split(data: bytes) -> Iterator[bytes]:
    """The raw records of a concatenation. Raises SegmentDamaged at the first byte that belongs to none."""
    for item in framing.scan(data):
        if isinstance(item, framing.Damage):
            raise SegmentDamaged(
                phrase(
                    "bytes-not-intact-record",
                    "bytes {start} to {end} are not an intact record",
                    start=item.start,
                    end=item.end,
                )
            )
        yield data[item.offset : item.offset + item.size]


def read_epoch(raw: bytes) -> Epoch:
    """An epoch's fields, *not verified*: only to look up whose key `verify_epoch` must be given."""
    return _fields(raw, framing.parse(raw))


def _fields(raw: bytes, parts: framing.Parts) -> Epoch:
    if parts.head.kind != framing.EPOCH:
        raise DecodeError("not-an-epoch", framing.KINDS[parts.head.kind])
    fields = unlp(parts.payload)
    count, odd = divmod(len(fields) - _FIXED - 1, 2)
    if odd or not 0 < count <= MAX_RECIPIENTS or fields[0] != EPOCH_LABEL:
        raise DecodeError("bad-epoch", phrase("epoch-wrong-parts", "these are not the parts of an epoch"))
    _, hub, run, stream, segment, first, previous, last, digest, aead, signer, commitment = fields[:_FIXED]
    kids, version, caps = fields[_FIXED : _FIXED + count], fields[_FIXED + count], fields[_FIXED + count + 1 :]
    sizes = [(run, 16), (previous, 16), (digest, 32), (signer, 32), (commitment, 32), *((kid, 32) for kid in kids)]
    sizes += [(number, 8) for number in (segment, first, last, version)]
    if any(len(part) != size for part, size in sizes):
        raise DecodeError("bad-epoch", phrase("epoch-part-wrong-size", "a part has the wrong length"))
    try:
        names = hub.decode(), stream.decode(), aead.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("bad-epoch", phrase("epoch-name-not-utf8", "a name is not UTF-8")) from error
    if names[1] not in STREAMS or names[2] not in AEADS:
        raise DecodeError("bad-epoch", phrase("epoch-stream-or-cipher-unknown", "unknown stream or cipher"))
    return Epoch(
        eid=H(parts.payload),
        hub=names[0],
        run=run,
        stream=names[1],
        segment=_number(segment),
        first_seq=_number(first),
        previous_run=previous,
        previous_seq=_number(last),
        previous_digest=digest,
        aead=names[2],
        signer=signer,
        commitment=commitment,
        kids=tuple(kids),
        caps=tuple(caps),
        trust_version=_number(version),
        info=EPOCH_LABEL + H(lp(*fields[: _FIXED + count + 1])),
        raw=raw,
    )


def verify_epoch(raw: bytes, identity_public: bytes) -> Epoch:
    """The epoch of an EPOCH record, signed by the hub whose Ed25519 public key (32 B) is given.

    Raises AuthFailed when it is not, DecodeError or SegmentDamaged when it is no epoch.
    """
    parts = framing.parse(raw)
    epoch = _fields(raw, parts)
    _verify(
        identity_public,
        parts.signature,
        EPOCH_SIGNATURE_LABEL + parts.payload,
        phrase("epoch-signed-by-another-hub", "this epoch is not signed by that hub"),
    )
    return epoch


class Opener:
    """Opens the records of one epoch."""

    def __init__(self, epoch: Epoch, key: bytes, *, local: bool = False) -> None:
        self.epoch = epoch
        self._cipher = AEADS[epoch.aead](key)
        self._kinds = frozenset((framing.LOCAL,)) if local else framing.NUMBERED | {framing.TABLE}
        try:
            self._signer = Ed25519PublicKey.from_public_bytes(epoch.signer)
        except ValueError as error:
            raise DecodeError(
                "bad-epoch", phrase("epoch-signing-key-invalid", "its signing key is not a key")
            ) from error

    def open(self, raw: bytes) -> Opened:
        """Verify and read one record. Raises AuthFailed, DecodeError or SegmentDamaged."""
        head, header, payload, signature = framing.parse(raw)
        if head.kind not in self._kinds:
            raise DecodeError("not-for-us", framing.KINDS[head.kind])
        signed = header + payload
        try:
            self._signer.verify(signature, RECORD_LABEL + self.epoch.eid + H(signed))
            body = self._cipher.decrypt(nonce(head.kind, head.seq), payload, self.epoch.eid + header)
        except (InvalidSignature, InvalidTag) as error:
            raise AuthFailed(
                phrase("record-of-another-epoch", "a record was not sealed by the epoch that it claims")
            ) from error
        if head.kind in framing.NUMBERED and head.seq < self.epoch.first_seq:
            raise DecodeError("bad-seq", phrase("record-older-than-epoch", "a record is older than its epoch"))
        seq = head.seq if head.kind in framing.NUMBERED else 0
        return Opened(
            head.kind, seq, head.readings, head.commit_s, H(signed + signature), _body(head.kind, expand(body)), body
        )


def open_epoch(epoch: Epoch, private_keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> Opener:
    """The opener of `epoch`, by the first capsule one of `private_keys` (kid → key) fits.

    Raises AuthFailed when none does, or when the key inside is not the one committed to.
    """
    for kid, cap in zip(epoch.kids, epoch.caps, strict=True):
        private = private_keys.get(kid)
        if private is None:
            continue
        try:
            key = SUITE.decrypt(cap, private, info=epoch.info + kid)
        except InvalidTag as error:
            raise AuthFailed(phrase("epoch-capsule-not-opened", "the capsule for our key does not open")) from error
        if len(key) != 32 or not hmac.compare_digest(H(COMMIT_LABEL + key), epoch.commitment):
            raise AuthFailed(phrase("epoch-wrong-capsule", "the capsule holds another key than the epoch commits to"))
        return Opener(epoch, key)
    raise AuthFailed(phrase("epoch-sealed-to-others", "this epoch is sealed to none of our keys"))


def open_local(epoch: Epoch, store_key: bytes) -> Opener:
    """The opener of the LOCAL records of `epoch`, for the hub that wrote them."""
    return Opener(epoch, local_key(store_key, epoch.eid), local=True)


def _body(kind: int, body: bytes) -> Table | Block | Gap | ClockMark | Local:
    if kind == framing.BLOCK:
        return Block(body)
    if kind == framing.TABLE:
        return decode_table(body)
    if kind == framing.GAP:
        return decode_gap(body)
    return decode_clock(body) if kind == framing.CLOCK else decode_local(body)


def _verify(public: bytes, signature: bytes, message: bytes, complaint: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(complaint) from error


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
