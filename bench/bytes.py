"""Bytes on the disk for a reading, headers, signatures, epochs and tables included: what the wire carries too.

    python bench/bytes.py [--hours H]

The trace is 500 room sensors that send four readings a minute (`rooms.py`); one commit each 1, 5, 30 and 60 s.
The hub's own small state is left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure
from rooms import START_MS, LazyDisk, Owner, reports

from hub.buffer.batch import Batch, BufferConfig
from hub.buffer.journal import Journal
from hub.buffer.rows import Row
from hub.buffer.seal import AES
from hub.buffer.stream import Keys
from hub.clock import SystemClock

GATES = {5: 3.5, 30: 2.5}


def bytes_a_reading(directory: Path, owner: Owner, rows: list[Row], window_s: int) -> tuple[float, float]:
    """Bytes and readings a commit, over everything that was written."""
    keys = Keys("hub-bench", owner.identity, bytes(32), AES)
    journal = Journal(
        directory, disk=LazyDisk(), clock=SystemClock(), keys=keys, run=os.urandom(16), trust=owner.trust,
        config=BufferConfig(),
    )  # fmt: skip
    commits = 0
    batch, end = Batch(), START_MS + 1000 * window_s
    for row in rows:
        if row.time_ms >= end:
            commits += bool(batch)
            journal.commit(batch)
            batch, end = Batch(), end + 1000 * window_s
        batch.rows.append(row)
    journal.commit(batch)
    journal.close()
    readings = sum(len(row.values) for row in rows)
    return journal.catalog.size() / readings, readings / (commits + 1)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--hours", type=float, default=6.0)
    told = ask.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-bytes-"))
    owner, rows = Owner(), list(reports(seconds=3600 * told.hours))
    try:
        for window_s in (1, 5, 30, 60):
            size, count = bytes_a_reading(directory / str(window_s), owner, rows, window_s)
            gate = f"gate {GATES[window_s]}" if window_s in GATES else ""
            figure(f"sealed, one commit each {window_s} s ({count:.0f} readings)", size, "B/reading", gate)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
