"""Writer of verified records: bodies of those that can be read, quarantine for the others.

Messages use it, and what a former release's journal held. The caller holds the transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from backend.hubs import alerts, audit_anchors
from backend.ingest.received_streams import Received
from backend.ingest.verifier import UNKNOWN_TABLE, OpenEpoch, RefusedRecord, VerifiedRecord
from backend.readings.erasures import Erasures
from backend.readings.series_register import SeriesRegister
from backend.readings.stored_bodies import encoded_table, numbering_of
from backend.storage.chunks import Body, Names
from backend.storage.engine import Stream
from hub.core.errors import AuthFailed
from hub.core.text import phrase, reason_of
from hub.protocol.records import columns, framing
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.opening import Block, ClockMark, Gap, Table
from hub.protocol.records.rows import ALERTS, Row

log = logging.getLogger("backend.records")

NAMELESS = "nameless"
ALL = -1
"""In the place of the number of a TABLE record: the names of all that were known of an epoch."""
LOST = phrase("hub-lost-table", "its hub has lost the TABLE that names what they hold: see `ilot backend check`")
NEWER = phrase("hub-maybe-newer", "its hub may be of a newer release than this backend")


class RecordWriter:
    """Writer over one database: lines of the account, bodies of blocks with the names that they need."""

    def __init__(self, received: Received, erasures: Erasures) -> None:
        self.received, self.storage = received, received.storage
        self.erasures = erasures
        self._series = SeriesRegister(received.storage)
        self._squeeze = Squeezer()

    def store(self, stream: Stream, epoch: OpenEpoch, item: VerifiedRecord) -> None:
        opened, body = item.opened, item.opened.body
        record = self.received.add_record(stream, epoch.id, opened)
        if isinstance(body, Block):
            self._block(stream, epoch, record, body, item)
        elif isinstance(body, Gap):
            self.received.add_gap(stream.hub, body, record)
        elif isinstance(body, ClockMark):
            self.storage.clocks.note(stream.hub, body)

    def _block(self, stream: Stream, epoch: OpenEpoch, record: int, body: Block, item: VerifiedRecord) -> None:
        hub, now = stream.hub, time.time()
        rows, packed = item.rows, item.opened.packed
        if stream.stream == ALERTS:
            rows = self._readings_of_alerts(hub, record, body.boot, rows, now)
            if rows and len(rows) < len(item.rows):
                packed = self._squeeze(columns.encode(rows, numbering_of(epoch.tables), body.boot))
        visible = self.erasures.visible(hub, rows)
        if not visible:
            return
        if not self.storage.bodies.named(hub, epoch.id):
            self._add_names(epoch, ALL, Table(epoch.tables.shapes, epoch.tables.subjects))
        self.storage.bodies.add(hub, Body(record, epoch.id, body.boot, now, packed))
        self._series.add(hub, record, visible, now)

    def learn(self, epoch: OpenEpoch, number: int, table: Table) -> None:
        """Store what a TABLE record says beside what is stored of its epoch already."""
        if self.storage.bodies.named(epoch.epoch.hub, epoch.id):
            self._add_names(epoch, number, table)

    def _add_names(self, epoch: OpenEpoch, number: int, table: Table) -> None:
        """Store names of an epoch, without those that were erased."""
        hub = epoch.epoch.hub
        data = encoded_table(self.erasures.veiled(hub, table))
        self.storage.bodies.add_names(hub, Names(epoch.id, number, data))

    def _readings_of_alerts(self, hub: str, record: int, boot: bytes, rows: Sequence[Row], now: float) -> list[Row]:
        """Take alerts, anchors and orders out of the rows of a block; return the other rows."""
        offset = self.storage.clocks.offset(hub, boot)
        rows = alerts.take(self.storage.alerts, hub, rows, offset)
        rows = audit_anchors.take(self.storage.anchors, hub, rows, offset, now)
        left = self.erasures.take(hub, rows, record)
        if len(left) < len(rows):
            self._series.forget(hub)  # some were deleted
        return left

    def refuse(self, stream: Stream, epoch: OpenEpoch, item: RefusedRecord) -> int | None:
        """Handle a record that did not pass, and is not acknowledged. If its epoch truly sealed it but it cannot be
        read, store it in quarantine and return its number, which the hub is told."""
        log.warning(phrase("hub-says", "{hub}: {reason}", hub=stream.hub, reason=reason_of(item.error)))
        if isinstance(item.error, AuthFailed):
            self.received.alarm("forged", stream.hub, reason_of(item.error))
            return None
        if item.error.reason == UNKNOWN_TABLE:
            reason = NAMELESS
            said = phrase(
                "blocks-without-rows",
                "blocks of {stream} of run {run} are kept without rows; {cause}",
                stream=stream.stream,
                run=stream.run.hex(),
                cause=LOST,
            )
        else:
            reason = "unreadable"
            said = phrase(
                "sealed-not-readable",
                "what it truly sealed cannot be read here ({kind}), and is kept; {cause}",
                kind=item.error.reason,
                cause=NEWER,
            )
        self.received.quarantine(stream.hub, reason, item.raw, said, epoch=epoch.id)
        head = framing.read_head(item.raw, 0)
        known = head is not None and head.kind in framing.NUMBERED and 1 <= head.seq < 2**63
        return head.seq if head is not None and known else None
