"""Builder of valid and invalid sealed messages, for the conformance suite.

It seals as `hub.store_and_forward.buffer` specifies, and lets its caller do what no hub does: skip, repeat, mix and
alter.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.protocol.documents.trust import Trust
from hub.protocol.link_messages import pack_message
from hub.protocol.records import framing
from hub.protocol.records.bodies import ClockMark, Gap, encode_clock, encode_gap, encode_table
from hub.protocol.records.columns import forms
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import READINGS, Row
from hub.protocol.records.seal import EpochStart, Previous, Sealed, Sealer, SealingKeys, default_aead


class Segment:
    """An epoch of one run being written. Every method returns raw records, as stored and as sent."""

    def __init__(
        self,
        *,
        hub: str,
        identity: Ed25519PrivateKey,
        trust: Trust,
        run: bytes | None = None,
        stream: str = READINGS,
        first_seq: int = 1,
        number: int = 1,
        previous: Previous | None = None,
    ) -> None:
        self.run = run or os.urandom(16)
        self.next_seq = first_seq
        self._sealer = Sealer(
            SealingKeys(hub, identity, os.urandom(32), default_aead()),
            trust,
            EpochStart(self.run, stream, number, first_seq, 0, int(time.time()), previous or Previous()),
        )
        self._numbering = Numbering()
        self._squeeze = Squeezer()
        self._total = 0
        self.eid = self._sealer.eid
        self.epoch = self._sealer.epoch
        self.context: list[bytes] = [self.epoch]
        self.last_digest = bytes(32)

    def block(self, rows: Sequence[Row], boot: bytes = b"", *, tight: bool = False) -> bytes:
        """Return the next record, a BLOCK; `tight` packs its columns to their bits. TABLE records that it needs join
        `context`."""
        body = forms(rows, self._numbering, boot)[-1 if tight else 0]
        shapes, subjects = self._numbering.fresh()
        if shapes or subjects:
            table = self._squeeze(encode_table(shapes, subjects))
            self.context.append(self._seal(framing.TABLE, self._sealer.counter(framing.TABLE), table, 0).raw)
        return self._numbered(framing.BLOCK, body, sum(len(row.values) for row in rows))

    def gap(self, gap: Gap) -> bytes:
        return self._numbered(framing.GAP, encode_gap(gap), 0)

    def clock(self, mark: ClockMark) -> bytes:
        return self._numbered(framing.CLOCK, encode_clock(mark), 0)

    def raw(self, kind: int, body: bytes, readings: int) -> bytes:
        """Return the next record with any body, sealed and signed correctly."""
        return self._numbered(kind, body, readings)

    def message(self, records: Iterable[bytes], *, context: bool = True, state: bytes = b"") -> bytes:
        """Return a message with these records, after the epoch's context unless told otherwise, and with a signed
        state."""
        return pack_message([(self.eid, [*(self.context if context else ()), *records])], state)

    def skip(self, numbers: int = 1) -> None:
        """Skip numbers."""
        self.next_seq += numbers

    def _numbered(self, kind: int, body: bytes, readings: int) -> bytes:
        sealed = self._seal(kind, self.next_seq, self._squeeze(body), readings)
        self.next_seq += 1
        self.last_digest = sealed.digest
        return sealed.raw

    def _seal(self, kind: int, counter: int, body: bytes, readings: int) -> Sealed:
        self._total += readings
        return self._sealer.seal(
            kind,
            counter,
            body,
            readings=readings,
            total=self._total,
            commit_s=int(time.time()),
            more=counter % 2 == 1,  # as of a hub, where a LOCAL or another block follows some
        )
