"""Encodes what a client sends: requests, acknowledgements, and the layers around them. Pure.

ANSI/ASHRAE 135-2020, Clauses 6.2, 13.14, 15.5, 15.7, 15.9, 16.10, 20.1 and Annex J. Every request fits one segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrations.bacnet.decode import Station
from integrations.bacnet.names import ObjectId
from integrations.bacnet.tags import closing, context, opening, unsigned

MAX_APDU = 1476
"""Maximum octets that the hub accepts in one message, as in BACnet/IP (Clause 20.1.2.5)."""
MOST_SEGMENTS = 16
"""Maximum segments of one answer. More are refused: no property list needs them."""
_SEGMENTS_CODE, _APDU_CODE = 4, 5  # 16 segments, 1476 octets

Reference = tuple[ObjectId, Sequence[int]]
"""An object and the properties wanted of it."""


def who_is(low: int | None = None, high: int | None = None) -> bytes:
    """Encode Who-Is for devices with an instance in this range, or for all."""
    if low is None or high is None:
        return b""
    return context(0, low) + context(1, high)


def read_property(who: ObjectId, which: int, index: int | None = None) -> bytes:
    return context(0, who) + context(1, which) + (b"" if index is None else context(2, index))


def read_multiple(references: Iterable[Reference]) -> bytes:
    return b"".join(
        context(0, who) + opening(1) + b"".join(context(0, one) for one in wanted) + closing(1)
        for who, wanted in references
    )


def read_elements(who: ObjectId, which: int, indexes: Iterable[int]) -> bytes:
    """Encode ReadPropertyMultiple for single elements of an array."""
    return context(0, who) + opening(1) + b"".join(context(0, which) + context(1, n) for n in indexes) + closing(1)


def write_property(who: ObjectId, which: int, value: bytes, priority: int | None = None) -> bytes:
    """Encode WriteProperty. `value` is tagged already; a Null relinquishes the priority (Clause 19.2)."""
    written = context(0, who) + context(1, which) + opening(3) + value + closing(3)
    return written if priority is None else written + context(4, priority)


def subscribe(process: int, who: ObjectId, *, confirmed: bool, lifetime_s: int) -> bytes:
    """Encode SubscribeCOV; the same request again renews the subscription."""
    return context(0, process) + context(1, who) + context(2, confirmed) + context(3, lifetime_s)


def unsubscribe(process: int, who: ObjectId) -> bytes:
    return context(0, process) + context(1, who)


def confirmed(service: int, invoke: int, body: bytes) -> bytes:
    """Encode a confirmed request, unsegmented; the answer may be segmented."""
    return bytes((0x02, _SEGMENTS_CODE << 4 | _APDU_CODE, invoke, service)) + body


def unconfirmed(service: int, body: bytes) -> bytes:
    return bytes((0x10, service)) + body


def simple_ack(service: int, invoke: int) -> bytes:
    return bytes((0x20, invoke, service))


def segment_ack(invoke: int, sequence: int, window: int, *, negative: bool = False) -> bytes:
    """Encode a client's acknowledgement of segments up to `sequence`."""
    return bytes((0x40 | (0x02 if negative else 0), invoke, sequence, window))


def error(service: int, invoke: int, error_class: int, code: int) -> bytes:
    return bytes((0x50, invoke, service, 0x91, error_class, 0x91, code))


def reject(invoke: int, reason: int) -> bytes:
    return bytes((0x60, invoke, reason))


def abort(invoke: int, reason: int, *, server: bool = False) -> bytes:
    return bytes((0x70 | server, invoke, reason))


def npdu(apdu: bytes, station: Station | None, *, reply: bool) -> bytes:
    """Encode the network layer. `station` None is everybody, on every network; `reply`: an answer is expected."""
    control = 0x04 if reply else 0x00
    if station is None:
        return bytes((1, control | 0x20, 0xFF, 0xFF, 0, 255)) + apdu
    if not station.network:
        return bytes((1, control)) + apdu
    where = station.network.to_bytes(2, "big") + bytes((len(station.mac),)) + station.mac
    return bytes((1, control | 0x20)) + where + bytes((255,)) + apdu


def bvlc(function: int, body: bytes) -> bytes:
    return bytes((0x81, function)) + (len(body) + 4).to_bytes(2, "big") + body


def unicast(body: bytes) -> bytes:
    return bvlc(0x0A, body)


def broadcast(body: bytes) -> bytes:
    return bvlc(0x0B, body)


def distribute(body: bytes) -> bytes:
    """Encode Distribute-Broadcast-To-Network, which asks a BBMD to distribute a broadcast."""
    return bvlc(0x09, body)


def register(lifetime_s: int) -> bytes:
    """Encode Register-Foreign-Device; a lifetime of 0 is never sent: the registration expires."""
    return bvlc(0x05, lifetime_s.to_bytes(2, "big"))


def size_of(reference: Reference) -> int:
    """Return the octets that a reference takes in a request."""
    who, wanted = reference
    return len(context(0, who)) + 2 + sum(1 + len(unsigned(one)) for one in wanted)
