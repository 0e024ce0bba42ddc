"""After an outage: how fast a backlog goes to the backend while live readings keep coming, and how late those are.

    python bench/drain.py [--readings N] [--seconds-slow 60]

The backlog is on disk when the hub starts, as an earlier life left it: one commit of 168 readings each 5 s, as at the
quiet site, or of 4,096, as a flood leaves it. Live readings come at the quiet site's
rate. The rate is from the first ack to the last of the backlog; a live delay is from emit() to the ack that covers it,
the commit window of 5 s included. Then the quiet site's backlog again behind a line of 64 kbit/s each way.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from cpu import DEVICES, nothing, quiet
from house import House, until
from line import Line
from measure import figure, quantile
from rooms import reports

import hub
from hub.app.hub import Hub

WINDOW_S = 5.0
QUIET, FLOOD = 42, 1024
"""Reports a commit."""
SLOW = 64_000 / 8
PATIENCE_S = 600.0


class Delays:
    """From emit() to ack, report by report. A commit takes reports in the order they were emitted."""

    def __init__(self) -> None:
        self.emitted: list[float] = []
        self._commits: list[tuple[int, int]] = []  # last record, readings up to it
        self._acked: dict[int, float] = {}  # first ack of a record of the current run

    def watch(self, running: Hub) -> None:
        buffer: Any = running.base.buffer
        acked = buffer.acked

        def durable(event: Any) -> None:
            if event.stream == "readings" and event.run == buffer.run and event.readings:
                so_far = self._commits[-1][1] if self._commits else 0
                self._commits.append((event.last, so_far + event.readings))

        def ack(stream: str, run: bytes, ranges: Iterable[tuple[int, int]]) -> None:
            ranges = list(ranges)
            if stream == "readings" and run == buffer.run:
                for first, last in ranges:
                    for number in range(first, last + 1):
                        self._acked.setdefault(number, time.monotonic())
            acked(stream, run, ranges)

        buffer._commits._listeners.insert(0, durable)
        buffer.acked = ack

    def seconds(self, since: float, before: float) -> list[float]:
        """Delays of the reports emitted in that time. One that was never acked counts as late as it is now."""
        now, ends = time.monotonic(), [readings for _, readings in self._commits]
        found = []
        for at, emitted in enumerate(self.emitted):
            if since <= emitted < before:
                commit = bisect.bisect_left(ends, 4 * (at + 1))
                number = self._commits[commit][0] if commit < len(ends) else -1
                found.append(self._acked.get(number, now) - emitted)
        return found


async def drain(house: House, readings: int, *, settle: bool = True) -> tuple[float, list[float], float]:
    """Readings/s, delays of what was emitted meanwhile (which needs to `settle`), seconds it took."""
    delays = Delays()

    async def work(session: hub.Session) -> None:
        real = session.emit

        async def emit(report: hub.Report, *, durable: bool = False) -> None:
            delays.emitted.append(time.monotonic())
            await real(report, durable=durable)

        session.emit = emit  # type: ignore[method-assign]
        await quiet(house.names)(session)

    async with house.hub(work) as running:
        delays.watch(running)
        link = running.backend.link.delivery
        await until(lambda: link.acked_readings, PATIENCE_S, "the first ack")
        first, start = link.acked_readings, time.monotonic()
        await until(lambda: link.acked_readings >= readings, PATIENCE_S, "the last ack of the backlog")
        end = time.monotonic()
        if settle:
            await asyncio.sleep(3 * WINDOW_S)  # for the acks of what was emitted last
        return (readings - first) / (end - start), delays.seconds(start, end), end - start


def say(name: str, rate: float, late: list[float], took: float) -> None:
    figure(f"drain, {name}", rate, "readings/s", f"{took:.1f} s")
    if late:
        figure(f"live delay p99, {name}", quantile(late, 0.99), "s", f"{len(late)} reports; gate {2 * WINDOW_S:.0f}")
        figure(f"live delay median, {name}", quantile(late, 0.5), "s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=2_000_000)
    parser.add_argument("--seconds-slow", type=float, default=60.0, help="how long the slow line should take")
    options = parser.parse_args()
    for name, per_commit in (("backlog of a quiet site", QUIET), ("backlog of a flood", FLOOD)):
        with House(devices=DEVICES) as house:
            readings, _ = house.backlog(reports(seconds=options.readings / 4 / DEVICES * 60), per_commit)
            say(name, *asyncio.run(drain(house, readings)))

    async def slowly() -> None:
        async with Line(SLOW) as line:
            with House(devices=DEVICES, link=f'  proxy: "{line.url}"') as house:
                most = int(SLOW * options.seconds_slow)
                readings, size = await asyncio.to_thread(house.backlog, reports(seconds=86_400), QUIET, most=most)
                rate, late, took = await drain(house, readings)
                say("64 kbit/s", rate, late, took)
                figure("used of the line, 64 kbit/s", size / took / SLOW * 100, "%", "by the backlog's records alone")

    async def overhead() -> None:
        """What HTTP, TLS and our own framing add to the records of a backlog, nothing live beside it."""
        async with Line() as line:
            with House(devices=DEVICES, link=f'  proxy: "{line.url}"') as house:
                rows = reports(seconds=options.readings / 4 / DEVICES * 60)
                readings, size = await asyncio.to_thread(house.backlog, rows, QUIET)
                async with house.hub(nothing) as running:
                    link = running.backend.link.delivery
                    await until(lambda: link.acked_readings >= readings, PATIENCE_S, "the last ack of the backlog")
                    figure(
                        "link overhead, a backlog", (line.up / size - 1) * 100, "%", "up; handshake, backup included"
                    )
                    figure("answers, a backlog", line.down / size * 100, "%", "down")

    asyncio.run(overhead())
    asyncio.run(slowly())
    return 0


if __name__ == "__main__":
    sys.exit(main())
