"""Chooses from the records of a meter what it measures now: metric → value. Pure.

Present are instantaneous values of storage 0 and subunit 0. What is stored is of another moment (`stored`), and never
taken for a present value. A total is that of tariff 0; where a meter has none, the sum of its tariffs 1 to n.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from integrations.mbus.header import Identity
from integrations.mbus.records import Record
from integrations.mbus.vif import ERRORS

if TYPE_CHECKING:
    from integrations.mbus.settings import MappedRecord

WRONG = "mbus-value-error"
STORED = "mbus-stored"

_READINGS: dict[tuple[str, str], tuple[str, float]] = {
    # (quantity, unit) → metric, factor
    ("energy", "W.h"): ("energy", 0.001),
    ("energy", "J"): ("energy", 1 / 3_600_000),
    ("energy", "cal"): ("energy", 4.1868 / 3_600_000),
    ("power", "W"): ("power", 1.0),
    ("power", "J/h"): ("power", 1 / 3600),
    ("volume flow", "m3/h"): ("volume_flow", 1.0),
    ("volume flow", "m3/min"): ("volume_flow", 60.0),
    ("volume flow", "m3/s"): ("volume_flow", 3600.0),
    ("flow temperature", "Cel"): ("flow_temperature", 1.0),
    ("return temperature", "Cel"): ("return_temperature", 1.0),
    ("external temperature", "Cel"): ("temperature", 1.0),
    ("relative humidity", "%"): ("humidity", 1.0),
    ("pressure", "bar"): ("water_pressure", 1.0),
    ("voltage", "V"): ("voltage", 1.0),
    ("current", "A"): ("current", 1.0),
    ("frequency", "Hz"): ("frequency", 1.0),
}
_VOLUMES = {
    **dict.fromkeys((0x06, 0x07, 0x15, 0x16, 0x17, 0x28), ("water", 1000.0)),
    0x03: ("gas", 1.0),
}
"""Metrics of a volume in m3, by medium."""
_ALLOCATOR = 0x08
_TOTALS = {"energy", "water", "gas", "volume", "heat_cost_units"}
_HARMLESS = {
    "no error", "standard conform data content", "at base conditions", "uncorrected",
    "accumulation of positive contributions",
}  # fmt: skip


class Present(NamedTuple):
    """Readings by metric, and reasons to count why there are not more."""

    values: dict[str, float]
    skipped: tuple[str, ...] = ()


class Stored(NamedTuple):
    """Readings of a former moment: ISO 8601 in the meter's own local time."""

    moment: str
    values: dict[str, float]


def present(records: Sequence[Record], who: Identity | None, mapped: Iterable[MappedRecord] = ()) -> Present:
    """Return the present readings; the first of each metric counts, and what a person has mapped before all others."""
    table = _table(who.medium if who else 0)
    found = {one.metric: number for one in mapped if (number := one.read(records)) is not None}
    tariffs: dict[str, dict[int, float | None]] = {}
    wrong, said = set[str](), set[str]()
    for function, storage, tariff, subunit, quantity, unit, raw, modifiers, _ in records:
        if storage or subunit or function != "instantaneous":
            continue
        meant = table.get((quantity, unit))
        if meant is None:
            continue
        metric, factor = meant
        value: float | None = raw * factor if isinstance(raw, int | float) else None
        if modifiers and not _HARMLESS.issuperset(modifiers):
            if ERRORS.isdisjoint(modifiers):
                continue  # another quantity
            wrong.add(metric)
            value = None
        if tariff:
            if metric in _TOTALS:
                tariffs.setdefault(metric, {}).setdefault(tariff, value)
            continue
        said.add(metric)  # though the meter may not know it now
        if value is not None:
            found.setdefault(metric, value)
    for metric, parts in tariffs.items():
        numbers = [part for part in parts.values() if part is not None]
        if not {metric} & (found.keys() | said) and sorted(parts) == list(range(1, len(numbers) + 1)):
            found[metric] = math.fsum(numbers)
    skipped: tuple[str, ...] = (WRONG,) if wrong - found.keys() else ()
    if _TOTALS.isdisjoint(found) and any(r.storage == 1 and _total(r, table) for r in records):
        skipped += (STORED,)
    return Present(found, skipped)


def stored(records: Sequence[Record], who: Identity | None) -> Stored | None:
    """Return the totals of storage 1, the last moment that the meter has stored, where it says which one that was."""
    of_then = [record._replace(storage=0) for record in records if record.storage == 1]
    moments = [r.value for r in of_then if r.quantity == "date and time" and r.function == "instantaneous"]
    values = {metric: value for metric, value in present(of_then, who).values.items() if metric in _TOTALS}
    if len(moments) != 1 or not isinstance(moments[0], str) or "T" not in moments[0] or not values:
        return None
    return Stored(moments[0], values)


def states(status: int) -> dict[str, bool]:
    """Decode the status byte of a meter: `fault` for a permanent or temporary error, `battery_low`."""
    return {"fault": bool(status & 0x18), "battery_low": bool(status & 0x04)}


@functools.cache
def _table(medium: int) -> dict[tuple[str, str], tuple[str, float]]:
    """Return (quantity, unit) → metric and the factor to its unit, for a meter of this medium."""
    volume = _VOLUMES.get(medium, ("volume", 1000.0))
    units = {("heat cost allocation", "1"): ("heat_cost_units", 1.0)} if medium == _ALLOCATOR else {}
    return {**_READINGS, ("volume", "m3"): volume, **units}


def _total(record: Record, table: dict[tuple[str, str], tuple[str, float]]) -> bool:
    return table.get((record.quantity, record.unit), ("", 0.0))[0] in _TOTALS
