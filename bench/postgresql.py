"""What PostgreSQL takes for the records of hubs: processor time of the whole server, and its write-ahead log.

    python bench/postgresql.py [--seconds S]

A private server on this machine, with the settings of `deploy/district`, and its disk's real syncs; no standby. In
turn 300 hubs send records of 160 readings, with bodies of 2 bytes a reading that cannot be compressed further, by the
normal path of the backend (`backend.storage.postgresql.normal_path`): one statement for each record, in transactions
of 1, 10 and 50 messages, by turns. Processor time is that of all of the server's processes: the one of the session, and
those that write the log and the tables. The log is counted from a checkpoint on, with its whole pages.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
sys.path.append(str(Path(__file__).parents[1] / "tests" / "backend"))
import postgres_kit as kit
from measure import figure, remark

from backend.storage.postgresql.connection import Database
from backend.storage.postgresql.migrations import migrate, opened
from backend.storage.postgresql.normal_path import HubMessage, NewBlock, store

HUBS, READINGS, BYTES = 300, 160, 2
BATCHES = (1, 10, 50)
TICK = os.sysconf("SC_CLK_TCK")
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "wal_compression": "lz4", "wal_log_hints": "on"}


def processor_s(pids: list[int]) -> float:
    """User and system time of these processes."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


class Load:
    """Messages of all hubs in turn, each new to the account."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = [0] * (HUBS + 1)
        self._next = 0

    def transaction(self, messages: int) -> None:
        made = []
        for _ in range(messages):
            hub = self._next % HUBS + 1
            self._next += 1
            seq = self._known[hub] + 1
            block = NewBlock(hub, seq, os.urandom(32), 1, 1, READINGS, b"", os.urandom(BYTES * READINGS))
            made.append(HubMessage(hub, self._known[hub], 1, [block]))
            self._known[hub] = seq
        with self._database.transaction() as session:
            assert None not in store(session, made, time.time())


def prepare(server: kit.Cluster, database: str) -> None:
    admin = opened(server.socket_url(database), "bench")
    migrate(admin)
    with admin.transaction() as session:
        for n in range(HUBS):
            session.execute(
                "insert into hubs (hub, identity, name, enrolled_at) values (%s, %s, '', 0)",
                [f"hub-{n}", os.urandom(32)],
            )
        session.execute(
            "insert into streams (hub, run, stream, started_at) select number, 'run', 'readings', 0 from hubs"
            " order by number"
        )
    admin.close()


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--seconds", type=float, default=5.0, help="of each turn; there are three of each size")
    told = ask.parse_args()
    if not kit.available():
        remark("PostgreSQL, server processor a record", kit.MISSING)
        return
    with kit.cluster(**SETTINGS) as server:
        prepare(server, server.create("bench"))
        database = Database(server.url("bench"), name="bench")
        load = Load(database)
        session = database.session()
        spent: dict[int, list[float]] = {one: [0.0, 0.0, 0.0, 0.0] for one in BATCHES}  # server, client, log, messages
        load.transaction(50)
        for _ in range(3):
            for messages in BATCHES:
                session.execute("checkpoint")
                at = session.execute("select pg_current_wal_insert_lsn()").fetchone()
                pids = server.processes()
                before, own, end = processor_s(pids), time.process_time(), time.monotonic() + told.seconds
                count = 0
                while time.monotonic() < end:
                    load.transaction(messages)
                    count += messages
                log = session.execute("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", at).fetchone()
                assert log is not None
                took = processor_s(pids) - before, time.process_time() - own, float(log[0]), float(count)
                spent[messages] = [a + b for a, b in zip(spent[messages], took, strict=True)]
        for messages, (server_s, client_s, log_bytes, count) in spent.items():
            how = f"{messages} a transaction"
            figure(f"PostgreSQL, server processor a record, {how}", server_s / count * 1e6, "us")
            figure(f"PostgreSQL, readings a core, {how}", READINGS * count / server_s, "1/s")
            figure(f"PostgreSQL, client processor a record, {how}", client_s / count * 1e6, "us")
            figure(f"PostgreSQL, write-ahead log a reading, {how}", log_bytes / count / READINGS, "B")
        database.close()


if __name__ == "__main__":
    main()
