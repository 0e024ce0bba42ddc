"""INGEST: messages in, signed acknowledgements out. Synchronous; one thread calls it.

Every verified record is compared by (hub, run, stream, seq) and digest: new → stored · same digest → a duplicate,
acknowledged again · another digest → a fork: stored apart, alarm, never acknowledged. One transaction and one commit
for all messages of a batch; acknowledgements (`acks`) are signed after it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from backend.hubs.registry import Registry
from backend.hubs.states import HubStates
from backend.ingest.acks import AckContents, Acks
from backend.ingest.missing_records import MissingRecords
from backend.ingest.other_hubs import OtherHubs
from backend.ingest.quotas import QuotaExceeded
from backend.ingest.received_streams import Received
from backend.ingest.record_writer import NEWER, RecordWriter
from backend.ingest.trials import Trials
from backend.ingest.verifier import NeedContext, OpenEpoch, VerifiedRecord, Verifier, unpack
from backend.owner.directory import Owner
from backend.readings.erasures import Erasures
from backend.readings.purge_clock import PurgeClock
from backend.readings.retention import Retention
from backend.storage.engine import HubMoved, StandbyAway, Storage, Stream
from backend.storage.tables import Hub
from hub.core.errors import AuthFailed, DecodeError, HubError, StorageError
from hub.core.text import phrase, reason_of
from hub.protocol.link_messages import SPEAKS, open_message, pack_reply
from hub.protocol.ranges import Ranges
from hub.protocol.records.rows import STREAMS

log = logging.getLogger(__name__)

RECORDS, STATE = "records", "state"


class Message(NamedTuple):
    """A request of a hub. `what` is RECORDS or STATE; `hub` is the certificate's name and the path's."""

    hub: str
    what: str
    body: bytes


class NotAdmitted(HubError):
    """The hub is unknown here, or was revoked."""


@dataclass(slots=True)
class Counts:
    """Counters since the start."""

    messages: int = 0
    records: int = 0
    readings: int = 0
    duplicates: int = 0
    forks: int = 0
    refused: int = 0
    failed: int = 0  # messages that could not be stored, and are not acknowledged


@dataclass(slots=True)
class _PendingMessage:
    """A message being processed: the contents of its answer."""

    hub: str
    ack: AckContents = field(default_factory=AckContents)
    need: dict[bytes, None] = field(default_factory=dict)
    trust: bytes = b""
    certificate: bytes = b""
    speaks: int = 0
    counts: Counts = field(default_factory=Counts)


class Ingest:
    """Verifies and stores messages over one database, in a fixed order; builds the answers."""

    def __init__(self, storage: Storage, owner: Owner) -> None:
        self.storage = storage
        self.received = Received(storage)
        self.registry = Registry(storage)
        self.states = HubStates(storage)
        self.holes = MissingRecords()
        self.erasures = Erasures(storage)
        self.retention = Retention(storage, self.received.evidence.forget)
        self.clock = PurgeClock(storage)
        self.whereabouts = OtherHubs(storage)
        self.records = RecordWriter(self.received, self.erasures)
        self.verifier = Verifier(self.received, owner.recipients, self.records.learn)
        self.trials = Trials(storage, self.holes)
        self._acks = Acks(storage, self.states)
        self.counts = Counts()
        self.purging = False
        self._owner = owner
        self._traces = True  # of what was purged; at first, since a kill may have come between

    def adopt(self, owner: Owner) -> None:
        """Use the owner's changed directory: new keys open and sign, and hubs are given the new TRUST."""
        self._owner = owner
        self.verifier.adopt(owner.recipients)

    def take(self, messages: list[Message]) -> list[bytes | HubError]:
        """Process messages; return the reply to each, or the error that answers it. What is acknowledged is durable."""
        try:
            return self._take(messages)
        except Exception as error:
            if len(messages) > 1 and not isinstance(error, StandbyAway):
                # a bad message must not fail the others of its batch
                return [answer for message in messages for answer in self.take([message])]
            self.counts.failed += len(messages)
            if isinstance(error, StorageError):
                log.error(reason_of(error))
            else:
                log.exception(
                    phrase("message-not-handled", "a message of {hub} could not be handled", hub=messages[0].hub)
                )
            failure = (
                error
                if isinstance(error, HubError)
                else StorageError(
                    phrase("unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=reason_of(error))
                )
            )
            return [failure] * len(messages)

    def purge(self) -> None:
        """Delete what is older than the retention of its class, where this machine's clock is to be believed; `purging`
        says whether there may be more."""
        self.purging = False
        now = time.time()
        with self.storage.transaction():
            believed = self.clock.believes(now)
            purged = believed and self.retention.purge(now) > 0
        self._traces |= purged  # the write-ahead log still holds the deleted rows
        self._remove_traces()
        self.purging = purged or (believed and self.trials.expire(now))

    def _remove_traces(self) -> None:
        """Empty the write-ahead log of what was purged. While somebody reads, it is left to the next call."""
        if self._traces:
            try:
                self._traces = not self.storage.remove_traces()
            except StorageError as error:  # the purge is committed, and hubs are answered all the same
                log.error(
                    phrase(
                        "write-ahead-log-not-emptied",
                        "the write-ahead log cannot be emptied of what was erased, it is tried again: {reason}",
                        reason=reason_of(error),
                    )
                )

    def _take(self, messages: list[Message]) -> list[bytes | HubError]:
        try:
            return self._attempt(messages)
        except HubMoved:
            return self._attempt(messages)

    def _attempt(self, messages: list[Message]) -> list[bytes | HubError]:
        done: list[_PendingMessage | HubError] = []
        try:
            with self.storage.transaction({message.hub for message in messages}):
                done = [self._one(message) for message in messages]
                for work in done:
                    if isinstance(work, _PendingMessage):
                        self._acks.number(work.hub, work.ack)
            answers = [self._reply(work) if isinstance(work, _PendingMessage) else work for work in done]
        except BaseException:
            self.states.rolled_back()
            self.holes.rolled_back()
            raise
        self.states.answered()
        self.holes.answered()
        self._remove_traces()
        return answers

    def _one(self, message: Message) -> _PendingMessage | HubError:
        try:
            hub = self._admitted(message)
            work = _PendingMessage(message.hub)
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
        """Return the registry's entry of a hub that may send. Raises NotAdmitted."""
        hub = self.registry.find(name)
        if hub is None:
            raise NotAdmitted(
                phrase(
                    "hub-not-enrolled-here",
                    "{hub} is not enrolled here: enrol it with a token of this backend",
                    hub=name,
                )
            )
        if hub.revoked_at is not None:
            raise NotAdmitted(phrase("hub-revoked-here", "{hub} was revoked; ask the backend's operator", hub=name))
        return hub

    def _admitted(self, message: Message) -> Hub:
        try:
            return self.admitted(message.hub)
        except NotAdmitted:
            if message.what == RECORDS and self.registry.find(message.hub) is not None:
                self.received.quarantine(message.hub, "revoked", message.body)
            raise

    def _group(self, work: _PendingMessage, hub: Hub, eid: bytes, records: list[bytes]) -> None:
        try:
            epoch = self.verifier.open_epoch(hub.hub, hub.identity, eid, records)
            stream = self.received.stream(hub.hub, epoch.epoch.run, epoch.epoch.stream)
            work.ack.touched[stream.id] = stream
            for item in self.verifier.read_records(epoch, records):
                if isinstance(item, VerifiedRecord):
                    self._record(work, stream, epoch, item)
                else:
                    work.counts.refused += 1
                    if (number := self.records.refuse(stream, epoch, item)) is not None:
                        work.ack.rejected.setdefault(stream.id, Ranges()).add(number)
        except NeedContext:
            work.need[eid] = None
        except QuotaExceeded:
            work.counts.refused += len(records)
        except (AuthFailed, DecodeError) as error:
            work.counts.refused += len(records)
            if isinstance(error, AuthFailed):
                self.received.alarm("forged", hub.hub, reason_of(error))
            else:
                said = phrase(
                    "message-not-readable",
                    "{kind}: {what}; {cause}",
                    kind=error.reason,
                    what=error.detail or error.reason,
                    cause=NEWER,
                )
                self.received.alarm("unreadable", hub.hub, said)
            log.warning(phrase("hub-says", "{hub}: {reason}", hub=hub.hub, reason=reason_of(error)))

    def _record(self, work: _PendingMessage, stream: Stream, epoch: OpenEpoch, item: VerifiedRecord) -> None:
        opened = item.opened
        known = self.storage.records.digest(stream, opened.seq) if opened.seq in stream.stored else None
        if known is None and not self.received.fits(stream, opened.seq):
            work.counts.refused += 1
        elif known is None:
            work.counts.records += 1
            work.counts.readings += opened.readings
            self.records.store(stream, epoch, item)
        elif known == opened.digest:
            work.counts.duplicates += 1
        else:
            work.counts.forks += 1
            self.received.add_fork(stream, opened.seq, opened.digest, epoch.epoch.eid, item.raw)
            log.error(
                phrase(
                    "record-forks",
                    "{hub}: record {number} of {stream} forks",
                    hub=work.hub,
                    number=opened.seq,
                    stream=stream.stream,
                )
            )

    def _state(self, work: _PendingMessage, hub: Hub, body: bytes) -> None:
        now = time.time()
        state, taken = self.states.take(hub, body, now)
        work.speaks = SPEAKS
        for name, (run, last, _) in state.streams.items():
            if (named := self._named(hub, name, run)) is not None:
                self.received.announce(named, last)
                work.ack.touched[named.id] = named
        for name, (run, _) in state.oldest.items():
            if (named := self._named(hub, name, run)) is not None:
                work.ack.touched[named.id] = named
        if not taken:
            return
        if self.states.trust_due(state, self._owner.trust.version, now):
            work.trust = self._owner.trust_document
        if state.csr and self.states.due_certificate(hub.hub, now):
            work.certificate = self._certificate(hub.hub, state.csr)
        work.ack.want = self.holes.due(hub.hub, state.oldest, now)
        for number in work.ack.want:
            work.ack.touched[number] = self.received.numbered(number)

    def _named(self, hub: Hub, name: str, run: bytes) -> Stream | None:
        """Return a stream that a state names; None when there is no such kind, or this hub may begin none now. The
        state counts all the same."""
        try:
            return self.received.stream(hub.hub, run, name) if name in STREAMS else None
        except QuotaExceeded:
            return None

    def _certificate(self, hub: str, csr: bytes) -> bytes:
        """Sign the certificate request in a state of this hub; empty when it is no request."""
        try:
            certificate = self._owner.certify(csr, hub)
        except DecodeError as error:
            log.warning(
                phrase(
                    "certificate-request-unreadable",
                    "{hub} asks for a certificate by something else than a request: {reason}",
                    hub=hub,
                    reason=reason_of(error),
                )
            )
            return b""
        log.info(phrase("hub-has-new-certificate", "{hub} has a new certificate", hub=hub))
        return certificate

    def _reply(self, work: _PendingMessage) -> bytes:
        for name in Counts.__slots__:
            setattr(self.counts, name, getattr(self.counts, name) + getattr(work.counts, name))
        self.counts.messages += 1
        acks = self._acks.of(work.hub, work.ack, self._owner)
        return pack_reply(acks, list(work.need), work.trust, work.certificate, work.speaks)
