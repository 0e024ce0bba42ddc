"""INGEST: messages in, signed acknowledgements out. Synchronous; one thread calls it.

Of every record that the gate lets through, by (hub, run, stream, seq) and digest: new → stored · same digest → a
duplicate, acknowledged again · another digest → a fork, kept aside, alarm, never acknowledged. One transaction and one
commit for all messages in hand; acknowledgements (`acks`) are signed after it.

Where a `Journal` is given, new records go there, still sealed, with one fdatasync for all; `settle` makes rows of them
later (`settling`). What a hub is told is the same.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from backend.acks import Acks, Told
from backend.checkpoint import Settling
from backend.erasures import Erasures
from backend.hub_states import States
from backend.journal import Entry, Journal
from backend.missing_records import Holes
from backend.other_hubs import Whereabouts
from backend.owner import Owner
from backend.quotas import Crowded
from backend.record_writer import NEWER, Records
from backend.registry import Hub, Registry
from backend.retention import Retention
from backend.storage import Storage, Stream
from backend.verifier import Gate, NeedContext, OpenEpoch, Read, unpack
from hub.core.errors import AuthFailed, DecodeError, HubError, StorageError
from hub.protocol.link_messages import SPEAKS, open_message, pack_reply
from hub.protocol.ranges import Ranges
from hub.protocol.records.rows import STREAMS

log = logging.getLogger(__name__)

RECORDS, STATE = "records", "state"


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
    told: Told = field(default_factory=Told)
    need: dict[bytes, None] = field(default_factory=dict)
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
        self.records = Records(storage, self.erasures)
        self.journal = journal
        self._acks = Acks(storage, self.states, journal)
        self._settling = None if journal is None else Settling(journal, storage, self.registry, self.gate, self.records)
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

    def taken(self, stream: Stream) -> Ranges:
        """Every number that is durable here, in rows or in the journal."""
        return self._acks.taken(stream)

    def settle(self, limit: int) -> int:
        """Make rows of at most about `limit` journalled bytes; returns the bytes done, 0 when nothing waits."""
        if self._settling is None:
            return 0
        try:
            return self._settling.settle(limit)
        finally:
            self.counts.set_aside = self._settling.set_aside

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
            work.told.touched[stream.id] = stream
            for item in self.gate.read(epoch, records):
                if isinstance(item, Read):
                    self._record(work, stream, epoch, item)
                else:
                    work.counts.refused += 1
                    if (number := self.records.refuse(stream, epoch, item)) is not None:
                        work.told.rejected.setdefault(stream.id, Ranges()).add(number)
        except NeedContext:
            work.need[eid] = None
        except Crowded:
            work.counts.refused += len(records)
        except (AuthFailed, DecodeError) as error:
            work.counts.refused += len(records)
            if isinstance(error, AuthFailed):
                self.storage.alarm("forged", hub.hub, str(error))
            else:
                self.storage.alarm("unreadable", hub.hub, f"{error}; {NEWER}")
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
                self.records.store(stream, epoch, item)
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

    def _state(self, work: _Work, hub: Hub, body: bytes) -> None:
        now = time.time()
        state, taken = self.states.take(hub, body, now)
        work.speaks = SPEAKS
        for name, (run, last, _) in state.streams.items():
            if (named := self._named(hub, name, run)) is not None:
                self.storage.announce(named, last)
                work.told.touched[named.id] = named
        for name, (run, _) in state.oldest.items():
            if (named := self._named(hub, name, run)) is not None:
                work.told.touched[named.id] = named
        if not taken:
            return
        if self.states.owes(state, self._owner.trust.version, now):
            work.trust = self._owner.trust_document
        if state.csr and self.states.due_certificate(hub.hub, now):
            work.certificate = self._certificate(hub.hub, state.csr)
        work.told.want = self.holes.due(hub.hub, state.oldest, now)
        for number in work.told.want:
            work.told.touched[number] = self.storage.stream_by_id(number)

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

    def _reply(self, work: _Work) -> bytes:
        for name in Counts.__slots__:
            setattr(self.counts, name, getattr(self.counts, name) + getattr(work.counts, name))
        self.counts.messages += 1
        acks = self._acks.of(work.hub, work.told, self._owner)
        return pack_reply(acks, list(work.need), work.trust, work.certificate, work.speaks)
