"""EUInformation -> a unit of the catalogue. Pure.

OPC 10000-8, 5.6.4.3: the unit id is a UN/CEFACT common code (Recommendation 20) as a number, its letters from the
highest byte down; -1 means that there is none. The ids are those of the OPC Foundation's UNECE_to_OPCUA.csv. Percent
(P1) and parts per million (59) are missing there but in use. Some servers give only a display name.
"""

from __future__ import annotations

from typing import NamedTuple


class Conversion(NamedTuple):
    """value = raw * scale + offset."""

    scale: float = 1.0
    offset: float = 0.0


_SI: dict[str, tuple[str, float, float]] = {
    # UCUM -> its quantity, and the factor and offset to that quantity's own unit
    "Cel": ("K", 1, 273.15), "[degF]": ("K", 5 / 9, 459.67 * 5 / 9), "K": ("K", 1, 0),
    "%": ("1", 0.01, 0), "1": ("1", 1, 0), "[ppm]": ("1", 1e-6, 0),
    "Pa": ("Pa", 1, 0), "hPa": ("Pa", 100, 0), "kPa": ("Pa", 1000, 0), "MPa": ("Pa", 1e6, 0), "mbar": ("Pa", 100, 0),
    "bar": ("Pa", 1e5, 0),
    "W": ("W", 1, 0), "mW": ("W", 0.001, 0), "kW": ("W", 1000, 0), "MW": ("W", 1e6, 0),
    "J": ("J", 1, 0), "kJ": ("J", 1000, 0), "MJ": ("J", 1e6, 0), "GJ": ("J", 1e9, 0), "W.h": ("J", 3600, 0),
    "kW.h": ("J", 3.6e6, 0), "MW.h": ("J", 3.6e9, 0), "GW.h": ("J", 3.6e12, 0),
    "V": ("V", 1, 0), "mV": ("V", 0.001, 0), "kV": ("V", 1000, 0),
    "A": ("A", 1, 0), "mA": ("A", 0.001, 0), "kA": ("A", 1000, 0),
    "Hz": ("Hz", 1, 0), "kHz": ("Hz", 1000, 0),
    "m3": ("m3", 1, 0), "L": ("m3", 0.001, 0), "mL": ("m3", 1e-6, 0), "hL": ("m3", 0.1, 0),
    "m3/s": ("m3/s", 1, 0), "m3/h": ("m3/s", 1 / 3600, 0), "m3/min": ("m3/s", 1 / 60, 0), "L/s": ("m3/s", 0.001, 0),
    "L/min": ("m3/s", 0.001 / 60, 0), "L/h": ("m3/s", 0.001 / 3600, 0),
    "kg": ("kg", 1, 0), "g": ("kg", 0.001, 0), "t": ("kg", 1000, 0),
    "m": ("m", 1, 0), "cm": ("m", 0.01, 0), "mm": ("m", 0.001, 0), "km": ("m", 1000, 0),
    "s": ("s", 1, 0), "ms": ("s", 0.001, 0), "min": ("s", 60, 0), "h": ("s", 3600, 0), "d": ("s", 86400, 0),
    "m/s": ("m/s", 1, 0), "km/h": ("m/s", 1 / 3.6, 0), "m/s2": ("m/s2", 1, 0),
    "deg": ("deg", 1, 0), "deg/s": ("deg/s", 1, 0), "lx": ("lx", 1, 0), "klx": ("lx", 1000, 0),
    "ug/m3": ("g/m3", 1e-6, 0), "mg/m3": ("g/m3", 0.001, 0), "uS/cm": ("S/m", 1e-4, 0), "mS/cm": ("S/m", 0.1, 0),
    "S/m": ("S/m", 1, 0), "dBm": ("dBm", 1, 0),
}  # fmt: skip

_CODES = {
    "CEL": "Cel", "FAH": "[degF]", "KEL": "K", "P1": "%", "C62": "1", "59": "[ppm]", "PAL": "Pa", "A97": "hPa",
    "KPA": "kPa", "MPA": "MPa", "MBR": "mbar", "BAR": "bar", "WTT": "W", "C31": "mW", "KWT": "kW", "MAW": "MW",
    "JOU": "J", "KJO": "kJ", "3B": "MJ", "GV": "GJ", "WHR": "W.h", "KWH": "kW.h", "MWH": "MW.h", "GWH": "GW.h",
    "VLT": "V", "2Z": "mV", "KVT": "kV", "AMP": "A", "4K": "mA", "B22": "kA", "HTZ": "Hz", "KHZ": "kHz", "MTQ": "m3",
    "LTR": "L", "DMQ": "L", "MLT": "mL", "HLT": "hL", "MQS": "m3/s", "MQH": "m3/h", "G53": "m3/min", "G51": "L/s",
    "L2": "L/min", "E92": "L/h", "KGM": "kg", "GRM": "g", "TNE": "t", "MTR": "m", "CMT": "cm", "MMT": "mm", "KMT": "km",
    "KTM": "km", "SEC": "s", "C26": "ms", "MIN": "min", "HUR": "h", "DAY": "d", "MTS": "m/s", "KMH": "km/h",
    "MSK": "m/s2", "DD": "deg", "E96": "deg/s", "LUX": "lx", "KLX": "klx", "GQ": "ug/m3", "GP": "mg/m3",
    "G42": "uS/cm", "H61": "mS/cm", "D10": "S/m",
}  # fmt: skip
_NAMES = {
    "°c": "Cel", "degc": "Cel", "deg c": "Cel", "°f": "[degF]", "degf": "[degF]", "k": "K", "%": "%",
    "%rh": "%", "% rh": "%", "ppm": "[ppm]", "pa": "Pa", "hpa": "hPa", "kpa": "kPa", "mbar": "mbar", "bar": "bar",
    "w": "W", "kw": "kW", "wh": "W.h", "w·h": "W.h", "kwh": "kW.h", "kw·h": "kW.h", "v": "V", "a": "A", "hz": "Hz",
    "m³": "m3", "m3": "m3", "l": "L", "m³/h": "m3/h", "m3/h": "m3/h", "l/h": "L/h", "l/s": "L/s", "l/min": "L/min",
    "kg": "kg", "m": "m", "cm": "cm", "mm": "mm", "s": "s", "min": "min", "h": "h", "m/s": "m/s", "km/h": "km/h",
    "lx": "lx", "µg/m³": "ug/m3", "ug/m3": "ug/m3", "µs/cm": "uS/cm", "dbm": "dBm",
}  # fmt: skip
_LETTER_CASE = {
    "mW": "mW", "MW": "MW", "mWh": "", "MWh": "MW.h", "MW·h": "MW.h", "mPa": "", "MPa": "MPa", "mV": "mV", "MV": "",
    "mA": "mA", "MA": "", "ms": "ms", "Ms": "", "MJ": "MJ", "mJ": "", "kJ": "kJ", "J": "J", "GJ": "GJ",
}  # fmt: skip
"""Names in which capitals make a difference, "" for unknown units."""

_IDS = {int.from_bytes(code.encode(), "big"): unit for code, unit in _CODES.items()}


def ucum(unit_id: int | None, name: str) -> str | None:
    """Return the unit as UCUM; None when the server names none, "" for an unknown one."""
    if unit_id in _IDS:
        return _IDS[unit_id]
    name = name.strip()
    if not name:
        return None if unit_id is None or unit_id <= 0 else ""
    if name in _LETTER_CASE:
        return _LETTER_CASE[name]
    return _NAMES.get(name.lower(), "")


def conversion(unit: str, wanted: str) -> Conversion | None:
    """Return the conversion between two units; None when there is none."""
    if unit == wanted:
        return Conversion()
    if unit not in _SI or wanted not in _SI:
        return None
    quantity, scale, offset = _SI[unit]
    other, to_scale, to_offset = _SI[wanted]
    if quantity != other:
        return None
    # rounded, so that 3 significant figures do not become 17
    return Conversion(_tidy(scale / to_scale), _tidy((offset - to_offset) / to_scale))


def _tidy(number: float) -> float:
    return float(f"{number:.15g}")
