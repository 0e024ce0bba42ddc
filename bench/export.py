"""A hub's day into an archive, again with nothing new, and into a fresh database: CPU a reading, bytes a reading.

    python bench/export.py [--hours 6] [--devices 500]

The hub is the one of `bench/compaction.py`, whose reports carry a signal strength: four readings each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from compaction import START, Hub
from measure import figure

from backend.archive.checking import check
from backend.archive.exporting import Exported, Exporter, Of
from backend.archive.importing import Importer
from backend.archive.reading import Archive
from backend.archive.stores import Directory
from backend.readings.compaction import QUIET_S
from backend.storage.engine import RecordLine
from backend.storage.opening import open_archive_source, open_archive_target, open_chunks, open_storage
from backend.storage.tables import Hub as Enrolled

OF = Of("Ville", "ab" * 32)
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--devices", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), options.devices, options.hours)


def measure(directory: Path, devices: int, hours: int) -> None:
    path, place = directory / "backend.db", Directory(directory / "archive")
    hub = Hub(path, devices, hours + 3)
    hub.live(hours * 3600 + QUIET_S, compact=True)
    hub.chunks.close()
    hub.db.close()
    with closing(open_storage(path)) as storage, storage.transaction():
        storage.registry.enrol(Enrolled("h", b"i" * 32, "", 0.0, None, None))
        stream = storage.streams.begin("h", b"r" * 16, "readings", 0.0)
        for seq in range(1, hub.records + 1):
            storage.records.add(stream, RecordLine(seq, seq.to_bytes(32, "big"), 1, 1, 160), START / 1000)
    took, done = timed(lambda: export(path, place))
    parquet = sum(file.stat().st_size for file in (directory / "archive").rglob("*.parquet"))
    figure("export, each file read back", took / done.readings * 1e6, "µs CPU/reading", f"{done.readings:,} readings")
    figure("Parquet", parquet / done.readings, "B/reading")
    took, _ = timed(lambda: export(path, place))
    figure("export of a hub with nothing new", took * 1e3, "ms CPU")
    archive = Archive(place)
    manifest = str(archive.newest(complete=True))
    took, checked = timed(lambda: check(archive, manifest, lambda what, share: None))
    figure("check of an archive", took / checked.readings * 1e6, "µs CPU/reading")
    fresh = directory / "fresh.db"
    with closing(open_archive_target(fresh)) as target, closing(open_chunks(fresh)) as chunks:
        importer = Importer(archive, manifest, target, chunks, OF, say=lambda what, share: None)
        took, imported = timed(importer.run)
    figure("import", took / imported.readings * 1e6, "µs CPU/reading")


def export(path: Path, place: Directory) -> Exported:
    with closing(open_archive_source(path)) as source:
        return Exporter(source, place, OF, everything=True).run()


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU that some work takes, of all threads, and its result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


if __name__ == "__main__":
    main()
