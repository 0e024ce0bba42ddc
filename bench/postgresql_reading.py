"""Bodies into chunks in PostgreSQL, and series out of them: processor time of both ends, disk, times of queries.

    python bench/postgresql_reading.py [--hours 26] [--devices 500] [--hubs 32]

A private server on this machine with its disk's real syncs, no standby; readers reach it by TCP and TLS. A hub of 500
devices says 33 readings a second, as in `bench/compaction.py`; its bodies are compacted every few minutes of its time.
Then its chunks are copied to other hubs, until some 100 million readings are stored, and one series is read: an hour,
a day, the newest reading; and the hour again after bodies that nobody compacted.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
sys.path.append(str(Path(__file__).parents[1] / "tests" / "backend"))
import postgres_kit as kit
from compaction import HOUR_MS, RECORD, SHAPE, START, reports
from measure import figure, remark
from postgresql import SETTINGS, processor_s

from backend.queries.series_history import SeriesHistory
from backend.readings.compaction import QUIET_S, WAIT_S, Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage.chunks import Body, Names
from backend.storage.engine import RecordLine
from backend.storage.postgresql import partitions
from backend.storage.postgresql.chunks import PostgresChunks
from backend.storage.postgresql.migrations import migrate, opened
from backend.storage.postgresql.queries import PostgresQueries
from backend.storage.postgresql.storage import PostgresStorage
from backend.storage.tables import Hub as HubLine
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import READINGS

HUB, BATCH, COUNT = "h", 10, 100
"""The hub that is asked, records in a transaction of ingest, queries of each kind."""
_COPY = """
with copy as (
    insert into hubs (hub, identity, name, enrolled_at) select 'copy-' || n, ('copy-' || n)::bytea, '', 0
    from generate_series(2, %s) n returning number
), marked as (
    insert into compaction (hub, through, version) select number, 1, 1 from copy
), listed as (
    insert into series (hub, place, metric, device, privacy, day, classes, unit, resolution, kind, device_class,
        state_class, site, zone, model, integration)
    select copy.number, place, metric, device, privacy, day, classes, unit, resolution, kind, device_class, state_class,
        site, zone, model, integration from copy, series
)
insert into chunks (privacy, month, hub, boot, hour, rows, arrived_at, loose, data)
select privacy, month, copy.number, boot, hour, rows, arrived_at, loose, data from copy, chunks
"""


class Hub:
    """One hub on its way into the database, by a clock of its own."""

    def __init__(self, server: kit.Cluster, url: str, devices: int, hours: int) -> None:
        self.now, self._server = START / 1000, server
        self.storage = PostgresStorage(url)
        with self.storage.transaction():
            self.storage.registry.enrol(HubLine(HUB, b"h", HUB, 1.0, None, None))
        self.chunks = PostgresChunks(url, clock=lambda: self.now)
        self.compactor = Compactor(self.chunks, now=lambda: self.now)
        self.numbering, self.squeeze = Numbering(), Squeezer()
        self.reports = reports(devices, hours)
        self.readings = self.records = 0
        self.compacting = self.looking = self.serving = 0.0

    def live(self, seconds: float, *, compact: bool) -> None:
        """Let time pass; compact meanwhile, or not."""
        end, looked = self.now + seconds, self.now
        while self.now < end:
            blocks = [list(islice(self.reports, RECORD)) for _ in range(BATCH)]
            self.now = blocks[-1][-1].time_ms / 1000
            if partitions.hour_of(self.now) != partitions.hour_of(looked) or self.records == 0:
                with self.storage.database.transaction() as session:
                    partitions.ensure(session, self.now)
            self._add(blocks)
            if compact and self.now > looked + 5:
                looked = self.now
                self._compact()

    def _add(self, blocks: list[list]) -> None:  # type: ignore[type-arg]
        with self.storage.transaction((HUB,)):
            storage, run = self.storage, b"r" * 16
            stream = storage.streams.find(HUB, run, READINGS) or storage.streams.begin(HUB, run, READINGS, self.now)
            for rows in blocks:
                data = self.squeeze(columns.encode(rows, self.numbering))
                shapes, subjects = self.numbering.fresh()
                self.records += 1
                digest = hashlib.sha256(data).digest()
                record = storage.records.add(stream, RecordLine(self.records, digest, 1, 1, len(rows)), self.now)
                if shapes or subjects:
                    names = Names(1, record, encoded_table(Table(dict(shapes), dict(subjects))))
                    storage.bodies.add_names(HUB, names)
                storage.bodies.add(HUB, Body(record, 1, b"", self.now, data))
                self.readings += len(rows) * len(SHAPE.columns)

    def _compact(self) -> None:
        """Do all that is due. What the clock asks for, however many hubs there are, counts as looking: upkeep, and the
        look that finds nothing."""
        server, more = processor_s(self._server.processes()), True
        while more:
            began = time.process_time()
            self.chunks.upkeep()
            kept = time.process_time()
            more = self.compactor.work()
            took = time.process_time() - kept
            self.looking += kept - began + (0.0 if more else took)
            self.compacting += took if more else 0.0
        self.serving += processor_s(self._server.processes()) - server


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--hours", type=int, default=26)
    ask.add_argument("--devices", type=int, default=500)
    ask.add_argument("--hubs", type=int, default=32)
    told = ask.parse_args()
    if not kit.available():
        remark("PostgreSQL, one series, a day, p95", kit.MISSING)
        return
    with kit.cluster(**SETTINGS) as server:
        url = server.url(server.create("bench"))
        admin = opened(url, "bench")
        migrate(admin)
        hub = Hub(server, url, told.devices, told.hours + 3)
        hub.live(told.hours * 3600 + QUIET_S + 2 * WAIT_S, compact=True)
        figure("PostgreSQL, compaction, the process that compacts", hub.compacting / hub.readings * 1e6, "µs/reading")
        figure(
            "PostgreSQL, compaction, looking for work",
            hub.looking / (hub.now - START / 1000) * 6e4,
            "ms/min",
            "the same for all hubs of a database",
        )
        figure("PostgreSQL, compaction, the server", hub.serving / hub.readings * 1e6, "µs/reading")
        with admin.transaction() as session:
            session.execute("set local statement_timeout = 0")
            session.execute(_COPY, [told.hubs])
        with admin.errors():
            admin.session().execute("vacuum analyze")
            size = (
                admin.session()
                .execute(
                    "select sum(pg_total_relation_size(oid)), (select sum(rows) from chunks) from pg_class"
                    " where relname like 'chunks\\_%' and relkind = 'r'"
                )
                .fetchone()
            )
        assert size is not None
        stored = float(size[1]) / 2 * len(SHAPE.columns)  # each report lies in two classes
        figure("PostgreSQL, chunks on disk, indexes included", float(size[0]) / stored, "B/reading")
        how = f"{stored / 1e6:.0f} M readings stored"
        reading(server, url, int(hub.now * 1000), how)
        hub.live(3600, compact=False)
        reading(server, url, int(hub.now * 1000), how, ", compactor dead for an hour")
        hub.chunks.close()
        hub.storage.close()
        admin.close()


def reading(server: kit.Cluster, url: str, end: int, how: str, state: str = "") -> None:
    queries = PostgresQueries(url)

    def asked(name: str, query: Callable[[SeriesHistory], object]) -> None:
        took, worked, served = [], [], processor_s(server.processes())
        for _ in range(COUNT):
            began, at = time.perf_counter(), time.process_time()
            with queries.snapshot() as now:
                query(SeriesHistory(now.hub(HUB), "ble:00000000000a", "temperature"))
            took.append(time.perf_counter() - began)
            worked.append(time.process_time() - at)
        served = (processor_s(server.processes()) - served) / COUNT * 1e3
        note = f"{how}; CPU of the reader {sorted(worked)[COUNT // 2] * 1e3:.1f} ms, of the server {served:.1f}"
        figure(f"PostgreSQL, {name}{state}, p95", sorted(took)[-COUNT // 20 - 1] * 1e3, "ms", note)

    asked("one series, last hour", lambda history: list(history.between(end - HOUR_MS, end + 1)))
    asked("one series, a day", lambda history: list(history.between(end - 24 * HOUR_MS, end + 1)))
    asked("one series, newest reading", lambda history: history.latest(end + HOUR_MS))


if __name__ == "__main__":
    main()
