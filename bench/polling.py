"""Polling over Modbus TCP: what a hundred devices cost, and what one dead among fifty costs the others.
`python bench/polling.py [SECONDS]`

One figure a line. `cpu` is the share of one core that polling 100 devices × 20 registers every 10 s takes, the whole
integration with its TCP connections included (10 hosts of 10 units, in another process); the gate is 5 %.
`dead.p99` is the 99th percentile of the time between two reports of each of 49 living devices behind one gateway, with
a dead one among them, over the same without; the gate is 1.05. The first 20 s, in which the hub learns that it is dead
(one whole time-out of 3 s), are in `dead.first` and not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

import hub
from hub.core.clock import SystemClock
from hub.sdk.testing import FakeSession
from integrations.modbus import Config, run

REGISTERS = [
    {"metric": f"m{n}", "address": n, "table": "input", "unit": "1", "privacy": "technical"} for n in range(20)
]


def units(living: range, dead: int | None) -> list[SimDevice]:
    """pymodbus units; the dead one does not exist, so that its server stays silent for it."""
    bits = [SimData(0, values=[False], datatype=DataType.BITS)]
    holding = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=list(range(20)), datatype=DataType.REGISTERS)]

    async def silent(*_: Any) -> ExcCodes | None:
        await asyncio.sleep(3600)
        return None

    made = [SimDevice(n, (bits, list(bits), holding, inputs)) for n in living]
    return [*made, SimDevice(dead, (bits, list(bits), holding, inputs), action=silent)] if dead else made


async def serve(count: int, per_host: int, dead: int | None) -> None:
    """Print the ports, then answer until killed."""
    for _ in range(count // per_host):
        server = ModbusTcpServer(units(range(1, per_host + 1 - bool(dead)), dead), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        listening: Any = server.transport
        print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def peer(count: int, per_host: int, dead: int | None) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--serve",
        str(count),
        str(per_host),
        str(dead or 0),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield [int(await process.stdout.readline()) for _ in range(count // per_host)]
    finally:
        process.kill()
        await process.wait()


class Hears(FakeSession):
    """Keeps when each device reported, and nothing else."""

    def __init__(self, devices: list[hub.Device]) -> None:
        super().__init__("modbus", devices, clock=SystemClock())  # type: ignore[arg-type]
        self.at: dict[str, list[float]] = {}

    async def every(self, interval: timedelta) -> Any:
        due = time.monotonic() + random.random() * interval.total_seconds()  # staggered, as the hub does it
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            yield time.time()
            due += interval.total_seconds()

    async def emit(self, *reports: hub.Report, **more: Any) -> None:
        for report in reports:
            self.at.setdefault(report.device, []).append(time.monotonic())


async def polled(ports: list[int], per_host: int, seconds: float, settle: float) -> tuple[list[Hears], float]:
    """Sessions of all hosts, and the processor time it took."""
    sessions, tasks = [], []
    for port in ports:
        devices = [
            hub.Device(
                id=f"modbus:{port}-{n}", integration="modbus", place="p", settings={"unit": n, "registers": REGISTERS}
            )
            for n in range(1, per_host + 1)
        ]
        session = Hears(devices)
        config = Config(host="127.0.0.1", port=port, timeout=3, max_rate=1000)  # type: ignore[arg-type]
        config = config.model_copy(update={"interval": timedelta(seconds=10)})
        sessions.append(session)
        tasks.append(asyncio.create_task(run(config, session)))
    await asyncio.sleep(settle)
    began = time.process_time()
    await asyncio.sleep(seconds)
    spent = time.process_time() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return sessions, spent


def gaps(session: Hears, since: float) -> list[float]:
    """Seconds between two reports of one device, the second of them `since` then or later; the shortest first."""
    found = [later - earlier for at in session.at.values() for earlier, later in pairwise(at) if later >= since]
    return sorted(found)


async def main(seconds: float) -> None:
    async with peer(100, 10, None) as ports:
        sessions, spent = await polled(ports, 10, seconds, 2.0)
    heard = sum(len(at) for session in sessions for at in session.at.values())
    figure("cpu", 100 * spent / seconds, "% of a core", f"{heard} reports of 20 values in {seconds:.0f} s")
    found = {}
    for name, dead in (("none", None), ("one", 50)):
        async with peer(50, 50, dead) as ports:
            began = time.monotonic()
            (session,), _ = await polled(ports, 50, 2 * seconds, 20.0)
            if dead:
                figure("dead.first", gaps(session, 0.0)[-1], "s", "the longest gap, the discovery included")
            settled = gaps(session, began + 22.0)
            found[name] = settled[int(len(settled) * 0.99)]
            figure(f"period.{name}", found[name], "s", f"{len(session.at)} devices, {len(settled)} gaps")
    figure("dead.p99", found["one"] / found["none"], "times")


if __name__ == "__main__":
    if "--serve" in sys.argv:
        asyncio.run(serve(*(int(text) or None for text in sys.argv[2:5])))  # type: ignore[arg-type]
    else:
        asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
