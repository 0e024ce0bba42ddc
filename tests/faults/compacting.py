"""kill -9 of the backend's compactor at each statement that it writes.

Three hubs send, some of it late, some by boots whose clock is known later; one draws the id of a record long before it
commits, as hubs on another connection may. After each portion the compactor runs in a process of its own, which is
killed at its nth statement; the next life goes on from what is there. After each life no reading is read twice, and in
the end each is read once, with its time.

Twins: it moves the watermark in a transaction of its own, and counts a record twice; it takes an hour that was put
together for finished, and drops what is
late; its watermark is one for all hubs.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from rig import Verdict

from backend.queries.series_history import SeriesHistory
from backend.readings import compaction
from backend.readings.compaction import Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage.chunks import Body, Changes, ChunkHead, Names
from backend.storage.sqlite.bodies import SqliteBodies
from backend.storage.sqlite.chunks import SqliteChunks, SqliteHubSnapshot
from backend.storage.sqlite.schema import open_database, open_for_reading, transaction
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import Column, Row, Shape, Subject

HUBS = "first", "second", "third"
SHAPE = Shape((Column("count"), Column("seen", privacy="personal")))
SUBJECT = Subject("d:1", "place")
NOW = 1_800_000_000_000
HOUR_MS = 3_600_000
BOOT = b"1" * 16
FAR = 1 << 52
CLOCK_KNOWN = 3
"""Turn in which the clock of the boot is known."""
MOST_PIECES = 300
_SEND = 12
"""Blocks between two lives."""


class _Town:
    """Hubs that send, and what they sent. It has the database open only while it sends: SQLite's locks do not outlive a
    fork."""

    def __init__(self, path: Path, rng: random.Random) -> None:
        self.path, self.rng = path, rng
        self.numbering, self.squeeze = Numbering(), Squeezer()
        self.sent: Counter[tuple[str, int, int]] = Counter()
        self.value, self.ids = count(1), count(1)
        self.drawn = 0
        self.numbering.shape(SHAPE)
        self.numbering.numbers((SUBJECT,))
        shapes, subjects = self.numbering.fresh()
        self.names = encoded_table(Table(dict(shapes), dict(subjects)))

    def send(self, turn: int) -> None:
        with closing(open_database(self.path)) as db, transaction(db):
            bodies = SqliteBodies(db)
            for epoch, hub in enumerate(HUBS):
                bodies.add_names(hub, Names(epoch, 1, self.names))
            for n in range(_SEND):
                late = self.rng.choice((0, 0, 1, 30))
                self._add(bodies, HUBS[n % 2], next(self.ids), NOW + turn * 60_000 - late * HOUR_MS)
            if self.drawn:  # the third hub commits what it drew before the others' last
                self._add(bodies, HUBS[2], self.drawn, NOW + turn * 60_000)
            self.drawn = next(self.ids)
            self._add(bodies, HUBS[0], next(self.ids), turn * 60_000, BOOT)
            if turn >= CLOCK_KNOWN:
                db.execute(
                    "insert or ignore into boots (hub, boot, offset_ms, error_ms) values (?, ?, ?, 1)",
                    (HUBS[0], BOOT, NOW),
                )

    def _add(self, bodies: SqliteBodies, hub: str, record: int, time_ms: int, boot: bytes = b"") -> None:
        values = [next(self.value) for _ in range(3)]
        rows = [Row(SUBJECT, SHAPE, time_ms + at, not boot, (value, value), 0, 3) for at, value in enumerate(values)]
        data = self.squeeze(columns.encode(rows, self.numbering, boot))
        bodies.add(hub, Body(record, HUBS.index(hub), boot, NOW / 1000, data))
        for at, value in enumerate(values):
            self.sent[hub, time_ms + at + (NOW if boot else 0), value] += 2


def _life(path: Path, chunks: type[SqliteChunks], compactor: type[Compactor], last: int | None) -> bool:
    """Run the compactor in a process until nothing is left to do, or until its statement `last`, at which it is killed;
    return whether it came to its end."""
    child = os.fork()
    if child == 0:  # nothing of the parent's is closed or flushed here
        try:
            _work(path, chunks, compactor, last)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError("the compactor failed")
    return True


def _work(path: Path, chunks: type[SqliteChunks], compactor: type[Compactor], last: int | None) -> None:
    compaction.WAIT_S = compaction.QUIET_S = -1.0
    compaction.MOST_ROWS = 12
    with closing(chunks(path)) as opened:
        statements = count(1)

        def trace(*_: Any) -> bool:
            if next(statements) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        opened._db.exec_trace = trace
        if not opened.compact_alone():
            raise RuntimeError("another one compacts")
        working = compactor(opened, now=lambda: NOW / 1000)
        for _ in range(MOST_PIECES):  # a twin may find no end
            if not working.work():
                break


def _read(path: Path, chunks: type[SqliteChunks]) -> Counter[tuple[str, int, int]]:
    found: Counter[tuple[str, int, int]] = Counter()
    with closing(chunks(path)) as opened:
        for hub in HUBS:
            with opened.snapshot(hub) as seen:
                for metric in ("count", "seen"):
                    history = SeriesHistory(seen, SUBJECT.device, metric)
                    found.update((hub, one.time_ms, int(one.value)) for one in history.between(-FAR, FAR))
    return found


def _killed(
    root: Path,
    runs: int,
    seed: int,
    fault: str,
    chunks: type[SqliteChunks] = SqliteChunks,
    compactor: type[Compactor] = Compactor,
) -> Verdict:
    path = root / "backend.db"
    root.mkdir(exist_ok=True)
    rng = random.Random(seed)
    town = _Town(path, rng)
    ended = twice = 0
    for turn in range(runs):
        town.send(turn)
        last = None if turn % 3 == 2 else rng.choice((1, 1, 2, 8)) * rng.randint(1, 32)
        ended += _life(path, chunks, compactor, last)
        twice = max(twice, sum((_read(path, chunks) - town.sent).values()))
    town.send(max(runs, CLOCK_KNOWN))
    _life(path, chunks, compactor, None)
    if ended == runs:
        raise RuntimeError("no life was killed")
    with closing(open_for_reading(path)) as db:
        left = db.execute("select (select count(*) from bodies), (select count(*) from chunks where loose = 1)").get
    found, sent = _read(path, chunks), town.sent
    return Verdict(
        fault=fault,
        runs=runs,
        emitted=sent.total(),
        durable=sent.total(),
        stored=found.total(),
        lost=(sent - found).total() if set(found) <= set(sent) else sum(sent[one] for one in set(sent) - set(found)),
        twice=twice + sum(max(0, found[one] - sent[one]) for one in sent),
        wrong=len(set(found) - set(sent)) + (left != (0, 0) and chunks is SqliteChunks),
        declared=0,
    )


def compactor_killed(root: Path, runs: int, seed: int) -> Verdict:
    return _killed(root, runs, seed, "kill -9 of the compactor at each statement")


class _TwoSteps(SqliteChunks):
    def apply(self, hub: str, version: int, changes: Changes) -> bool:
        done = super().apply(hub, version, replace(changes, through=None))
        if done and changes.through is not None:
            super().apply(hub, version + 1, Changes(through=changes.through))
        return done


class _TakesHoursForFinished(Compactor):
    def _tidied(self, seen: Any, bucket: Any) -> Changes:
        there = [head for head in seen.heads(bucket.hour, bucket.hour, bucket.boot) if head.bucket == bucket]
        late: Sequence[ChunkHead] = [head for head in there if head.loose]
        if len(late) == len(there):
            return super()._tidied(seen, bucket)
        return Changes(drop=[head.id for head in late])


class _OneWatermark(SqliteChunks):
    @contextmanager
    def snapshot(self, hub: str) -> Iterator[SqliteHubSnapshot]:
        with super().snapshot(hub) as seen:
            seen.through = self._reading.execute("select max(through) from compacted").get
            yield seen


def twin_compacts_in_two_steps(root: Path, runs: int, seed: int) -> Verdict:
    return _killed(root, runs, seed, "twin: a watermark that moves after the chunks are written", chunks=_TwoSteps)


def twin_drops_what_is_late(root: Path, runs: int, seed: int) -> Verdict:
    fault = "twin: a compactor that takes an hour for finished"
    return _killed(root, runs, seed, fault, compactor=_TakesHoursForFinished)


def twin_one_watermark_for_all(root: Path, runs: int, seed: int) -> Verdict:
    return _killed(root, runs, seed, "twin: one watermark for all hubs", chunks=_OneWatermark)
