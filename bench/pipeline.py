"""End to end: readings a second from emit() to the backend's signed ack, durable, sealed and signed, over TLS.

    python bench/pipeline.py [--reports N] [--devices N] [--rows]     rows: the backend also writes indexed rows

The hub, its HTTPS uplink and the backend are the real ones; the source is a plugin in the hub's process that emits
reports of four readings as fast as it is let. The backend is a process of its own and runs with --journal.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import cpu_s, figure, rss_mib

import hub
from hub.app import Settings, serve
from hub.cli.scene import Scene
from hub.control import call
from hub.registry import Plugin, Registry

CONFIG = """\
hub: {{name: bench, site: bench, state_dir: {state}}}
sites: {{bench: {{name: Bench, timezone: Europe/Paris}}}}
zones: {{bench: {{site: bench, name: Bench}}}}
integrations: {{source: {{}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
places:
{places}
devices:
{devices}
"""


class Source:
    """The plugin: a fixed set of values, so that what is measured is the hub and not a random generator."""

    def __init__(self, reports: int, devices: int) -> None:
        self.reports, self.devices = reports, devices
        self.began = self.ended = 0.0

    def module(self) -> types.ModuleType:
        class Config(hub.Config):
            pass

        async def run(config: Config, session: hub.Session) -> None:
            values = [
                {"temperature": 20 + n % 97 / 50, "humidity": 40 + n % 89 / 10, "battery_voltage": 3 - n % 83 / 1000,
                 "power": n % 101}
                for n in range(97 * 89)
            ]  # fmt: skip
            names = [f"source:{n:05d}" for n in range(self.devices)]
            emit = session.emit
            self.began = time.monotonic()
            for n in range(self.reports):
                report = hub.Report(device=names[n % self.devices], values=values[n % len(values)])
                await emit(report)
                if n % 256 == 255:
                    await asyncio.sleep(0)  # a radio or a bus would give way at each frame
            self.ended = time.monotonic()

        module = types.ModuleType("bench_source")

        @hub.hookimpl
        def register_integrations(register: hub.Register) -> None:
            register("source", Config, run)

        module.register_integrations = register_integrations  # type: ignore[attr-defined]
        return module


async def measure(scene: Scene, source: Source) -> dict[str, float]:
    module = source.module()
    sys.modules[module.__name__] = module
    registry = Registry.discover()
    registry.plugins["source"] = Plugin(
        "source", "ilot", "0", importlib.metadata.EntryPoint("source", module.__name__, "hub.plugins")
    )
    ready = asyncio.Event()
    hub_task = asyncio.create_task(serve(Settings(config=scene.config), registry, lambda facts: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({hub_task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    backend = scene.processes["backend"].pid
    cpu_before, backend_before = cpu_s(os.getpid()), cpu_s(backend)
    readings = source.reports * 4
    pulse: dict[str, Any] = {}
    while not hub_task.done():
        pulse = await asyncio.to_thread(call, scene.state / "hub.sock", "pulse")
        if pulse["acked"] >= readings:
            break
        await asyncio.sleep(0.02)
    took = time.monotonic() - source.began
    figures = {
        "acked": pulse["acked"] / took,
        "emit": readings / (source.ended - source.began),
        "hub": (cpu_s(os.getpid()) - cpu_before) / readings * 1e6,
        "backend": (cpu_s(backend) - backend_before) / readings * 1e6,
        "bytes": pulse["written_bytes"] / pulse["written_readings"],
        "rss": rss_mib(os.getpid()),
    }
    os.kill(os.getpid(), 15)  # SIGTERM is how a hub is stopped
    await hub_task
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=250_000)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--rows", action="store_true", help="without --journal: acks after indexed rows")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
    scene = Scene(root, lambda text: None)
    try:
        scene.found(*(() if options.rows else ("--journal",)))
        ids = range(options.devices)
        scene.config.write_text(
            CONFIG.format(
                state=scene.state,
                url=scene.backend["url"].rstrip("/"),
                places="\n".join(f"  p{n:05d}: {{zone: bench}}" for n in ids),
                devices="\n".join(f'  "source:{n:05d}": {{integration: source, place: p{n:05d}}}' for n in ids),
            )
        )
        scene.enrol()
        figures = asyncio.run(measure(scene, Source(options.reports, options.devices)))
    finally:
        scene.close()
        shutil.rmtree(root, ignore_errors=True)
    how = "indexed rows" if options.rows else "--journal"
    figure(f"end to end, emit() to signed ack, backend with {how}", figures["acked"], "readings/s")
    figure("emit() alone, with back-pressure", figures["emit"], "readings/s")
    figure("CPU of the hub", figures["hub"], "us/reading", "source included")
    figure("CPU of the backend", figures["backend"], "us/reading")
    figure("sealed bytes on disk", figures["bytes"], "B/reading")
    figure("RSS of the hub after the run", figures["rss"], "MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
