"""Rows of chunks: dated reports, and the values that are picked of one series. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hub.core.model import Position, Value
from hub.protocol.records.dictionary import scale_of
from hub.protocol.records.rows import Column, Shape, Subject

ORIGIN_BITS = 12
"""A block holds at most 4,096 readings, so a report's position in it needs 12 bits."""
MAX_TIME = 1 << 54
"""Times are below this, before and after 1970, in ms: a boot's monotonic time and its offset are below half of it."""
CARRIED = "report."
"""Before the name of what a report carries beside its values, as a metric: `report.rssi`, `report.latitude`."""
RSSI = Column("rssi", "dB[mW]", device_class="signal_strength", state_class="measurement")
POSITION = (
    Column("latitude", "deg", "0.0000001", privacy="personal"),
    Column("longitude", "deg", "0.0000001", privacy="personal"),
    Column("position_accuracy", "m", "0.01", privacy="personal"),
    Column("altitude", "m", "0.01", privacy="personal"),
)
"""Columns of the signal strength and the position that a report may carry beside its values."""


class ChunkRow(NamedTuple):
    """One report with its date. `time_ms` is Unix ms (UTC); `origin` is the record's id × 4096 + the report's position
    in the record. The other fields are those of `hub.protocol.records.rows.Row`, values as a block decodes them."""

    subject: Subject
    shape: Shape
    time_ms: int
    origin: int
    values: tuple[Value, ...]
    quality: int = 0
    trust: int = 3
    rssi: int | None = None
    position: Position | None = None


class Point(NamedTuple):
    """One reading. `item` is its value as stored: a number in whole steps of its column's resolution, a flag or a text
    as it is."""

    time_ms: int
    origin: int
    item: int | bool | str
    quality: int
    trust: int


class Picked(NamedTuple):
    """Readings of one column of one subject, by (time, origin)."""

    subject: Subject
    column: Column
    points: list[Point]

    def values(self) -> Sequence[Value]:
        """Return the values in the column's unit."""
        items = [point.item for point in self.points]
        return scale_of(self.column.resolution).values(items) if self.column.kind == "number" else items  # type: ignore[arg-type]


class Content(NamedTuple):
    """A subject and a shape that a chunk holds, with how many reports."""

    subject: Subject
    shape: Shape
    reports: int
