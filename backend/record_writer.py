"""Writer of verified records: rows of those that can be read, quarantine for the others.

Both messages and the journal use it. The caller holds the transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from backend import alerts, audit_anchors
from backend.erasures import Erasures
from backend.storage import Storage, Stream
from backend.verifier import UNKNOWN_TABLE, OpenEpoch, RefusedRecord, VerifiedRecord
from hub.core.errors import AuthFailed
from hub.core.text import phrase, reason_of
from hub.protocol.records import framing
from hub.protocol.records.opening import Block, ClockMark, Gap
from hub.protocol.records.rows import ALERTS, Row

log = logging.getLogger("backend.records")

NAMELESS = "nameless"
LOST = phrase("hub-lost-table", "its hub has lost the TABLE that names what they hold: see `ilot backend check`")
NEWER = phrase("hub-maybe-newer", "its hub may be of a newer release than this backend")


class RecordWriter:
    """Writer over one database. Rows that an erasure forbids are left out."""

    def __init__(self, storage: Storage, erasures: Erasures) -> None:
        self.storage = storage
        self.erasures = erasures

    def store(self, stream: Stream, epoch: OpenEpoch, item: VerifiedRecord) -> None:
        opened, body = item.opened, item.opened.body
        record = self.storage.add_record(stream, epoch.id, opened)
        if isinstance(body, Block):
            rows: Sequence[Row] = item.rows
            offset = self.storage.readings.offset(stream.hub, body.boot)
            if stream.stream == ALERTS:
                rows = alerts.take(self.storage.connection, stream.hub, rows, offset)
                rows = audit_anchors.take(self.storage.connection, stream.hub, rows, offset, time.time())
                rows = self.erasures.take(stream.hub, rows)
            rows = self.erasures.filter(stream.hub, rows, offset)
            self.storage.readings.add(stream.hub, record, body.boot, rows)
        elif isinstance(body, Gap):
            self.storage.add_gap(stream.hub, body, record)
        elif isinstance(body, ClockMark):
            self.storage.add_mark(stream.hub, body)

    def refuse(self, stream: Stream, epoch: OpenEpoch, item: RefusedRecord) -> int | None:
        """Handle a record that did not pass, and is not acknowledged. If its epoch truly sealed it but it cannot be
        read, store it in quarantine and return its number, which the hub is told."""
        log.warning(phrase("hub-says", "{hub}: {reason}", hub=stream.hub, reason=reason_of(item.error)))
        if isinstance(item.error, AuthFailed):
            self.storage.alarm("forged", stream.hub, reason_of(item.error))
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
        self.storage.quarantine(stream.hub, reason, item.raw, said, epoch=epoch.id)
        head = framing.read_head(item.raw, 0)
        known = head is not None and head.kind in framing.NUMBERED and 1 <= head.seq < 2**63
        return head.seq if head is not None and known else None
