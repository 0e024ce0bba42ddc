"""Files of published cells: CSV, Parquet and GeoJSON. Pure.

CSV is RFC 4180 in UTF-8; a cell is a line: `start` and `end` with the offset of the zone (in Parquet UTC), the area by
id and name, its position, the metric with its unit (UCUM), the value, the mark (`masked`: below the threshold or
protecting another cell; `withdrawn`), and the number of the release. The bytes of a month are the same however often
they are made by the same `maker`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import msgspec

from backend.api.parquet import Kind, parquet
from backend.city.publication.calendar import Calendar
from backend.storage.city.publication import Area, Cell

COLUMNS = (
    "start", "end", "area", "area_name", "latitude", "longitude", "metric", "unit", "value", "mark", "release"
)  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "time", "time", "text", "text", "number", "number", "text", "text", "number", "text", "count"
)  # fmt: skip
_VERSION = "1"
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "geojson": "application/geo+json",
}


@cache
def month_formats() -> tuple[str, ...]:
    """Return the formats of the files of a month: Parquet only where pyarrow is installed."""
    return ("csv", "parquet") if find_spec("pyarrow") else ("csv",)


@cache
def maker() -> str:
    """Return what changes when the bytes of a file would."""
    return f"{_VERSION}/{version('pyarrow')}" if "parquet" in month_formats() else _VERSION


def rows(
    cells: Iterable[Cell], areas: Sequence[Area], units: Mapping[str, str], calendar: Calendar
) -> Iterator[tuple[Any, ...]]:
    """Yield a line of COLUMNS for each cell; times are Unix s."""
    named = {area.id: area for area in areas}
    for cell in cells:
        area = named.get(cell.area)
        name, lat, lon = ("", None, None) if area is None else (area.name, area.lat, area.lon)
        start, end = int(cell.starts), int(calendar.end(cell.starts))
        yield (start, end, cell.area, name, lat, lon, cell.metric, units.get(cell.metric, ""), cell.value,
               cell.mark, cell.release)  # fmt: skip


def csv_bytes(lines: Iterable[tuple[Any, ...]], calendar: Calendar) -> bytes:
    """Return cells as CSV. Texts that a spreadsheet would compute are kept from that by an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for start, end, area, name, lat, lon, metric, unit, value, mark, release in lines:
        number = "" if value is None else f"{value:.10g}"
        writer.writerow(
            (
                calendar.text(start),
                calendar.text(end),
                _plain(area),
                _plain(name),
                lat,
                lon,
                metric,
                unit,
                number,
                mark,
                release,
            )
        )
    return text.getvalue().encode()


def parquet_bytes(lines: Iterable[tuple[Any, ...]]) -> bytes:
    """Return cells as one Parquet file."""
    columns = list(zip(*lines, strict=True)) or [()] * len(COLUMNS)
    of_ms = [
        [1000 * at for at in column] if kind == "time" else column for kind, column in zip(KINDS, columns, strict=True)
    ]
    return parquet(dict(zip(COLUMNS, zip(KINDS, of_ms, strict=True), strict=True)))


def geojson_bytes(cells: Sequence[Cell], areas: Sequence[Area], units: Mapping[str, str], calendar: Calendar) -> bytes:
    """Return the newest cells as GeoJSON: a feature for each area, with a value for each metric."""
    by_area: dict[str, list[Cell]] = {}
    for cell in cells:
        by_area.setdefault(cell.area, []).append(cell)
    features = [
        {
            "type": "Feature",
            "id": area.id,
            "geometry": geometry(area),
            "properties": {
                "area": area.id,
                "name": area.name,
                "values": [
                    {"metric": cell.metric, "unit": units.get(cell.metric, ""), "start": calendar.text(cell.starts),
                     "end": calendar.text(calendar.end(cell.starts)), "value": cell.value, "mark": cell.mark}
                    for cell in by_area.get(area.id, [])
                ],
            },
        }
        for area in areas
    ]  # fmt: skip
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def geometry(area: Area) -> Any:
    """Return the GeoJSON geometry of an area, None where nothing is known."""
    if area.shape:
        return msgspec.json.decode(area.shape)
    return None if area.lat is None or area.lon is None else {"type": "Point", "coordinates": [area.lon, area.lat]}


def _plain(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
