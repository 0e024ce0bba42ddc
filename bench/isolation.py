"""Cost of a process of its own for a plugin: its start, its memory, and readings a second through the socket.

    python bench/isolation.py [--reports N] [--starts N]

The child is the real one, started as a child of this process, with its limits and its filter of system calls. The hub's
side is the real straight path, from the session to the row; the buffer takes rows and drops them, in both ways alike. A
start is from the launch to Loaded: the plugin is imported and its options are right. Private memory is what the kernel
calls so (smaps_rollup): it would come free with the process. The clock of a flood runs from the first row to the answer
to `emit(durable=True)` at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import as_installed, figure, quantile

import hub
from hub.core.clock import SystemClock
from hub.core.counters import Counts
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.pipeline.admission.quarantine import Quarantine
from hub.pipeline.admission.replay import ReplayWindows
from hub.pipeline.admission.strangers import Strangers
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import launch, wire
from hub.plugin_host.isolation.host import Host
from hub.plugin_host.isolation.served import SessionServed
from hub.plugin_host.registry import Plugin
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.privacy.rules_engine import Privacy

APART = Path(__file__).parent / "apart"
PLUGIN = Plugin("x", "bench", "1", Entry("x", "bench_emits", "bench", "1"))


class Nowhere:
    """A buffer that takes rows and drops them."""

    full = False

    def __init__(self) -> None:
        self.local: dict[str, Any] = {}
        self.first = 0.0

    def append(self, row: Any) -> None:
        if not self.first:
            self.first = time.monotonic()

    def together(self) -> Any:
        return nullcontext()

    def put_local(self, key: str, value: Any) -> None: ...

    async def flush(self) -> None: ...


def core() -> tuple[Core, Nowhere]:
    known = {"x:1": Device(id="x:1", integration="x", place="")}
    clock, counts, buffer = SystemClock(), Counts(), Nowhere()
    replay = ReplayWindows({}, lambda key, value: None)
    planner = Planner(
        metrics=METRICS, place=lambda _: None, privacy=Privacy(), live=LatestValues(), replay=replay,
        protected=lambda _: False,
    )  # fmt: skip
    strangers = Strangers(device=known.get, quarantine=Quarantine(), now=clock.now, count=counts.add)
    taking: Any = buffer
    path = Pipeline(
        strangers=strangers, planner=planner, replay=replay, buffer=taking, clock=clock, counts=counts
    )  # fmt: skip
    http: Any = lambda _: None  # noqa: E731
    return Core(path, planner, Devices(known.values()), taking, clock, counts, http, lambda _: []), buffer


class Seen:
    """A single run; `private` is the memory of its process, in KiB, when its plugin is loaded."""

    def __init__(self) -> None:
        self.core, self.buffer = core()
        self.loaded = self.private = 0.0
        self._pid = 0

    @asynccontextmanager
    async def launch(self, spec: launch.Spec, sock: socket.socket, errors: int) -> AsyncIterator[launch.Running]:
        async with launch.launched(spec, sock, errors) as running:
            self._pid = running.pid
            yield running

    def on_loaded(self, _: wire.Loaded) -> None:
        self.loaded = time.monotonic()
        lines = Path(f"/proc/{self._pid}/smaps_rollup").read_text().splitlines()
        self.private = sum(float(line.split()[1]) for line in lines if line.startswith("Private_"))


async def apart(reports: int, readings: int) -> tuple[float, float, float]:
    """Seconds to start, private MiB, readings a second."""
    seen = Seen()
    session = InProcessSession("x", seen.core, lambda: None)
    spec = launch.Spec("x", "x", launch.import_path([str(APART)]), False)
    given = {"reports": reports, "readings": readings}
    start = wire.Start("integration", "x", "x", "x", "bench_emits", "bench", "1", given)
    host = Host(
        spec,
        start,
        lambda say: SessionServed(session, seen.core, PLUGIN, say),
        loaded=seen.on_loaded,
        launch=seen.launch,
    )
    began = time.monotonic()
    await host.run()
    took = time.monotonic() - seen.buffer.first if reports else 1.0
    return seen.loaded - began, seen.private / 1024, reports * readings / took


async def beside(reports: int) -> tuple[list[float], list[float]]:
    """How late a reading of the hub's own plugin is taken, in milliseconds, and how long the hub's thread worked
    before, while an isolated one floods with so many reports; 0: while it does nothing, for a second."""
    loop, late, worked = asyncio.get_running_loop(), list[float](), list[float]()
    held, _ = core()
    session: hub.Session = InProcessSession("x", held, lambda: None)
    flood = asyncio.ensure_future(apart(reports, 4) if reports else asyncio.sleep(1.0))
    while not flood.done():
        due, before = loop.time() + 0.005, time.thread_time()
        await asyncio.sleep(0.005)
        await session.emit(hub.Report(device="x:1", values={"temperature": 20.0}))
        late.append((loop.time() - due) * 1000)
        worked.append((time.thread_time() - before) * 1000)
    await flood
    return late, worked


async def here(reports: int, readings: int) -> float:
    """Readings a second in the hub's own process."""
    sys.path.append(str(APART))
    import bench_emits

    held, buffer = core()
    session: hub.Session = InProcessSession("x", held, lambda: None)
    await bench_emits.run(bench_emits.Options(reports=reports, readings=readings), session)
    return reports * readings / (time.monotonic() - buffer.first)


async def main(reports: int, starts: int) -> None:
    began, private = zip(*[(await apart(0, 1))[:2] for _ in range(starts)], strict=True)
    figure("isolated plugin, start, median", statistics.median(began), "s", f"{starts} starts")
    figure("isolated plugin, start, slowest", max(began), "s")
    figure("isolated plugin, private memory", max(private), "MiB", "its plugin loaded and idle")
    for readings in (1, 4):
        flood = [(await apart(reports, readings))[2] for _ in range(3)]
        plain = [await here(reports, readings) for _ in range(3)]
        what = f"{readings} reading{'s' * (readings > 1)} a report"
        figure(f"isolated plugin, readings through the socket, {what}", statistics.median(flood), "readings/s")
        figure(f"the same plugin in the hub's process, {what}", statistics.median(plain), "readings/s")
    (quiet, _), (late, worked) = await beside(0), await beside(5 * reports)
    figure("a reading of another plugin without that, p99", quantile(quiet, 0.99), "ms", f"{len(quiet)} readings")
    figure(
        "a reading of another plugin while an isolated one floods, p99",
        quantile(late, 0.99),
        "ms",
        f"{len(late)} readings",
    )
    figure("the same, at most", max(late), "ms")
    figure("processor time of the hub before it, p99", quantile(worked, 0.99), "ms", "without what other programs take")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=100_000)
    parser.add_argument("--starts", type=int, default=11)
    given = parser.parse_args()
    as_installed()
    asyncio.run(main(given.reports, given.starts))
