"""Bodies into chunks, and series out of both: CPU a reading, bytes on disk, write-ahead log, times of queries.

    python bench/compaction.py [--hours 24] [--devices 500]

A hub of 500 devices says 33 readings a second, in records of about 160. Its bodies are added as ingest adds them, one
transaction a record, and compacted every few minutes of its time. Then one series is read: an hour, a day, the newest
reading, and an hour of bodies that nobody compacted.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from measure import figure

from backend.queries.series_history import SeriesHistory
from backend.readings.compaction import QUIET_S, WAIT_S, Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage.chunks import Body, Names
from backend.storage.sqlite.bodies import SqliteBodies
from backend.storage.sqlite.chunks import SqliteChunks, hub_snapshot
from backend.storage.sqlite.schema import open_database, open_for_reading, transaction
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import Column, Row, Shape, Subject

START = 1_800_000_000_000
HOUR_MS = 3_600_000
SHAPE = Shape(
    (
        Column(
            "temperature", "Cel", "0.01", device_class="temperature", state_class="measurement", privacy="environment"
        ),
        Column("humidity", "%", "0.1", device_class="humidity", state_class="measurement", privacy="environment"),
        Column("battery", "%", "1", device_class="battery", state_class="measurement"),
    )
)
PERIOD_MS = 45_000
RECORD = 53
"""Reports in a record: 160 readings."""


def reports(devices: int, hours: int) -> Iterator[Row]:
    """Yield reports of devices that report every 45 s, about, with values that drift."""
    rng = random.Random(7)
    subjects = [Subject(f"ble:{n:012x}", f"room-{n}", "school", f"floor-{n % 5}") for n in range(devices)]
    state = [(rng.uniform(17, 24), rng.uniform(30, 60), rng.randint(40, 100)) for _ in subjects]
    for turn in range(hours * HOUR_MS // PERIOD_MS):
        for at, subject in enumerate(subjects):
            temperature, humidity, battery = state[at]
            temperature += rng.choice((-0.02, -0.01, 0, 0, 0.01, 0.02))
            humidity += rng.choice((-0.1, 0, 0, 0.1))
            state[at] = temperature, humidity, battery
            values = round(temperature, 2), round(humidity, 1), battery
            time_ms = START + turn * PERIOD_MS + at * PERIOD_MS // devices + rng.randint(0, 40)
            yield Row(subject, SHAPE, time_ms, True, values, 0, 3, -60 - rng.randint(0, 8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--devices", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory) / "backend.db", options.devices, options.hours)


class Hub:
    """One hub on its way into the database, by a clock of its own."""

    def __init__(self, path: Path, devices: int, hours: int) -> None:
        self.now = START / 1000
        self.db = open_database(path)
        self.bodies, self.numbering, self.squeeze = SqliteBodies(self.db), Numbering(), Squeezer()
        self.chunks = SqliteChunks(path)
        self.compactor = Compactor(self.chunks, now=lambda: self.now)
        self.reports = reports(devices, hours)
        self.readings = self.size = self.records = 0
        self.adding = self.compacting = self.looking = self.longest = 0.0
        self.looks = 0

    def live(self, seconds: float, *, compact: bool) -> None:
        """Let time pass; compact meanwhile, or not."""
        end = self.now + seconds
        looked = self.now
        while self.now < end:
            rows = list(islice(self.reports, RECORD))
            self.now = rows[-1].time_ms / 1000
            self._add(rows)
            if compact and self.now > looked + 1:
                looked = self.now
                while self._compact():
                    pass

    def _add(self, rows: list[Row]) -> None:
        data = self.squeeze(columns.encode(rows, self.numbering))
        shapes, subjects = self.numbering.fresh()
        self.records += 1
        began = time.process_time()
        with transaction(self.db):
            if shapes or subjects:
                names = encoded_table(Table(dict(shapes), dict(subjects)))
                self.bodies.add_names("h", Names(1, self.records, names))
            self.bodies.add("h", Body(self.records, 1, b"", self.now, data))
        self.adding += time.process_time() - began
        self.readings += len(rows) * len(SHAPE.columns)
        self.size += len(data)

    def _compact(self) -> bool:
        began = time.process_time()
        more = self.compactor.work()
        took = time.process_time() - began
        if more:
            self.compacting, self.longest = self.compacting + took, max(self.longest, took)
        else:
            self.looking, self.looks = self.looking + took, self.looks + 1
        return more


def measure(path: Path, devices: int, hours: int) -> None:
    hub = Hub(path, devices, hours + 3)
    hub.live(hours * 3600 + QUIET_S + 2 * WAIT_S, compact=True)
    figure("a body added, its transaction included", hub.adding / hub.records * 1e6, "µs CPU")
    figure("bodies that wait", hub.size / hub.readings, "B/reading")
    figure("compaction, loose chunks put together", hub.compacting / hub.readings * 1e6, "µs CPU/reading")
    figure("compaction, looking for work: once for all hubs", hub.looking / hub.looks * 60e3, "ms CPU/minute")
    figure("the longest piece of work", hub.longest * 1e3, "ms CPU")
    whole, rows, chunks = hub.db.execute(
        "select sum(length(data)), sum(rows), count(*) from chunks where loose = 0"
    ).get
    figure("chunks of whole hours", whole / (rows / 2 * len(SHAPE.columns)), "B/reading", f"{chunks} chunks")
    pages = hub.db.execute("select sum(pgsize) from dbstat where name like 'chunks%'").get
    figure("chunks with pages, indexes and loose ones", pages / hub.readings, "B/reading")
    reading(path, int(hub.now * 1000))
    hub.live(3600, compact=False)
    reading(path, int(hub.now * 1000), ", compactor dead for an hour")
    hub.chunks.close()
    hub.db.close()


def reading(path: Path, end: int, state: str = "") -> None:
    def asked(name: str, query: Callable[[SeriesHistory], object]) -> None:
        took, worked = [], []
        for _ in range(40):
            began, at = time.perf_counter(), time.process_time()
            with closing(open_for_reading(path)) as db, hub_snapshot(db, "h") as seen:
                query(SeriesHistory(seen, "ble:00000000000a", "temperature"))
            took.append(time.perf_counter() - began)
            worked.append(time.process_time() - at)
        figure(
            f"{name}{state}, p95", sorted(took)[-3] * 1e3, "ms", f"CPU {sorted(worked)[len(worked) // 2] * 1e3:.1f} ms"
        )

    asked("one series, last hour", lambda history: list(history.between(end - HOUR_MS, end + 1)))
    asked("one series, a day", lambda history: list(history.between(end - 24 * HOUR_MS, end + 1)))
    asked("one series, newest reading", lambda history: history.latest(end + HOUR_MS))


if __name__ == "__main__":
    main()
