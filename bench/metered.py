"""Megabytes a month of 18 sensors on a metered line, TLS included.

    python bench/metered.py [--minutes 21] [--period 60] [--window S]

The real hub with `link.metered`, 18 devices of four readings each, one report every `--period` seconds at random
moments, through a line that counts every byte of its TLS connections. `--window` is the commit window,
`buffer.window`: each commit is one signed record. Counted from the end of the first message that carries readings to
the end of the first one after `--minutes`. So what is sent once a day (EPOCH, TABLE) is not taken for what is sent
every 5 minutes; it is added once a day, as the buffer's rotation has it, and so is the nightly state backup.
Handshakes are counted as they happen. Headers of TCP and IP come
on top; they are estimated from the writes that were seen, 52 bytes each way for each.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from cpu import quiet
from house import House, until
from line import Line
from measure import figure

SENSORS = 18
GATE_MB = 15.0
DAYS = 30


def month(*, up: float, down: float, seconds: float, daily: float) -> float:
    """Bytes in 30 days: what `seconds` cost, over and over, and what each day costs once."""
    return (up + down) / seconds * 86_400 * DAYS + daily * DAYS


async def watch(options: argparse.Namespace) -> None:
    async with Line() as line:
        buffer = f"  window: {options.window}s" if options.window else ""
        with House(devices=SENSORS, backend=(), buffer=buffer, link=f'  metered: true\n  proxy: "{line.url}"') as house:
            async with house.hub(quiet(house.names, options.period)) as running:
                link, overview = running.backend.link, running.ui.overview
                await until(lambda: link.delivery.acked_readings, 900, "the first ack of readings")
                await asyncio.sleep(5)  # the tail of that exchange
                first = line.up + line.down
                up, down, tunnels, began = line.up, line.down, line.tunnels, time.monotonic()
                pieces = line.pieces
                readings, sealed = link.delivery.acked_readings, overview.written_bytes
                await asyncio.sleep(options.minutes * 60)
                so_far = link.delivery.acked_readings
                await until(lambda: link.delivery.acked_readings > so_far, 900, "the ack of a whole number of messages")
                await asyncio.sleep(5)
                took = time.monotonic() - began
                up, down, tunnels = line.up - up, line.down - down, line.tunnels - tunnels
                pieces = line.pieces - pieces
                readings, sealed = link.delivery.acked_readings - readings, overview.written_bytes - sealed
    window = f"{options.window} s" if options.window else "of 5 s, the default"
    name = f"{SENSORS} sensors, a report every {options.period:.0f} s, window {window}"
    figure(f"up, {name}", up / took * 300, "B/5 min", f"{took / 60:.0f} min; {tunnels} new connections")
    figure(f"down, {name}", down / took * 300, "B/5 min")
    figure(f"written to the buffer meanwhile, {name}", sealed / took * 300, "B/5 min", "the hub's own state included")
    figure(f"acked meanwhile, {name}", readings / took * 300, "readings/5 min")
    figure(f"sent first: handshake, EPOCH, TABLE, backup, {name}", first, "B", "counted once a day")
    bytes_ = month(up=up, down=down, seconds=took, daily=first)
    figure(f"a month, TLS included, {name}", bytes_ / 1e6, "MB", f"gate {GATE_MB:.0f}")
    headers = month(up=52 * 2 * pieces, down=0, seconds=took, daily=0)
    figure(f"TCP and IP headers, an estimate, {name}", headers / 1e6, "MB", "on top")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=21.0)
    parser.add_argument("--period", type=float, default=60.0, help="seconds between two reports of a sensor")
    parser.add_argument("--window", type=int, default=0, help="commit window in seconds")
    asyncio.run(watch(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
