"""Tracks which context records the backend already has, per epoch, so that they are not sent with every message.
Pure."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from hub.store_and_forward.delivery.lanes import READINGS
from hub.store_and_forward.delivery.model import MessageContent, Stored

_EPOCHS = 512


class Context:
    """Digests of the EPOCH and TABLE records that travelled in an acked message, of the 512 epochs used last.
    Forgetting one costs a few kilobytes, never a record."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, set[bytes]] = OrderedDict()

    def load(self, stored: Iterable[Stored]) -> MessageContent:
        """Sort records into the groups of one message, without context that the backend has: READINGS readings at most,
        but at least one record."""
        load = MessageContent()
        eid, raws, known = b"", [], set()  # type: bytes, list[bytes], set[bytes]
        first, last = 0, -1
        for record in stored:
            if record.eid != eid:
                eid, raws, known = record.eid, [], self._known.get(record.eid, set())
                load.groups.append((eid, raws))
                load.context.setdefault(eid, set())
            seq = record.seq
            if not seq:
                digest = hashlib.blake2b(record.raw, digest_size=16).digest()
                if digest in known:
                    load.spared.add(eid)
                    continue
                load.context[eid].add(digest)
            else:
                if first and load.readings + record.readings > READINGS:
                    break
                if seq != last + 1:
                    if first:
                        load.spans.append((first, last))
                    first = seq
                last = seq
                load.readings += record.readings
            raws.append(record.raw)
        if first:
            load.spans.append((first, last))
        load.groups = [group for group in load.groups if group[1]]
        return load

    def confirmed(self, load: MessageContent) -> None:
        """Note that all records of this message are acked: its context arrived."""
        for eid, digests in load.context.items():
            self._known.setdefault(eid, set()).update(digests)
            self._known.move_to_end(eid)
        while len(self._known) > _EPOCHS:
            self._known.popitem(last=False)

    def lost(self, eid: bytes) -> None:
        """Forget an epoch whose context the backend says it lacks."""
        self._known.pop(eid, None)

    def clear(self) -> None:
        self._known.clear()
