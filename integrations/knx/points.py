"""Datapoint types: quantity, unit and most likely metric of each. Pure data.

KNX Standard v2.1, 03_07_02 Datapoint Types. A type is `main.sub` (9.001); the main number gives the layout of the
bytes, the sub number their meaning. A main number alone (9) gives a plain number in the metric's unit. Types that are
not in this table are not read. Access data (15.000) and card numbers are left out on purpose: they identify people.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.sdk.phrases import phrase
from hub.sdk.session import MetricKind


class Point(NamedTuple):
    """A datapoint type. `kind` is "number", "flag" or "text"; `unit` is UCUM, None where the type has no fixed unit;
    `metric`: the metric of the catalogue that an import proposes, "" for none. `inverted`: the bit is 1 where the flag
    is false."""

    dpt: str
    kind: MetricKind
    unit: str | None = None
    metric: str = ""
    inverted: bool = False


# main number → kind of its values
_KINDS: dict[int, MetricKind] = {1: "flag", **dict.fromkeys((3, 5, 6, 7, 8, 9, 12, 13, 14, 17, 29), "number")}

# dpt, unit ("-" for none), metric to propose ("-" for none); a main number begins a line
_TABLE = """
1 - - | 1.001 - generic_flag | 1.002 - generic_flag | 1.003 - generic_flag | 1.004 - - | 1.005 - fault
1.006 - generic_flag | 1.007 - - | 1.008 - - | 1.009 - opening | 1.010 - running | 1.011 - running | 1.012 - -
1.013 - - | 1.014 - - | 1.015 - - | 1.016 - - | 1.017 - - | 1.018 - occupancy | 1.019 - opening | 1.021 - -
1.022 - - | 1.023 - - | 1.024 - - | 1.100 - - | 1.1200 - - | 1.1201 - -
2 - - | 2.001 - - | 2.002 - - | 2.003 - - | 2.004 - - | 2.005 - - | 2.006 - - | 2.007 - - | 2.008 - - | 2.009 - -
2.010 - - | 2.011 - - | 2.012 - -
3.007 1 dimmer | 3.008 1 dimmer
4.001 - - | 4.002 - -
5 - - | 5.001 % - | 5.003 deg - | 5.004 % - | 5.005 1 - | 5.006 1 - | 5.010 1 count
6 - - | 6.001 % - | 6.010 1 count
7 - - | 7.001 1 count | 7.002 ms duration | 7.003 ms duration | 7.004 ms duration | 7.005 s duration
7.006 min duration | 7.007 h duration | 7.010 1 - | 7.011 mm distance | 7.012 mA current | 7.013 lx illuminance
7.600 K -
8 - - | 8.001 1 count | 8.002 ms - | 8.003 ms - | 8.004 ms - | 8.005 s - | 8.006 min - | 8.007 h - | 8.010 % -
8.011 deg rotation | 8.012 m distance
9 - - | 9.001 Cel temperature | 9.002 K - | 9.003 K/h - | 9.004 lx illuminance | 9.005 m/s speed | 9.006 Pa pressure
9.007 % humidity | 9.008 [ppm] co2 | 9.009 m3/h volume_flow | 9.010 s duration | 9.011 ms duration
9.020 mV voltage | 9.021 mA current | 9.022 W/m2 - | 9.023 K/% - | 9.024 kW power | 9.025 L/h volume_flow
9.026 L/m2 precipitation | 9.027 [degF] temperature | 9.028 km/h speed | 9.029 g/m3 - | 9.030 ug/m3 -
10.001 - -
11.001 - -
12 - - | 12.001 1 count | 12.100 s duration | 12.101 min duration | 12.102 h duration | 12.1200 L volume
12.1201 m3 volume
13 - - | 13.001 1 count | 13.002 m3/h volume_flow | 13.010 W.h energy | 13.011 V.A.h - | 13.012 var.h -
13.013 kW.h energy | 13.014 kV.A.h - | 13.015 kvar.h - | 13.016 MW.h energy | 13.100 s - | 13.1200 L volume
13.1201 m3 volume
14 - - | 14.000 m/s2 acceleration | 14.001 rad/s2 - | 14.002 J/mol - | 14.003 /s - | 14.004 mol - | 14.005 1 -
14.006 rad rotation | 14.007 deg rotation | 14.008 J.s - | 14.009 rad/s gyroscope | 14.010 m2 - | 14.011 F -
14.012 C/m2 - | 14.013 C/m3 - | 14.014 m2/N - | 14.015 S - | 14.016 S/m conductivity | 14.017 kg/m3 - | 14.018 C -
14.019 A current | 14.020 A/m2 - | 14.021 C.m - | 14.022 C/m2 - | 14.023 V/m - | 14.024 C - | 14.025 C/m2 -
14.026 C/m2 - | 14.027 V voltage | 14.028 V voltage | 14.029 A.m2 - | 14.030 V voltage | 14.031 J energy
14.032 N - | 14.033 Hz frequency | 14.034 rad/s - | 14.035 J/K - | 14.036 W power | 14.037 J energy | 14.038 Ohm -
14.039 m distance | 14.040 lm.s - | 14.041 cd/m2 - | 14.042 lm - | 14.043 cd - | 14.044 A/m - | 14.045 Wb -
14.046 T - | 14.047 A.m2 - | 14.048 T - | 14.049 A/m - | 14.050 A - | 14.051 kg mass | 14.052 kg/s - | 14.053 N/s -
14.054 rad - | 14.055 deg - | 14.056 W power | 14.057 1 power_factor | 14.058 Pa pressure | 14.059 Ohm -
14.060 Ohm - | 14.061 Ohm.m - | 14.062 H - | 14.063 sr - | 14.064 W/m2 - | 14.065 m/s speed | 14.066 Pa -
14.067 N/m - | 14.068 Cel temperature | 14.069 K temperature | 14.070 K - | 14.071 J/K - | 14.072 W/m/K -
14.073 V/K - | 14.074 s duration | 14.075 N.m - | 14.076 m3 volume | 14.077 m3/s volume_flow | 14.078 N -
14.079 J energy | 14.080 V.A - | 14.1200 m3/h volume_flow | 14.1201 L/s volume_flow
16.000 - - | 16.001 - -
17.001 1 -
18.001 - -
19.001 - -
20.102 - - | 20.105 - -
29 - - | 29.010 W.h energy | 29.011 V.A.h - | 29.012 var.h -
232.600 - -
235.001 - -
242.600 - -
249.600 - -
250.600 - -
251.600 - -
252.600 - -
253.600 - -
254.600 - -
"""

INVERTED = frozenset({"1.009"})
"""Open/Close: 0 is open, whereas doors and windows of the catalogue are true when open."""


def _point(line: str) -> Point:
    dpt, unit, metric = line.split()
    return Point(
        dpt=dpt,
        kind=_KINDS.get(int(dpt.partition(".")[0]), "text"),
        unit=None if unit == "-" else unit,
        metric="" if metric == "-" else metric,
        inverted=dpt in INVERTED,
    )


POINTS: dict[str, Point] = {point.dpt: point for point in map(_point, _TABLE.strip().replace("\n", "|").split("|"))}
"""Supported datapoint types by number."""


class Conversion(NamedTuple):
    """value in the metric's unit = raw × factor + offset."""

    factor: float = 1.0
    offset: float = 0.0


_ZERO_CELSIUS = 273.15
_CONVERSIONS: dict[tuple[str, str], Conversion] = {
    ("Pa", "hPa"): Conversion(0.01),
    ("Pa", "bar"): Conversion(1e-5),
    ("kW", "W"): Conversion(1000.0),
    ("mV", "V"): Conversion(0.001),
    ("mA", "A"): Conversion(0.001),
    ("W.h", "kW.h"): Conversion(0.001),
    ("MW.h", "kW.h"): Conversion(1000.0),
    ("J", "kW.h"): Conversion(1 / 3.6e6),
    ("L", "m3"): Conversion(0.001),
    ("m3", "L"): Conversion(1000.0),
    ("L/h", "m3/h"): Conversion(0.001),
    ("m3/s", "m3/h"): Conversion(3600.0),
    ("L/s", "m3/h"): Conversion(3.6),
    ("L/m2", "mm"): Conversion(),
    ("km/h", "m/s"): Conversion(1 / 3.6),
    ("m", "mm"): Conversion(1000.0),
    ("ms", "s"): Conversion(0.001),
    ("min", "s"): Conversion(60.0),
    ("h", "s"): Conversion(3600.0),
    ("K", "Cel"): Conversion(1.0, -_ZERO_CELSIUS),
    ("[degF]", "Cel"): Conversion(5 / 9, -160 / 9),
    ("rad", "deg"): Conversion(57.29577951308232),
    ("rad/s", "deg/s"): Conversion(57.29577951308232),
    ("S/m", "uS/cm"): Conversion(1e4),
    ("%", "1"): Conversion(0.01),
    ("1", "%"): Conversion(100.0),
}

_DIFFERENCES = frozenset({"9.002", "14.070"})
"""Temperature differences are in K too, but are no temperatures."""


def conversion(point: Point, unit: str) -> Conversion | None:
    """Return the conversion from that type's unit to `unit`; None when there is none."""
    if point.unit in (None, unit):
        return Conversion()
    if point.dpt in _DIFFERENCES and unit == "Cel":
        return None
    if point.unit == "1" and unit == "%" and point.dpt != "5.005":
        return None  # a count is not a percentage
    return _CONVERSIONS.get((point.unit or "", unit))


def canonical(written: object) -> str:
    """Convert a datapoint type as written by people or ETS to its number: `9.001`, `DPST-9-1`, `DPT-9`, and the numbers
    that YAML makes of 9.001, 9.010 and 12.1200. Raises ValueError with a sentence."""
    if isinstance(written, float):
        return _of_float(written)
    text = "" if isinstance(written, bool) else str(written).strip()
    for prefix in ("DPST-", "DPT-"):
        if text.upper().startswith(prefix):
            text = text[len(prefix) :].replace("-", ".")
    if (number := _number(text)) is None:
        raise ValueError(
            phrase(
                "knx.unknown-datapoint-type",
                "{written!r} is no datapoint type that is read here; expected one like 9.001",
                written=str(written)[:40],
            )
        )
    return number


def _of_float(written: float) -> str:
    """Convert a number from YAML, which drops trailing zeros: 9.010 is 9.01, and 1.100 is 1.1, which may also have been
    meant as 1.001."""
    whole = [text for text in (f"{written:.3f}", f"{written:.4f}") if text in POINTS]
    short = _number(repr(written)) if not repr(written).partition(".")[2].startswith("0") else None
    fits = {*whole[:1], *([short] if short else [])}
    if len(fits) > 1:
        raise ValueError(
            phrase(
                "knx.ambiguous-datapoint-type",
                "{written} may mean {first} or {second}: write the datapoint type in quotes",
                written=written,
                first=min(fits),
                second=max(fits),
            )
        )
    if not whole:
        if short:
            raise ValueError(
                phrase(
                    "knx.other-datapoint-type",
                    "{written} is no datapoint type that is read here: is it {other}?",
                    written=written,
                    other=short,
                )
            )
        raise ValueError(
            phrase(
                "knx.unknown-datapoint-number",
                "{written} is no datapoint type that is read here; expected one like 9.001 or 1.011",
                written=written,
            )
        )
    return whole[0]


def _number(text: str) -> str | None:
    main, _, sub = text.partition(".")
    if not (text.isascii() and main.isdigit() and len(main) <= 3 and (sub.isdigit() or main == text) and len(sub) <= 4):
        return None
    number = f"{int(main)}.{int(sub):03d}" if sub else str(int(main))
    return number if number in POINTS else None
