"""End to end: readings a second from emit() to the backend's signed ack, durable, sealed and signed, over TLS.

    python bench/pipeline.py [--reports N] [--devices N]
    python bench/pipeline.py --no-seal                                what sealing and signing cost

The hub, its HTTPS uplink and the backend are the real ones; the source is a plugin in the hub's process that emits
reports of four readings as fast as it is let. The backend is a process of its own. The clock
runs from the first emit to the ack of the last.

`--no-seal` writes the same blocks with the hub's own journal, with and without cipher, signature and digest, by
turns: the one without exists in this file only. What is compared is CPU time, the least of all turns, and a sync costs
nothing there: of a commit on a real disk, or of the whole path, the share is smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from house import House, until, walks
from measure import cpu_s, figure, rss_mib
from rooms import LazyDisk, Owner, reports

import hub
from hub.core.clock import SystemClock
from hub.protocol.records import framing
from hub.protocol.records.rows import Row
from hub.protocol.records.seal import AES, CHACHA, NO_DIGEST, TAG_SIZE, Sealed, Sealer, SealingKeys
from hub.store_and_forward.buffer import stream
from hub.store_and_forward.buffer.batch import Batch, BufferConfig
from hub.store_and_forward.buffer.journal import Journal

TOLD = {AES: 5, CHACHA: 10}
BLOCK = 4096
"""Readings; what the hub makes of a flood."""


async def run(house: House, *, reports: int) -> dict[str, float]:
    """One flood; figures of it."""
    emits = walks(house.names)
    began = ended = 0.0

    async def work(session: hub.Session) -> None:
        nonlocal began, ended
        began = time.monotonic()
        for at in range(reports - 1):
            await session.emit(emits[at % len(emits)])
            if at % 256 == 255:
                await asyncio.sleep(0)  # a radio or a bus would give way at each frame
        await session.emit(emits[0], durable=True)  # the last must not wait for the commit window
        ended = time.monotonic()

    before, backend_before = time.process_time(), cpu_s(house.backend)
    readings = reports * 4
    async with house.hub(work) as running:
        await until(lambda: running.backend.link.delivery.acked_readings >= readings, 600, "the last ack")
        took = time.monotonic() - began
        overview: Any = running.ui.overview
        return {
            "acked": readings / took,
            "durable": readings / (ended - began),
            "hub": (time.process_time() - before) / readings * 1e6,
            "backend": (cpu_s(house.backend) - backend_before) / readings * 1e6,
            "bytes": overview.written_bytes / overview.written_readings,
            "rss": rss_mib(os.getpid()),
        }


class Plain(Sealer):
    """Frames records and does nothing else: no cipher, no signature, no digest. Its records can be read by nobody."""

    def seal(
        self, kind: int, counter: int, body: bytes, *, readings: int, total: int, commit_s: int, more: bool = False
    ) -> Sealed:
        self._last[framing.BLOCK if kind in framing.NUMBERED else kind] = counter
        header = framing.pack_header(
            kind, len(body) + TAG_SIZE, readings=readings, seq=counter, total=total, commit_s=commit_s, more=more
        )
        return Sealed(framing.pack_record(header, body + bytes(TAG_SIZE), bytes(64)), NO_DIGEST)


@contextmanager
def sealer(kind: type[Sealer]) -> Iterator[None]:
    """Journals made in here seal with this class."""
    stream.Sealer = kind  # type: ignore[attr-defined]
    try:
        yield
    finally:
        stream.Sealer = Sealer  # type: ignore[attr-defined]


def journal_us(owner: Owner, rows: list[Row], kind: type[Sealer], aead: str) -> float:
    """CPU microseconds a reading to write rows in blocks of BLOCK readings, one commit each."""
    directory = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    try:
        with sealer(kind):
            journal = Journal(
                directory,
                disk=LazyDisk(),
                clock=SystemClock(),
                keys=SealingKeys("hub-bench", owner.identity, bytes(32), aead),
                run=os.urandom(16),
                trust=owner.trust,
                config=BufferConfig(segment_bytes=64 << 20, max_bytes=1 << 30),
            )
            began = time.process_time()
            for at in range(0, len(rows), BLOCK // 4):
                batch = Batch()
                batch.rows = rows[at : at + BLOCK // 4]
                batch.readings = 4 * len(batch.rows)
                journal.commit(batch)
            took = time.process_time() - began
            journal.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return took / len(rows) / 4 * 1e6


def seal_tax(turns: int) -> None:
    owner, rows = Owner(), list(reports(devices=500, seconds=6000.0))
    rows = rows[: len(rows) // (BLOCK // 4) * (BLOCK // 4)]
    gc.freeze()  # the rows are there once and for all: a collection must not go through them while one kind runs
    kinds = [(aead, kind) for aead in (AES, CHACHA) for kind in (Sealer, Plain)]
    found: dict[tuple[str, type[Sealer]], list[float]] = {which: [] for which in kinds}
    for turn in range(turns + 1):
        for aead, kind in kinds:
            used = journal_us(owner, rows, kind, aead)
            if turn:  # the first warms up
                found[aead, kind].append(used)
    for aead in (AES, CHACHA):
        on, off = min(found[aead, Sealer]), min(found[aead, Plain])
        figure(f"sealing and signing, {aead}, blocks of {BLOCK}", (on / off - 1) * 100, "%", f"gate {TOLD[aead]}")
        figure(f"the same, {aead}", on - off, "us/reading", f"beside {off:.2f} to write")


def end_to_end(options: argparse.Namespace) -> None:
    with House(devices=options.devices) as house:
        figures = asyncio.run(run(house, reports=options.reports))
    figure("end to end, emit() to signed ack", figures["acked"], "readings/s")
    figure("emit() to durable, with back-pressure", figures["durable"], "readings/s")
    figure("CPU of the hub", figures["hub"], "us/reading", "source included")
    figure("CPU of the backend", figures["backend"], "us/reading")
    figure("sealed bytes on disk", figures["bytes"], "B/reading")
    figure("RSS of the hub after the run", figures["rss"], "MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=250_000)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--no-seal", action="store_true", help="what sealing costs, instead")
    parser.add_argument("--turns", type=int, default=9, help="of --no-seal")
    options = parser.parse_args()
    if options.no_seal:
        seal_tax(options.turns)
    else:
        end_to_end(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
