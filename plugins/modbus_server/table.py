"""Registers of series, and the list of points. Pure."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterable, Mapping

from hub.sdk.exporter import LastValue, Series
from hub.sdk.metric_names import metric_name

WORDS = 4
SLOTS = 4096
"""Maximum series with a slot; 4 × 4096 registers are a quarter of the address space."""

NEVER, GOOD, UNCERTAIN, BAD = 0, 1, 2, 3
OLD = 0xFFFF


class Slots:
    """Slots by series. `kept` are from earlier processes; a slot is never reused for another series."""

    def __init__(self, kept: Mapping[str, int]) -> None:
        self.of = dict(kept)
        self.full = False

    def give(self, series: Iterable[Series]) -> bool:
        """Assign the next slots to series without one, in the order of their ids. True when any was assigned."""
        fresh = sorted(one.id for one in series if one.id not in self.of and one.metric.kind != "text")
        before = following = max(self.of.values(), default=-1) + 1
        for name in fresh:
            if following >= SLOTS:
                self.full = True
                break
            self.of[name] = following
            following += 1
        return following > before


def words(value: LastValue | None, now: float, expire_s: float) -> tuple[int, int, int, int]:
    """Return the four registers of a slot; `now` is Unix seconds. A value without a time (the clock was not trusted)
    counts as new."""
    if value is None or isinstance(value.value, str):
        return 0, 0, OLD, NEVER
    try:
        high, low = struct.unpack(">HH", struct.pack(">f", float(value.value)))
    except OverflowError:
        return 0, 0, OLD, BAD
    age = max(0, int(now - value.time)) if value.time is not None else 0
    validity = BAD if age > expire_s else {"good": GOOD, "bad": BAD}.get(value.quality, UNCERTAIN)
    return high, low, min(age, OLD), validity


def registers(slots: Mapping[str, int], last: Mapping[str, LastValue], now: float, expire_s: float) -> list[int]:
    """Return all input registers, from address 0."""
    table = [0, 0, OLD, NEVER] * (max(slots.values(), default=-1) + 1)
    for name, slot in slots.items():
        table[WORDS * slot : WORDS * (slot + 1)] = words(last.get(name), now, expire_s)
    return table


def flags(slots: Mapping[str, int], last: Mapping[str, LastValue]) -> list[bool]:
    """Return all discrete inputs, from address 0."""
    table = [False] * (max(slots.values(), default=-1) + 1)
    for name, slot in slots.items():
        value = last.get(name)
        table[slot] = value is not None and value.value is True
    return table


def points(slots: Mapping[str, int], series: Iterable[Series]) -> str:
    """Return the list of points as CSV (RFC 4180): one line for each slot, addresses from 0; series without a value
    since the start have no description."""
    known = {one.id: one for one in series}
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ("slot", "series", "input_register", "type", "discrete_input", "unit", "description", "place", "zone", "site",
         "device")
    )  # fmt: skip
    for name, slot in sorted(slots.items(), key=lambda item: item[1]):
        one = known.get(name)
        flag = one is not None and one.metric.kind == "flag"
        described = (
            (one.metric.unit, metric_name(one.metric, "fr"), one.place, one.zone, one.site, one.device)
            if one
            else ("",) * 6
        )
        where = (WORDS * slot, "float32, big-endian words", slot if flag else "")
        table.writerow((slot, _safe(name), *where, *map(_safe, described)))
    return out.getvalue()


def _safe(cell: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
