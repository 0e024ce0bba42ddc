"""EnOcean Equipment Profiles: positions and meanings of values in telegrams. Tables.

EnOcean Equipment Profiles (EEP) 3.1. Bits count from 0, the highest bit of the first payload byte. A value is scaled
linearly from its raw range; a raw value outside it gives no reading.
"""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """A number: raw `low` … `high` is `start` … `end` in the metric's unit. `low` may be above `high`."""

    metric: str
    bit: int
    size: int
    low: int
    high: int
    start: float
    end: float


class Flag(NamedTuple):
    """A bit, or several: true when the raw value is in `true`, false when in `false`, nothing else."""

    metric: str
    bit: int
    size: int
    true: tuple[int, ...]
    false: tuple[int, ...]


Profile = tuple["Field | Flag", ...]


def _temperature(low: int, high: int, start: float, end: float, bit: int = 16, size: int = 8) -> Field:
    return Field("temperature", bit, size, low, high, start, end)


def _humidity(bit: int, high: int = 250) -> Field:
    return Field("humidity", bit, 8, 0, high, 0, 100)


def _supply(high: int = 250, volts: float = 5.0) -> Field:
    return Field("battery_voltage", 0, 8, 0, high, 0, volts)


def _bit(metric: str, bit: int, true: int) -> Flag:
    return Flag(metric, bit, 1, (true,), (1 - true,))


def _ceiling(lux: float, temperature: Field) -> Profile:
    light = Field("illuminance", 8, 8, 0, 255, 0, lux)
    return (_supply(255, 5.1), light, temperature, _bit("motion", 30, 0))


_PIR = Flag("motion", 16, 8, tuple(range(128, 256)), tuple(range(128)))

PROFILES: dict[str, Profile] = {
    # 4BS: four bytes. Bit 28 is the learn bit.
    **{f"A5-02-{n:02X}": (_temperature(255, 0, -40 + 10 * (n - 1), 10 * (n - 1)),) for n in range(0x01, 0x0C)},
    **{f"A5-02-{n:02X}": (_temperature(255, 0, -60 + 10 * (n - 16), 20 + 10 * (n - 16)),) for n in range(0x10, 0x1C)},
    "A5-02-20": (_temperature(1023, 0, -10, 41.2, 14, 10),),
    "A5-02-30": (_temperature(1023, 0, -40, 62.3, 14, 10),),
    "A5-04-01": (_humidity(8), _temperature(0, 250, 0, 40)),
    "A5-04-02": (_humidity(8), _temperature(0, 250, -20, 60)),
    "A5-04-03": (_humidity(0, 255), _temperature(0, 1023, -20, 60, 14, 10)),
    "A5-06-01": (_supply(255, 5.1), Field("illuminance", 16, 8, 0, 255, 600, 60000)),
    "A5-06-02": (_supply(255, 5.1), Field("illuminance", 16, 8, 0, 255, 0, 1020)),
    "A5-06-03": (_supply(250, 5.0), Field("illuminance", 8, 10, 0, 1000, 0, 1000)),
    "A5-07-01": (_supply(), _PIR),
    "A5-07-02": (_supply(), _bit("motion", 24, 1)),
    "A5-07-03": (_supply(), Field("illuminance", 8, 10, 0, 1000, 0, 1000), _bit("motion", 24, 1)),
    "A5-08-01": _ceiling(510, _temperature(0, 255, 0, 51)),
    "A5-08-02": _ceiling(1020, _temperature(0, 255, 0, 51)),
    "A5-08-03": _ceiling(1530, _temperature(0, 255, -30, 50)),
    "A5-09-04": (_humidity(0, 200), Field("co2", 8, 8, 0, 255, 0, 2550), _temperature(0, 255, 0, 51)),
    **{f"A5-10-{n:02X}": (_temperature(255, 0, 0, 40),) for n in range(0x01, 0x0E)},
    **{f"A5-10-{n:02X}": (_humidity(8), _temperature(0, 250, 0, 40)) for n in range(0x10, 0x15)},
    "A5-14-01": (_supply(), _bit("opening", 31, 1)),
    "A5-20-01": (Field("valve_position", 0, 8, 0, 100, 0, 100), _temperature(0, 255, 0, 40)),
    "A5-30-03": (_temperature(255, 0, 0, 40, 8),),
    # 1BS: one byte. Bit 4 is the learn bit.
    "D5-00-01": (_bit("opening", 7, 0),),
    # RPS: one byte.
    "F6-05-01": (Flag("leak", 0, 8, (0x11,), (0x00,)),),
    "F6-05-02": (Flag("smoke", 0, 8, (0x10,), (0x00,)),),
    "F6-10-00": (Flag("window", 2, 2, (0, 1, 2), (3,)),),
    # VLD: variable length.
    "D2-14-41": (
        Field("temperature", 0, 10, 0, 1000, -40, 60), Field("humidity", 10, 8, 0, 200, 0, 100),
        Field("illuminance", 18, 17, 0, 100000, 0, 100000),
    ),
}  # fmt: skip
"""Profiles that are described by a table alone; `decode` has the others."""

METERS: dict[str, tuple[str, float, str, float]] = {
    # A5-12: profile → metric of the count, factor, metric of the momentary value, factor
    "A5-12-00": ("count", 1, "", 0),
    "A5-12-01": ("energy", 1, "power", 1),
    "A5-12-02": ("gas", 1, "volume_flow", 3.6),  # l/s
    "A5-12-03": ("water", 1000, "volume_flow", 3.6),
}
BLINDS = ("D2-05-00", "D2-05-01", "D2-05-02", "D2-05-03", "D2-05-04")
SWITCHES = {
    # D2-03-00, the four bits of a secured switch → buttons down, as F6-02-01 names them
    5: "AI+B0", 6: "3 or 4", 7: "A0+B0", 8: "none", 9: "AI+BI", 10: "A0+BI", 11: "BI", 12: "B0", 13: "AI", 14: "A0",
}  # fmt: skip
RELEASED = 15
ACTUATORS = tuple(f"D2-01-{n:02X}" for n in (*range(0x0F + 1), 0x10, 0x11, 0x12))
ROCKERS = ("F6-02-01", "F6-02-02")
SWITCH = "D2-03-00"

KNOWN = frozenset({*PROFILES, *METERS, *ACTUATORS, *BLINDS, *ROCKERS, SWITCH})
RORG = {"F6": 0xF6, "D5": 0xD5, "A5": 0xA5, "D2": 0xD2}
