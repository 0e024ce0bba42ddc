"""INGEST: messages in, signed acknowledgements out. Synchronous; one thread calls it.

Of every record that the gate lets through, by (hub, run, stream, seq) and digest: new → stored · same digest → a
duplicate, acknowledged again · another digest → a fork, kept aside, alarm, never acknowledged. One transaction and one
commit for all messages in hand; acknowledgements are signed after it.

Where a `Journal` is given, new records go there, still sealed, with one fdatasync for all; `settle` makes rows of them
later. What a hub is told is the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import apsw
import msgspec
from msgspec import UNSET

from backend import alerts, witnesses
from backend.bounds import Crowded
from backend.erasures import Erasures
from backend.gate import Gate, NeedContext, OpenEpoch, Read, Refusal, unpack
from backend.holes import Holes
from backend.journal import Batch, Damage, Entry, Journal
from backend.owner import Owner
from backend.registry import Hub, Registry
from backend.retention import Retention
from backend.states import States
from backend.storage import Storage, Stream
from backend.whereabouts import Whereabouts
from hub.buffer import frame
from hub.buffer.opening import Block, ClockMark, Gap, split
from hub.buffer.rows import ALERTS, STREAMS, Row
from hub.documents.wire import MAX_ACKS, MAX_RANGES, SPEAKS, Ack, Also, open_message, pack_reply, sign_ack
from hub.errors import AuthFailed, DecodeError, HubError, StorageError
from hub.ranges import Range, Ranges

log = logging.getLogger(__name__)

RECORDS, STATE = "records", "state"
_NEWER = "its hub may be of a newer release than this backend"
MAX_EVIDENCE = 1 << 20
"""Bytes that are kept of one damaged place of the journal."""
_OF_A_RECORD = (apsw.ConstraintError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError)
"""What SQLite says of a row, and not of the disk."""


class Message(NamedTuple):
    """What one request brought. `what` is RECORDS or STATE; `hub` is the certificate's name and the path's."""

    hub: str
    what: str
    body: bytes


class NotAdmitted(HubError):
    """The hub is unknown here, or was revoked."""


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    messages: int = 0
    records: int = 0
    readings: int = 0
    duplicates: int = 0
    forks: int = 0
    refused: int = 0
    set_aside: int = 0  # of what waited in the journal


@dataclass(slots=True)
class _Work:
    """One message on its way: what its answer will say, what waits for the journal."""

    hub: str
    touched: dict[int, Stream] = field(default_factory=dict)
    need: dict[bytes, None] = field(default_factory=dict)
    rejected: dict[int, Ranges] = field(default_factory=dict)
    want: dict[int, tuple[Range, ...]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    trust: bytes = b""
    certificate: bytes = b""
    speaks: int = 0
    counts: Counts = field(default_factory=Counts)


class Ingest:
    """Judges what comes, in a fixed order, over one database; makes the answers."""

    def __init__(self, storage: Storage, owner: Owner, journal: Journal | None = None) -> None:
        self.storage = storage
        self.registry = Registry(storage.connection)
        self.gate = Gate(storage, owner.recipients)
        self.states = States(storage)
        self.holes = Holes()
        self.erasures = Erasures(storage.connection, storage.readings)
        self.retention = Retention(storage.connection, self._purged)
        self.whereabouts = Whereabouts(storage)
        self.journal = journal
        self.counts = Counts()
        self.purging = False
        self._owner = owner
        self._batch: dict[tuple[int, int], bytes] = {}  # (stream, seq) → digest of what this batch will journal
        self._coming: dict[int, Ranges] = {}  # the same numbers, by stream

    def adopt(self, owner: Owner) -> None:
        """The owner's directory has changed: new keys open and sign, and hubs are handed the new TRUST."""
        self._owner = owner
        self.gate.adopt(owner.recipients)

    def take(self, messages: list[Message]) -> list[bytes | HubError]:
        """The reply to each message, or the error that answers it. What is acknowledged is durable."""
        try:
            return self._take(messages)
        except Exception as error:
            if len(messages) > 1:  # one bad message must not cost the others theirs
                return [answer for message in messages for answer in self.take([message])]
            if isinstance(error, StorageError):
                log.error("%s", error)
            else:
                log.exception("a message of %s could not be handled", messages[0].hub)
            failure = error if isinstance(error, HubError) else StorageError(f"{type(error).__name__}: {error}")
            return [failure]

    def settle(self, limit: int) -> int:
        """Make rows of at most about `limit` journalled bytes; returns the bytes done, 0 when nothing waits."""
        if self.journal is None:
            return 0
        batch = self.journal.waiting(limit)
        if not batch.items:
            return 0
        try:
            self._settle_all(self.journal, batch)
        except Exception as error:
            if _of_the_disk(error):
                raise
            for one in batch.each():  # one of them cannot be settled, and must not stop the others
                self._settle_one(self.journal, one)
        return batch.size

    def _settle_all(self, journal: Journal, batch: Batch, unfit: Exception | None = None) -> None:
        """Make rows of a batch in one transaction; of none where `unfit` says why they cannot be made."""
        try:
            with self.storage.transaction():
                for item in batch.items:
                    if isinstance(item, Entry) and unfit is None:
                        self._settle(item)
                    else:
                        self._set_aside(item, unfit)
                journal.settled(batch, self.storage.connection)
        except BaseException:
            self.gate.forget()
            self.erasures.forget()
            raise
        erased = self.erasures.executed
        self.erasures.truncate()
        journal.drop(batch)
        for item in batch.items:
            if isinstance(item, Damage) or unfit is not None:
                self.counts.set_aside += 1
                journal.lose(item.stream, item.seq)
        if erased:
            journal.turn()  # it held, sealed, what was erased

    def _settle_one(self, journal: Journal, one: Batch) -> None:
        try:
            self._settle_all(journal, one)
        except Exception as error:
            if _of_the_disk(error):
                raise
            log.exception("a journalled record cannot be made rows of")
            self._settle_all(journal, one, error)

    def _set_aside(self, item: Entry | Damage, why: Exception | None) -> None:
        """What waits in the journal and cannot be made rows of: kept as evidence, told, and asked for again. It was
        acknowledged, and the hub keeps that for some days."""
        stream = self.storage.known_stream(item.stream)
        where = "nobody knows whose it was" if isinstance(item, Damage) else ""
        if stream is not None:
            where = f"record {item.seq} of {stream.stream} of run {stream.run.hex()}: it is asked for again"
            self.storage.announce(stream, item.seq)
            self.storage.touch(stream)
        said = f"{item.where} cannot be read back" if isinstance(item, Damage) else f"no rows can be made of it ({why})"
        hub = "" if stream is None else stream.hub
        log.error("journal: %s; %s", said, where)
        self.storage.quarantine(hub, "journal", item.raw[:MAX_EVIDENCE], f"{said}; {where}")

    def purge(self) -> None:
        """Delete what is too old for its class; `purging` says whether there may be more."""
        self.purging = False
        with self.storage.transaction():
            self.purging = self.retention.look(time.time()) > 0
        self.erasures.executed |= self.purging  # the write-ahead log holds what went
        self.erasures.truncate()

    def _purged(self) -> None:
        self.storage.readings.forget_subjects()
        self.storage.evidence.forget()

    def _take(self, messages: list[Message]) -> list[bytes | HubError]:
        done: list[_Work | HubError] = []
        self._batch.clear()
        self._coming.clear()
        try:
            with self.storage.transaction():
                done = [self._one(message) for message in messages]
            if self.journal is not None:
                self.journal.append([entry for work in done if isinstance(work, _Work) for entry in work.entries])
            answers = [self._reply(work) if isinstance(work, _Work) else work for work in done]
        except BaseException:
            self.gate.forget()
            self.states.forget()
            self.holes.forget()
            self.erasures.forget()
            raise
        self.states.answered()
        self.holes.answered()
        self.erasures.truncate()
        return answers

    def _one(self, message: Message) -> _Work | HubError:
        try:
            hub = self._admitted(message)
            work = _Work(message.hub)
            if message.what == STATE:
                self._state(work, hub, message.body)
            else:
                stated, groups = open_message(message.body)
                unpacked = unpack(groups)
                if stated:
                    self._state(work, hub, stated)
                for eid, records in unpacked:
                    self._group(work, hub, eid, records)
        except (NotAdmitted, AuthFailed, DecodeError) as error:
            return error
        return work

    def admitted(self, name: str) -> Hub:
        """The registry's line of a hub that may send. Raises NotAdmitted."""
        hub = self.registry.find(name)
        if hub is None:
            raise NotAdmitted(f"{name} is not enrolled here: enrol it with a token of this backend")
        if hub.revoked_at is not None:
            raise NotAdmitted(f"{name} was revoked; ask the backend's operator")
        return hub

    def _admitted(self, message: Message) -> Hub:
        try:
            return self.admitted(message.hub)
        except NotAdmitted:
            if message.what == RECORDS and self.registry.find(message.hub) is not None:
                self.storage.quarantine(message.hub, "revoked", message.body)
            raise

    def _group(self, work: _Work, hub: Hub, eid: bytes, records: list[bytes]) -> None:
        try:
            epoch = self.gate.enter(hub.hub, hub.identity, eid, records)
            stream = self.storage.stream(hub.hub, epoch.epoch.run, epoch.epoch.stream)
            work.touched[stream.id] = stream
            for item in self.gate.read(epoch, records):
                if isinstance(item, Read):
                    self._record(work, stream, epoch, item)
                else:
                    self._refuse(work, stream, item)
        except NeedContext:
            work.need[eid] = None
        except Crowded:
            work.counts.refused += len(records)
        except (AuthFailed, DecodeError) as error:
            work.counts.refused += len(records)
            if isinstance(error, AuthFailed):
                self.storage.alarm("forged", hub.hub, str(error))
            else:
                self.storage.alarm("unreadable", hub.hub, f"{error}; {_NEWER}")
            log.warning("%s: %s", hub.hub, error)

    def _record(self, work: _Work, stream: Stream, epoch: OpenEpoch, item: Read) -> None:
        opened = item.opened
        known = self._digest(stream, opened.seq)
        if known is None and not self.storage.fits(stream, opened.seq, *self._beside(stream)):
            work.counts.refused += 1
        elif known is None:
            work.counts.records += 1
            work.counts.readings += opened.readings
            if self.journal is None:
                self._store(stream, epoch, item)
            else:
                self.storage.touch(stream)
                self._batch[stream.id, opened.seq] = opened.digest
                self._coming.setdefault(stream.id, Ranges()).add(opened.seq)
                work.entries.append(Entry(epoch.id, stream.id, opened.seq, opened.digest, opened.readings, item.raw))
        elif known == opened.digest:
            work.counts.duplicates += 1
        else:
            work.counts.forks += 1
            self.storage.add_fork(stream, opened.seq, opened.digest, epoch.epoch.eid, item.raw)
            log.error("%s: record %d of %s forks", work.hub, opened.seq, stream.stream)

    def _beside(self, stream: Stream) -> tuple[Ranges, ...]:
        """What of a stream was taken and is in no rows yet: in the journal, in this batch."""
        if self.journal is None:
            return ()
        return self.journal.ranges(stream.id), self._coming.get(stream.id, Ranges())

    def _digest(self, stream: Stream, seq: int) -> bytes | None:
        """The digest under which this number was taken before, in this batch, the journal or the database."""
        if seq in stream.stored:
            return self.storage.digest(stream, seq)
        if self.journal is None:
            return None
        return self.journal.digest(stream.id, seq) or self._batch.get((stream.id, seq))

    def _store(self, stream: Stream, epoch: OpenEpoch, item: Read) -> None:
        opened, body = item.opened, item.opened.body
        record = self.storage.add_record(stream, epoch.id, opened)
        if isinstance(body, Block):
            rows: Sequence[Row] = item.rows
            offset = self.storage.readings.offset(stream.hub, body.boot)
            if stream.stream == ALERTS:
                rows = alerts.take(self.storage.connection, stream.hub, rows, offset)
                rows = witnesses.take(self.storage.connection, stream.hub, rows, offset, time.time())
                rows = self.erasures.take(stream.hub, rows)
            rows = self.erasures.spare(stream.hub, rows, offset)
            self.storage.readings.add(stream.hub, record, body.boot, rows)
        elif isinstance(body, Gap):
            self.storage.add_gap(stream.hub, body, record)
        elif isinstance(body, ClockMark):
            self.storage.add_mark(stream.hub, body)

    def _refuse(self, work: _Work, stream: Stream, item: Refusal) -> None:
        """A record that does not pass is not acknowledged. What its epoch truly sealed, and yet nobody can read, is
        kept for a person, and the hub is told so."""
        work.counts.refused += 1
        log.warning("%s: %s", work.hub, item.error)
        if isinstance(item.error, AuthFailed):
            self.storage.alarm("forged", work.hub, str(item.error))
        else:
            said = f"what it truly sealed cannot be read here ({item.error.reason}), and is kept; {_NEWER}"
            self.storage.quarantine(work.hub, "unreadable", item.raw, said)
            head = frame.read_head(item.raw, 0)
            if head is not None and head.kind in frame.NUMBERED and 1 <= head.seq < 2**63:
                work.rejected.setdefault(stream.id, Ranges()).add(head.seq)

    def _state(self, work: _Work, hub: Hub, body: bytes) -> None:
        now = time.time()
        state, taken = self.states.take(hub, body, now)
        work.speaks = SPEAKS
        for name, (run, last, _) in state.streams.items():
            if (named := self._named(hub, name, run)) is not None:
                self.storage.announce(named, last)
                work.touched[named.id] = named
        for name, (run, _) in state.oldest.items():
            if (named := self._named(hub, name, run)) is not None:
                work.touched[named.id] = named
        if not taken:
            return
        if self.states.owes(state, self._owner.trust.version, now):
            work.trust = self._owner.trust_document
        if state.csr and self.states.due_certificate(hub.hub, now):
            work.certificate = self._certificate(hub.hub, state.csr)
        work.want = self.holes.due(hub.hub, state.oldest, now)
        for number in work.want:
            work.touched[number] = self.storage.stream_by_id(number)

    def _named(self, hub: Hub, name: str, run: bytes) -> Stream | None:
        """A stream that a state names; None: there is no such kind, or this hub may begin none now. Its state counts
        all the same."""
        try:
            return self.storage.stream(hub.hub, run, name) if name in STREAMS else None
        except Crowded:
            return None

    def _certificate(self, hub: str, csr: bytes) -> bytes:
        """What a state asks for that this hub has signed; empty when it is no request."""
        try:
            certificate = self._owner.certify(csr, hub)
        except DecodeError as error:
            log.warning("%s asks for a certificate by something else than a request: %s", hub, error)
            return b""
        log.info("%s has a new certificate", hub)
        return certificate

    def _settle(self, entry: Entry) -> None:
        """Raises what says that this entry cannot be settled; of the disk only where `_of_the_disk` says so."""
        stream = self.storage.stream_by_id(entry.stream)
        context = self.storage.context_by_id(entry.epoch)
        hub = self.registry.find(stream.hub)
        if context is None or hub is None:
            raise StorageError(f"the journal names epoch {entry.epoch}, which the database lost: restore it")
        epoch = self.gate.reopen(hub.identity, context)
        if entry.seq in stream.stored:
            known = self.storage.digest(stream, entry.seq)
            if known is not None:  # None: a damaged database lost its line, and it came again
                if known != entry.digest:
                    self.storage.add_fork(stream, entry.seq, entry.digest, epoch.epoch.eid, entry.raw)
                return
        for item in self.gate.read(epoch, list(split(entry.raw))):
            if isinstance(item, Read):
                self._store(stream, epoch, item)
            else:
                self._refuse(_Work(stream.hub), stream, item)

    def _reply(self, work: _Work) -> bytes:
        for name in Counts.__slots__:
            setattr(self.counts, name, getattr(self.counts, name) + getattr(work.counts, name))
        self.counts.messages += 1
        return pack_reply(self._acks(work), list(work.need), work.trust, work.certificate, work.speaks)

    def taken(self, stream: Stream) -> Ranges:
        """Every number that is durable here, in rows or in the journal."""
        return stream.stored if self.journal is None else self.journal.merged(stream.id, stream.stored)

    def _acks(self, work: _Work) -> list[bytes]:
        """What is durable of every stream that was touched: under one signature, where the hub reads that."""
        told = [self._durable(stream, work) for stream in work.touched.values()]
        if not told:
            return []
        stated = self.states.last(work.hub)
        key = self._owner.ack_key_for(None if stated is None else stated.trust_version)
        together = stated is not None and stated.speaks is not UNSET and stated.speaks >= SPEAKS
        acks = []
        while told:
            first, also = told.pop(0), list[Also]()
            size = _size(first)
            while together and told and len(also) < MAX_ACKS and (size := size + _size(told[0])) <= MAX_RANGES:
                also.append(told.pop(0))
            ack = Ack(
                hub=work.hub, db=self.storage.db, n=self.storage.next_n(), now=time.time(), also=tuple(also),
                nonce=b"" if stated is None else stated.nonce, **msgspec.structs.asdict(first),
            )  # fmt: skip
            acks.append(sign_ack(ack, key))
        return acks

    def _durable(self, stream: Stream, work: _Work) -> Also:
        unreadable = work.rejected.get(stream.id)
        taken = self.taken(stream)
        if stream.forked:
            taken = Ranges(r for first, last in taken for r in stream.forked.missing(first, last))
        rejected = Ranges([*stream.forked, *(unreadable or ())])
        through = taken.through()
        above = [pair for pair in taken if pair[0] > through]
        return Also(
            stream.stream, stream.run, through, tuple(above[:MAX_RANGES]), tuple(rejected)[:MAX_RANGES],
            work.want.get(stream.id, ()),
        )  # fmt: skip


def _of_the_disk(error: Exception) -> bool:
    """Whether it may be better the next time: the disk refuses, or memory is short. Otherwise it is the record's."""
    if isinstance(error, StorageError):
        return error.__cause__ is not None and not isinstance(error.__cause__, _OF_A_RECORD)
    return isinstance(error, OSError | MemoryError)


def _size(told: Also) -> int:
    """In ranges: an ack of several runs is not to be longer than one of a single run may be."""
    return len(told.ranges) + len(told.rejected) + len(told.want)
