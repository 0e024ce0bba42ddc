"""Copy a backend's database of 1.3 GB while it takes messages, and put it back: either engine.

    python bench/copies.py [--gigabytes 1.3] [--devices 100] [--only sqlite|postgresql]

Another process takes sealed messages of 160 readings, one a transaction, as fast as it can: the copy and its ingest
share the machine. That is the code that `ilot backend backup`, `restore` and `run` run. A run of SQLite counts only
when the copy was verified and holds no more than was committed when it ended. PostgreSQL is copied by pgBackRest with
the settings of `deploy/district`, at rest and under ingest, and put back with its log; that run counts only when each
record is there that was committed.

What bounds them: the seconds in which this disk takes as many bytes and syncs them, and the processor time of
pgBackRest. How long 10 GB take to put back is extrapolated from what was measured, byte for byte; the log that was
written since the copy comes on top of it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
sys.path.append(str(Path(__file__).parents[1] / "tests" / "backend"))
import apsw
import pgbackrest_kit
import postgres_kit as kit
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measure import figure, remark
from postgresql import SETTINGS

from backend.conformance.sender import Segment
from backend.ingest.core import RECORDS, Message
from backend.maintenance import copies
from backend.owner import directory as owners
from backend.owner.directory import Owner
from backend.processes.ingest_process import make_ingest
from backend.storage.opening import migrate_database, open_storage
from hub.protocol.enrolment import make_csr, token_proof
from hub.protocol.link_messages import read_reply
from hub.protocol.records.rows import Column, Row, Shape, Subject

SHAPE = Shape((Column("temperature", "Cel", "0.01"), Column("humidity", "%", "0.1")))
READINGS = 160
BATCH = 3000
WARM_S, QUIET_S = 2.0, 5.0
BEGUN_S, RECOVERY_S = 120.0, 600.0
LARGE_GB = 10
FILL = (
    "insert into filling select n, (select string_agg(gen_random_bytes(1000), '') from generate_series(n, n + 29))"
    " from generate_series(1, 2000) n"
)
"""60 MB that compress no further."""
ARCHIVE = {**SETTINGS, "archive_mode": "on"}


def fill(owner: Owner, gigabytes: float) -> int:
    """Write chunks, of bytes that compress no further, until the file has this size; return how many."""
    open_storage(owner.database).close()
    db, chunks = apsw.Connection(str(owner.database)), 0
    db.pragma("synchronous", "off")
    while owner.database.stat().st_size < gigabytes * 1e9:
        db.execute(
            "begin; insert into chunks (hub, privacy, boot, hour, rows, arrived_at, loose, data)"
            " with recursive c(i) as (select 0 union all select i + 1 from c where i < ?2)"
            " select 1 + i % 300, 'technical', x'', 480000 + ?1 + i / 300, 19200, 0, 0, randomblob(30000) from c;"
            " commit",
            (chunks // 300, BATCH - 1),
        )
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
        chunks += BATCH
    db.close()
    return chunks


def take_messages(directory: Path, database: str, devices: int, begun: Event, stop: Event, told: Any) -> None:
    """Take messages until told to stop; send the moment and the duration of each. `begun` is set with the first one.
    `database`: a URL, "" for the file in the directory."""
    owner = owners.load(directory)
    ingest, identity = make_ingest(owner, database=database or None), Ed25519PrivateKey.generate()
    hub, segment = enrolled(ingest, owner, identity)
    rng, taken, at = random.Random(1), [], 0
    subjects = [Subject(f"bench:{n}", f"place-{n}") for n in range(devices)]
    known = 0
    while not stop.is_set():
        rows = [
            Row(subjects[(at + n) % devices], SHAPE, 1_800_000_000_000 + (at + n) * 500, True,
                (round(rng.gauss(20, 1), 2), round(rng.gauss(50, 5), 1)), 0, 1)
            for n in range(READINGS // 2)
        ]  # fmt: skip
        at += len(rows)
        block = segment.block(rows)
        body = segment.message([block], context=known < len(segment.context))  # also for subjects that are new
        known = len(segment.context)
        began = time.monotonic()
        (answer,) = ingest.take([Message(hub, RECORDS, body)])
        if not isinstance(answer, bytes):
            raise answer
        if read_reply(answer).need:
            raise SystemExit("a record was not stored")
        taken.append((began, time.monotonic() - began))
        begun.set()
    ingest.storage.close()
    told.send(taken)


def enrolled(ingest: Any, owner: Owner, identity: Ed25519PrivateKey) -> tuple[str, Segment]:
    now, registry = time.time(), ingest.registry
    token = registry.issue(url="https://localhost:1", root=owner.settings.root, name="b", now=now, lifetime=600)
    csr, public = make_csr(ec.generate_private_key(ec.SECP256R1()), "x"), identity.public_key().public_bytes_raw()
    hub = registry.admit(
        token_id=token.id, identity=public, csr=csr, name="bench", now=now, mac=token_proof(token.secret, public, csr)
    )
    return hub, Segment(hub=hub, identity=identity, trust=owner.trust)


class Taking:
    """Messages that another process takes, from the beginning of the block until `ended`."""

    def __init__(self, owner: Owner, database: str, devices: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        begun, self._stop, (self._heard, told) = spawn.Event(), spawn.Event(), spawn.Pipe(duplex=False)
        work = owner.directory, database, devices, begun, self._stop, told
        self._process = spawn.Process(target=take_messages, args=work)
        self._process.start()
        if not begun.wait(BEGUN_S):
            raise SystemExit(f"no message was taken within {BEGUN_S:.0f} s")
        time.sleep(WARM_S + QUIET_S)

    def ended(self) -> list[tuple[float, float]]:
        self._stop.set()
        taken: list[tuple[float, float]] = self._heard.recv()
        self._process.join()
        return taken


def tell(engine: str, taken: list[tuple[float, float]], began: float, ended: float) -> None:
    """Print what ingest felt of a copy."""
    during = [took for at, took in taken if began <= at < ended]
    before = [took for at, took in taken if began - QUIET_S <= at < began]
    if not during or not before:
        raise SystemExit("no message was taken")
    figure(f"{engine}, messages a second taken before", len(before) / QUIET_S, "1/s")
    figure(f"{engine}, messages a second taken meanwhile", len(during) / (ended - began), "1/s")
    figure(f"{engine}, a message taken before, p99", quantile(before) * 1000, "ms")
    note = f"longest {max(during) * 1000:.0f} ms"
    figure(f"{engine}, a message taken meanwhile, p99", quantile(during) * 1000, "ms", note)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.3)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--only", choices=("sqlite", "postgresql"), default="")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    try:
        written(options.gigabytes, root / "written")
        if options.only != "postgresql":
            of_sqlite(options, root)
        if options.only != "sqlite":
            of_postgresql(options, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


def written(gigabytes: float, path: Path) -> None:
    """Have the disk take as many bytes, one after the other."""
    piece = random.Random(1).randbytes(1 << 20)
    began = time.monotonic()
    with path.open("wb", buffering=0) as file:
        for _ in range(int(gigabytes * 1e9 / len(piece))):
            file.write(piece)
        os.fsync(file.fileno())
    figure(f"this disk, {gigabytes:g} GB written and synced", time.monotonic() - began, "s")
    path.unlink()


def of_sqlite(options: argparse.Namespace, root: Path) -> None:
    owner = owners.init(root / "owner", owner="bench")
    chunks = fill(owner, options.gigabytes)
    taking = Taking(owner, "", options.devices)
    began = time.monotonic()
    head = copies.make(owner.directory, root / "copy", lambda what, share: None)
    ended = time.monotonic()
    taken = taking.ended()
    committed = sum(at + took < ended for at, took in taken)
    if not 0 < head.database.last_record <= committed:
        raise SystemExit(f"copied {head.database.last_record} records of {committed}")
    restoring = time.monotonic()
    copies.restore(root / "copy", owner.directory, lambda what, share: None)
    restored = time.monotonic() - restoring
    ingest = make_ingest(owner)
    if ingest.storage.records.newest_arrival() is None:
        raise SystemExit("nothing was put back")
    ingest.storage.close()
    of = f"{head.size / 1e9:.2f} GB, {chunks:,} chunks"
    figure(f"SQLite, copy of {options.gigabytes:g} GB under ingest, verified", ended - began, "s", of)
    tell("SQLite", taken, began, ended)
    figure("SQLite, put it back, verified", restored, "s")
    extrapolated("SQLite,", restored, head.size)
    shutil.rmtree(root / "copy")


def extrapolated(engine: str, seconds: float, size: float) -> None:
    figure(f"{engine} {LARGE_GB} GB put back, extrapolated", seconds * LARGE_GB * 1e9 / size, "s", "byte for byte")


def of_postgresql(options: argparse.Namespace, root: Path) -> None:
    name = f"PostgreSQL, copy of {options.gigabytes:g} GB by pgBackRest"
    if not kit.available() or shutil.which("pgbackrest") is None:
        remark(name, f"{kit.MISSING}; {pgbackrest_kit.MISSING}")
        return
    owner = owners.init(root / "owner-of-server", owner="bench")
    with kit.folder() as where:
        server = kit.Cluster(where / "a", kit.Authority(where / "tls"))
        made = pgbackrest_kit.Copies(where, server)
        server.init()
        server.start(**SETTINGS)  # what fills it is not archived
        try:
            url = filled(server, options.gigabytes)
            server.stop()
            server.start(**ARCHIVE, archive_command=made.archive_command)
            made.do("stanza-create")
            before = processor()
            figure(f"{name}, at rest", made.do("backup", "--type=full"), "s", "full, settings of deploy/district")
            figure("PostgreSQL, processor of pgBackRest, at rest", processor() - before, "s")
            taking = Taking(owner, url, options.devices)
            began = time.monotonic()
            made.do("backup", "--type=full")
            ended = time.monotonic()
            taken = taking.ended()
            figure(f"{name}, under ingest", ended - began, "s")
            tell("PostgreSQL", taken, began, ended)
            restored(server, made, len(taken))
        finally:
            server.end()


def filled(server: kit.Cluster, gigabytes: float) -> str:
    """Make the backend's tables, and another one that is large; return the URL."""
    name = server.create("bench")
    migrate_database(server.url(name), lambda *told: None)
    with server.admin(name) as session:
        session.execute("create extension pgcrypto")
        session.execute("create table filling (n bigint, data bytea)")
        session.execute("alter table filling alter data set storage external")
        while session.execute("select pg_database_size('bench') < %s", [gigabytes * 1e9]).fetchone() == (True,):
            session.execute(FILL)
    return server.url(name)


def restored(server: kit.Cluster, made: pgbackrest_kit.Copies, committed: int) -> None:
    """Put it back with all of its log, and look for each record."""
    ((size,),) = server.run("select pg_database_size('bench')")
    server.stop()  # archives the end of the log
    files = made.put_back()
    began = time.monotonic()
    server.start(**ARCHIVE, archive_command=made.archive_command)
    while server.run("select pg_is_in_recovery()") != [(False,)]:
        if time.monotonic() - began > RECOVERY_S:
            raise SystemExit(f"the log is not replayed within {RECOVERY_S:.0f} s")
        time.sleep(0.05)
    log = time.monotonic() - began
    with server.admin("bench") as session:
        there = session.execute("select count(*) from ilot.bodies").fetchone()
    if there != (committed,):
        raise SystemExit(f"{there} records are there, {committed} were committed")
    figure("PostgreSQL, put its files back", files, "s", f"{size / 1e9:.2f} GB")
    figure("PostgreSQL, start it and replay its log", log, "s", f"{committed} records, each there")
    extrapolated("PostgreSQL, files of", files, size)


def processor() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def quantile(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    sys.exit(main())
