"""The supported points of SunSpec's models, and their metrics. Pure data.

From the model definitions of the SunSpec Alliance (models 1, 101 to 103, 111 to 113, 201 to 204, 211 to 214). An offset
counts registers from the one that holds the model's number.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

Type = Literal["int16", "uint16", "acc32", "float32", "enum16", "bitfield32"]


class Point(NamedTuple):
    """A value: raw × 10^(the register named by `scale`) × `factor` is in the metric's unit."""

    name: str
    offset: int
    type: Type
    metric: str
    scale: str = ""
    factor: Decimal = Decimal(1)


class Shape(NamedTuple):
    """The supported part of a model. `scales`: offsets of the scale factors by name; `symbols`: names of an
    enumeration's values, or of a bit field's bits, by point."""

    about: str
    points: tuple[Point, ...]
    scales: dict[str, int]
    symbols: dict[str, dict[int, str]]


COMMON = 1
STRINGS = {"Mn": (2, 16), "Md": (18, 16), "Vr": (42, 8), "SN": (50, 16)}
"""Model 1: maker, model, version, serial number: offset and registers."""
COMMON_SIZE = 66

_STATES = {
    1: "off", 2: "sleeping", 3: "starting", 4: "mppt", 5: "throttled", 6: "shutting_down", 7: "fault", 8: "standby",
}  # fmt: skip
_INVERTER_EVENTS = {
    0: "ground_fault", 1: "dc_over_voltage", 2: "ac_disconnect", 3: "dc_disconnect", 4: "grid_disconnect",
    5: "cabinet_open", 6: "manual_shutdown", 7: "over_temperature", 8: "over_frequency", 9: "under_frequency",
    10: "ac_over_voltage", 11: "ac_under_voltage", 12: "blown_string_fuse", 13: "under_temperature", 14: "memory_loss",
    15: "hardware_test_failure",
}  # fmt: skip
_METER_EVENTS = {
    2: "power_failure", 3: "under_voltage", 4: "low_power_factor", 5: "over_current", 6: "over_voltage",
    7: "missing_sensor",
}  # fmt: skip
_PERCENT, _KILO = Decimal("0.01"), Decimal("0.001")


def _phases(name: str, offset: int, kind: Type, metric: str, scale: str, step: int) -> tuple[Point, ...]:
    letters = ("AB", "BC", "CA") if metric.endswith("_line") else ("A", "B", "C")
    ends = ("l1_l2", "l2_l3", "l3_l1") if metric.endswith("_line") else ("l1", "l2", "l3")
    stem = metric.removesuffix("_line")
    return tuple(
        Point(name + letter, offset + number * step, kind, f"{stem}_{end}", scale)
        for number, (letter, end) in enumerate(zip(letters, ends, strict=True))
    )


def _inverter(*, single: bool) -> Shape:
    points = (
        Point("A", 2, "uint16", "current", "A_SF"),
        *_phases("Aph", 3, "uint16", "current", "A_SF", 1),
        *_phases("PPVph", 7, "uint16", "voltage_line", "V_SF", 1),
        *_phases("PhVph", 10, "uint16", "voltage", "V_SF", 1),
        Point("W", 14, "int16", "power", "W_SF"),
        Point("Hz", 16, "uint16", "frequency", "Hz_SF"),
        Point("VA", 18, "int16", "apparent_power", "VA_SF"),
        Point("VAr", 20, "int16", "reactive_power", "VAr_SF"),
        Point("PF", 22, "int16", "power_factor", "PF_SF", _PERCENT),
        Point("WH", 24, "acc32", "energy", "WH_SF", _KILO),
        Point("DCA", 27, "uint16", "dc_current", "DCA_SF"),
        Point("DCV", 29, "uint16", "dc_voltage", "DCV_SF"),
        Point("DCW", 31, "int16", "dc_power", "DCW_SF"),
        Point("TmpCab", 33, "int16", "cabinet_temperature", "Tmp_SF"),
        Point("TmpSnk", 34, "int16", "heat_sink_temperature", "Tmp_SF"),
        Point("TmpTrns", 35, "int16", "transformer_temperature", "Tmp_SF"),
        Point("TmpOt", 36, "int16", "other_temperature", "Tmp_SF"),
        Point("St", 38, "enum16", "operating_state"),
        Point("Evt1", 40, "bitfield32", "events"),
    )
    scales = {
        "A_SF": 6, "V_SF": 13, "W_SF": 15, "Hz_SF": 17, "VA_SF": 19, "VAr_SF": 21, "PF_SF": 23, "WH_SF": 26,
        "DCA_SF": 28, "DCV_SF": 30, "DCW_SF": 32, "Tmp_SF": 37,
    }  # fmt: skip
    return Shape("inverter", _one(points, single), scales, {"St": _STATES, "Evt1": _INVERTER_EVENTS})


def _inverter_float(*, single: bool) -> Shape:
    points = (
        Point("A", 2, "float32", "current"),
        *_phases("Aph", 4, "float32", "current", "", 2),
        *_phases("PPVph", 10, "float32", "voltage_line", "", 2),
        *_phases("PhVph", 16, "float32", "voltage", "", 2),
        Point("W", 22, "float32", "power"),
        Point("Hz", 24, "float32", "frequency"),
        Point("VA", 26, "float32", "apparent_power"),
        Point("VAr", 28, "float32", "reactive_power"),
        Point("PF", 30, "float32", "power_factor", "", _PERCENT),
        Point("WH", 32, "float32", "energy", "", _KILO),
        Point("DCA", 34, "float32", "dc_current"),
        Point("DCV", 36, "float32", "dc_voltage"),
        Point("DCW", 38, "float32", "dc_power"),
        Point("TmpCab", 40, "float32", "cabinet_temperature"),
        Point("TmpSnk", 42, "float32", "heat_sink_temperature"),
        Point("TmpTrns", 44, "float32", "transformer_temperature"),
        Point("TmpOt", 46, "float32", "other_temperature"),
        Point("St", 48, "enum16", "operating_state"),
        Point("Evt1", 50, "bitfield32", "events"),
    )
    return Shape("inverter", _one(points, single), {}, {"St": _STATES, "Evt1": _INVERTER_EVENTS})


def _meter() -> Shape:
    points = (
        Point("A", 2, "int16", "current", "A_SF"),
        *_phases("Aph", 3, "int16", "current", "A_SF", 1),
        Point("PhV", 7, "int16", "voltage", "V_SF"),
        *_phases("PhVph", 8, "int16", "voltage", "V_SF", 1),
        *_phases("PPVph", 12, "int16", "voltage_line", "V_SF", 1),
        Point("Hz", 16, "int16", "frequency", "Hz_SF"),
        Point("W", 18, "int16", "power", "W_SF"),
        *_phases("Wph", 19, "int16", "power", "W_SF", 1),
        Point("VA", 23, "int16", "apparent_power", "VA_SF"),
        Point("VAR", 28, "int16", "reactive_power", "VAR_SF"),
        Point("PF", 33, "int16", "power_factor", "PF_SF", _PERCENT),
        Point("TotWhExp", 38, "acc32", "energy_exported", "TotWh_SF", _KILO),
        Point("TotWhImp", 46, "acc32", "energy", "TotWh_SF", _KILO),
        Point("Evt", 105, "bitfield32", "events"),
    )
    scales = {"A_SF": 6, "V_SF": 15, "Hz_SF": 17, "W_SF": 22, "VA_SF": 27, "VAR_SF": 32, "PF_SF": 37, "TotWh_SF": 54}
    return Shape("meter", points, scales, {"Evt": _METER_EVENTS})


def _meter_float() -> Shape:
    points = (
        Point("A", 2, "float32", "current"),
        *_phases("Aph", 4, "float32", "current", "", 2),
        Point("PhV", 10, "float32", "voltage"),
        *_phases("PhVph", 12, "float32", "voltage", "", 2),
        *_phases("PPVph", 20, "float32", "voltage_line", "", 2),
        Point("Hz", 26, "float32", "frequency"),
        Point("W", 28, "float32", "power"),
        *_phases("Wph", 30, "float32", "power", "", 2),
        Point("VA", 36, "float32", "apparent_power"),
        Point("VAR", 44, "float32", "reactive_power"),
        Point("PF", 52, "float32", "power_factor"),  # here the definition's unit is a ratio, not a percentage
        Point("TotWhExp", 60, "float32", "energy_exported", "", _KILO),
        Point("TotWhImp", 68, "float32", "energy", "", _KILO),
        Point("Evt", 124, "bitfield32", "events"),
    )
    return Shape("meter", points, {}, {"Evt": _METER_EVENTS})


def _one(points: tuple[Point, ...], single: bool) -> tuple[Point, ...]:
    """Return the points of a single-phase inverter, whose voltage is that of phase A."""
    if not single:
        return points
    return tuple(point._replace(metric="voltage") if point.name == "PhVphA" else point for point in points)


SHAPES: dict[int, Shape] = {
    101: _inverter(single=True),
    **dict.fromkeys((102, 103), _inverter(single=False)),
    111: _inverter_float(single=True),
    **dict.fromkeys((112, 113), _inverter_float(single=False)),
    **dict.fromkeys((201, 202, 203, 204), _meter()),
    **dict.fromkeys((211, 212, 213, 214), _meter_float()),
}
"""The supported models, beside the common one."""

RUNNING, FAULT = ("starting", "mppt", "throttled"), "fault"
"""States of an inverter in which it works, and the one in which it does not."""
