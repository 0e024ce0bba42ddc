"""Start to ready, also with a large backlog on the disk, and what an idle hub costs.

    python bench/start.py [--runs 5] [--idle 20] [--backlog 1000]

Ready means: state locked, buffer recovered, link running, plugins started, control socket answering. Measured from
the moment the process is started to its ready line. The configuration is the demo's (host, Modbus, Bluetooth). Then
the same with so many MB of records that no backend has acknowledged, left by an earlier life of this hub; its backend
is away, so that the hub does nothing but start. The page cache is as the writing left it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from house import leave_backlog
from measure import as_installed, cpu_s, figure, rss_mib

from hub.cli.demo.scene import Scene
from hub.protocol.records.rows import Column, Row, Shape, Subject

GATE_S = 0.8


def bulky() -> Iterator[Row]:
    """Reports that fill a disk soon: each one text of 500 random characters."""
    rng = random.Random(3)
    shape = Shape((Column("raw", kind="text", privacy="personal"),))
    subjects = [Subject(f"bench:{number:03d}", f"place-{number}") for number in range(100)]
    at = 1_790_000_000_000
    while True:
        yield Row(subjects[rng.randrange(100)], shape, at, True, (rng.randbytes(250).hex(),))
        at += 100


def starts(scene: Scene, runs: int) -> tuple[list[float], list[float]]:
    """Seconds to ready, seen from outside and as the hub says; the hub of the last run is left running."""
    outside, inside = [], []
    for run in range(runs + 1):
        began = time.monotonic()
        ready = scene.start_hub()
        if run:  # the first compiles the configuration and fills the page cache
            outside.append(time.monotonic() - began)
            inside.append(float(ready["start_s"]))
        if run < runs:
            time.sleep(1.0)
            scene.stop("hub")
    return outside, inside


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch the idle hub")
    parser.add_argument("--backlog", type=int, default=1000, help="MB; 0: without")
    options = parser.parse_args()
    as_installed()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    try:
        scene.prepare()
        outside, inside = starts(scene, options.runs)
        pid = scene.processes["hub"].pid
        time.sleep(3.0)
        before, at = cpu_s(pid), time.monotonic()
        time.sleep(options.idle)
        idle = (cpu_s(pid) - before) / (time.monotonic() - at)
        figure("start to ready, whole process, median", statistics.median(outside), "s", f"max {max(outside):.2f}")
        figure("start to ready, as the hub says, median", statistics.median(inside), "s")
        figure("RSS, demo building, 3 integrations, link on", rss_mib(pid), "MiB")
        figure("CPU, demo building (a report every 0.4 s)", idle * 100, "% of a core")
        if options.backlog:
            scene.stop("hub")
            scene.stop("backend")
            config = scene.config.read_text()
            scene.config.write_text(config.replace("buffer:\n", "buffer:\n  max_size: 4GB\n"))
            _, size = leave_backlog(scene.state, bulky(), 1000, most=options.backlog * 1_000_000)
            outside, _ = starts(scene, options.runs)
            name = f"with {size / 1e6:,.0f} MB of backlog"
            figure(
                f"start to ready, whole process, {name}, median",
                statistics.median(outside),
                "s",
                f"max {max(outside):.2f}; gate {GATE_S}",
            )
            figure(f"RSS, {name}", rss_mib(scene.processes["hub"].pid), "MiB")
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
