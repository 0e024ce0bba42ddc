"""Chunks of readings: bytes a reading, and what writing, reading and changing one costs.

    python bench/chunks.py [--devices N]

A site of 500 devices: synthetic rooms (`rooms.py`), then each recorded trace of `bench/traces/`, played by as many
devices from different points: they say the same one after the other, which a chunk makes use of, and rooms do not. A
record each 5 s, as a hub that is on line commits. One chunk is an hour, with a report each minute (of the counters each
30 s); rooms also as a day, and with a report each quarter of an hour. Bytes are those of the whole chunk, names and
directory included, beside those of the records' bodies as they came.

Times are processor time of this process, the least of five: reports as they lie in memory → bytes, bytes → reports.
`pick` is one metric of one device, `find a name` looks through a chunk for a name that is not there, as erasures do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where `backend` is a script
from measure import figure
from rooms import reports
from traces import recorded

from backend.readings.chunks import rewriting as chunks
from backend.readings.chunks.rollups import HOUR, pack, roll_up
from backend.readings.chunks.rows import ChunkRow
from hub.protocol.records import columns
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import Row

WINDOW_MS = 5000
BLOCK = 4096
TIMES = 5
HUBS = 300
"""Hubs whose records come in turn: ids of one rise by so many."""


class Site:
    """Reports of a site, as they come out of its records."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: list[ChunkRow] = []
        self.stored = 0  # bytes of bodies, compressed
        numbering, squeeze = Numbering(), Squeezer()
        for number, body in enumerate(_bodies(rows, numbering)):
            self.stored += len(squeeze(body))
            shapes = {at: shape for shape, at in numbering.shapes.items()}
            subjects = {at: subject for subject, at in numbering.subjects.items()}
            record = 1 + HUBS * number
            for at, row in enumerate(columns.decode(body, shapes, subjects)[1]):
                self.rows.append(ChunkRow(*row[:3], record << 12 | at, *row[4:]))
        self.readings = sum(len(row.values) for row in self.rows)


def _bodies(rows: Iterable[Row], numbering: Numbering) -> Iterator[bytes]:
    for _, together in groupby(rows, key=lambda row: row.time_ms // WINDOW_MS):
        batch = list(together)
        most = BLOCK // max(len(row.values) for row in batch)
        for at in range(0, len(batch), most):
            yield columns.encode(batch[at : at + most], numbering)


def least_s(work: Callable[[], object], times: int = TIMES) -> float:
    found = []
    for _ in range(times):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def tell(name: str, site: Site) -> None:
    """All figures of one site."""
    rows, count = site.rows, site.readings
    data = chunks.encode(rows)
    if _heads(chunks.decode(data)) != _heads(rows):
        raise SystemExit(f"{name}: what was decoded is not what was encoded")
    device, metric = rows[len(rows) // 2].subject.device, rows[len(rows) // 2].shape.columns[0].metric
    figure(f"{name}: readings", count, "")
    figure(f"{name}: bodies as stored", site.stored / count, "B/reading")
    figure(f"{name}: chunk", len(data) / count, "B/reading")
    figure(f"{name}: encode", least_s(lambda: chunks.encode(rows)) / count * 1e6, "µs/reading")
    figure(f"{name}: decode", least_s(lambda: list(chunks.decode(data))) / count * 1e6, "µs/reading")
    points = len(chunks.pick(data, device=device, metric=metric)[0].points)
    picked = least_s(lambda: [chunks.pick(data, device=device, metric=metric) for _ in range(20)]) / 20
    figure(f"{name}: pick", picked * 1e3, "ms", f"{points} readings")
    absent = least_s(lambda: chunks.rewrite(data, lambda content: content.subject.zone == "~", lambda _: None))
    figure(f"{name}: find a name", absent * 1e3, "ms")
    erase = least_s(lambda: chunks.rewrite(data, lambda content: content.subject.device == device, lambda _: None))
    figure(f"{name}: erase a device", erase * 1e3, "ms")
    half = len(rows) // 2
    first = chunks.encode(rows[:half])
    figure(
        f"{name}: merge the later half", least_s(lambda: chunks.merge(first, rows[half:])) / count * 1e6, "µs/reading"
    )
    series = [
        one
        for subject in {row.subject for row in rows}
        for column in rows[0].shape.columns
        for one in chunks.pick(data, device=subject.device, metric=column.metric)
    ]
    rolled = least_s(lambda: [roll_up(one, HOUR) for one in series], 2)
    figure(f"{name}: rollups of hours", rolled / sum(len(one.points) for one in series) * 1e6, "µs/reading")
    packed = [rollup for one in series for rollup in roll_up(one, HOUR)]
    figure(f"{name}: rollups of hours, packed", len(pack(packed)) / len(packed), "B", "each")


def _heads(rows: Iterable[ChunkRow]) -> list[tuple[object, ...]]:
    return sorted((row.subject.device, *row[2:8]) for row in rows)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--devices", type=int, default=500)
    devices = ask.parse_args().devices
    hour, day = 3600.0, 86_400.0
    tell("rooms, an hour", Site(reports(devices, seconds=hour)))
    for trace in recorded():
        tell(f"{trace.name}, an hour", Site(trace.chorus(devices, hour)))
    tell("rooms each quarter of an hour, an hour", Site(reports(devices, 900.0, hour)))
    tell("rooms each quarter of an hour, a day", Site(reports(devices, 900.0, day)))
    tell("a fifth of the rooms, a day", Site(reports(devices // 5, seconds=day)))


if __name__ == "__main__":
    main()
