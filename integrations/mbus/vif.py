"""Value information: quantity and unit of a number. Pure tables.

EN 13757-3:2018, 6.4: VIF (Table 10), its extensions behind FB (Table 14) and FD (Table 12), and the combinable
(orthogonal) VIFE (Tables 15 and 16). Units are UCUM; a value is raw × 10^exponent in that unit.
"""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """Quantity and encoding. `quantity` in words of the standard, `unit` in UCUM, and the exponent of ten. `kind`:
    encoding of the raw number: "number", "date" (type G), "datetime" (types F, I, J, M), "text"."""

    quantity: str
    unit: str = "1"
    exponent: int = 0
    kind: str = "number"
    factor: float = 1.0


def _family(first: int, count: int, quantity: str, unit: str, exponent: int) -> dict[int, Meaning]:
    return {first + n: Meaning(quantity, unit, exponent + n) for n in range(count)}


def _durations(first: int, quantity: str, units: tuple[str, ...] = ("s", "min", "h", "d")) -> dict[int, Meaning]:
    return {first + n: Meaning(quantity, unit) for n, unit in enumerate(units)}


PRIMARY: dict[int, Meaning] = {
    **_family(0x00, 8, "energy", "W.h", -3),
    **_family(0x08, 8, "energy", "J", 0),
    **_family(0x10, 8, "volume", "m3", -6),
    **_family(0x18, 8, "mass", "kg", -3),
    **_durations(0x20, "on time"),
    **_durations(0x24, "operating time"),
    **_family(0x28, 8, "power", "W", -3),
    **_family(0x30, 8, "power", "J/h", 0),
    **_family(0x38, 8, "volume flow", "m3/h", -6),
    **_family(0x40, 8, "volume flow", "m3/min", -7),
    **_family(0x48, 8, "volume flow", "m3/s", -9),
    **_family(0x50, 8, "mass flow", "kg/h", -3),
    **_family(0x58, 4, "flow temperature", "Cel", -3),
    **_family(0x5C, 4, "return temperature", "Cel", -3),
    **_family(0x60, 4, "temperature difference", "K", -3),
    **_family(0x64, 4, "external temperature", "Cel", -3),
    **_family(0x68, 4, "pressure", "bar", -3),
    0x6C: Meaning("date", "", kind="date"),
    0x6D: Meaning("date and time", "", kind="datetime"),
    0x6E: Meaning("heat cost allocation"),
    0x6F: Meaning("reserved"),
    **_durations(0x70, "averaging duration"),
    **_durations(0x74, "actuality duration"),
    0x78: Meaning("fabrication number", kind="text"),
    0x79: Meaning("identification", kind="text"),
    0x7A: Meaning("address"),
    0x7E: Meaning("any"),
    0x7F: Meaning("manufacturer specific"),
}

FB: dict[int, Meaning] = {
    **_family(0x00, 2, "energy", "W.h", 5),
    **_family(0x02, 2, "reactive energy", "var.h", 3),
    **_family(0x04, 2, "apparent energy", "V.A.h", 3),
    **_family(0x08, 2, "energy", "J", 8),
    **{0x0C + n: Meaning("energy", "cal", 5 + n) for n in range(4)},
    **_family(0x10, 2, "volume", "m3", 2),
    **_family(0x14, 4, "reactive power", "var", 0),
    **_family(0x18, 2, "mass", "kg", 5),
    **_family(0x1A, 2, "relative humidity", "%", -1),
    0x20: Meaning("volume", "[cft_i]"),
    0x21: Meaning("volume", "[cft_i]", -1),
    **_family(0x28, 2, "power", "W", 5),
    0x2A: Meaning("phase voltage to voltage", "deg", -1),
    0x2B: Meaning("phase voltage to current", "deg", -1),
    **_family(0x2C, 4, "frequency", "Hz", -3),
    **_family(0x30, 2, "power", "J/h", 8),
    **_family(0x34, 4, "apparent power", "V.A", 0),
    **_family(0x74, 4, "cold or warm temperature limit", "Cel", -3),
    **_family(0x78, 8, "cumulative count maximum power", "W", -3),
}

FD: dict[int, Meaning] = {
    **_family(0x00, 4, "credit", "{currency}", -3),
    **_family(0x04, 4, "debit", "{currency}", -3),
    0x08: Meaning("access number"),
    0x09: Meaning("medium"),
    0x0A: Meaning("manufacturer"),
    0x0B: Meaning("parameter set identification", kind="text"),
    0x0C: Meaning("model or version", kind="text"),
    0x0D: Meaning("hardware version", kind="text"),
    0x0E: Meaning("metrology firmware version", kind="text"),
    0x0F: Meaning("other firmware version", kind="text"),
    0x10: Meaning("customer location", kind="text"),
    0x11: Meaning("customer", kind="text"),
    0x12: Meaning("access code user"),
    0x13: Meaning("access code operator"),
    0x14: Meaning("access code system operator"),
    0x15: Meaning("access code developer"),
    0x16: Meaning("password"),
    0x17: Meaning("error flags"),
    0x18: Meaning("error mask"),
    0x19: Meaning("security key"),
    0x1A: Meaning("digital output"),
    0x1B: Meaning("digital input"),
    0x1C: Meaning("baud rate", "Bd"),
    0x1D: Meaning("response delay", "{bit time}"),
    0x1E: Meaning("retry"),
    0x1F: Meaning("remote control"),
    0x20: Meaning("first storage number"),
    0x21: Meaning("last storage number"),
    0x22: Meaning("size of storage block"),
    0x23: Meaning("descriptor for tariff and subunit"),
    **_durations(0x24, "storage interval"),
    0x28: Meaning("storage interval", "mo"),
    0x29: Meaning("storage interval", "a"),
    0x2A: Meaning("operator specific data"),
    0x2B: Meaning("time point second"),
    **_durations(0x2C, "duration since last readout"),
    0x30: Meaning("start of tariff", "", kind="datetime"),
    **{0x31 + n: Meaning("duration of tariff", unit) for n, unit in enumerate(("min", "h", "d"))},
    **_durations(0x34, "period of tariff"),
    0x38: Meaning("period of tariff", "mo"),
    0x39: Meaning("period of tariff", "a"),
    0x3A: Meaning("dimensionless"),
    0x3B: Meaning("data container for wireless M-Bus"),
    **{0x3C + n: Meaning("period of nominal transmissions", unit) for n, unit in enumerate(("s", "min", "h", "d"))},
    **_family(0x40, 16, "voltage", "V", -9),
    **_family(0x50, 16, "current", "A", -12),
    0x60: Meaning("reset counter"),
    0x61: Meaning("cumulation counter"),
    0x62: Meaning("control signal"),
    0x63: Meaning("day of week"),
    0x64: Meaning("week number"),
    0x65: Meaning("time point of day change"),
    0x66: Meaning("state of parameter activation"),
    0x67: Meaning("special supplier information"),
    **{0x68 + n: Meaning("duration since last cumulation", unit) for n, unit in enumerate(("h", "d", "mo", "a"))},
    **{0x6C + n: Meaning("operating time battery", unit) for n, unit in enumerate(("h", "d", "mo", "a"))},
    0x70: Meaning("date and time of battery change", "", kind="datetime"),
    0x71: Meaning("received signal strength", "dBm"),
    0x72: Meaning("day light saving"),
    0x73: Meaning("listening window management"),
    0x74: Meaning("remaining battery life time", "d"),
    0x75: Meaning("number of times the meter was stopped"),
    0x76: Meaning("data container for manufacturer specific protocol"),
}

COMBINABLE: dict[int, str] = {
    0x00: "no error", 0x01: "too many DIFE", 0x02: "storage number not implemented",
    0x03: "unit number not implemented", 0x04: "tariff number not implemented", 0x05: "function not implemented",
    0x06: "data class not implemented", 0x07: "data size not implemented", 0x0B: "too many VIFE",
    0x0C: "illegal VIF group", 0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF mismatch", 0x0F: "unimplemented action", 0x12: "average value", 0x13: "inverse compact profile",
    0x14: "relative deviation", 0x15: "no data available", 0x16: "data overflow", 0x17: "data underflow",
    0x18: "data error", 0x1C: "premature end of record", 0x1D: "standard conform data content",
    0x1E: "compact profile with register numbers", 0x1F: "compact profile",
    0x20: "per second", 0x21: "per minute", 0x22: "per hour", 0x23: "per day", 0x24: "per week", 0x25: "per month",
    0x26: "per year", 0x27: "per revolution", 0x28: "increment per input pulse 0", 0x29: "increment per input pulse 1",
    0x2A: "increment per output pulse 0", 0x2B: "increment per output pulse 1", 0x2C: "per litre", 0x2D: "per m3",
    0x2E: "per kg", 0x2F: "per K", 0x30: "per kWh", 0x31: "per GJ", 0x32: "per kW", 0x33: "per K·l", 0x34: "per V",
    0x35: "per A", 0x36: "multiplied by s", 0x37: "multiplied by s/V", 0x38: "multiplied by s/A", 0x39: "start of",
    0x3A: "uncorrected", 0x3B: "accumulation of positive contributions", 0x3C: "accumulation of negative contributions",
    0x3D: "non-metric units", 0x3E: "at base conditions", 0x3F: "obis declaration",
    0x40: "lower limit", 0x41: "number of exceeds of lower limit", 0x48: "upper limit",
    0x49: "number of exceeds of upper limit", 0x68: "value during lower limit exceed",
    0x6C: "value during upper limit exceed", 0x7E: "future value", 0x7F: "manufacturer specific",
    **{0x42 + 8 * upper + 4 * last + 1 * end: f"date and time of {('begin', 'end')[end]} of {('first', 'last')[last]} "
       f"{('lower', 'upper')[upper]} limit exceed" for upper in (0, 1) for last in (0, 1) for end in (0, 1)},
    **{0x50 + 8 * upper + 4 * last + n: f"duration of {('first', 'last')[last]} {('lower', 'upper')[upper]} limit "
       f"exceed in {unit}" for upper in (0, 1) for last in (0, 1) for n, unit in enumerate(("s", "min", "h", "d"))},
    **{0x60 + 4 * last + n: f"duration of {('first', 'last')[last]} in {unit}"
       for last in (0, 1) for n, unit in enumerate(("s", "min", "h", "d"))},
    **{0x6A + 4 * last + end: f"date and time of {('begin', 'end')[end]} of {('first', 'last')[last]}"
       for last in (0, 1) for end in (0, 1)},
}  # fmt: skip
EXTENDED: dict[int, str] = {
    0x01: "at phase L1", 0x02: "at phase L2", 0x03: "at phase L3", 0x04: "at neutral", 0x05: "between phases L1 and L2",
    0x06: "between phases L2 and L3", 0x07: "between phases L3 and L1", 0x08: "at quadrant 1", 0x09: "at quadrant 2",
    0x0A: "at quadrant 3", 0x0B: "at quadrant 4", 0x0C: "delta between import and export",
    0x10: "accumulation of absolute value", 0x11: "data type C", 0x12: "data type D",
    0x13: "direction to the meter", 0x14: "direction from the meter",
}  # fmt: skip
"""Combinable VIFE behind an FC (Table 16)."""
EXTENSION = 0x7C
ERRORS = frozenset(COMBINABLE[code] for code in (*range(0x01, 0x08), *range(0x0B, 0x10), *range(0x15, 0x19), 0x1C))
"""Record errors (Table 18): the value beside one is not to be used. 00 says that there is none."""
EXPONENTS: dict[int, int] = {**{0x70 + n: n - 6 for n in range(8)}, 0x7D: 3}
"""Combinable VIFE that multiply: 10^(n−6), and 10^3."""
ADDITIVE = range(0x78, 0x7C)
"""Combinable VIFE that add a constant, 10^(n−3) of the unit: named, not applied."""
