"""Rows of the buffer, their shapes and subjects. Pure.

A row is one report as the pipeline leaves it. Subjects and shapes compare by identity: the pipeline makes one
object each and reuses it, so that numbering them costs one dictionary lookup by address.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hub.core.model import Position, Value

READINGS = "readings"
ALERTS = "alerts"
STREAMS = (READINGS, ALERTS)


class Column(msgspec.Struct, frozen=True):
    """One metric of a shape. `resolution` is the smallest step kept, a decimal string in `unit` (UCUM);
    `kind` is "number", "flag" or "text". The rest is context for the reader, as in `hub.core.model.Metric`."""

    metric: str
    unit: str = "1"
    resolution: str = "1"
    kind: str = "number"
    device_class: str = ""
    state_class: str = ""
    privacy: str = "technical"


class Shape(msgspec.Struct, frozen=True, eq=False):
    """The metrics of one kind of report, in the order of `Row.values`."""

    columns: tuple[Column, ...]


class Subject(msgspec.Struct, frozen=True, eq=False):
    """Source of a report: the device, and the place it stood for at that time."""

    device: str
    place: str = ""
    site: str = ""
    zone: str = ""
    model: str = ""
    integration: str = ""


class Row(NamedTuple):
    """One report. `time_ms` is Unix milliseconds (UTC) when `sure`, else monotonic milliseconds of this boot.

    `values` are in metric units, in the order of `shape.columns`. `quality` is a `hub.core.model.Quality`, `trust` a
    `hub.core.model.TrustClass`; both fit one byte. `rssi` is in dBm, −32767 … 32767.
    """

    subject: Subject
    shape: Shape
    time_ms: int
    sure: bool
    values: tuple[Value, ...]
    quality: int = 0
    trust: int = 3
    rssi: int | None = None
    position: Position | None = None
