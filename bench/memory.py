"""Resident memory of a hub that is up, its link on, with more and more integrations; and what an outage adds. What the
hub and its workers have of their own: `bench/rest.py`.

python bench/memory.py [--seconds 15] [--readings N]

The outage: 500 sensors, no backend, and `readings` as fast as the hub takes them (three days of the quiet site in a
minute, by default). Counted from the moment every device has spoken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from house import House, walks  # a script: its own folder first
from measure import as_installed, cpu_s, figure, rss_mib

import hub
from hub.cli.demo.scene import Scene

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


async def outage(house: House, readings: int) -> None:
    emits, began, done = walks(house.names, 120.0), asyncio.Event(), asyncio.Event()

    async def work(session: hub.Session) -> None:
        for report in emits:
            await session.emit(report)
        await session.emit(emits[0], durable=True)
        began.set()
        for at in range(readings // 4):
            await session.emit(emits[at % len(emits)])
            if at % 1024 == 0:
                await asyncio.sleep(0)
        await session.emit(emits[0], durable=True)
        done.set()

    async with house.hub(work) as running:
        await began.wait()
        before = peak = rss_mib(os.getpid())
        while True:
            peak = max(peak, rss_mib(os.getpid()))
            if done.is_set():
                break
            await asyncio.sleep(0.25)
        await asyncio.sleep(5)
        after, status = rss_mib(os.getpid()), running.base.buffer.status()
    name = f"{readings / 1e6:.1f} million readings, {status.bytes / 1e6:.0f} MB"
    figure(f"RSS gained in an outage of {name}", after - before, "MiB", "gate 16")
    figure("the most meanwhile, rows that wait for the disk included", peak - before, "MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--readings", type=int, default=8_000_000)
    options = parser.parse_args()
    as_installed()
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
    with House(devices=500) as house:
        house.scene.stop("backend")
        asyncio.run(outage(house, options.readings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
