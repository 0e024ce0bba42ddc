"""Bytes on the disk for a reading, headers, signatures, epochs and tables included: what the wire carries too.

    python bench/bytes.py [--hours H] [--devices N]

First 500 room sensors that send four readings a minute (`rooms.py`), with one commit each 1, 5, 30 and 60 s. Then the
recorded traces of `bench/traces/`: each as many devices as a site has, that play the recording from different points
for as long (half an hour would pay for a whole segment's EPOCH and TABLE, which last three hours there),
and as it was recorded, one device alone, whose every commit carries the frame and the signature of a whole block.
The hub's own small state is left out; it never leaves the hub.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure
from rooms import LazyDisk, Owner, reports
from traces import recorded

from hub.core.clock import SystemClock
from hub.protocol.records.rows import Row
from hub.protocol.records.seal import AES, SealingKeys
from hub.store_and_forward.buffer.batch import Batch, BufferConfig
from hub.store_and_forward.buffer.journal import Journal

GATES = {5: 3.5, 30: 2.5}


def bytes_a_reading(directory: Path, owner: Owner, rows: Iterable[Row], window_s: int) -> tuple[float, float]:
    """Bytes a reading and readings a commit, over everything that was written."""
    keys = SealingKeys("hub-bench", owner.identity, bytes(32), AES)
    journal = Journal(
        directory,
        disk=LazyDisk(),
        clock=SystemClock(),
        keys=keys,
        run=os.urandom(16),
        trust=owner.trust,
        config=BufferConfig(),
    )
    commits = readings = 0
    batch, end = Batch(), 0
    for row in rows:
        if row.time_ms >= end:
            if batch:
                commits += 1
                journal.commit(batch)
            batch, end = Batch(), row.time_ms - row.time_ms % (1000 * window_s) + 1000 * window_s
        batch.rows.append(row)
        readings += len(row.values)
    journal.commit(batch)
    journal.close()
    return journal.catalog.size() / readings, readings / (commits + 1)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--hours", type=float, default=6.0, help="of a site of many devices")
    ask.add_argument("--devices", type=int, default=500, help="that play a trace")
    told = ask.parse_args()
    directory, owner = Path(tempfile.mkdtemp(prefix="bench-bytes-")), Owner()

    def say(name: str, rows: Iterable[Row], window_s: int, gate: str = "") -> None:
        size, count = bytes_a_reading(directory / f"{name}-{window_s}", owner, rows, window_s)
        figure(f"{name}, one commit each {window_s} s", size, "B/reading", f"{count:.0f} readings a commit {gate}")

    def gate(window_s: int) -> str:
        return f"gate {GATES[window_s]}" if window_s in GATES else ""

    try:
        rows = list(reports(seconds=3600 * told.hours))
        for window_s in (1, 5, 30, 60):
            say("500 room sensors", rows, window_s, gate(window_s))
        for trace in recorded():
            rows = list(trace.chorus(told.devices, 3600 * told.hours))
            for window_s in (5, 30):
                say(f"recorded: {trace.name}, {told.devices} devices", rows, window_s, gate(window_s))
            alone = list(trace.rows())
            for window_s in (5, 300):
                say(f"recorded: {trace.name}, one device alone", alone, window_s)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
