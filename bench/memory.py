"""Resident memory of a hub that is up, its link on, with more and more integrations.

python bench/memory.py [--seconds 15]
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu_s, figure, rss_mib  # a script: its own folder first

from hub.cli.scene import Scene

WITHOUT = {
    "no integration": ("host", "bluetooth", "modbus"),
    "host": ("bluetooth", "modbus"),
    "host, modbus": ("bluetooth",),
    "host, modbus, bluetooth (the demo's building)": (),
}


def without(config: str, names: tuple[str, ...]) -> str:
    """The configuration with these integrations switched off."""
    for name in names:
        config = re.sub(rf"^  {name}: \{{\}}$", f"  {name}: {{enabled: false}}", config, flags=re.MULTILINE)
        config = re.sub(rf"^  {name}: \{{(?!enabled)", f"  {name}: {{enabled: false, ", config, flags=re.MULTILINE)
        config = re.sub(rf"^  {name}:$", f"  {name}:\n    enabled: false", config, flags=re.MULTILINE)
    return config


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    try:
        scene.prepare()
        whole = scene.config.read_text()
        for name, off in WITHOUT.items():
            scene.config.write_text(without(whole, off))
            scene.start_hub()
            pid = scene.processes["hub"].pid
            time.sleep(5)
            before, at = cpu_s(pid), time.monotonic()
            time.sleep(options.seconds)
            figure(f"RSS, {name}", rss_mib(pid), "MiB")
            figure(f"CPU, {name}", (cpu_s(pid) - before) / (time.monotonic() - at) * 100, "% of a core")
            scene.stop("hub")
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
