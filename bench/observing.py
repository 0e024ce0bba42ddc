"""What history and hourly aggregates cost: CPU microseconds a reading, bytes of RAM, and what an hour writes.

    python bench/observing.py [--devices N] [--turns N] [--hours N]

`in the path` is what each report pays in the straight path, of which one a second and device is taken: every report
here is (a minute apart), and none (a thousand in a second). `taken apart` is the work done once a second outside of it.
`day` is a quiet site's: N devices of 4 metrics, one report a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure
from rules import READINGS, path

from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Quality, Report
from hub.core.store import Store
from hub.history.latest import LatestValues
from hub.history.memory import History
from hub.history.recorder import HistoryRecorder
from hub.history.rollups import Calendar
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.tables import SCHEMA, RollupTables
from hub.sdk.testing import ManualClock

REPORTS = 20_000


async def rollups(folder: Path, clock: ManualClock) -> tuple[Rollups, Store]:
    store = await Store.open(folder / "store.db", b"k" * 32)
    hours = await Store.open(folder / "rollups.db", b"k" * 32, SCHEMA)
    calendar = Calendar("Europe/Paris")
    made = Rollups(
        RollupTables(hours, store),
        History(),
        clock=clock,
        life=1,
        place=lambda place: None,
        calendar=lambda site: calendar,
        period=lambda device: 60.0,
    )
    await made.load()
    return made, hours


async def in_the_path(folder: Path, devices: int, turns: int) -> None:
    clock = ManualClock()
    made, _ = await rollups(folder, clock)
    best = {"nobody observes": 1e9, "each report is taken": 1e9, "none is taken": 1e9, "drain": 1e9}
    pipelines = {name: path(devices, None) for name in best}
    gc.freeze()
    for turn in range(turns):
        for name, (pipeline, reports) in pipelines.items():
            if name == "drain":
                continue
            observer = HistoryRecorder(made, clock)
            pipeline._observer = None if name == "nobody observes" else observer
            start = time.time() - 86_000 + turn * 3600
            said = [
                Report(
                    device=reports[n % devices].device,
                    values=reports[0].values,
                    time=start + (n // devices * 60 if name == "each report is taken" else 0),
                )
                for n in range(REPORTS)
            ]
            observer._waiting = []
            clock.set(time.time())
            gc.collect()
            began = time.process_time()
            for report in said[: REPORTS - 1]:
                pipeline.accept("x", report)
            best[name] = min(best[name], (time.process_time() - began) / REPORTS / READINGS * 1e6)
            if name == "each report is taken":
                began = time.process_time()
                observer.drain()
                best["drain"] = min(best["drain"], (time.process_time() - began) / REPORTS / READINGS * 1e6)
    base = best["nobody observes"]
    figure("in the path, each report is taken, added", best["each report is taken"] - base, "us/reading", "gate 0.2")
    figure("in the path, faster than once a second, added", best["none is taken"] - base, "us/reading", "gate 0.2")
    figure("taken apart once a second, beside the path", best["drain"], "us/reading")


async def day(folder: Path, devices: int, hours: int, *, traced: bool) -> None:
    clock = ManualClock(1_790_000_000)
    made, store = await rollups(folder, clock)
    observer = HistoryRecorder(made, clock)
    live, chance = LatestValues(), Random(1)
    metrics = tuple(METRICS[key] for key in ("temperature", "humidity", "battery", "energy"))
    slots = [live.slot(Device(id=f"x:{n}", integration="x", place=f"p{n}"), metrics) for n in range(devices)]
    state = [[20 + chance.random() * 5, 40 + chance.random() * 20, 90.0, 1000.0] for _ in slots]
    if traced:
        tracemalloc.start()
    written, worst, before = [], 0.0, 0
    for minute in range(hours * 60):
        clock.set(1_790_000_000 + minute * 60)
        for at, slot in enumerate(slots):
            values = state[at]
            values[0] += chance.gauss(0, 0.02)
            values[1] += chance.gauss(0, 0.1)
            values[3] += chance.random() * 0.05
            moment = clock.now() - chance.random() * 59
            observer.see(slot, moment, True, Quality.GOOD, tuple(values))
        observer.drain()
        made._history.expire(clock.now())
        if minute % 60 == 59:
            began = time.process_time()
            count = await made.write()
            worst = max(worst, time.process_time() - began)
            bounds = await made._tables.bounds()
            used = bounds[2] if bounds else 0
            written.append((count, used - before))
            before = used
    if traced:
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        figure(
            "memory of history as it counts itself", made._history.bytes / 2**20, "MiB", f"{devices} devices, gate 8"
        )
        figure("memory of history, tracks and plans, traced", taken / 2**20, "MiB", f"{devices} devices")
        await store.close()
        return
    held = [(track.ring.last - track.ring.cut) / 3600 for track in made.tracks.values() if track.ring.cut]
    figure("hours of raw readings held at least", min(held, default=float(hours)), "h")
    last = [one for one in written[2:] if one[0]]
    figure("rows written an hour", sum(one[0] for one in last) / len(last), "rows")
    figure("bytes of disk a row", sum(one[1] for one in last) / sum(one[0] for one in last), "B")
    figure("CPU of an hour's write", worst * 1000, "ms", f"{devices} devices")
    began = time.perf_counter()
    answer = await made.views.counter(("p1", "energy"), Calendar("Europe/Paris").hours(1_790_000_000, clock.now()))
    figure("one series read back", (time.perf_counter() - began) * 1e6 / max(1, len(answer)), "us/hour")
    await store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--hours", type=int, default=26)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").mkdir()
        (Path(folder) / "b").mkdir()
        asyncio.run(in_the_path(Path(folder) / "a", options.devices, options.turns))
        asyncio.run(day(Path(folder) / "b", options.devices, options.hours, traced=False))
        (Path(folder) / "c").mkdir()
        asyncio.run(day(Path(folder) / "c", options.devices, options.hours, traced=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
