"""The link's wire format: what goes up, what comes back, and the two signed statements. Pure.

    message   = "ILM1" group*                          at least one group, at most MAX_MESSAGE bytes
              | "ILM2" length (u32 BE) · a signed state of that many bytes · group*
                the state that is due, and records, in one message: only to who `speaks` 2
    group     = eid (32 bytes) · length (u32 BE) · that many bytes of raw records, exactly as stored
                (EPOCH?, TABLE*, then BLOCK, GAP and CLOCK; how records are framed is the buffer's business)
    reply     = MessagePack {acks: [signed ack …], need: [eid …], trust: TRUST document or empty,
                             certificate: PEM, only in the answer to a state that brought a `csr`,
                             speaks: 2, only in the answer to a state, from who takes "ILM2"}
                `need` is an unsigned hint: the sender lacks the context (EPOCH, TABLE) of these epochs.
                `trust` is newer than the one that the hub stated; the owner root's signatures speak for it.
                `certificate` is the hub's next client certificate; the owner's CA speaks for it.
                `speaks` is an unsigned hint too: what is not understood is refused, and nothing is lost by it.
    signed    = lp(label, payload, kid, signature)      lp: each part prefixed by its length, u32 BE
                label = "ilot/ack/1\\0" or "ilot/state/1\\0", the zero byte included;
                payload = MessagePack map; kid = SHA-256(raw Ed25519 public key);
                signature = Ed25519 over lp(label) ‖ payload: the exact bytes sent, never re-serialised

An **ack** tells what one backend database has committed of one `(stream, run)`: everything from 1 to
`through`, and each of `ranges`, which lie above it, in order and apart. It is the whole ack set and not a
difference, so a later ack makes up for one that was lost; a set of more than MAX_RANGES ranges is cut at the
top. `rejected` lists what the backend will not store; it never permits a deletion. `want` lists what it lost, or
never got, and asks for again: the hub sends of it what its disk still holds, at most once a minute, and only while
`nonce` is the hub's current one. `n` rises with each ack of the same key and `db`; `nonce` is the last one the hub
stated, and lets `now` set its clock: the ack was signed after that state was made and before the ack was read, and at
which moment in between nobody can prove. So `now` is known within half of that time at best, and a hub takes it for
no more. `also` holds what is committed of further streams and runs, each as an ack of its own would say it, under the
same `n`, `db`, `nonce` and `now`: one signature where there were several. It goes only to a hub that states that it
`speaks` 2, since an older one would overlook it.

A **state** is the hub's own word, every 30 s (1800 on a metered line; 3 for two minutes at most, while no answer was
quick enough to tell it the time exactly): what it holds, so that a missing tail is seen too. `speaks` is 2 where the
hub reads acks with `also`, and absent where it does not. `every` is the seconds until the next state at the latest, so
that a backend knows after how long a hub is silent; a hub that changes it says so at once. Its place among the hub's
states is (`generation`, `n`): the store counts `generation` up at each start and backup, and `n` counts the states of
one process. `heard` is the `now` of the newest ack that the hub acted on, by the backend's clock and so beyond
anybody's inventing: this state was made after that moment. A receiver that keeps (`generation`, `n`) of the last state
it took, and the time at which it took it, can tell three things apart:

    above the last                        newer: taken
    not above, `heard` after that time    newer all the same: the hub's store was set back; taken, with an alarm
    not above, `heard` not after          an old one, played again: counted, and changes nothing

and the hub was alive at `heard`, whenever the state arrives: states that were held back do not fake presence.

A state may bring a `csr`: a PKCS #10 request (RFC 2986, PEM) for the key of the hub's client certificate, in its name.
So the certificate is renewed over whatever carries states, a broker too, while it is still good. The backend answers
one state that it has *taken* with a `certificate`, and the next one not before ten minutes have passed. The hub
keeps it only if it is for its own key and name, issued by a CA that its TRUST document names, and ends later than the
one it has: nobody on the way can hand it a useless one.

Unknown keys of a map are ignored (they are signed all the same): that is how the format grows.
Every reader takes hostile bytes: sizes are capped, `DecodeError` says what is wrong with the shape and
`AuthFailed` what is wrong with the signature. Nothing is decoded before its signature was verified.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.documents.trust import MAX_DOCUMENT
from hub.protocol.length_prefix import lp, unlp

MAGIC, STATED = b"ILM1", b"ILM2"
ACK_LABEL = b"ilot/ack/1\0"
STATE_LABEL = b"ilot/state/1\0"

MAX_MESSAGE = 4 << 20
"""Bytes of a message body: four times the largest a hub builds on purpose, room for one oversized record."""
MAX_REPLY = 1 << 20
MAX_SIGNED = 128 << 10
MAX_ACKS = 256
MAX_RANGES = 4096
MAX_CSR, MAX_CERTIFICATE = 4096, 16 << 10
MAX_EVERY_S = 86_400
_MAX_SEQ = 2**63 - 1
_EID = 32
_GROUP_HEAD = _EID + 4

Seq = Annotated[int, Meta(ge=0, le=_MAX_SEQ)]
Range = tuple[Seq, Seq]
"""First and last record number, both included."""
Hub = Annotated[str, Meta(min_length=1, max_length=128)]
Stream = Annotated[str, Meta(min_length=1, max_length=32)]
Id16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
Nonce = Annotated[bytes, Meta(max_length=32)]
Ranges = Annotated[tuple[Range, ...], Meta(max_length=MAX_RANGES)]
Spoken = Annotated[int, Meta(ge=1, le=255)]
SPEAKS = 2
"""The protocol of this code. 1: acks without `also`, messages without a state."""


class StreamAck(msgspec.Struct, frozen=True, array_like=True):
    """Part of an ack for one more stream and run: an array, whose last items may be left out."""

    stream: Stream
    run: Id16
    through: Seq = 0
    ranges: Ranges = ()
    rejected: Ranges = ()
    want: Ranges = ()


class Ack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Acknowledgement by the backend's database `db` of records of `(hub, stream, run)`. `now` is its Unix time in
    s."""

    hub: Hub
    stream: Stream
    run: Id16
    db: Id16
    n: Annotated[int, Meta(ge=1, le=_MAX_SEQ)]
    through: Seq = 0
    ranges: Ranges = ()
    rejected: Ranges = ()
    want: Ranges = ()
    nonce: Nonce = b""
    now: float = 0.0
    t: str = msgspec.field(default_factory=lambda: "ack")  # a default that is always written
    also: Annotated[tuple[StreamAck, ...], Meta(max_length=MAX_ACKS)] = ()

    def each(self) -> list[Ack]:
        """Return one ack for every stream and run of this one, itself first; none of them has `also`."""
        if not self.also:
            return [self]
        first = msgspec.structs.replace(self, also=())
        return [first, *(msgspec.structs.replace(first, **msgspec.structs.asdict(more)) for more in self.also)]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Signed state of a hub. `streams` maps a stream to its newest run, that run's last durable number and that
    record's digest; `oldest` maps it to the oldest run and number still on disk; `boot` and `nonce` are 16 random bytes
    each; `n` is above that of every earlier state of this `generation`, which is the local store's; `heard` is Unix s
    by the backend's clock, 0 before the first ack; `csr` is absent unless a certificate is due; `every` is seconds,
    absent where the hub is of a release that does not say it; `crisis` is "read-only" while its people let nothing be
    changed, else absent; `release` is that of its program, absent where it does not say it. An isolated hub sends no
    state."""

    hub: Hub
    boot: Id16
    nonce: Id16
    n: Annotated[int, Meta(ge=1, le=_MAX_SEQ)]
    streams: Annotated[dict[Stream, tuple[Id16, Seq, Digest]], Meta(max_length=16)]
    generation: Seq = 0
    trust_version: Seq = 0
    oldest: Annotated[dict[Stream, tuple[Id16, Seq]], Meta(max_length=16)] = {}
    heard: Annotated[float, Meta(ge=0.0)] = 0.0
    t: str = "state"
    csr: Annotated[bytes, Meta(max_length=MAX_CSR)] | msgspec.UnsetType = msgspec.UNSET
    speaks: Spoken | msgspec.UnsetType = msgspec.UNSET
    every: Annotated[int, Meta(ge=1, le=MAX_EVERY_S)] | msgspec.UnsetType = msgspec.UNSET
    crisis: Annotated[str, Meta(max_length=32)] | msgspec.UnsetType = msgspec.UNSET
    release: Annotated[str, Meta(max_length=32)] | msgspec.UnsetType = msgspec.UNSET


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The backend's answer to a message: signed acks, epochs whose context it lacks, a newer TRUST document, the
    certificate that a state asked for, which protocol it speaks."""

    acks: Annotated[tuple[Annotated[bytes, Meta(max_length=MAX_SIGNED)], ...], Meta(max_length=MAX_ACKS)] = (
        msgspec.field(default_factory=lambda: ())  # a default that is always written
    )
    need: Annotated[tuple[Digest, ...], Meta(max_length=MAX_ACKS)] = ()
    trust: Annotated[bytes, Meta(max_length=MAX_DOCUMENT)] = b""
    certificate: Annotated[bytes, Meta(max_length=MAX_CERTIFICATE)] | msgspec.UnsetType = msgspec.UNSET
    speaks: Spoken | msgspec.UnsetType = msgspec.UNSET


class Group(NamedTuple):
    """Records of one epoch, concatenated as stored."""

    eid: bytes
    records: bytes


class AckKey(Protocol):
    """An Ed25519 key of TRUST that may sign acks: `public` raw, 32 bytes; `kid` its SHA-256."""

    @property
    def kid(self) -> bytes: ...
    @property
    def public(self) -> bytes: ...


class AckKeys(Protocol):
    """The part of a TRUST document that judges acks."""

    @property
    def ack_keys(self) -> Sequence[AckKey]: ...


def pack_message(groups: Iterable[tuple[bytes, Iterable[bytes]]], state: bytes = b"") -> bytes:
    """The body of one message from `(eid, raw records)` pairs, and from a signed state that goes with them. Raises
    ValueError on a wrong eid, an empty group or more than MAX_MESSAGE bytes: the caller's mistake, not the peer's."""
    parts = [STATED, len(state).to_bytes(4, "big"), state] if state else [MAGIC]
    before = len(parts)
    for eid, records in groups:
        data = b"".join(records)
        if len(eid) != _EID or not data:
            raise ValueError(phrase("message-group-incomplete", "a group needs a 32-byte eid and at least one record"))
        parts += (eid, len(data).to_bytes(4, "big"), data)
    body = b"".join(parts)
    if len(parts) == before or len(body) > MAX_MESSAGE:
        raise ValueError(
            phrase(
                "message-wrong-size",
                "a message of {count} bytes: it needs a group and at most {limit} bytes",
                count=len(body),
                limit=MAX_MESSAGE,
            )
        )
    return body


def open_message(body: bytes) -> tuple[bytes, list[Group]]:
    """The signed state that came with a message, empty when none did, and its groups, in order. Raises DecodeError on
    anything else."""
    if len(body) > MAX_MESSAGE:
        raise DecodeError(
            "too-large",
            phrase("message-too-large", "a message has at most {limit} bytes", limit=MAX_MESSAGE),
        )
    state, at, end = b"", 4, len(body)
    if body[:4] == STATED:
        start = 8
        at = start + int.from_bytes(body[4:start], "big")
        state = bytes(body[start:at])
        if not state or at > end:
            raise DecodeError(
                "truncated", phrase("message-state-cut-short", "the state of a message is empty, or ends early")
            )
    elif body[:4] != MAGIC:
        raise DecodeError("bad-magic", phrase("message-wrong-start", "a message starts with ILM1 or ILM2"))
    groups = []
    while at < end:
        if end - at < _GROUP_HEAD:
            raise DecodeError(
                "truncated", phrase("message-head-cut-short", "a group's head ends early, at byte {end}", end=end)
            )
        start = at + _GROUP_HEAD
        stop = start + int.from_bytes(body[at + _EID : start], "big")
        if stop == start:
            raise DecodeError(
                "empty-group", phrase("message-group-empty", "no record in the group at byte {at}", at=at)
            )
        if stop > end:
            raise DecodeError(
                "truncated",
                phrase(
                    "message-group-cut-short",
                    "the group at byte {at} announces {missing} bytes more than came",
                    at=at,
                    missing=stop - end,
                ),
            )
        groups.append(Group(bytes(body[at : at + _EID]), bytes(body[start:stop])))
        at = stop
    if not groups:
        raise DecodeError("empty", phrase("message-without-group", "a message holds at least one group"))
    return state, groups


def pack_reply(
    acks: Iterable[bytes] = (),
    need: Iterable[bytes] = (),
    trust: bytes = b"",
    certificate: bytes = b"",
    speaks: int = 0,
) -> bytes:
    """The body of an answer: signed acks, in the order of their `n`, epochs whose context is missing, a newer TRUST,
    a certificate in PEM, to a state the protocol that is spoken."""
    reply = Reply(tuple(acks), tuple(need), trust, certificate or msgspec.UNSET, speaks or msgspec.UNSET)
    return msgspec.msgpack.encode(reply)


def read_reply(body: bytes) -> Reply:
    """Raises DecodeError."""
    if len(body) > MAX_REPLY:
        raise DecodeError("too-large", phrase("reply-too-large", "a reply has at most {limit} bytes", limit=MAX_REPLY))
    return _decode(body, Reply)


def sign_ack(ack: Ack, key: Ed25519PrivateKey) -> bytes:
    """The signed bytes of an ack. Raises ValueError when its ranges are not in order and apart."""
    if problem := _disorder(ack):
        raise ValueError(problem)
    return _sign(ACK_LABEL, ack, key)


def read_ack(blob: bytes, trust: AckKeys) -> tuple[Ack, bytes]:
    """The ack and the kid of the key that signed it.

    Raises AuthFailed when that key is not an ack key of `trust` or the signature is wrong, DecodeError when
    the shape is. Whether the ack may be acted on is the delivery's judgement.
    """
    payload, kid, signature = _open(blob, ACK_LABEL)
    key = next((k for k in trust.ack_keys if k.kid == kid), None)
    if key is None:
        raise AuthFailed(
            phrase(
                "ack-key-unknown",
                "ack signed by key {key}, which the owner's trust document does not list",
                key=kid.hex()[:16],
            )
        )
    _verify(
        key.public, ACK_LABEL, payload, signature, phrase("ack-signature-wrong", "the signature of this ack is wrong")
    )
    ack = _decode(payload, Ack)
    if ack.t != "ack":
        raise DecodeError("bad-type", phrase("ack-of-another-type", "the type of an ack is {kind!r}", kind=ack.t[:16]))
    if not math.isfinite(ack.now):
        raise DecodeError("bad-shape", phrase("ack-time-not-number", "the time of an ack is not a number"))
    if problem := _disorder(ack):
        raise DecodeError("bad-ranges", problem)
    return ack, kid


def ack_signer(blob: bytes) -> bytes:
    """The kid of the key that an ack names, whoever truly signed it. Raises DecodeError."""
    return _open(blob, ACK_LABEL)[1]


def sign_state(state: State, identity: Ed25519PrivateKey) -> bytes:
    return _sign(STATE_LABEL, state, identity)


def stored_state(blob: bytes) -> State:
    """Return a state whose signature was verified before it was stored, without verifying it again. Raises
    DecodeError."""
    return _decode(_open(blob, STATE_LABEL)[0], State)


def read_state(blob: bytes, identity_public: bytes) -> State:
    """The state that the hub with this raw Ed25519 identity signed. Raises AuthFailed or DecodeError."""
    payload, kid, signature = _open(blob, STATE_LABEL)
    if kid != key_id(identity_public):
        raise AuthFailed(
            phrase("state-key-unknown", "state signed by another key than the identity this hub was enrolled with")
        )
    _verify(
        identity_public,
        STATE_LABEL,
        payload,
        signature,
        phrase("state-signature-wrong", "the signature of this state is wrong"),
    )
    state = _decode(payload, State)
    if state.t != "state":
        raise DecodeError(
            "bad-type", phrase("state-of-another-type", "the type of a state is {kind!r}", kind=state.t[:16])
        )
    if not math.isfinite(state.heard):
        raise DecodeError(
            "bad-shape", phrase("state-time-not-number", "the time that a state has heard is not a number")
        )
    return state


def key_id(public: bytes) -> bytes:
    """kid = SHA-256 of the raw public key."""
    return hashlib.sha256(public).digest()


def _sign(label: bytes, body: msgspec.Struct, key: Ed25519PrivateKey) -> bytes:
    payload = msgspec.msgpack.encode(body)
    kid = key_id(key.public_key().public_bytes_raw())
    return lp(label, payload, kid, key.sign(lp(label) + payload))


def _open(blob: bytes, label: bytes) -> tuple[bytes, bytes, bytes]:
    if len(blob) > MAX_SIGNED:
        raise DecodeError(
            "too-large",
            phrase("statement-too-large", "a signed statement has at most {limit} bytes", limit=MAX_SIGNED),
        )
    parts = unlp(blob)
    if len(parts) != 4:
        raise DecodeError(
            "bad-framing",
            phrase("statement-wrong-parts", "a signed statement has four parts: label, payload, kid, signature"),
        )
    if parts[0] != label:
        raise DecodeError(
            "bad-label", phrase("statement-of-another-label", "expected {label}", label=label.rstrip(bytes(1)).decode())
        )
    return parts[1], parts[2], parts[3]


def _verify(public: bytes, label: bytes, payload: bytes, signature: bytes, wrong: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, lp(label) + payload)
    except (InvalidSignature, ValueError) as error:
        raise AuthFailed(wrong) from error


T = TypeVar("T")


def _decode(data: bytes, shape: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("bad-shape", reason_of(error)) from error


def _disorder(ack: Ack) -> str:
    """Why an ack's ranges cannot be a set, "" when they can. `ranges` lie above `through`."""
    parts: list[Ack | StreamAck] = [ack, *ack.also]
    named = [
        told
        for one in parts
        for told in (("ranges", one.through, one.ranges), ("rejected", 0, one.rejected), ("want", 0, one.want))
    ]
    for name, before, ranges in named:
        floor = before
        for first, last in ranges:
            if not floor < first <= last:
                return phrase(
                    "ack-ranges-wrong",
                    "{name} of an ack: {first}-{last} is empty, out of order or overlaps what came before",
                    name=name,
                    first=first,
                    last=last,
                )
            floor = last
    return ""
