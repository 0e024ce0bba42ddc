"""`ilot sim ble`: sensors on a fake BlueZ, until SIGTERM.

Prints one JSON line when ready: {"bus_address", "devices": [{"id", "key" (hex or null), "model"}]}. Run the hub
with DBUS_SYSTEM_BUS_ADDRESS set to that address.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from integrations.bluetooth.sim.bluez import fake_bluez, private_bus
from integrations.bluetooth.sim.sensors import Counter, house


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="ilot sim ble", description=__doc__)
    parser.add_argument("--bus-address-file", type=Path, help="write the address of the bus there when ready")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between advertisements (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="same seed: same addresses, keys and weather")
    parser.add_argument("--copies", type=int, default=1, help="sensors of each of the three kinds (default 1)")
    parser.add_argument("--state", type=Path, help="keep the encrypted sensor's counter there, across restarts")
    options = parser.parse_args(arguments)
    if not 0.001 <= options.interval <= 3600:
        parser.error("--interval is between 0.001 and 3600 seconds")
    if not 1 <= options.copies <= 1000:
        parser.error("--copies is between 1 and 1000")
    asyncio.run(simulate(options))


async def simulate(options: argparse.Namespace) -> None:
    sensors = house(options.seed, copies=options.copies, counter=_counter(options.state))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with private_bus() as bus_address, fake_bluez(sensors, bus_address) as service:
        if options.bus_address_file:
            _write(options.bus_address_file, bus_address)
        ready = {
            "bus_address": bus_address,
            "devices": [{"id": s.id, "key": s.key.hex() if s.key else None, "model": s.model} for s in sensors],
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        speaking = asyncio.create_task(service.run(options.interval))
        stopping = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait({speaking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)
        for task in done:
            task.result()


def _counter(state: Path | None) -> Counter:
    if state is None:
        return Counter()
    start = int(json.loads(state.read_text())["counter"]) if state.exists() else 0
    return Counter(start, keep=lambda value: _write(state, json.dumps({"counter": value})))


def _write(path: Path, text: str) -> None:
    """Write the file atomically: neither a reader nor a crash sees half of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    os.replace(beside, path)


if __name__ == "__main__":
    main()
