"""SunSpec maps as words, laid out by hand from the SunSpec Alliance's model definitions; and their server."""

from __future__ import annotations

import asyncio
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MARK = [0x5375, 0x6E53]
END = [0xFFFF, 0]
NO_INT16, NO_UINT16 = 0x8000, 0xFFFF
NO_BITS = [0xFFFF, 0xFFFF]


def text(value: str, registers: int) -> list[int]:
    return list(struct.unpack(f">{registers}H", value.encode().ljust(2 * registers, b"\0")))


def long(value: int) -> list[int]:
    return [value >> 16, value & 0xFFFF]


def real(value: float) -> list[int]:
    return list(struct.unpack(">2H", struct.pack(">f", value)))


def common(maker: str, model: str, version: str, serial: str) -> list[int]:
    """Model 1 with its pad: 66 registers behind its two."""
    return [
        1, 66, *text(maker, 16), *text(model, 16), *text("", 8), *text(version, 8), *text(serial, 16), 1, 0x8000,
    ]  # fmt: skip


INVERTER_103 = [
    103, 50,
    1523, 508, 507, 508, 0xFFFE,            # A 15.23, per phase 5.08 5.07 5.08 (scale -2)
    4001, 3998, 4003,                       # PPVphAB, BC, CA
    2309, 2310, 2311, 0xFFFF,               # PhVphA, B, C (scale -1)
    352, 1,                                 # W 3520 (scale 1)
    5001, 0xFFFE,                           # Hz 50.01
    353, 1,                                 # VA 3530
    0x10000 - 12, 1,                        # VAr -120
    0x10000 - 9972, 0xFFFE,                 # PF -99.72 %
    *long(12345678), 0,                     # WH 12 345 678 Wh
    NO_UINT16, NO_INT16,                    # DCA not implemented
    6100, 0xFFFF,                           # DCV 610.0
    360, 1,                                 # DCW 3600
    413, NO_INT16, NO_INT16, NO_INT16, 0xFFFF,  # TmpCab 41.3, the others not implemented
    4, NO_UINT16,                           # St MPPT, StVnd not implemented
    *long(0), *long(0), *NO_BITS, *NO_BITS, *NO_BITS, *NO_BITS,
]  # fmt: skip
INVERTER_103_READINGS = {
    "current": 15.23, "current_l1": 5.08, "current_l2": 5.07, "current_l3": 5.08,
    "voltage_l1_l2": 400.1, "voltage_l2_l3": 399.8, "voltage_l3_l1": 400.3,
    "voltage_l1": 230.9, "voltage_l2": 231.0, "voltage_l3": 231.1,
    "power": 3520.0, "frequency": 50.01, "apparent_power": 3530.0, "reactive_power": -120.0, "power_factor": -0.9972,
    "energy": 12345.678, "dc_voltage": 610.0, "dc_power": 3600.0, "cabinet_temperature": 41.3,
    "operating_state": "mppt", "running": True, "fault": False, "events": "none",
}  # fmt: skip

METER_203 = [
    203, 105,
    0x10000 - 83, 0x10000 - 30, 0x10000 - 29, 0x10000 - 24, 0xFFFF,     # A -8.3 and per phase
    2302, 2301, 2303, 2302, NO_INT16, NO_INT16, NO_INT16, NO_INT16, 0xFFFF,
    500, 0xFFFF,                                                        # Hz 50.0
    0x10000 - 1910, 0x10000 - 690, 0x10000 - 668, 0x10000 - 552, 0,     # W and per phase: it feeds in
    1920, NO_INT16, NO_INT16, NO_INT16, 0, NO_INT16, NO_INT16, NO_INT16, NO_INT16, NO_INT16,
    0x10000 - 99, NO_INT16, NO_INT16, NO_INT16, 0,                      # PF -99 %
    *long(4_200_000), *long(0), *long(0), *long(0), *long(987_654), *long(0), *long(0), *long(0), 1,
    *[0] * 16, NO_INT16, *[0] * 32, NO_INT16,
    *long(1 << 6 | 1 << 30),
]  # fmt: skip
METER_203_READINGS = {
    "current": -8.3, "current_l1": -3.0, "current_l2": -2.9, "current_l3": -2.4,
    "voltage": 230.2, "voltage_l1": 230.1, "voltage_l2": 230.3, "voltage_l3": 230.2, "frequency": 50.0,
    "power": -1910.0, "power_l1": -690.0, "power_l2": -668.0, "power_l3": -552.0, "apparent_power": 1920.0,
    "power_factor": -0.99, "energy_exported": 42000.0, "energy": 9876.54, "events": "over_voltage, bit_30",
}  # fmt: skip

NAN = [0x7FC0, 0]
INVERTER_111 = [
    111, 60,
    *real(4.5), *real(4.5), *NAN, *NAN, *NAN, *NAN, *NAN, *real(231.5), *NAN, *NAN, *real(1040.0), *real(49.98),
    *NAN, *NAN, *NAN, *real(5_000_000.0), *NAN, *real(380.25), *NAN, *real(38.5), *NAN, *NAN, *NAN,
    7, NO_UINT16, *long(1 << 0 | 1 << 7), *long(0), *NO_BITS, *NO_BITS, *NO_BITS, *NO_BITS,
]  # fmt: skip
INVERTER_111_READINGS = {
    "current": 4.5, "current_l1": 4.5, "voltage": 231.5, "power": 1040.0, "frequency": pytest.approx(49.98, abs=1e-5),
    "energy": 5000.0, "dc_voltage": 380.25, "cabinet_temperature": 38.5, "operating_state": "fault", "running": False,
    "fault": True, "events": "ground_fault, over_temperature",
}  # fmt: skip

METER_213 = [
    213, 124,
    *real(12.5), *real(4.0), *real(4.25), *real(4.25), *real(230.5), *NAN, *NAN, *NAN, *NAN, *NAN, *NAN, *NAN,
    *real(50.0), *real(2875.0), *NAN, *NAN, *NAN, *real(2900.0), *NAN, *NAN, *NAN, *NAN, *NAN, *NAN, *NAN,
    *real(0.75), *NAN, *NAN, *NAN, *NAN, *NAN, *NAN, *NAN, *real(1_500_000.0), *(NAN * 27),
    *long(0),
]  # fmt: skip
METER_213_READINGS = {
    "current": 12.5, "current_l1": 4.0, "current_l2": 4.25, "current_l3": 4.25, "voltage": 230.5, "frequency": 50.0,
    "power": 2875.0, "apparent_power": 2900.0, "power_factor": 0.75, "energy": 1500.0, "events": "none",
}  # fmt: skip

OTHER = [160, 4, 1, 2, 3, 4]  # a model that is not read
INVERTER = [*common("Acme", "Sol 10", "1.4.2", "A-1234"), *OTHER, *INVERTER_103]
METER = [*common("Acme", "Compteur", "2.0", "M-77"), *METER_203]
MAP = [*MARK, *INVERTER, *METER, *END]
FLOATS = [*MARK, *common("Acme", "Sol 1F", "3", "F1"), *INVERTER_111, *METER_213, *END]


def compiled(source: str, folder: Path) -> Path:
    """A peer of libmodbus, compiled."""
    binary = folder / source.removesuffix(".c")
    install = "install it with: apt-get install -y gcc libmodbus-dev mbpoll"
    gcc = shutil.which("gcc") or pytest.fail(f"gcc is not on this machine; {install}")
    command = [gcc, "-Wall", "-I/usr/include/modbus", str(HERE / source), "-o", str(binary), "-lmodbus"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.fail(f"{source} does not compile; {install}\n{built.stderr}")
    return binary


@asynccontextmanager
async def serving(binary: Path, registers: dict[int, list[int]]) -> AsyncIterator[int]:
    """The port of a libmodbus server that has these holding registers, by the address they begin at, and no others."""
    process = await asyncio.create_subprocess_exec(
        str(binary), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        for address, words in registers.items():
            process.stdin.write(f"{address} {' '.join(map(str, words))}\n".encode())
        process.stdin.write(b"\n")
        async with asyncio.timeout(60):
            yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()
