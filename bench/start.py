"""Start to ready, and what an idle hub costs.

    python bench/start.py [--runs 5] [--idle 20]

Ready means: state locked, buffer recovered, link running, plugins started, control socket answering. Measured from
the moment the process is started to its ready line. The configuration is the demo's (host, Modbus, Bluetooth).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu_s, figure, rss_mib

from hub.cli.scene import Scene


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds to watch the idle hub")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    outside, inside = [], []
    try:
        scene.prepare()
        for run in range(options.runs + 1):
            began = time.monotonic()
            ready = scene.start_hub()
            if run:  # the first compiles the configuration and fills the page cache
                outside.append(time.monotonic() - began)
                inside.append(ready["start_s"])
            if run < options.runs:
                time.sleep(1.0)
                scene.stop("hub")
        pid = scene.processes["hub"].pid
        time.sleep(3.0)
        before, at = cpu_s(pid), time.monotonic()
        time.sleep(options.idle)
        idle = (cpu_s(pid) - before) / (time.monotonic() - at)
        rss = rss_mib(pid)
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    figure("start to ready, whole process, median", statistics.median(outside), "s", f"max {max(outside):.2f}")
    figure("start to ready, as the hub says, median", statistics.median(inside), "s")
    figure("RSS, demo building, 3 integrations, link on", rss, "MiB")
    figure("CPU, demo building (a report every 0.4 s)", idle * 100, "% of a core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
