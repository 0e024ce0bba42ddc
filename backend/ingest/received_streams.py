"""Storing of what hubs sent, under each hub's quotas: streams, records, gaps, second contents, unreadable bytes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator

from backend.hubs.alarms import raise_alarm
from backend.ingest.quotas import (
    MANY_DETAIL,
    PARTS,
    PARTS_ALARM,
    RUNS_ALARM,
    RUNS_DETAIL,
    EvidenceQuota,
    QuotaExceeded,
    StreamQuota,
)
from backend.storage.engine import RecordLine, RowRefused, Storage, Stream
from hub.core.text import Phrase, phrase
from hub.protocol.records.opening import Gap, Opened

_IN_QUARANTINE = phrase("bytes-in-quarantine", "bytes are kept in quarantine")


class Received:
    """Rules over one database, inside the caller's transaction. One thread."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.runs = StreamQuota(storage)
        self.evidence = EvidenceQuota(storage)
        self.touched: set[int] | None = None  # streams to check for holes; None: all

    def alarm(self, kind: str, hub: str, detail: str) -> bool:
        return raise_alarm(self.storage, kind, hub, detail)

    # streams

    def stream(self, hub: str, run: bytes, stream: str, *, named: bool = False) -> Stream:
        """Return the stream with this identity, created on first use. Raises QuotaExceeded, with an alarm, when its hub
        may begin none now. A stream that an existing one `named` is always created, or its end would not be missed."""
        known = self.storage.streams.find(hub, run, stream)
        if known is not None:
            return known
        if not named:
            self._check_begin(hub, time.time())
        return self.begin(hub, run, stream)

    def found(self, hub: str, run: bytes, stream: str) -> Stream | None:
        """Return the stream with this identity, None where it may be created by `begin`. Raises QuotaExceeded, with an
        alarm, when its hub may begin none now."""
        known = self.storage.streams.find(hub, run, stream)
        if known is None:
            self._check_begin(hub, time.time())
        return known

    def begin(self, hub: str, run: bytes, stream: str) -> Stream:
        """Create a stream that is not there, and count it."""
        now = time.time()
        made = self.storage.streams.begin(hub, run, stream, now)
        self.runs.add(hub, now)
        return made

    def numbered(self, number: int) -> Stream:
        """Return the stream of this number. Raises RowRefused where the database lost it."""
        stream = self.storage.streams.numbered(number)
        if stream is None:
            raise RowRefused(
                phrase("stream-lost", "the database lost stream {number}: restore it from a backup", number=number)
            )
        return stream

    def streams_to_check(self) -> Iterator[Stream]:
        """Yield the touched streams, all of them while `touched` is None, one by one: there are as many as hubs ever
        began, and they are not all loaded at once."""
        numbers: Iterable[int] = self.storage.streams.numbers() if self.touched is None else self.touched
        for number in sorted(numbers):
            stream = self.storage.streams.numbered(number)
            if stream is not None:  # None: created by a transaction that was rolled back
                yield stream
                self.storage.streams.trim(stream)

    def change(self, stream: Stream) -> None:
        """Have this transaction store what was changed in `stream`."""
        self.storage.streams.change(stream)
        self.touch(stream)

    def touch(self, stream: Stream) -> None:
        """Mark `stream` to be checked for holes."""
        if self.touched is not None:
            self.touched.add(stream.id)

    def announce(self, stream: Stream, last: int) -> None:
        """Record that numbers up to `last` exist."""
        if last > stream.announced:
            stream.announced = last
            self.change(stream)

    def fits(self, stream: Stream, seq: int) -> bool:
        """Return whether this number may join the stored ones: not where it makes one range too many."""
        have = stream.stored
        if have.parts() < PARTS or seq - 1 in have or seq + 1 in have:
            return True
        self.alarm(PARTS_ALARM, stream.hub, _scattered(stream))
        return False

    # records

    def add_record(self, stream: Stream, epoch: int, opened: Opened) -> int:
        """Store the line of a new record; return its id, the origin of its readings."""
        line = RecordLine(opened.seq, opened.digest, epoch, opened.kind, opened.readings)
        record = self.storage.records.add(stream, line, time.time())
        stream.stored.add(opened.seq)
        stream.readings += opened.readings
        self.change(stream)
        return record

    def add_gap(self, hub: str, gap: Gap, record: int) -> None:
        """Store a declared gap. A hub killed between a GAP and the note that it was written declares the same again; it
        is stored once."""
        self.storage.records.add_gap(hub, gap, record, time.time())
        if (of := self.storage.streams.find(hub, gap.run, gap.stream)) is not None:
            self.touch(of)

    def add_fork(self, stream: Stream, seq: int, digest: bytes, eid: bytes, raw: bytes) -> None:
        """Store a second content of a number while its hub has room for evidence, and raise an alarm in any case."""
        forks = self.storage.forks
        if not forks.has(stream, seq, digest) and self._room(stream.hub, len(raw)):
            forks.add(stream, seq, digest, eid, raw, time.time())
        if stream.forked.parts() < PARTS:
            stream.forked.add(seq)
        else:
            # No room for another range: extend the last one. Too much counts as forked, and is not acknowledged,
            # never too little.
            first, last = list(stream.forked)[-1]
            stream.forked.add(min(seq, first), max(seq, last))
        self.change(stream)
        self.alarm(
            "fork",
            stream.hub,
            phrase("stream-forks", "{stream} of run {run} forks", stream=stream.stream, run=stream.run.hex()),
        )

    def quarantine(
        self,
        hub: str,
        reason: str,
        body: bytes,
        said: str = _IN_QUARANTINE,
        *,
        epoch: int | None = None,
        owed: bool = False,
    ) -> bool:
        """Store bytes for a person to judge, of a record that its `epoch` truly sealed. False when this hub has no room
        left; bytes that are `owed`, since they were acknowledged, are stored all the same."""
        self.alarm(reason, hub, said)
        digest = hashlib.sha256(body).digest()
        if self.storage.quarantine.has(hub, digest):
            return True
        if not (owed or self._room(hub, len(body))):
            return False
        self.storage.quarantine.add(hub, reason, digest, body, epoch, time.time())
        return True

    def _room(self, hub: str, size: int) -> bool:
        fits = self.evidence.room(hub, size)
        if not fits:
            self.alarm(
                "evidence-full",
                hub,
                phrase("evidence-full", "what a person must judge of it has filled its share: no more is kept"),
            )
        return fits

    def _check_begin(self, hub: str, now: float) -> None:
        try:
            if self.runs.check(hub, now):
                self.alarm(RUNS_ALARM, hub, MANY_DETAIL)
        except QuotaExceeded:
            self.alarm(RUNS_ALARM, hub, RUNS_DETAIL)
            raise


def _scattered(stream: Stream) -> Phrase:
    return phrase(
        "stream-scattered",
        "{stream} of run {run} comes in too many pieces",
        stream=stream.stream,
        run=stream.run.hex(),
    )
