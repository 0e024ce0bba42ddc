"""From the journal to rows: what was acknowledged while still sealed, one transaction at a time.

What cannot be made rows of, damage or a poisoned record, stops nothing behind it: it is set aside with evidence, told,
and asked for again, for the hub keeps what was acknowledged for some days.
"""

from __future__ import annotations

import logging

import apsw

from backend.journal import Batch, Damage, Entry, Journal
from backend.record_writer import Records
from backend.registry import Registry
from backend.storage import Storage
from backend.verifier import UNKNOWN_TABLE, Gate, NeedContext, Read
from hub.core.errors import DecodeError, StorageError
from hub.protocol.records.opening import split

log = logging.getLogger("backend.settling")

MAX_EVIDENCE = 1 << 20
"""Bytes that are kept of one damaged place of the journal."""
_OF_A_RECORD = (apsw.ConstraintError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError)
"""What SQLite says of a row, and not of the disk."""


class Settling:
    """`set_aside` counts what was, since the start."""

    def __init__(self, journal: Journal, storage: Storage, registry: Registry, gate: Gate, records: Records) -> None:
        self.set_aside = 0
        self._journal = journal
        self._storage = storage
        self._registry = registry
        self._gate = gate
        self._records = records
        self._erasures = records.erasures

    def settle(self, limit: int) -> int:
        """Make rows of at most about `limit` journalled bytes; returns the bytes done, 0 when nothing waits."""
        batch = self._journal.waiting(limit)
        if not batch.items:
            return 0
        try:
            self._all(batch)
        except Exception as error:
            if _of_the_disk(error):
                raise
            for one in batch.each():  # one of them cannot be settled, and must not stop the others
                self._one(one)
        return batch.size

    def _all(self, batch: Batch, unfit: Exception | None = None) -> None:
        """Make rows of a batch in one transaction; of none where `unfit` says why they cannot be made."""
        try:
            with self._storage.transaction():
                for item in batch.items:
                    if isinstance(item, Entry) and unfit is None:
                        self._entry(item)
                    else:
                        self._put_aside(item, unfit)
                self._journal.settled(batch, self._storage.connection)
        except BaseException:
            self._gate.forget()
            self._erasures.forget()
            raise
        erased = self._erasures.executed
        self._erasures.truncate()
        self._journal.drop(batch)
        for item in batch.items:
            if isinstance(item, Damage) or unfit is not None:
                self.set_aside += 1
                self._journal.lose(item.stream, item.seq)
        if erased:
            self._journal.turn()  # it held, sealed, what was erased

    def _one(self, one: Batch) -> None:
        try:
            self._all(one)
        except Exception as error:
            if _of_the_disk(error):
                raise
            log.exception("a journalled record cannot be made rows of")
            self._all(one, error)

    def _put_aside(self, item: Entry | Damage, why: Exception | None) -> None:
        """What waits in the journal and cannot be made rows of: kept as evidence, told, and asked for again. It was
        acknowledged, and the hub keeps that for some days."""
        stream = self._storage.known_stream(item.stream)
        where = "nobody knows whose it was" if isinstance(item, Damage) else ""
        if stream is not None:
            where = f"record {item.seq} of {stream.stream} of run {stream.run.hex()}: it is asked for again"
            self._storage.announce(stream, item.seq)
            self._storage.touch(stream)
        said = f"{item.where} cannot be read back" if isinstance(item, Damage) else f"no rows can be made of it ({why})"
        hub, epoch = "" if stream is None else stream.hub, None if isinstance(item, Damage) else item.epoch
        log.error("journal: %s; %s", said, where)
        self._storage.quarantine(hub, "journal", item.raw[:MAX_EVIDENCE], f"{said}; {where}", owed=True, epoch=epoch)

    def _entry(self, entry: Entry) -> None:
        """Raises what says that this entry cannot be settled; of the disk only where `_of_the_disk` says so."""
        stream = self._storage.stream_by_id(entry.stream)
        context = self._storage.context_by_id(entry.epoch)
        hub = self._registry.find(stream.hub)
        if context is None or hub is None:
            raise StorageError(f"the journal names epoch {entry.epoch}, which the database lost: restore it")
        epoch = self._gate.reopen(hub.identity, context)
        if entry.seq in stream.stored:
            known = self._storage.digest(stream, entry.seq)
            if known is not None:  # None: a damaged database lost its line, and it came again
                if known != entry.digest:
                    self._storage.add_fork(stream, entry.seq, entry.digest, epoch.epoch.eid, entry.raw)
                return
        try:
            for item in self._gate.read(epoch, list(split(entry.raw))):
                if not isinstance(item, Read):
                    raise item.error  # it was acknowledged: never only refused
                self._records.store(stream, epoch, item)
        except NeedContext:
            raise DecodeError(UNKNOWN_TABLE, "the TABLE that it needs is not kept any more") from None


def _of_the_disk(error: Exception) -> bool:
    """Whether it may be better the next time: the disk refuses, or memory is short. Otherwise it is the record's."""
    if isinstance(error, StorageError):
        return error.__cause__ is not None and not isinstance(error.__cause__, _OF_A_RECORD)
    return isinstance(error, OSError | MemoryError)
