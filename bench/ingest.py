"""What a message costs the backend, from `Ingest.take` to chunks: CPU, disk, write-ahead log.

    python bench/ingest.py [--hours N] [--hubs N] [--batch N] [--against DIRECTORY]

Hubs of 500 sensors send a block of 160 readings each, sealed before the clock starts; `--batch` messages share a
transaction. A compactor works as often as beside a real server: after three minutes' messages of a hub, and at the end
of each hour. What is counted is CPU time of this thread, which other programs on the machine hardly change; the first
hour, in which series are listed, counts for CPU alone. `--against` measures another release's tree too, by turns; its
rows have no compactor.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(os.environ.get("ILOT_BENCH_TREE", Path(__file__).parents[1]))))
sys.path.insert(1, str(Path(__file__).parent))
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measure import figure

from backend.conformance.sender import Segment
from backend.ingest.core import RECORDS, Ingest, Message
from backend.owner import directory as owners
from backend.processes.ingest_process import make_ingest
from hub.core.errors import HubError
from hub.protocol.enrolment import make_csr, token_proof
from hub.protocol.hub_id import hub_id
from hub.protocol.records.rows import Column, Row, Shape, Subject

SHAPE = Shape(
    (
        Column("temperature", "Cel", "0.01"),
        Column("humidity", "%", "0.1"),
        Column("battery_voltage", "V", "0.001"),
        Column("power", "W", "1"),
    )
)
START = 1_800_000_000_000
DEVICES, REPORTS, EVERY_MS = 500, 40, 4_800
"""33 readings/s of a hub: 300 of them are a district's 10,000."""
KEPT = "ILOT_BENCH_ROWS"
A_CHUNK, AN_HOUR = 37, 750
"""Messages of one hub in the three minutes that a body waits, and in an hour."""


class Sender:
    """A hub that seals blocks."""

    def __init__(self, ingest: Ingest, owner: owners.Owner, seed: int) -> None:
        identity = Ed25519PrivateKey.generate()
        public = identity.public_key().public_bytes_raw()
        self.hub = hub_id(public)
        now = time.time()
        token = ingest.registry.issue(
            url="https://localhost:1", root=owner.settings.root, name="bench", now=now, lifetime=60
        )
        csr = make_csr(ec.generate_private_key(ec.SECP256R1()), "x")
        proof = token_proof(token.secret, public, csr)
        ingest.registry.admit(token_id=token.id, identity=public, csr=csr, name="bench", now=now, mac=proof)
        self._segment = Segment(hub=self.hub, identity=identity, trust=owner.trust)
        self._rng = random.Random(seed)
        self._subjects = [Subject(f"bench:{seed}:{n:05d}", f"place-{n}", "school", "rooms") for n in range(DEVICES)]
        self._values = [[self._rng.uniform(15, 25), self._rng.uniform(30, 60), 3.0, 500.0] for _ in self._subjects]

    def messages(self, count: int) -> list[Message]:
        """Seal so many blocks; the first message has the context of all."""
        blocks = list(self._blocks(count))
        bodies = [self._segment.message([block], context=number == 0) for number, block in enumerate(blocks)]
        return [Message(self.hub, RECORDS, body) for body in bodies]

    def _blocks(self, count: int) -> Iterator[bytes]:
        at = 0
        for number in range(count):
            rows = []
            for _ in range(REPORTS):
                device, at = at % DEVICES, at + 1
                values = self._values[device]
                for place, step in enumerate((0.03, 0.3, 0.002, 15.0)):
                    values[place] += self._rng.gauss(0, step)
                told = round(values[0], 2), round(values[1], 1), round(values[2], 3), round(values[3])
                moment = START + number * EVERY_MS + self._rng.randrange(EVERY_MS)
                rows.append(Row(self._subjects[device], SHAPE, moment, True, told, 0, 1, -60 - self._rng.randrange(8)))
            yield self._segment.block(rows)


def measure(root: Path, *, hubs: int, hours: float, batch: int) -> dict[str, float]:
    owner = owners.init(root / "owner", owner="Bench")
    try:
        ingest = make_ingest(owner)
    except TypeError:  # a former release asks whether there is a journal
        ingest = make_ingest(owner, journal=False)  # type: ignore[call-arg]
    ingest.storage.connection.pragma("wal_autocheckpoint", 0)  # type: ignore[attr-defined]
    senders = [Sender(ingest, owner, n) for n in range(hubs)]
    count = int(hours * AN_HOUR)
    rounds = list(zip(*(sender.messages(count) for sender in senders), strict=True))
    compactor = _compactor(owner.database)
    wal = owner.database.with_name(f"{owner.database.name}-wal")
    log = later = taken = compacted = before = 0.0
    waiting: list[Message] = []
    take([rounds[0][0]] if hubs == 1 else list(rounds[0]), ingest)  # the context, once
    ingest.storage.remove_traces()
    for number, messages in enumerate(rounds[1:], 1):
        waiting += messages
        while len(waiting) >= batch or (number == count - 1 and waiting):
            began = time.thread_time()
            take(waiting[:batch], ingest)
            taken += time.thread_time() - began
            log += _emptied(wal, ingest)
            del waiting[:batch]
        if compactor is not None and (number % A_CHUNK == 0 or number % AN_HOUR == 0 or number == count - 1):
            began = time.thread_time()
            for sender in senders:
                compactor.compact(sender.hub)
            if number % AN_HOUR == 0 or number == count - 1:
                _tidy(compactor)
            compacted += time.thread_time() - began
            later += _emptied(wal, ingest)
        if number == AN_HOUR:
            before, log, later = _size(ingest), 0.0, 0.0
    if compactor is None:
        _keep(owner.database)
    else:
        compactor._chunks.close()
    if ingest.counts.readings != count * hubs * REPORTS * len(SHAPE.columns):
        raise SystemExit(f"{ingest.counts} is not what was sent")
    readings = (count - 1) * hubs * REPORTS * len(SHAPE.columns)
    ingest.storage.remove_traces()
    steady = (count - AN_HOUR - 1) * hubs * REPORTS * len(SHAPE.columns)
    size = _size(ingest) - before
    ingest.storage.close()
    per = readings / 1e6
    return {
        "take": taken / ((count - 1) * hubs) * 1e3,
        "ingest": taken / per,
        "compaction": compacted / per,
        "disk": size / steady,
        "log": log / steady,
        "later": later / steady,
    }


def _keep(database: Path) -> None:
    """Copy a database of rows to where the migration is measured."""
    if KEPT in os.environ:
        shutil.copyfile(database, os.environ[KEPT])


def migrate(rows: Path) -> None:
    """Move the rows of another release into chunks, and tell how fast."""
    from backend.maintenance.row_migration import move_rows_of

    size, began = rows.stat().st_size, time.thread_time()
    moved = move_rows_of(rows, lambda _: None)
    used = time.thread_time() - began
    figure("rows of a former release moved into chunks, CPU", used / moved * 1e6, "us/reading")
    figure("the same, of its file", size / 1e6 / used, "MB/s of CPU")


def take(messages: list[Message], ingest: Ingest) -> None:
    for answer in ingest.take(messages):
        if isinstance(answer, HubError):
            raise SystemExit(str(answer))


def _size(ingest: Ingest) -> float:
    """Bytes of the database's pages that hold something."""
    used = ingest.storage.connection  # type: ignore[attr-defined]
    return float((used.pragma("page_count") - used.pragma("freelist_count")) * used.pragma("page_size"))


def _emptied(wal: Path, ingest: Ingest) -> int:
    size = wal.stat().st_size if wal.exists() else 0
    ingest.storage.remove_traces()
    return size


def _compactor(database: Path) -> Any:
    try:
        from backend.readings.compaction import Compactor
        from backend.storage.opening import open_chunks
    except ImportError:  # a release with a row for each reading
        return None
    chunks = open_chunks(database)
    chunks._db.pragma("wal_autocheckpoint", 0)  # type: ignore[attr-defined]
    return Compactor(chunks)


def _tidy(compactor: Any) -> None:
    while loose := compactor._chunks.loose(time.time() + 1e6, 0, 1000):
        for one in loose:
            compactor.tidy(one)


UNITS = {
    "take": ("CPU of Ingest.take", "ms/message"), "ingest": ("CPU of ingest", "us/reading"),
    "compaction": ("CPU of compaction", "us/reading"),
    "disk": ("database, account and index included", "bytes/reading"),
    "log": ("write-ahead log of ingest", "bytes/reading"),
    "later": ("write-ahead log of compaction", "bytes/reading"),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--hubs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--against", type=Path, help="a tree of another release")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
            found = measure(Path(scratch), hubs=options.hubs, hours=options.hours, batch=options.batch)
        print(json.dumps(found))
        return
    trees = {"bodies and chunks": Path(__file__).parents[1]}
    if options.against is not None:
        trees["rows"] = options.against.resolve()
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as scratch:
        _by_turns(options, trees, Path(scratch) / "rows.db")


def _by_turns(options: argparse.Namespace, trees: dict[str, Path], rows: Path) -> None:
    best: dict[str, dict[str, float]] = {}
    arguments = [f"--{name}={getattr(options, name)}" for name in ("hours", "hubs", "batch")]
    for _ in range(options.turns):
        for name, tree in trees.items():
            environment = {**os.environ, "ILOT_BENCH_TREE": str(tree), "PYTHONPATH": str(tree), KEPT: str(rows)}
            command = [sys.executable, __file__, "--alone", *arguments]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=tree)
            found = json.loads(done.stdout)
            before = best.setdefault(name, found)
            best[name] = {what: min(value, before[what]) for what, value in found.items()}
    for name, found in best.items():
        for what, (text, unit) in UNITS.items():
            figure(f"{text}, {name}, {options.batch} messages a transaction", found[what], unit)
    if rows.exists():
        migrate(rows)


if __name__ == "__main__":
    main()
