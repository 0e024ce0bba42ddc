"""How long `ilot doctor` takes: beside a hub that is right, without it, and where hub and backend hang.

    python bench/doctor.py [--runs 5]

The demo's configuration and hub. "Without a hub" the integrations themselves are asked. "Hanging" stops both by
a signal: their sockets take connections and answer nothing, so that each deadline runs out.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import as_installed, figure

from hub.cli.demo.scene import Scene

GATE_S = 5.0


def doctor(scene: Scene, runs: int) -> list[float]:
    """Seconds of each call, from outside."""
    command = [sys.executable, "-m", "hub", "doctor", "--config", str(scene.config), "--json"]
    took = []
    for _ in range(runs):
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        took.append(time.monotonic() - began)
        if done.returncode not in (0, 6, 9):
            raise SystemExit(done.stderr.decode())
    return took


def told(name: str, took: list[float]) -> None:
    figure(f"doctor, {name}, slowest", max(took), "s", f"median {statistics.median(took):.2f}; gate {GATE_S:g}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    as_installed()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    try:
        scene.prepare()
        scene.start_hub()
        time.sleep(3.0)
        told("beside a running hub", doctor(scene, options.runs))
        stopped = [scene.processes[name] for name in ("hub", "backend")]
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        told("hub and backend hanging", doctor(scene, options.runs))
        for process in stopped:
            process.send_signal(signal.SIGCONT)
        scene.stop("hub")
        told("without a hub", doctor(scene, options.runs))
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
