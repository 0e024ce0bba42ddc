"""Recovery of what a former release acknowledged from its journal: it is stored, one transaction at a time.

A damaged entry, or a record that cannot be stored, stops nothing after it: it is kept as evidence, raises an alarm, and
is requested again, since the hub keeps acknowledged records for some days.
"""

from __future__ import annotations

import logging

from backend.hubs.registry import Registry
from backend.ingest.record_writer import RecordWriter
from backend.ingest.verifier import UNKNOWN_TABLE, NeedContext, VerifiedRecord, Verifier
from backend.maintenance.former_journal import Batch, Damage, Entry, FormerJournal
from backend.storage.engine import RowRefused
from hub.core.errors import DecodeError, StorageError
from hub.core.text import phrase, reason_of
from hub.protocol.records.opening import split

log = logging.getLogger("backend.settling")

MAX_EVIDENCE = 1 << 20
"""Bytes that are stored of one damaged part of the journal."""


class JournalRecovery:
    """Stores the entries of a journal."""

    def __init__(self, journal: FormerJournal, registry: Registry, verifier: Verifier, records: RecordWriter) -> None:
        self._journal = journal
        self._received, self._storage = records.received, records.storage
        self._registry = registry
        self._verifier = verifier
        self._records = records

    def run(self, limit: int) -> int:
        """Store at most about `limit` bytes of entries; return the bytes done, 0 when nothing waits."""
        batch = self._journal.waiting(limit)
        if not batch.items:
            return 0
        try:
            self._all(batch)
        except Exception as error:
            if _is_disk_error(error):
                raise
            for one in batch.each():  # one of them is unusable, and must not stop the others
                self._one(one)
        return batch.size

    def _all(self, batch: Batch, unfit: Exception | None = None) -> None:
        """Store a batch in one transaction; nothing of it where `unfit` says why it cannot be."""
        with self._storage.transaction():
            for item in batch.items:
                if isinstance(item, Entry) and unfit is None:
                    self._entry(item)
                else:
                    self._put_aside(item, unfit)
            self._storage.notes.put_journal_end(batch.ends[-1])
        self._journal.drop(batch)

    def _one(self, one: Batch) -> None:
        try:
            self._all(one)
        except Exception as error:
            if _is_disk_error(error):
                raise
            log.exception(phrase("journalled-record-without-rows", "a journalled record cannot be made rows of"))
            self._all(one, error)

    def _put_aside(self, item: Entry | Damage, why: Exception | None) -> None:
        """Store an unusable entry as evidence, raise an alarm, and request it again from the hub."""
        stream = self._storage.streams.numbered(item.stream)
        where = phrase("record-of-nobody", "nobody knows whose it was") if isinstance(item, Damage) else ""
        if stream is not None:
            where = phrase(
                "record-asked-again",
                "record {number} of {stream} of run {run}: it is asked for again",
                number=item.seq,
                stream=stream.stream,
                run=stream.run.hex(),
            )
            self._received.announce(stream, item.seq)
            self._received.touch(stream)
        if isinstance(item, Damage):
            said = phrase(
                "entry-not-read-back", "{place} cannot be read back; {record}", place=item.where, record=where
            )
        else:
            reason = reason_of(why) if why is not None else ""
            said = phrase("entry-without-rows", "no rows can be made of it ({why}); {record}", why=reason, record=where)
        hub, epoch = "" if stream is None else stream.hub, None if isinstance(item, Damage) else item.epoch
        log.error(phrase("journal-entry-lost", "journal: {reason}", reason=said))
        self._received.quarantine(hub, "journal", item.raw[:MAX_EVIDENCE], said, owed=True, epoch=epoch)

    def _entry(self, entry: Entry) -> None:
        """Store one entry. Raises the reason why it cannot be; see `_is_disk_error`."""
        stream = self._received.numbered(entry.stream)
        context = self._storage.epochs.numbered(entry.epoch)
        hub = self._registry.find(stream.hub)
        if context is None or hub is None:
            raise RowRefused(
                phrase(
                    "journal-epoch-lost",
                    "the journal names epoch {epoch}, which the database lost: restore it",
                    epoch=entry.epoch,
                )
            )
        epoch = self._verifier.reopen(hub.identity, context)
        if entry.seq in stream.stored:
            known = self._storage.records.digest(stream, entry.seq)
            if known is not None:  # None: a damaged database lost its row, and it arrived again
                if known != entry.digest:
                    self._received.add_fork(stream, entry.seq, entry.digest, epoch.epoch.eid, entry.raw)
                return
        try:
            for item in self._verifier.read_records(epoch, list(split(entry.raw))):
                if not isinstance(item, VerifiedRecord):
                    raise item.error  # it was acknowledged, so a refusal is not enough
                self._records.store(stream, epoch, item)
        except NeedContext:
            raise DecodeError(
                UNKNOWN_TABLE, phrase("table-not-kept", "the TABLE that it needs is not kept any more")
            ) from None


def _is_disk_error(error: Exception) -> bool:
    """Return whether a retry may help: the disk refuses, or memory is short. Otherwise the record is at fault."""
    if isinstance(error, StorageError):
        return not isinstance(error, RowRefused)
    return isinstance(error, OSError | MemoryError)
