"""A Modbus TCP server that plays a meter, a boiler and a solar inverter: `ilot sim modbus`.

It prints one line of JSON when it listens: its port, and the `settings:` of its devices, ready to be pasted into
a configuration. It ends on SIGTERM. Read only; a write is refused with exception 1, another unit with exception 11.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

Image = dict[str, list[int]]
"""Table -> its words from address 0; tables of bits are packed, 16 to a word, bit 0 first."""

NO_SENSOR = 0x8000

_TEMPERATURE = {"type": "int16", "scale": 0.1, "invalid": [NO_SENSOR]}
DEVICES: dict[str, dict[str, Any]] = {
    "modbus:compteur": {
        "unit": 1,
        "registers": [
            {"metric": "energy", "table": "input", "address": 0, "type": "uint32", "scale": 0.001},
            {"metric": "power", "table": "input", "address": 2, "type": "float32"},
            {"metric": "voltage", "table": "input", "address": 4, "type": "float32"},
            {"metric": "current", "table": "input", "address": 6, "type": "float32"},
        ],
    },
    "modbus:chaudiere": {
        "unit": 2,
        "registers": [
            {"metric": "flow_temperature", "table": "input", "address": 0, **_TEMPERATURE},
            {"metric": "return_temperature", "table": "input", "address": 1, **_TEMPERATURE},
            {"metric": "water_pressure", "table": "input", "address": 2, "type": "uint16", "scale": 0.01},
            {"metric": "setpoint", "table": "holding", "address": 0, "type": "int16", "scale": 0.1},
            {"metric": "running", "table": "coil", "address": 0},
            {"metric": "fault", "table": "discrete", "address": 0},
        ],
    },
    "modbus:onduleur": {"unit": 3, "sunspec": True},
}

_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class Meter:
    """A single-phase meter. Power swings slowly; energy is its exact integral, so it never falls."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - a simulation
        self.start_wh = rng.uniform(1e6, 5e7)
        self.base = rng.uniform(1500, 3000)
        self.swings = [(rng.uniform(100, 400), rng.uniform(20, 600), rng.uniform(0, math.tau)) for _ in range(3)]
        self.phase = rng.uniform(0, math.tau)

    def power(self, t: float) -> float:
        """Return watts at `t` seconds."""
        return self.base + sum(size * math.sin(math.tau * t / period + at) for size, period, at in self.swings)

    def energy(self, t: float) -> float:
        """Return watt-hours counted at `t` seconds."""
        swung = sum(
            size * period / math.tau * (math.cos(at) - math.cos(math.tau * t / period + at))
            for size, period, at in self.swings
        )
        return self.start_wh + (self.base * t + swung) / 3600

    def voltage(self, t: float) -> float:
        return 231 + 2.5 * math.sin(math.tau * t / 300 + self.phase)

    def image(self, t: float) -> Image:
        volts, watts = self.voltage(t), self.power(t)
        data = struct.pack(">Ifff", int(self.energy(t)) % (1 << 32), watts, volts, watts / volts / 0.97)
        return {"input": list(struct.unpack(">8H", data))}


class Boiler:
    """A boiler that fires for 5 minutes in 8 and, once an hour, at a minute and a half, loses its return sensor for
    as long again."""

    cycle, firing = 480.0, 300.0

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed + 1)  # noqa: S311 - a simulation
        self.setpoint = rng.choice([60.0, 65.0, 70.0])
        self.lead = rng.uniform(0, self.cycle)

    def running(self, t: float) -> bool:
        return (t + self.lead) % self.cycle < self.firing

    def fault(self, t: float) -> bool:
        return 90 <= t % 3600 < 180

    def flow(self, t: float) -> float:
        """Return degrees Celsius, around the set point: a triangle, rising while it fires."""
        at = (t + self.lead) % self.cycle
        rise = at / self.firing if at < self.firing else (self.cycle - at) / (self.cycle - self.firing)
        return self.setpoint - 4 + 8 * rise

    def image(self, t: float) -> Image:
        flow = self.flow(t)
        back = NO_SENSOR if self.fault(t) else round((flow - 12) * 10)
        bar = 1.6 + (flow - self.setpoint) / 100
        return {
            "input": [round(flow * 10), back, round(bar * 100)],
            "holding": [round(self.setpoint * 10)],
            "coil": [int(self.running(t))],
            "discrete": [int(self.fault(t))],
        }


class Roof:
    """A three-phase solar inverter with a SunSpec map at 0. Its sun rises every half an hour and never stays away for
    longer than that; energy is the exact integral of power."""

    day = 1800.0

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed + 2)  # noqa: S311 - a simulation
        self.peak = rng.uniform(4000, 9000)
        self.start_wh = rng.uniform(1e6, 5e7)
        self.serial = f"SIM-{rng.randrange(10000):04}"

    def power(self, t: float) -> float:
        """Return watts at `t` seconds."""
        return self.peak * (1 - math.cos(math.tau * t / self.day)) / 2

    def energy(self, t: float) -> float:
        """Return watt-hours counted at `t` seconds."""
        return self.start_wh + self.peak * (t - self.day / math.tau * math.sin(math.tau * t / self.day)) / 7200

    def image(self, t: float) -> Image:
        watts, none, absent = self.power(t), 0x8000, [0xFFFF, 0xFFFF]
        amperes = round(watts / 230 / 3 * 100)
        wh = int(self.energy(t)) % (1 << 32)
        names = (("Ilot", 32), ("Simulated roof", 32), ("", 16), ("1.0", 16), (self.serial, 32))
        texts = struct.unpack(">64H", b"".join(text.encode().ljust(size, b"\0") for text, size in names))
        inverter = [
            3 * amperes, amperes, amperes, amperes, 0xFFFE,
            4000, 4000, 4000, 2309, 2309, 2309, 0xFFFF,  # volts
            round(watts / 10), 1, 5000, 0xFFFE,  # power, frequency
            none, none, none, none, none, none,
            wh >> 16, wh & 0xFFFF, 0,
            0xFFFF, none, 6100, 0xFFFF, none, none,
            250 + round(watts / 50), none, none, none, 0xFFFF,
            4 if watts > self.peak / 100 else 2, 0xFFFF, 0, 0, 0, 0, *absent, *absent, *absent, *absent,
        ]  # fmt: skip
        return {"holding": [0x5375, 0x6E53, 1, 66, *texts, 3, none, 103, 50, *inverter, 0xFFFF, 0]}


def unit(number: int, image: Callable[[float], Image], clock: Callable[[], float]) -> SimDevice:
    """Return a pymodbus unit whose registers are computed at each read."""

    async def answer(
        function: int, start: int, address: int, count: int, registers: list[int], values: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        words = image(clock()).get(_TABLES.get(function, ""))
        if values is not None or words is None:
            return ExcCodes.ILLEGAL_FUNCTION
        registers[: len(words)] = words
        return None

    return _device(number, image(0.0), answer)


async def _nobody(*_: object) -> ExcCodes | None:
    return ExcCodes.GATEWAY_NO_RESPONSE


def _device(number: int, shape: Image, action: Any) -> SimDevice:
    def words(table: str) -> list[SimData]:
        return [SimData(0, values=shape.get(table, [0]), datatype=DataType.REGISTERS)]

    bits = [SimData(0, values=[0], datatype=DataType.BITS)]
    return SimDevice(number, (bits, list(bits), words("holding"), words("input")), action=action)


async def serve(host: str, port: int, seed: int, ready: Callable[[int], None], stop: asyncio.Event) -> None:
    """Listen until `stop`. `ready` is called with the port."""
    began = time.monotonic()

    def clock() -> float:
        return time.monotonic() - began

    # unit 0 is pymodbus's "all others"
    images = (Meter(seed).image, Boiler(seed).image, Roof(seed).image)
    units = [*(unit(number, image, clock) for number, image in enumerate(images, 1)), _device(0, {}, _nobody)]
    server = ModbusTcpServer(units, address=(host, port))
    await server.serve_forever(background=True)
    try:
        listening: Any = server.transport
        ready(listening.sockets[0].getsockname()[1])
        await stop.wait()
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(port: int) -> None:
        sys.stdout.write(json.dumps({"port": port, "devices": DEVICES}) + "\n")
        sys.stdout.flush()

    await serve(arguments.host, arguments.port, arguments.seed, ready, stop)


def main() -> None:
    parser = argparse.ArgumentParser(prog="ilot sim modbus", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="TCP port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another meter, boiler and roof (default: %(default)s)")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
