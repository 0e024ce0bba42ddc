"""Raw history: bytes a reading with all that is beside it, hours held in the budget, what adding and asking cost; the
same of raw history on disk, where it is declared: a day, written as a hub writes it.

    python bench/history.py [--devices N]

A site of N devices, each of which reports all it measures at one moment, for a day. `synthetic` is a room sensor with a
counter: temperature and humidity that wander at sensor noise, a battery, an energy index, one report a minute whose
moment within it is not regular; `apart` the same with a report for each metric. The others play a recording
(`bench/traces`) over and over, its intervals as they were, each device from another point of it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise, takewhile
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure
from traces import TRACES, Trace

from hub.core.metric_catalogue import METRICS
from hub.core.store import Store
from hub.history.archive import RawArchive, RootKey
from hub.history.archive.folder import Folder
from hub.history.archive.table import RawSeriesTable
from hub.history.disk_limits import DiskLimits
from hub.history.memory import BUDGET, Downsampler, History, Silences
from hub.sdk.testing import ManualClock

START, DAY = 1_790_000_000, 86_400
RATE = 500 * 4
"""Readings a minute that 24 hours of are to fit into the budget."""

Columns = list[tuple[str, str]]
Said = tuple[int, list[int]]


def synthetic(seed: int) -> Iterator[Said]:
    chance = Random(seed)
    values = [20 + chance.random() * 5, 40 + chance.random() * 20, 90.0, 1000.0]
    for minute in range(100_000):
        values[0] += chance.gauss(0, 0.02)
        values[1] += chance.gauss(0, 0.1)
        values[3] += chance.random() * 0.05
        steps = [round(value / float(METRICS[key].resolution)) for key, value in zip(ROOM, values, strict=True)]
        yield START + int(minute * 60 + chance.random() * 59), steps


ROOM = ("temperature", "humidity", "battery", "energy")


def played(trace: Trace, seed: int) -> Iterator[Said]:
    """What a recording says together, for ever."""
    keys = shape(trace)
    rows = [
        (stamp // 1000, [round(values[key] / float(trace.columns[key].resolution)) for key in keys])
        for stamp, _, values in trace.reports
        if tuple(values) == keys
    ]
    gaps = [max(1, b[0] - a[0]) for a, b in pairwise(rows)]
    at, moment = Random(seed).randrange(len(gaps)), START
    while True:
        yield moment, rows[at][1]
        moment += gaps[at]
        at = (at + 1) % len(gaps)


def shape(trace: Trace) -> tuple[str, ...]:
    """The metrics of the report that comes most often."""
    [(keys, _)] = Counter(tuple(values) for _, _, values in trace.reports).most_common(1)
    return keys


def day(name: str, columns: Columns, sources: list[Iterator[Said]], *, apart: bool = False) -> None:
    rows = [list(takewhile(lambda row: row[0] < START + DAY + 8 * 3600, source)) for source in sources]
    every = (rows[0][-1][0] - START) / len(rows[0])
    history = History(round(BUDGET * len(sources) * len(columns) * 60 / every / RATE))
    seats = [
        [group for one in ([[c] for c in columns] if apart else [columns]) for group in history.bind(f"p{n}", one)]
        for n in range(len(sources))
    ]
    order = sorted((row[0], n, at) for n, some in enumerate(rows) for at, row in enumerate(some))
    gc.collect()
    gc.freeze()
    spent, swept = -time.process_time(), START
    for moment, n, at in order:
        values = rows[n][at][1]
        for group, row in zip(seats[n], [[value] for value in values] if apart else [values], strict=True):
            if group.add([moment, *row]):
                history.close(group)
        if moment - swept >= 60:
            history.expire(moment)
            swept = moment
    spent += time.process_time()
    now, rings = order[-1][0], list(history.rings.values())
    held = min(now - (ring.whole_from() or now) for ring in rings)
    kept = sum(len(ring.points(0, now + 1)) for ring in rings)
    figure(
        f"{name}: RAM a reading, all of history",
        history.bytes / kept,
        "B",
        f"{len(sources)} devices x {len(columns)}, every {every:.0f} s",
    )
    figure(f"{name}: of it in blocks", sum(len(b.data) for s in history.groups for b in s.blocks) / kept, "B")
    figure(f"{name}: hours held of {RATE} readings a minute in 8 MiB", held / 3600, "h", "gate 24")
    figure(f"{name}: of the budget used", history.bytes / history.budget * 100, "%")
    figure(f"{name}: adding", spent / len(order) / len(columns) * 1e6, "us/reading")
    best = 1e9
    for ring in rings[:20]:
        began = time.perf_counter()
        fold, silences = Downsampler(now - DAY, now + 1, 200), Silences(now - DAY, now + 1)
        points = [(at, float(value)) for at, value in ring.points(now - DAY, now + 1)]
        fold.add(points)
        silences.add(points)
        fold.points()
        silences.found(now, 200)
        best = min(best, time.perf_counter() - began)
    figure(f"{name}: a chart of 24 h, asked of RAM", best * 1000, "ms")


async def disk(name: str, columns: Columns, sources: list[Iterator[Said]], directory: Path) -> None:
    """A day on disk: what a file an hour takes, what a write costs in time and memory, what a chart of it does."""
    rows = [list(takewhile(lambda row: row[0] < START + DAY, source)) for source in sources]
    order = sorted((row[0], n, at) for n, some in enumerate(rows) for at, row in enumerate(some))
    store, clock = await Store.open(directory / "store.db", b"k" * 32), ManualClock(START)
    history = History(BUDGET)
    raw = RawArchive(
        Folder(directory / "raw"),
        RawSeriesTable(store),
        history,
        clock,
        root=RootKey(lambda: b"r" * 32),
        wanted=lambda place, metric: True,
        drain=lambda: None,
        limits=DiskLimits(30 * DAY, 1 << 30),
    )
    seats = [history.bind(f"p{n}", columns)[0] for n in range(len(sources))]
    await raw.write()
    spent, peak, waited, hour = 0.0, 0, 0, START
    for moment, n, at in [*order, (START + DAY, -1, -1)]:
        if moment - hour >= 3600:
            hour += 3600
            clock.set(hour)
            measured = hour == START + 12 * 3600  # one of them: measuring memory takes time itself
            if measured:
                tracemalloc.start()
            began = time.process_time()
            history.hand_over()
            waited = max(waited, raw.status()["waiting"])
            await raw.write()
            if measured:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            else:
                spent += time.process_time() - began
        if n >= 0 and seats[n].add([moment, *rows[n][at][1]]):
            history.close(seats[n])
    status = raw.status()
    figure(
        f"{name}: disk a reading, sealed, all of it",
        status["disk"] / status["readings"],
        "B",
        f"{len(sources)} devices x {len(columns)}, {status['files']} files",
    )
    figure(f"{name}: disk a month, as many as these", status["disk"] * 30 / (1 << 20), "MiB")
    figure(f"{name}: writing", spent / status["readings"] * 1e6, "us/reading")
    figure(f"{name}: memory that waits for an hour's write", waited / 1024, "KiB")
    figure(f"{name}: memory of a write, at most", peak / 1024, "KiB")
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        fold, silences = Downsampler(START, START + DAY, 200), Silences(START, START + DAY)
        async for _, some in raw.walk("p0", columns[0][0], START, START + DAY):
            fold.add(some)
            silences.add(some)
        fold.points()
        silences.found(START + DAY, 200)
        best = min(best, time.perf_counter() - began)
    figure(f"{name}: a chart of 24 h, asked of the disk", best * 1000, "ms")
    await store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=50)
    devices = parser.parse_args().devices
    room = [(key, METRICS[key].resolution) for key in ROOM]
    for name in ("synthetic", "synthetic, apart"):
        day(name, room, [synthetic(seed) for seed in range(devices)], apart=name.endswith("apart"))
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(disk("synthetic", room, [synthetic(seed) for seed in range(devices)], Path(directory)))
    for path in sorted(TRACES.glob("*.jsonl")):
        trace = Trace(path)
        columns = [(key, str(trace.columns[key].resolution)) for key in shape(trace)]
        day(trace.name, columns, [played(trace, seed) for seed in range(devices)])
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(disk(trace.name, columns, [played(trace, seed) for seed in range(devices)], Path(directory)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
