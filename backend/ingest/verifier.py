"""Verification of incoming records: the checks of INGEST, in their order, up to the record's body. It stores no
reading.

registry says active → IDENTITY verifies the epoch → its hub is the path's and the certificate's → one of our keys is
named → its capsule opens → the commitment holds → the epoch's key verifies the record → AEAD → zstd, capped → the body
can be read

Damaged stored context of an epoch refuses nobody: it counts as never received, so that its hub sends it again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from backend.hubs.alarms import clear_alarm
from backend.ingest.received_streams import Received
from backend.storage.engine import Stream
from backend.storage.epoch_context import Context, Damaged, read_tables, reopen
from backend.storage.reading_rules import check_mark, check_times
from hub.core.errors import AuthFailed, DecodeError, SegmentDamaged
from hub.core.text import phrase, reason_of
from hub.protocol.link_messages import Group
from hub.protocol.records import framing
from hub.protocol.records.opening import (
    Block,
    ClockMark,
    Epoch,
    Gap,
    Opened,
    Opener,
    Tables,
    open_epoch,
    split,
    verify_epoch,
)
from hub.protocol.records.opening import Table as TableBody
from hub.protocol.records.rows import Row
from hub.protocol.records.seal import NO_DIGEST

MAX_OPEN_EPOCHS = 1024
ALARM = "context"
UNKNOWN_TABLE = "unknown-table"
"""Reason for a block that cannot be read, since its TABLE is missing."""


_VALUES = attrgetter("values")  # of a block's rows, of which there are many


class NeedContext(Exception):
    """The EPOCH or a TABLE record of this epoch never arrived; it is requested from the hub."""


class VerifiedRecord(NamedTuple):
    """A numbered record that passed: its raw bytes, opened, and the rows of a block."""

    raw: bytes
    opened: Opened
    rows: list[Row]


class RefusedRecord(NamedTuple):
    """A record that did not pass: AuthFailed when it is not what its epoch sealed, DecodeError when it is but cannot be
    read."""

    raw: bytes
    error: AuthFailed | DecodeError


class OpenEpoch(NamedTuple):
    """An epoch whose records can be opened. `id` is its number in the database; `tables_received` are the numbers of
    its TABLE records, `tables_lost` those that are stored and can no longer be read."""

    id: int
    epoch: Epoch
    opener: Opener
    tables: Tables
    tables_received: set[int]
    tables_lost: set[int]


Learnt = Callable[[OpenEpoch, int, TableBody], None]
"""Called with an epoch, the number of a TABLE record that arrived, and what it says."""


def unpack(groups: list[Group]) -> list[tuple[bytes, list[bytes]]]:
    """Return (eid, raw records) of each group. Raises DecodeError when bytes belong to no intact record."""
    try:
        return [(group.eid, list(split(group.records))) for group in groups]
    except SegmentDamaged as error:
        raise DecodeError("damaged", reason_of(error)) from error


class Verifier:
    """Opens epochs and records for the hubs of one database. One thread, inside `storage.transaction()`."""

    def __init__(
        self, received: Received, private_keys: Mapping[bytes, MLKEM768X25519PrivateKey], learnt: Learnt
    ) -> None:
        self._received, self._storage = received, received.storage
        self._keys, self._learnt = private_keys, learnt
        self._open: OrderedDict[bytes, OpenEpoch] = OrderedDict()
        self._asked: OrderedDict[bytes, str] = OrderedDict()  # epochs of which a TABLE was requested, with their hubs
        self._storage.caches.add(self.forget)

    def adopt(self, private_keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> None:
        """Replace the private keys."""
        self._keys = private_keys

    def open_epoch(self, hub: str, identity: bytes, eid: bytes, records: list[bytes]) -> OpenEpoch:
        """Return the epoch of a group, from its EPOCH record or from the stored one.

        Raises NeedContext when neither is there, AuthFailed or DecodeError when it is not this hub's or cannot be
        opened, QuotaExceeded when its hub may begin no stream now. A new epoch and its stream are stored.
        """
        known = self._known(hub, identity, eid)
        if known is None:
            raw = next((raw for raw in records if _kind(raw) == framing.EPOCH), None)
            if raw is None:
                raise NeedContext
            epoch = verify_epoch(raw, identity)
            if epoch.eid != eid:
                raise DecodeError(
                    "bad-eid", phrase("group-of-another-epoch", "a group holds another epoch than it names")
                )
            _check_hub(epoch, hub)
            stream = self._received.found(hub, epoch.run, epoch.stream)
            opener = open_epoch(epoch, self._keys)
            if stream is None:
                stream = self._received.begin(hub, epoch.run, epoch.stream)
            known = self._opened(epoch, opener, self._storage.epochs.add(stream, epoch.eid, epoch.raw, time.time()))
            self._follow(stream, epoch)
        _check_hub(known.epoch, hub)
        return known

    def read_records(self, epoch: OpenEpoch, records: list[bytes]) -> Iterator[VerifiedRecord | RefusedRecord]:
        """Yield every numbered record of a group, or why it is refused. TABLE records are stored on the way.

        Raises NeedContext at the first block whose TABLE never arrived. When the TABLE is still missing after all
        context of its epoch was sent again with the EPOCH, it is lost: that block is refused, so that the others need
        not wait for it.
        """
        again = epoch.epoch.eid in self._asked and any(_kind(raw) == framing.EPOCH for raw in records)
        for raw in records:
            kind = _kind(raw)
            if kind == framing.EPOCH:
                continue
            try:
                opened = epoch.opener.open(raw)
                if isinstance(opened.body, TableBody):
                    self._learn(epoch, raw, opened.body)
                    continue
                if not 1 <= opened.seq < 2**63:
                    raise DecodeError("bad-seq", phrase("record-number-wrong", "a record's number is out of its range"))
                yield VerifiedRecord(raw, opened, read_body(opened, epoch.tables))
            except (AuthFailed, DecodeError) as error:
                if isinstance(error, DecodeError) and error.reason == UNKNOWN_TABLE and not again:
                    self._ask(epoch.epoch)
                    raise NeedContext from error
                yield RefusedRecord(raw, error)

    def reopen(self, identity: bytes, context: Context) -> OpenEpoch:
        """Return an epoch from its stored context. Raises Damaged when that was altered, AuthFailed when none of our
        keys opens it any more."""
        known = self._open.get(context.eid)
        return self._opened(*reopen(context, identity, self._keys), context) if known is None else known

    def forget(self, hub: str | None) -> None:
        """Discard the open epochs of a hub, or of all: a failed transaction had stored them."""
        for eid in [eid for eid, one in self._open.items() if hub in (None, one.epoch.hub)]:
            del self._open[eid]
        for eid in [eid for eid, of in self._asked.items() if hub in (None, of)]:
            del self._asked[eid]

    def _known(self, hub: str, identity: bytes, eid: bytes) -> OpenEpoch | None:
        known = self._open.get(eid)
        if known is not None:
            self._open.move_to_end(eid)
            return known
        context = self._storage.epochs.find(eid)
        if context is None:
            return None
        try:
            return self.reopen(identity, context)
        except Damaged:
            stream = self._storage.streams.numbered(context.stream)
            if stream is not None and stream.hub != hub:
                raise AuthFailed(
                    phrase("epoch-from-another-hub", "an epoch of {owner} came from {hub}", owner=stream.hub, hub=hub)
                ) from None
            self._received.alarm(ALARM, hub, _request_note(eid))
            return None

    def _opened(self, epoch: Epoch, opener: Opener, context: Context) -> OpenEpoch:
        """Return an epoch with its stored tables."""
        known = OpenEpoch(context.id, epoch, opener, Tables(), set(), set())
        for number, table in read_tables(opener, context.tables):
            if table is None:
                known.tables_lost.add(number)
            else:
                known.tables.add(table)
                known.tables_received.add(number)
        if known.tables_lost:
            self._received.alarm(ALARM, epoch.hub, _request_note(epoch.eid))
        else:
            clear_alarm(self._storage, ALARM, epoch.hub, _request_note(epoch.eid), time.time())
        self._keep(epoch.eid, known)
        return known

    def _follow(self, stream: Stream, epoch: Epoch) -> None:
        """Record what a new epoch says of the run before: its last number, and the digest of its last record."""
        if epoch.previous_run in (bytes(16), epoch.run) or not 0 < epoch.previous_seq < 2**63:
            return
        self._storage.streams.follow(stream, epoch.previous_run)
        before = self._received.stream(stream.hub, epoch.previous_run, epoch.stream, named=True)
        self._received.announce(before, epoch.previous_seq)
        ended = self._storage.records.digest(before, epoch.previous_seq)
        if ended is not None and epoch.previous_digest not in (
            ended,
            NO_DIGEST,
        ):  # zeros: the hub's own copy is damaged
            self._received.alarm(
                "fork",
                stream.hub,
                phrase(
                    "run-ended-in-two-ways",
                    "{stream} of run {run} ended in two ways",
                    stream=epoch.stream,
                    run=before.run.hex(),
                ),
            )

    def _keep(self, eid: bytes, epoch: OpenEpoch) -> None:
        self._open[eid] = epoch
        if len(self._open) > MAX_OPEN_EPOCHS:
            self._open.popitem(last=False)

    def _ask(self, epoch: Epoch) -> None:
        self._asked[epoch.eid] = epoch.hub
        if len(self._asked) > MAX_OPEN_EPOCHS:
            self._asked.popitem(last=False)

    def _learn(self, epoch: OpenEpoch, raw: bytes, table: TableBody) -> None:
        head = framing.read_head(raw, 0)
        if head is not None and head.seq not in epoch.tables_received:
            epoch.tables.add(table)
            epoch.tables_received.add(head.seq)
            self._storage.epochs.add_table(epoch.epoch.hub, epoch.id, head.seq, raw)
            self._learnt(epoch, head.seq, table)
            if head.seq in epoch.tables_lost:
                epoch.tables_lost.discard(head.seq)
                if not epoch.tables_lost:
                    clear_alarm(self._storage, ALARM, epoch.epoch.hub, _request_note(epoch.epoch.eid), time.time())


def read_body(opened: Opened, tables: Tables) -> list[Row]:
    """Return the rows of a block; none of other kinds. Raises DecodeError when the body is inconsistent."""
    body = opened.body
    if isinstance(body, Block):
        rows = body.rows(tables)
        check_times(rows)
        if sum(map(len, map(_VALUES, rows))) != opened.readings:
            raise DecodeError(
                "bad-count",
                phrase("block-count-wrong", "a block holds another number of readings than its header says"),
            )
        return rows
    if isinstance(body, ClockMark):
        check_mark(body)
    elif isinstance(body, Gap) and not all(0 <= n < 2**63 for n in (body.last, body.readings, body.from_s, body.to_s)):
        raise DecodeError("bad-gap", phrase("gap-number-wrong", "a number of a gap is out of its range"))
    return []


def _kind(raw: bytes) -> int:
    return raw[8]


def _request_note(eid: bytes) -> str:
    return phrase(
        "epoch-damaged-asked-again",
        "what is kept of epoch {epoch} is damaged: its hub is asked for it again when it is needed",
        epoch=eid.hex()[:16],
    )


def _check_hub(epoch: Epoch, hub: str) -> None:
    if epoch.hub != hub:
        raise AuthFailed(
            phrase("epoch-from-another-hub", "an epoch of {owner} came from {hub}", owner=epoch.hub[:64], hub=hub)
        )
