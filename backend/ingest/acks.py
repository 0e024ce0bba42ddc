"""Signed acknowledgements: the record numbers of each stream that are durable in this backend."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET

from backend.hubs.states import HubStates
from backend.owner.directory import Owner
from backend.storage.engine import Storage, Stream
from hub.protocol.link_messages import MAX_ACKS, MAX_RANGES, SPEAKS, Ack, StreamAck, sign_ack
from hub.protocol.ranges import Range, Ranges


@dataclass(slots=True)
class AckContents:
    """The contents of one answer to a hub, by the database number of the stream: streams that the message touched,
    numbers refused for good, numbers requested again. `first` is the first of its acknowledgements' numbers."""

    first: int = 0
    touched: dict[int, Stream] = field(default_factory=dict)
    rejected: dict[int, Ranges] = field(default_factory=dict)
    want: dict[int, tuple[Range, ...]] = field(default_factory=dict)


class Acks:
    """Builder of acknowledgements. They are signed after the commit, with the key that the hub's trust document
    names."""

    def __init__(self, storage: Storage, states: HubStates) -> None:
        self._storage = storage
        self._states = states

    def number(self, hub: str, told: AckContents) -> None:
        """Draw the numbers of the acks of one message, as many as it may need. Inside the transaction."""
        if told.touched:
            told.first = self._storage.numbers.draw(hub, len(told.touched))

    def of(self, hub: str, told: AckContents, owner: Owner) -> list[bytes]:
        """Return the signed acks of one message, one for each stream; a hub that can read it is given one ack for all
        of them."""
        waiting = [self._durable(stream, told) for stream in told.touched.values()]
        if not waiting:
            return []
        stated = self._states.last(hub)
        key = owner.ack_key_for(None if stated is None else stated.trust_version)
        together = stated is not None and stated.speaks is not UNSET and stated.speaks >= SPEAKS
        acks: list[bytes] = []
        while waiting:
            first, also = waiting.pop(0), list[StreamAck]()
            size = _size(first)
            while together and waiting and len(also) < MAX_ACKS and (size := size + _size(waiting[0])) <= MAX_RANGES:
                also.append(waiting.pop(0))
            ack = Ack(
                hub=hub,
                db=self._storage.numbers.database,
                n=told.first + len(acks),
                now=time.time(),
                also=tuple(also),
                nonce=b"" if stated is None else stated.nonce,
                **msgspec.structs.asdict(first),
            )
            acks.append(sign_ack(ack, key))
        return acks

    def _durable(self, stream: Stream, told: AckContents) -> StreamAck:
        unreadable = told.rejected.get(stream.id)
        taken = stream.stored
        if stream.forked:
            taken = Ranges(r for first, last in taken for r in stream.forked.missing(first, last))
        rejected = Ranges([*stream.forked, *(unreadable or ())])
        through = taken.through()
        above = [pair for pair in taken if pair[0] > through]
        return StreamAck(
            stream.stream,
            stream.run,
            through,
            tuple(above[:MAX_RANGES]),
            tuple(rejected)[:MAX_RANGES],
            told.want.get(stream.id, ()),
        )


def _size(told: StreamAck) -> int:
    """Return the number of ranges in an ack: one of several runs must not be longer than one of a single run may be."""
    return len(told.ranges) + len(told.rejected) + len(told.want)
