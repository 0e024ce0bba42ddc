"""What a hub costs when little happens: CPU at the quiet site, and idle.

    python bench/cpu.py [--seconds 45]

The quiet site is 500 sensors of four readings a minute, 33.3 readings/s, each emitted when it is due; idle is the same
hub without any reading, its link on. Both are this whole process, the plugin that emits included, over `seconds` that
begin when the hub has settled. For a flood see `bench/pipeline.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from house import House, Work, walks
from measure import cpu_s, figure

import hub

SETTLE_S = 10.0
DEVICES = 500
PERIOD_S = 60.0


def quiet(names: list[str], period_s: float = PERIOD_S) -> Work:
    """Every device once a period, by default a minute, each at its own moment."""
    emits, rng = walks(names, 600.0), random.Random(5)

    async def work(session: hub.Session) -> None:
        due = asyncio.get_running_loop().time()
        while True:
            for report in emits:
                due += rng.expovariate(len(names) / period_s)
                if (wait := due - asyncio.get_running_loop().time()) > 0:
                    await asyncio.sleep(wait)
                await session.emit(report)

    return work


async def nothing(session: hub.Session) -> None:
    return


async def watch(house: House, work: Work, seconds: float, *, say: bool = True) -> tuple[float, float]:
    """Shares of a core: of the hub and of the backend."""
    async with house.hub(work) as running:
        await asyncio.sleep(SETTLE_S)
        readings, used, backend = running.path.pipeline.readings, time.process_time(), cpu_s(house.backend)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        used, backend = time.process_time() - used, cpu_s(house.backend) - backend
        readings = running.path.pipeline.readings - readings
        if readings and say:
            figure("readings at the quiet site", readings / took, "readings/s")
            figure("CPU for 1,000 readings at the quiet site", used / readings * 1e6, "ms")
        return used / took, backend / took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=45.0)
    options = parser.parse_args()
    with House(devices=DEVICES) as house:
        for name, work, gate in (("quiet site", quiet(house.names), 1.4), ("idle", nothing, 0.5)):
            used, backend = asyncio.run(watch(house, work, options.seconds))
            figure(f"CPU, {name}", used * 100, "% of a core", f"gate {gate}")
            figure(f"CPU of the backend, {name}", backend * 100, "% of a core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
