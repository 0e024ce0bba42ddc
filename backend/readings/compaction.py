"""Compaction: the bodies of a hub become chunks, in short pieces of work of one process. Restartable at any kill, since
each piece is one change of the database (`backend.storage.chunks.Changes`) and is worked out anew from what is there.

    compact   bodies above a hub's watermark → loose chunks of their buckets; the watermark moves in the same change
    tidy      the loose chunks of a bucket, once nothing more comes → one. Late data makes a loose chunk of its hour,
              and is put together with it in the same way
    erase     chunks and names of a hub that an order reaches are written anew without it. Readers leave it out from the
              order on; it is confirmed when no byte of it is left in the database's files. A chunk that a disk
              altered cannot be looked into, stays, and is told
    purge     chunks whose age is beyond what their class is kept, and names that nothing needs any more

A body that cannot be read, since its hub sealed nonsense or a disk altered it, is set aside and holds nobody up.
"""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain

from backend.hubs.alarms import coded
from backend.readings.bucketing import DAY_MS, Buckets
from backend.readings.chunks import rewriting as chunk_format
from backend.readings.chunks.rows import ChunkRow
from backend.readings.stored_bodies import DEVICE, PSEUDONYM, TURNED, Orders, Parts, read_body, vocabulary
from backend.storage.chunks import (
    AsideAlarm,
    Body,
    Bucket,
    Changes,
    ChunkHead,
    Chunks,
    ErasureJob,
    HubSnapshot,
    LooseBucket,
    NewChunk,
)
from backend.storage.engine import ErasureOrder
from backend.storage.reading_rules import CLASSES, PERSONAL
from hub.core.errors import DecodeError
from hub.core.text import phrase, reason_of
from hub.protocol.records.bodies import Tables
from hub.protocol.records.dictionary import Refused

log = logging.getLogger(__name__)

WAIT_S = 240.0
"""A body waits for others of its hub, so that they are encoded together; queries read it meanwhile."""
QUIET_S = 900.0
"""A bucket is put together when nothing came into it for so long, or when it has more than CROWD loose chunks."""
CROWD = 64
MOST_ROWS, MOST_BUCKETS = 1 << 16, 1024
"""Reports and buckets of one piece of work, about: a whole body is taken at least."""
FULL_CHUNK = 1 << 18
"""Reports of a chunk to which no others are added."""
CHUNKS_AT_ONCE = 64
BELIEF_S = 7200.0
"""Ingest judges this machine's clock each hour (`backend.readings.purge_clock`)."""
AT_ONCE = 1000
"""Chunks that one purge drops."""
MOST_ASIDE = 1000
"""Bodies of one hub that are set aside; further ones are dropped, and counted in the log."""
NAMED_S = 86_400.0
"""Names of an epoch are kept for so long after its last body was compacted: a hub may still write to it."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Search for no cycles meanwhile: a piece of work makes some 100,000 tuples that are in none, and each search of
    Python's looks at all of them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Compactor:
    """Compacts one database. One thread; `chunks.compact_alone()` must have said yes."""

    def __init__(self, chunks: Chunks, now: Callable[[], float] = time.time) -> None:
        self._chunks, self._now = chunks, now
        self._parts = Parts()
        self._used: dict[str, dict[int, float]] = {}  # hub → epoch → when its names were needed last

    def work(self) -> bool:
        """Do one piece of work; return whether more may wait."""
        with _uncollected():
            return self._work()

    def _work(self) -> bool:
        now = self._now()
        self._chunks.upkeep()
        if any(self.erase(hub) for hub in self._chunks.unfinished(16)):
            return True
        for hub in self._chunks.waiting(now - WAIT_S, 1):
            self.compact(hub)
            return True
        for loose in self._chunks.loose(now - QUIET_S, CROWD, 1):
            self.tidy(loose)
            return True
        return False

    def compact(self, hub: str) -> None:
        """Turn the next bodies of a hub into chunks."""
        with self._chunks.snapshot(hub) as seen:
            try:
                changes = self._compacted(hub, seen, seen.bodies())
            except Refused:  # one of them holds what no chunk can: it is found, and set aside
                changes = self._compacted(hub, seen, seen.bodies(1), alone=True)
            version = seen.version
        self._chunks.apply(hub, version, changes)

    def tidy(self, loose: LooseBucket) -> None:
        """Put the chunks of a bucket together into one."""
        with self._chunks.snapshot(loose.hub) as seen:
            try:
                changes = self._tidied(seen, loose.bucket)
            except (DecodeError, Refused) as error:  # they stay as they are, and whoever reads them is told
                _tell_damage(loose.hub, loose.bucket, error)
                bucket = loose.bucket
                changes = Changes(settle=[head.id for head in seen.heads(bucket.hour, bucket.hour, bucket.boot)])
            version = seen.version
        self._chunks.apply(loose.hub, version, changes)

    def erase(self, hub: str) -> bool:
        """Do the next piece of the orders of a hub to erase; return whether it was done, which cannot be at the end
        while somebody reads."""
        with self._chunks.snapshot(hub) as seen:
            jobs = seen.jobs()
            unfinished = [job for job in jobs if job.done_at is None]
            oldest = next(seen.bodies(1), None)
            before = oldest is not None and any(oldest.record <= job.record for job in unfinished)
            heads = [] if before else seen.after(min(job.cursor for job in unfinished), CHUNKS_AT_ONCE)
            changes = self._erased(hub, seen, jobs, heads) if heads else self._unnamed(seen, unfinished)
            version = seen.version
        if before:
            self.compact(hub)
            return True
        if not self._chunks.apply(hub, version, changes) or heads:
            return True
        return self._confirm(hub, unfinished)

    def purge_due(self) -> bool:
        """Purge what is too old, where ingest believed the clock a moment ago; return whether more may wait."""
        belief, now = self._chunks.belief(), self._now()
        if belief.believed is None or not -BELIEF_S <= now - belief.believed <= BELIEF_S:
            return False
        gone = self.purge(belief.days, AT_ONCE)
        if gone:
            self._chunks.remove_traces()
        return gone >= AT_ONCE

    def purge(self, days: Mapping[str, int], most: int = 1000) -> int:
        """Drop chunks that are older than the days of their class (0: for ever), and names that nothing needs; return
        how many chunks were dropped. The caller believes the clock."""
        now = self._now()
        gone = 0
        for privacy in CLASSES:
            if days.get(privacy, 0) > 0:
                before = now - days[privacy] * 86_400
                expired: dict[str, list[ChunkHead]] = {}
                for hub, head in self._chunks.expired(privacy, before, now, most - gone):
                    expired.setdefault(hub, []).append(head)
                gone += sum(self._drop(hub, privacy, heads, now) for hub, heads in expired.items())
        for hub in self._chunks.hubs():
            self._forget_names(hub, now, days.get(PERSONAL, 0))
        return gone

    def _compacted(self, hub: str, seen: HubSnapshot, bodies: Iterable[Body], *, alone: bool = False) -> Changes:
        jobs = seen.jobs()
        buckets = Buckets(seen, Orders(jobs, seen.clocks()), self._parts)
        changes = Changes()
        words: dict[int, Tables | DecodeError] = {}
        used = self._used.setdefault(hub, {})
        for body in bodies:
            used[body.epoch] = self._now()
            try:
                tables = _words(seen, body.epoch, words)
                buckets.add_body(body, read_body(body, tables))
                if alone:
                    buckets.chunks()
            except (DecodeError, Refused) as error:
                if alone:  # some of it may have been added already
                    buckets = Buckets(seen, Orders(jobs, seen.clocks()), self._parts)
                self._set_aside(hub, seen, changes, body.record, reason_of(error))
            changes.through = body.record
            if buckets.count >= MOST_ROWS or len(buckets.rows) >= MOST_BUCKETS:
                break
        return self._with(changes, seen, jobs, buckets)

    def _set_aside(self, hub: str, seen: HubSnapshot, changes: Changes, record: int, reason: str) -> None:
        told = phrase("bodies-set-aside", "what it sent, and was opened, cannot be read any more: look at the disk")
        changes.alarm = AsideAlarm(told, coded(told))
        if seen.aside() + len(changes.aside) < MOST_ASIDE:
            changes.aside.append((record, str(reason)))
            said = phrase(
                "body-set-aside",
                "{hub}: record {number} cannot be read, and is set aside: {reason}",
                hub=hub,
                number=record,
                reason=reason,
            )
        else:
            said = phrase(
                "body-dropped",
                "{hub}: record {number} cannot be read, and is dropped, since {count} are set aside: {reason}",
                hub=hub,
                number=record,
                count=MOST_ASIDE,
                reason=reason,
            )
        log.error(said)

    def _tidied(self, seen: HubSnapshot, bucket: Bucket) -> Changes:
        there = [head for head in seen.heads(bucket.hour, bucket.hour, bucket.boot) if head.bucket == bucket]
        together: list[ChunkHead] = []
        changes = Changes()
        rows = 0
        for head in sorted(there, key=lambda head: head.rows):
            if together and rows + head.rows > FULL_CHUNK:
                break
            together.append(head)
            rows += head.rows
        changes.settle = [head.id for head in there if head.loose and head not in together]
        if len(together) < 2:
            changes.settle += [head.id for head in together if head.loose]
            return changes
        changes.drop = [head.id for head in together]
        arrived_at = max(head.arrived_at for head in together)
        changes.put = [NewChunk(bucket, rows, arrived_at, False, _joined(seen, together))]
        return changes

    def _erased(self, hub: str, seen: HubSnapshot, jobs: list[ErasureJob], heads: list[ChunkHead]) -> Changes:
        """Divide chunks anew that an unfinished order reaches; the cursor of these orders moves behind them."""
        unfinished = [job for job in jobs if job.done_at is None]
        orders = Orders(jobs, seen.clocks())
        turned = {job.order.name for job in unfinished if job.order.kind == TURNED}
        buckets = Buckets(seen, orders, self._parts)
        changes = Changes()
        devices = {job.order.name for job in unfinished if job.order.kind == DEVICE}
        left: Counter[str] = Counter()
        behind = 0
        for head in heads:
            try:
                left.update(_left_of(seen, head, devices))
                self._erase_in(seen, head, orders, turned, buckets, changes)
            except (DecodeError, Refused) as error:
                _tell_damage(hub, head.bucket, error)
            behind = head.id
            if buckets.count + sum(chunk.rows for chunk in changes.put) >= MOST_ROWS:
                break
        jobs = [
            job._replace(cursor=max(job.cursor, behind), left=job.left + left[job.order.name])
            if job.done_at is None
            else job
            for job in jobs
        ]
        changes.jobs = [job for job in jobs if job.done_at is None]
        return self._with(changes, seen, jobs, buckets)

    def _erase_in(
        self,
        seen: HubSnapshot,
        head: ChunkHead,
        orders: Orders,
        turned: set[str],
        buckets: Buckets,
        changes: Changes,
    ) -> None:
        """Write one chunk anew without what orders reach, if there is any of it."""
        bucket, data = head.bucket, seen.data(head.id)
        subjects = [content.subject for content in chunk_format.contents(data)]
        if bucket.privacy != PERSONAL and any(subject.device in turned for subject in subjects):
            rows = list(chunk_format.decode(data))
            trial = Buckets(seen, orders, self._parts)
            trial.add_chunk(bucket.boot, head.arrived_at, rows)
            if len(trial.rows.get(bucket, ())) < len(rows):
                buckets.add_chunk(bucket.boot, head.arrived_at, rows)
                changes.drop.append(head.id)
            return
        if not any(map(orders.name, subjects)):
            return
        gone = 0

        def keep(row: ChunkRow) -> ChunkRow | None:
            nonlocal gone
            reached = buckets.reached(bucket.privacy, row.shape, bucket.boot, row, True, True)
            gone += reached
            return None if reached else row

        left = chunk_format.rewrite(data, lambda content: orders.name(content.subject), keep)
        if gone:
            changes.drop.append(head.id)
            if left is not None:
                changes.put.append(head.kept(left, head.rows - gone))

    def _with(
        self,
        changes: Changes,
        seen: HubSnapshot,
        jobs: list[ErasureJob],
        buckets: Buckets,
    ) -> Changes:
        """Add to `changes` what was divided."""
        changes.put += buckets.chunks()
        changes.series = buckets.series()
        counted = buckets.jobs(jobs)
        changed = {job.order.id for job in counted}
        changes.jobs = [*counted, *(job for job in changes.jobs if job.order.id not in changed)]
        for device in sorted(buckets.turned):
            order = ErasureOrder(f"{TURNED}:{device}", TURNED, device, 0, self._now())
            changes.jobs = [job for job in changes.jobs if job.order.id != order.id]
            changes.jobs.append(ErasureJob(order, changes.through or seen.through))  # from the first chunk on
        return changes

    def _unnamed(self, seen: HubSnapshot, unfinished: list[ErasureJob]) -> Changes:
        """Erase names of subjects, and the series of these."""
        changes = Changes()
        orders = Orders(unfinished, {})
        for epoch in seen.named_epochs():
            changes.names += [veiled for names in seen.names(epoch) if (veiled := orders.veiled(names)) is not None]
        for job in unfinished:
            if job.order.kind == PSEUDONYM:
                changes.forget_series += seen.series_named(job.order.name)
        return changes

    def _confirm(self, hub: str, done: Iterable[ErasureJob]) -> bool:
        """Confirm orders that left no byte. An order that came meanwhile raised the version: then all is looked at
        again."""
        if not self._chunks.remove_traces(hub):
            return False
        ids = {job.order.id for job in done}
        with self._chunks.snapshot(hub) as seen:
            jobs = [job for job in seen.jobs() if job.order.id in ids]
            if any(seen.after(job.cursor, 1) for job in jobs):
                return True
            changes = Changes(jobs=[job._replace(done_at=self._now()) for job in jobs])
            version = seen.version
        self._chunks.apply(hub, version, changes)
        return True

    def _drop(self, hub: str, privacy: str, heads: list[ChunkHead], now: float) -> int:
        with self._chunks.snapshot(hub) as seen:
            version = seen.version
        rows = sum(head.rows for head in heads)
        changes = Changes(drop=[head.id for head in heads], purged=(privacy, rows, now))
        return len(heads) if self._chunks.apply(hub, version, changes) else 0

    def _forget_names(self, hub: str, now: float, personal_days: int) -> None:
        used = self._used.setdefault(hub, {})
        with self._chunks.snapshot(hub) as seen:
            waiting = {body.epoch for body in seen.bodies()}
            named = seen.named_epochs()
            for epoch in named:
                used.setdefault(epoch, now)
            changes = Changes()
            changes.forget_names = [one for one in named if one not in waiting and used[one] < now - NAMED_S]
            if personal_days:
                oldest = int(now * 1000) // DAY_MS - personal_days - 1
                changes.forget_series = seen.personal_before(oldest)
            version = seen.version
        if changes.forget_names or changes.forget_series:
            self._chunks.apply(hub, version, changes)
        for epoch in set(used).difference(named) | set(changes.forget_names):
            del used[epoch]


def _left_of(seen: HubSnapshot, head: ChunkHead, devices: set[str]) -> Counter[str]:
    """Return how many readings a chunk holds of devices of which only what is personal is erased."""
    left: Counter[str] = Counter()
    if devices and head.bucket.privacy != PERSONAL:
        for content in chunk_format.contents(seen.data(head.id)):
            if content.subject.device in devices:
                left[content.subject.device] += content.reports * len(content.shape.columns)
    return left


def _tell_damage(hub: str, bucket: Bucket, error: Exception) -> None:
    log.error(
        phrase(
            "chunk-stays-damaged",
            "{hub}: a chunk of hour {hour} is damaged and stays as it is: {reason}",
            hub=hub,
            hour=bucket.hour,
            reason=reason_of(error),
        )
    )


def _joined(seen: HubSnapshot, heads: Sequence[ChunkHead]) -> bytes:
    """Return one chunk of what is in several, the last of which is the largest: where that has nearly all, only the
    frames that the others concern are written again."""
    *small, large = (seen.data(head.id) for head in heads)
    late = list(chain.from_iterable(map(chunk_format.decode, small)))
    if len(late) * 8 < heads[-1].rows:
        return chunk_format.merge(large, late)
    return chunk_format.encode([*chunk_format.decode(large), *late])


def _words(seen: HubSnapshot, epoch: int, known: dict[int, Tables | DecodeError]) -> Tables:
    """Return what the numbers of an epoch mean, looked up once. Raises DecodeError."""
    if epoch not in known:
        try:
            known[epoch] = vocabulary(seen.names(epoch))
        except DecodeError as error:
            known[epoch] = error
    found = known[epoch]
    if isinstance(found, DecodeError):
        raise found
    return found
