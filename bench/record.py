"""Record what integrations emit on this machine, as a trace for `bench/bytes.py` and `bench/metered.py`.

    python bench/record.py host FILE [--seconds S]       the host's own sensors, one report a minute
    python bench/record.py counters FILE [--seconds S]   the kernel's counters, read over Modbus TCP every 30 s
    python bench/record.py bluetooth FILE [--seconds S]  every BTHome and Ruuvi sensor in reach that sends in clear

The integrations are the real ones, at their default interval. `counters` serves counters of this machine's kernel
from a pymodbus server, as the registers of a meter: the values and their times are real, the meter is not.
A trace is JSON lines: a report each, [Unix milliseconds, device, {metric: value}]. What a trace holds of a metric
beyond the catalogue (unit, resolution) is told by lines {"metric": …} before it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any, TextIO

import msgspec
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

import hub
from hub.core.clock import SystemClock
from hub.sdk.testing import FakeSession
from integrations import bluetooth, host, modbus
from integrations.bluetooth import bthome, ruuvi

COUNTERS = "modbus:counters"
REGISTERS: list[dict[str, Any]] = [
    {"metric": "cpu_time", "table": "input", "address": 0, "type": "uint64", "scale": 0.01, "unit": "s"},
    {"metric": "context_switches", "table": "input", "address": 4, "type": "uint64", "unit": "1"},
    {"metric": "interrupts", "table": "input", "address": 8, "type": "uint64", "unit": "1"},
    {"metric": "bytes_received", "table": "input", "address": 12, "type": "uint64", "unit": "By"},
    {"metric": "sectors_written", "table": "input", "address": 16, "type": "uint64", "unit": "1"},
    {"metric": "load", "table": "input", "address": 20, "type": "float32", "unit": "1"},
]


class Recorder(FakeSession):
    """A session on the machine's own clock that writes each report down as it comes."""

    def __init__(self, name: str, out: TextIO, devices: list[hub.Device]) -> None:
        super().__init__(name, devices, SystemClock())  # type: ignore[arg-type]  # it only sleeps and tells the time
        self._out = out
        self.radio.submit_frame = self._heard  # type: ignore[method-assign]
        self.devices.declare = self._declared  # type: ignore[method-assign]

    async def emit(self, *reports: hub.Report, **more: Any) -> None:
        for report in reports:
            self._line([round(self.clock.now() * 1000), report.device, report.values])

    async def _heard(self, frame: hub.Frame) -> bool:
        for decode in (bthome.decode, ruuvi.decode):
            with contextlib.suppress(hub.DecodeError):
                decoded = decode(frame, lambda device: None)
                if isinstance(decoded, hub.Decoded) and decoded.values:
                    await self.emit(hub.Report(device=decoded.device, values=decoded.values))
                    return True
        return False

    def _declared(
        self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[hub.Metric, ...] = ()
    ) -> None:
        for metric in metrics:
            self._line({"metric": msgspec.to_builtins(metric)})

    def _line(self, what: object) -> None:
        self._out.write(json.dumps(what, separators=(",", ":")) + "\n")
        self._out.flush()


def kernel() -> list[int]:
    """The registers, from /proc: proc(5) for stat, loadavg and net/dev, iostats.rst of Linux for diskstats."""
    stat = {line.split()[0]: line.split()[1:] for line in Path("/proc/stat").read_text().splitlines() if line}
    spent = sum(int(ticks) for at, ticks in enumerate(stat["cpu"][:8]) if at not in (3, 4))  # neither idle nor iowait
    received = sum(int(line.split(":")[1].split()[0]) for line in Path("/proc/net/dev").read_text().splitlines()[2:])
    written = sum(int(line.split()[9]) for line in Path("/proc/diskstats").read_text().splitlines())
    load = float(Path("/proc/loadavg").read_text().split()[0])
    counts = (spent * 100 // os.sysconf("SC_CLK_TCK"), int(stat["ctxt"][0]), int(stat["intr"][0]), received, written)
    return list(struct.unpack(">22H", struct.pack(">QQQQQf", *counts, load)))


async def _host(out: TextIO) -> None:
    await host.run(host.Config(), Recorder("host", out, [_device(host.DEVICE, "host")]))


async def _bluetooth(out: TextIO) -> None:
    await bluetooth.run(bluetooth.Config(), Recorder("bluetooth", out, []))


async def _counters(out: TextIO) -> None:
    async def answer(
        function: int, start: int, address: int, count: int, registers: list[int], values: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        if values is not None or function != 4:
            return ExcCodes.ILLEGAL_FUNCTION
        registers[:] = kernel()
        return None

    words = [SimData(0, values=kernel(), datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[0], datatype=DataType.BITS)]
    meter = SimDevice(1, (bits, list(bits), list(words), words), action=answer)
    server = ModbusTcpServer([meter], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        listening: Any = server.transport
        port = listening.sockets[0].getsockname()[1]
        device = _device(COUNTERS, "modbus", {"registers": [{**one, "privacy": "technical"} for one in REGISTERS]})
        await modbus.run(modbus.Config(host="127.0.0.1", port=port), Recorder("modbus", out, [device]))
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def _device(name: str, integration: str, settings: dict[str, object] | None = None) -> hub.Device:
    return hub.Device(id=name, integration=integration, place="here", settings=settings or {})


async def record(what: str, out: TextIO, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await {"host": _host, "counters": _counters, "bluetooth": _bluetooth}[what](out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("host", "counters", "bluetooth"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=86_400.0)
    told = parser.parse_args()
    with told.file.open("w", encoding="utf-8") as out:
        asyncio.run(record(told.what, out, told.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
