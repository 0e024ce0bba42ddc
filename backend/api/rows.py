"""Rows of ranges in the formats of the API: JSON, JSON lines, CSV, Parquet. Blocking; any thread.

In CSV and Parquet times are dates, in JSON Unix ms. A text of a sensor that a spreadsheet would take for a formula gets
an apostrophe before it in CSV. Parquet has a type for each column: numbers and flags (0, 1) stand in `value`, texts in
`value_text`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from backend.api.answers import (
    History,
    IntervalHistory,
    IntervalRow,
    Latest,
    RawHistory,
    RawRow,
    SeriesInfo,
    Value,
)
from backend.api.operations import CSV, JSON, JSON_LINES
from backend.api.parquet import Kind, parquet
from backend.queries.range_queries import Page, RangeQuery
from backend.queries.range_rollups import Told
from backend.queries.series_history import StoredReading
from backend.readings.chunks.rollups import SLOTS, Edge
from backend.storage.queries import SeriesLine

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_TIMES = frozenset({"time", "begin", "end", "first_time", "last_time"})
_VALUES = frozenset({"value", "first", "last"})
_COUNTS = frozenset({"quality", "trust", "count", "uncertain", "bad", "resets"})
_NUMBERS = frozenset({"mean", "min", "max", "sum", "increase", "completeness"})


def history(query: RangeQuery, page: Page, zone: str, period_ms: int, following: str | None) -> History:
    """Return a page as the API tells it."""
    rows: list[Any] = []
    for number, told in page.rows:
        name, kind = query.series[number], page.series[number].kind
        rows.append(_interval(name, told, kind, period_ms) if isinstance(told, Told) else _raw(name, told, kind))
    told_of = [series_info(page.series[number]) for number in sorted({number for number, _ in page.rows})]
    if query.intervals is None:
        return RawHistory("raw", zone, told_of, rows, following)
    return IntervalHistory(query.intervals.step, zone, told_of, rows, following)


def series_info(line: SeriesLine) -> SeriesInfo:
    return SeriesInfo(f"{line.hub}/{line.place}/{line.metric}", *line)


def latest(name: str, line: SeriesLine, one: StoredReading | None) -> Latest:
    """Return the newest reading of a series as the API tells it."""
    if one is None:
        return Latest(name, None, None, None, None)
    return Latest(name, one.time_ms, value_of(one.value, line.kind), one.quality, one.trust)


def rendered(told: History, form: str) -> bytes:
    """Return the rows in a media type of FORMATS. Raises DecodeError where Parquet needs what is not
    installed."""
    if form == JSON:
        return msgspec.json.encode(told)
    if form == JSON_LINES:
        return msgspec.json.Encoder().encode_lines(told.rows)
    row = RawRow if isinstance(told, RawHistory) else IntervalRow
    if form == CSV:
        return _csv(told.rows, row.__struct_fields__)
    return parquet(_columns(told.rows, row.__struct_fields__))


def value_of(value: Value, kind: str) -> Value:
    """Return a value as its series has it: one of a flag is true or false."""
    return bool(value) if kind == "flag" and value in (0, 1) else value


def _raw(name: str, one: StoredReading, kind: str) -> RawRow:
    return RawRow(name, one.time_ms, value_of(one.value, kind), one.quality, one.trust, one.subject.device)


def _interval(name: str, told: Told, kind: str, period_ms: int) -> IntervalRow:
    rollup = told.rollup

    def number(item: int | None) -> Any:
        return None if item is None else rollup.value(item)

    def edge(one: Edge | None) -> tuple[Value | None, int | None]:
        if one is None:
            return None, None
        return one.item if isinstance(one.item, str) else value_of(rollup.value(one.item), kind), one.time_ms

    return IntervalRow(
        name, rollup.begin_ms, rollup.begin_ms + rollup.width_ms, rollup.count, rollup.uncertain, rollup.bad,
        rollup.mean, number(rollup.low), number(rollup.high), number(rollup.total),
        *edge(rollup.first), *edge(rollup.last),
        told.increase, told.resets, round(rollup.completeness(period_ms or rollup.width_ms // SLOTS), 4),
    )  # fmt: skip


def _csv(rows: Iterable[Any], names: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    cells: list[Callable[[Any], Any]] = [_date if name in _TIMES else _cell for name in names]
    for row in rows:
        writer.writerow([cell(getattr(row, name)) for cell, name in zip(cells, names, strict=True)])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value


def _date(time_ms: int | None) -> str:
    if time_ms is None:
        return ""
    try:
        at = datetime.fromtimestamp(time_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(time_ms)  # a date that no calendar has
    return f"{at:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def _columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, tuple[Kind, list[Any]]]:
    """Return the columns of rows with their kinds; texts of sensors stand in columns of their own."""
    found: dict[str, tuple[Kind, list[Any]]] = {}
    for name in names:
        cells = [getattr(row, name) for row in rows]
        if name in _VALUES:
            found[name] = "number", [None if cell is None or isinstance(cell, str) else float(cell) for cell in cells]
            found[f"{name}_text"] = "text", [cell if isinstance(cell, str) else None for cell in cells]
        elif name in _NUMBERS:
            found[name] = "number", [None if cell is None else float(cell) for cell in cells]
        else:
            found[name] = "time" if name in _TIMES else "count" if name in _COUNTS else "text", cells
    return found
