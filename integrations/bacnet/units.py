"""BACnet's engineering units → UCUM, and from one unit to another of the same quantity. Pure tables.

ANSI/ASHRAE 135-2020, Clause 21, BACnetEngineeringUnits; UCUM 2.1. Factors are exact where the definitions of the units
are.
"""

from __future__ import annotations

from fractions import Fraction

UCUM = {
    0: "m2", 2: "mA", 3: "A", 4: "Ohm", 5: "V", 6: "kV", 7: "MV", 8: "V.A", 9: "kV.A", 10: "MV.A", 11: "var",
    12: "kvar", 13: "Mvar", 15: "1", 16: "J", 17: "kJ", 18: "W.h", 19: "kW.h", 20: "[Btu_IT]", 27: "Hz",
    29: "%", 30: "mm", 31: "m", 32: "[in_i]", 33: "[ft_i]", 36: "lm", 37: "lx", 39: "kg", 40: "[lb_av]", 41: "t",
    42: "kg/s", 43: "kg/min", 44: "kg/h", 47: "W", 48: "kW", 49: "MW", 50: "[Btu_IT]/h", 53: "Pa", 54: "kPa",
    55: "bar", 56: "[psi]", 58: "[in_i'H2O]", 62: "Cel", 63: "K", 64: "[degF]", 67: "a", 68: "mo", 69: "wk", 70: "d",
    71: "h", 72: "min", 73: "s", 74: "m/s", 75: "km/h", 80: "m3", 82: "L", 84: "[cft_i]/min", 85: "m3/s", 87: "L/s",
    88: "L/min", 90: "deg", 95: "1", 96: "[ppm]", 97: "[ppb]", 98: "%", 100: "/min", 101: "/s", 104: "{rev}/min",
    118: "cm", 119: "[lb_av]/s", 121: "K", 122: "kOhm", 123: "MOhm", 124: "mV", 126: "MJ", 129: "kHz", 131: "/h",
    132: "mW", 133: "hPa", 134: "mbar", 135: "m3/h", 136: "L/h", 146: "MW.h", 159: "ms", 161: "mm/s", 165: "m3/min",
    166: "m/s2", 190: "uS", 193: "km", 195: "g", 196: "mg", 197: "mL", 199: "dB", 203: "var.h", 204: "kvar.h",
    205: "Mvar.h", 207: "[ppth]", 210: "g/kg", 215: "mg/L", 216: "ug/L", 217: "g/m3", 218: "mg/m3", 219: "ug/m3",
    232: "dB", 234: "[pH]", 239: "V.A.h", 240: "kV.A.h", 241: "MV.A.h", 249: "m3/d",
}  # fmt: skip
"""Number → UCUM. For other units, the metric of the object gives its unit."""

_POUND, _INCH, _BTU = Fraction("0.45359237"), Fraction("0.0254"), Fraction("1055.05585262")
_PSI = _POUND * Fraction("9.80665") / _INCH**2
_SCALES: tuple[dict[str, Fraction | int], ...] = (
    {"Pa": 1, "hPa": 100, "mbar": 100, "kPa": 1000, "bar": 100_000, "[psi]": _PSI, "[in_i'H2O]": Fraction("249.08891")},
    {"W": 1, "mW": Fraction(1, 1000), "kW": 1000, "MW": 1_000_000, "[Btu_IT]/h": _BTU / 3600},
    {
        "W.h": 3600, "kW.h": 3_600_000, "MW.h": 3_600_000_000, "J": 1, "kJ": 1000, "MJ": 1_000_000, "[Btu_IT]": _BTU,
    },
    {"A": 1000, "mA": 1}, {"mV": 1, "V": 1000, "kV": 1_000_000, "MV": 1_000_000_000}, {"Hz": 1, "kHz": 1000},
    {"V.A": 1, "kV.A": 1000, "MV.A": 1_000_000}, {"var": 1, "kvar": 1000, "Mvar": 1_000_000},
    {"var.h": 1, "kvar.h": 1000, "Mvar.h": 1_000_000}, {"V.A.h": 1, "kV.A.h": 1000, "MV.A.h": 1_000_000},
    {"Ohm": 1, "kOhm": 1000, "MOhm": 1_000_000},
    {"mm": 1, "cm": 10, "m": 1000, "km": 1_000_000, "[in_i]": _INCH * 1000, "[ft_i]": _INCH * 12_000},
    {"mL": 1, "L": 1000, "m3": 1_000_000},
    {
        "m3/h": 3600, "L/h": Fraction(36, 10), "L/min": 216, "L/s": 12_960, "m3/min": 216_000, "m3/s": 12_960_000,
        "m3/d": 150, "[cft_i]/min": 216 * 1000 * (_INCH * 12) ** 3,
    },
    {"mg": 1, "g": 1000, "kg": 1_000_000, "t": 1_000_000_000, "[lb_av]": _POUND * 1_000_000},
    {"kg/s": 3600, "kg/min": 60, "kg/h": 1, "[lb_av]/s": _POUND * 3600},
    {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "wk": 604_800_000},
    {"m/s": 3600, "km/h": 1000, "mm/s": Fraction(36, 10)}, {"/s": 3600, "/min": 60, "/h": 1},
    {"%": 10, "[ppth]": 1, "1": 1000}, {"[ppm]": 1000, "[ppb]": 1},
    {"ug/m3": 1, "mg/m3": 1000, "g/m3": 1_000_000, "ug/L": 1000, "mg/L": 1_000_000},
)  # fmt: skip
_KELVIN = {"K": (Fraction(1), Fraction(0)), "Cel": (Fraction(1), Fraction("273.15")), "[degF]": (Fraction(5, 9), Fraction("459.67") * 5 / 9)}  # fmt: skip  # noqa: E501


class Conversion:
    """An exact conversion between units: value × factor + offset."""

    def __init__(self, factor: Fraction, offset: Fraction) -> None:
        self._factor, self._offset = factor, offset
        self.same = factor == 1 and offset == 0

    def there(self, value: float) -> float:
        """Convert to the metric's unit."""
        return value if self.same else float(Fraction(value) * self._factor + self._offset)

    def back(self, value: float) -> float:
        """Convert to the device's unit."""
        return value if self.same else float((Fraction(value) - self._offset) / self._factor)


SAME = Conversion(Fraction(1), Fraction(0))


def conversion(unit: str, into: str) -> Conversion | None:
    """Return the conversion from `unit` to `into`, None when they belong to different quantities."""
    if unit == into:
        return SAME
    if unit in _KELVIN and into in _KELVIN:
        (factor, offset), (target, target_offset) = _KELVIN[unit], _KELVIN[into]
        return Conversion(factor / target, (offset - target_offset) / target)
    for scale in _SCALES:
        if unit in scale and into in scale:
            return Conversion(Fraction(scale[unit]) / Fraction(scale[into]), Fraction(0))
    return None
