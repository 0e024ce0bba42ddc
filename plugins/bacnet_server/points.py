"""BACnet objects of series, their present values, and the list of points. Pure.

The list is EDE (Engineering Data Exchange, BACnet Interest Group Europe), layout 2.3: a table for whoever builds the
supervisor's pages. Types and units have the numbers of ANSI/ASHRAE 135-2020, Clause 21.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import hub
from hub.sdk.exporter import LastValue, Series
from hub.sdk.metric_names import metric_name

ANALOG_INPUT, ANALOG_VALUE, BINARY_INPUT, BINARY_VALUE, DEVICE, MULTI_STATE_VALUE = 0, 2, 3, 5, 8, 19
NO_FAULT, UNRELIABLE, COMMUNICATION_FAILURE = 0, 7, 12
NO_UNITS = 95
MOST = 2000
"""Maximum series with an object."""
STATES = 16
"""Maximum texts of one series; later ones share the last state, `other`."""
LONGEST_TEXT = 40
OTHER = "other"

UNITS = {
    "Cel": 62, "K": 63, "%": 98, "[ppm]": 96, "lx": 37, "Pa": 53, "hPa": 133, "kPa": 54, "bar": 55, "W": 47, "kW": 48,
    "W.h": 18, "kW.h": 19, "MW.h": 146, "V": 5, "mV": 124, "A": 3, "mA": 2, "Hz": 27, "V.A": 8, "kV.A": 9, "var": 11,
    "L": 82, "m3": 80, "m3/h": 135, "L/h": 136, "L/s": 87, "s": 73, "min": 72, "h": 71, "d": 70, "m/s": 74, "km/h": 75,
    "mm": 30, "m": 31, "kg": 39, "deg": 90, "m/s2": 166, "ug/m3": 219, "mg/m3": 218, "J": 16, "kJ": 17, "MJ": 126,
    "Ohm": 4, "uS/cm": NO_UNITS, "1": NO_UNITS,
}  # fmt: skip
"""UCUM → BACnet's number. Other units become no-units, and are named in the description."""


class Object(NamedTuple):
    """Properties of an object, stored in the plugin's state as a list."""

    type: int
    instance: int
    units: int
    about: str


class Objects:
    """Objects by series. `kept` and `texts` are from earlier processes; an instance is never reused for another
    series."""

    def __init__(self, kept: Mapping[str, Iterable[Any]], texts: Mapping[str, Iterable[str]]) -> None:
        self.of = {name: Object(*one) for name, one in kept.items()}
        self.texts = {name: list(some) for name, some in texts.items()}
        self.full = False

    def give(self, series: Iterable[Series]) -> list[str]:
        """Assign objects to series without one, in the order of their ids; returns the names of new or changed ones."""
        changed = []
        for one in sorted(series, key=lambda one: one.id):
            known, wanted = self.of.get(one.id), type_of(one.metric)
            if known is not None and known.type == wanted:
                described = known._replace(units=units_of(one.metric), about=about(one))
                if described == known:
                    continue
                self.of[one.id] = described
            elif len(self.of) >= MOST and known is None:
                self.full = True
                continue
            else:
                taken = [other.instance for other in self.of.values() if other.type == wanted]
                self.of[one.id] = Object(wanted, max(taken, default=0) + 1, units_of(one.metric), about(one))
            changed.append(one.id)
        return changed

    def state(self, name: str, text: str) -> int:
        """Return the state of a text, from 1. A new text gets the next one."""
        texts = self.texts.setdefault(name, [])
        text = clean(text)[:LONGEST_TEXT] or "-"
        if text in texts:
            return texts.index(text) + 1
        if len(texts) < STATES - 1:
            texts.append(text)
        elif len(texts) == STATES - 1:
            texts.append(OTHER)
        return len(texts)

    def kept(self) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
        """Return the data to be stored for the next process."""
        return {name: list(one) for name, one in self.of.items()}, self.texts


def type_of(metric: hub.Metric) -> int:
    if metric.kind == "text":
        return MULTI_STATE_VALUE
    if metric.kind == "flag":
        return BINARY_INPUT if metric.device_class else BINARY_VALUE
    return ANALOG_VALUE if "setpoint" in metric.key else ANALOG_INPUT


def units_of(metric: hub.Metric) -> int:
    return UNITS.get(metric.unit, NO_UNITS)


def about(series: Series) -> str:
    """Return the object's description."""
    unit = "" if units_of(series.metric) != NO_UNITS or series.metric.unit == "1" else f" ({series.metric.unit})"
    return clean(f"{metric_name(series.metric, 'fr')}{unit}, {series.name or series.place or series.device}")[:100]


def clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()


def reliability(value: LastValue | None, now: float, expire_s: float) -> int:
    """Return the reliability. `now` is Unix seconds. A value without a time (the clock was not trusted) counts as
    new."""
    if value is None or (value.time is not None and now - value.time > expire_s):
        return COMMUNICATION_FAILURE
    return UNRELIABLE if value.quality == "bad" else NO_FAULT


def ede(objects: Objects, device: int, project: str, now: float) -> str:
    """Return the list of points: separated by semicolons, CRLF (RFC 4180). Texts are those of `state_texts`, by
    number."""
    out = io.StringIO()
    table = csv.writer(out, delimiter=";", lineterminator="\r\n")
    numbers = {name: number for number, name in enumerate(sorted(objects.texts), 1)}
    table.writerows(
        [
            ("#Engineering-Data-Exchange - B.I.G.-EU",), ("PROJECT_NAME", _safe(project)),
            ("VERSION_OF_REFERENCEFILE", "1"),
            ("TIMESTAMP_OF_LAST_CHANGE", datetime.fromtimestamp(now, UTC).date().isoformat()),
            ("AUTHOR_OF_LAST_CHANGE", "ilot"), ("VERSION_OF_LAYOUT", "2.3"),
            ("#mandatory",) + ("mandatory",) * 4 + ("optional",) * 11,
            (
                "# keyname", "device obj.-instance", "object-name", "object-type", "object-instance", "description",
                "present-value-default", "min-present-value", "max-present-value", "settable", "supports COV",
                "hi-limit", "low-limit", "state-text-reference", "unit-code", "vendor-specific-addres",
            ),
        ]
    )  # fmt: skip
    for name, one in sorted(objects.of.items(), key=lambda item: (item[1].type, item[1].instance)):
        unit = one.units if one.type in (ANALOG_INPUT, ANALOG_VALUE) else ""
        row = (_safe(name), device, _safe(name), one.type, one.instance, _safe(one.about), "", "", "", "N", "Y", "", "")
        table.writerow((*row, numbers.get(name, ""), unit, ""))
    return out.getvalue()


def state_texts(objects: Objects) -> str:
    """Return the texts that the list of points refers to, in the same form."""
    out = io.StringIO()
    table = csv.writer(out, delimiter=";", lineterminator="\r\n")
    table.writerow(("#State Text Reference",))
    table.writerow(("#Reference Number", *(f"Text {n}" for n in range(1, STATES + 1))))
    for number, name in enumerate(sorted(objects.texts), 1):
        table.writerow((number, *map(_safe, objects.texts[name])))
    return out.getvalue()


def _safe(cell: str) -> str:
    """Return a text on one line that no spreadsheet takes for a formula."""
    cell = clean(cell)
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
