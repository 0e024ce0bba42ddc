"""The buffer alone: how near group commits come to the disk's own rate, and how many readings a second are sealed.

    python bench/commit.py [--dir FOLDER] [--seconds S]

Raw rate: append 1 KiB, fdatasync. Commits: two sources that append one report each and wait until it is durable, over
and over; beside it, what the writer itself needs for one where syncs cost nothing, which is what keeps the rate from
the disk's own. Durable reports are what the two sources got of it: more commits of fewer reports each would be no gain
(docs/adr/0016). Then all of that again on this disk with 2 ms added to each sync, as fast as an eMMC or a good SD card
is. Readings: one source that flushes blocks of 1,000, from append to durable, which are then opened again with the
owner's key.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure
from rooms import LazyDisk, Owner, reports

from hub.core.clock import SystemClock
from hub.protocol.records.columns import decode, encode
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.opening import Block, Opener, Table, Tables, open_epoch, verify_epoch
from hub.protocol.records.seal import AES, SealingKeys
from hub.store_and_forward.buffer import Buffer, BufferConfig, Durable, Row
from hub.store_and_forward.buffer.batch import Batch
from hub.store_and_forward.buffer.disk import Disk, SystemDisk
from hub.store_and_forward.buffer.journal import Journal

SLOW_S = 0.002


class SlowDisk(SystemDisk):
    """The machine's disk, and 2 ms more for each sync."""

    def sync(self, fd: int) -> None:
        super().sync(fd)
        time.sleep(SLOW_S)


def raw_rate(directory: Path, disk: Disk, seconds: float) -> float:
    """Syncs a second, each after an append of 1 KiB."""
    fd = os.open(directory / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    data, count, began = os.urandom(1024), 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        os.write(fd, data)
        disk.sync(fd)
        count += 1
    os.close(fd)
    return count / (time.perf_counter() - began)


async def commits(
    directory: Path, disk: Disk, owner: Owner, rows: list[Row], *, sources: int, per_flush: int, seconds: float
) -> tuple[float, float]:
    """Commits and readings a second, with `sources` that append `per_flush` reports and wait until they are durable."""
    config = BufferConfig(urgent_s=0.0, segment_bytes=64 << 20, max_bytes=1 << 30)
    buffer = Buffer.open(directory, **owner.facts(), clock=SystemClock(), config=config, disk=disk)
    done: list[Durable] = []
    buffer.start(asyncio.get_running_loop(), [done.append])
    began = time.perf_counter()

    async def source(at: int) -> None:
        while time.perf_counter() - began < seconds:
            at = at + per_flush if at + 2 * per_flush <= len(rows) else 0
            for row in rows[at : at + per_flush]:
                buffer.append(row)
            await buffer.flush()

    await asyncio.gather(*(source(at * 100) for at in range(sources)))
    took = time.perf_counter() - began
    await buffer.close()
    return len(done) / took, sum(item.readings for item in done) / took


def writer_us(directory: Path, owner: Owner, rows: list[Row]) -> float:
    """Microseconds to encode, compress, seal, sign and write one report, without any sync."""
    journal = Journal(
        directory,
        disk=LazyDisk(),
        clock=SystemClock(),
        keys=SealingKeys("hub-bench", owner.identity, bytes(32), AES),
        run=os.urandom(16),
        trust=owner.trust,
        config=BufferConfig(),
    )
    batches = []
    for row in rows[:2000]:
        batch = Batch()
        batch.rows.append(row)
        batches.append(batch)
    began = time.perf_counter()
    for batch in batches:
        journal.commit(batch)
    return (time.perf_counter() - began) / len(batches) * 1e6


def opened(owner: Owner, buffer_dir: Path) -> float:
    """Readings a second, from stored records to rows, as the owner's backend opens them."""
    buffer = Buffer.open(buffer_dir, **owner.facts(), clock=SystemClock())
    (state,) = buffer.streams()
    records = buffer.read(state.stream, state.run, state.first, state.last, 1 << 30)
    count, began = 0, time.perf_counter()
    opener: Opener | None = None
    tables = Tables()
    for record in records:
        if opener is None or record.eid != opener.epoch.eid:
            opener = open_epoch(verify_epoch(record.raw, owner.public), owner.private_keys)
            continue
        body = opener.open(record.raw).body
        if isinstance(body, Table):
            tables.add(body)
        elif isinstance(body, Block):
            count += sum(len(row.values) for row in body.rows(tables))
    return count / (time.perf_counter() - began)


def columns(rows: list[Row], per_block: int) -> tuple[float, float]:
    """Microseconds a reading to encode and to decode blocks, best of five."""
    numbering = Numbering()
    blocks = [rows[at : at + per_block] for at in range(0, len(rows) - per_block, per_block)]
    readings = sum(len(row.values) for block in blocks for row in block)
    bodies = [encode(block, numbering) for block in blocks]
    shapes = {number: shape for shape, number in numbering.shapes.items()}
    subjects = {number: subject for subject, number in numbering.subjects.items()}
    best = [float("inf"), float("inf")]
    for _ in range(5):
        marks = [time.perf_counter()]
        for block in blocks:
            encode(block, numbering)
        marks.append(time.perf_counter())
        for body in bodies:
            decode(body, shapes, subjects)
        marks.append(time.perf_counter())
        best = [min(old, new - before) for old, before, new in zip(best, marks, marks[1:], strict=False)]
    return best[0] / readings * 1e6, best[1] / readings * 1e6


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--dir", type=Path)
    ask.add_argument("--seconds", type=float, default=2.0)
    told = ask.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-commit-", dir=told.dir))
    owner, rows = Owner(), list(reports(seconds=1800))
    try:
        for disk, name in ((SystemDisk(), ""), (SlowDisk(), f", each sync {SLOW_S * 1e3:.0f} ms slower")):
            ratios, raws, rates, served = [], [], [], []
            for at in range(5):  # interleaved, since the machine's own rate drifts
                before = raw_rate(directory, disk, told.seconds / 4)
                small = directory / f"small-{type(disk).__name__}-{at}"
                rate, readings = asyncio.run(
                    commits(small, disk, owner, rows, sources=2, per_flush=1, seconds=told.seconds / 2)
                )
                raw = (before + raw_rate(directory, disk, told.seconds / 4)) / 2
                ratios.append(rate / raw)
                raws.append(raw)
                rates.append(rate)
                served.append(readings / 4)
            figure(f"raw append + fdatasync{name}", statistics.median(raws), "1/s")
            figure(f"group commits{name}", statistics.median(rates), "1/s")
            figure(f"durable reports{name}", statistics.median(served), "1/s")
            figure(f"group commits against the raw rate{name}", 100 * statistics.median(ratios), "%", "gate 80")
            beside = max(0.0, statistics.median([1 / rate - 1 / raw for rate, raw in zip(rates, raws, strict=True)]))
            figure(
                f"a commit beside its sync{name}", beside * 1e6, "us", f"80 % where a sync takes {beside * 4e3:.2g} ms"
            )
        figure("of which the writer's own work", writer_us(directory / "own", owner, rows), "us")
        large = directory / "large"
        _, sealed = asyncio.run(
            commits(large, SystemDisk(), owner, rows, sources=1, per_flush=250, seconds=told.seconds)
        )
        figure("append to durable, blocks of 1,000 readings", sealed, "readings/s", "gate 300,000")
        figure("opened with the owner's key, to rows", opened(owner, directory / "large"), "readings/s")
        for per_block in (42, 250, 1000):
            encoding, decoding = columns(rows, per_block)
            figure(f"columns, encode, {4 * per_block} readings a block", encoding, "us/reading")
            figure(f"columns, decode, {4 * per_block} readings a block", decoding, "us/reading")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
