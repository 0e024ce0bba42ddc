"""Things, series and readings as files: GeoJSON, CSV, Parquet, and NGSI-LD. Blocking; any thread.

    /open/things    GeoJSON, CSV, Parquet    things, with their newest values in GeoJSON
    /open/series    JSON, CSV, Parquet       series with their newest values
    /open/readings  JSON, JSON lines, CSV, Parquet, as /v1/history
    /open/ngsi-ld   JSON-LD

Every list is paged by the id of its last line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from backend.api.answers import RawHistory, RawRow
from backend.api.operations import CSV, JSON, JSON_LINES, PARQUET
from backend.api.parquet import Kind, parquet
from backend.api.rows import rendered
from backend.city.city import City
from backend.city.open_api import ngsi_ld
from backend.city.open_api.catalogues import Catalogues
from backend.city.open_api.model import GEOJSON, Catalogue, Observation, Stream, Thing, point
from backend.city.open_api.observations import Budget, Observations, Place, Selection
from backend.city.open_api.times import time_text
from backend.city.people.viewer import Scope
from backend.queries.cursors import decode_cursor, encode_cursor
from backend.queries.views import NotFound
from backend.storage.city import open_api as tables
from backend.storage.city.open_api import LatestRow
from hub.core.text import phrase

JSON_LD = "application/ld+json"
THING_FORMATS = (GEOJSON, CSV, PARQUET)
SERIES_FORMATS = (JSON, CSV, PARQUET)
READING_FORMATS = (JSON, JSON_LINES, CSV, PARQUET)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_THING_COLUMNS: dict[str, Kind] = {
    "id": "count", "name": "text", "kind": "text", "layer": "text", "hub": "text", "device": "text", "site": "text",
    "site_name": "text", "zone": "text", "place": "text", "service": "text", "provider": "text", "privacy": "text",
    "status": "text", "longitude": "number", "latitude": "number", "seen": "time",
}  # fmt: skip
_SERIES_COLUMNS: dict[str, Kind] = {
    "id": "count", "thing": "count", "thing_name": "text", "metric": "text", "unit": "text", "kind": "text",
    "series": "text", "privacy": "text", "time": "time", "value": "number", "value_text": "text", "quality": "count",
}  # fmt: skip


class Chosen(NamedTuple):
    """Which things are wanted; "" stands for any. `after` is the id of the last line of the page before."""

    kind: str = ""
    layer: str = ""
    site: str = ""
    service: str = ""
    after: int = 0
    limit: int = 1000

    def fits(self, one: Thing) -> bool:
        wanted = ((self.kind, one.row.kind), (self.layer, one.row.layer), (self.site, one.row.site),
                  (self.service, one.row.service))  # fmt: skip
        return all(not asked or asked == of for asked, of in wanted)


class File(NamedTuple):
    """An answer: its bytes, and where the next page begins."""

    body: bytes
    next: str | None


class Exports:
    """Exports of one city."""

    def __init__(self, city: City, catalogues: Catalogues) -> None:
        self._city, self._catalogues = city, catalogues

    def things(self, scope: Scope, chosen: Chosen, form: str) -> File:
        page, following = _paged((one for one in self._whole(scope).things.values() if chosen.fits(one)), chosen)
        if form != GEOJSON:
            return File(_table(_THING_COLUMNS, [_thing_row(one) for one in page], form), following)
        latest = self._catalogues.latest(scope)
        features = [_feature(one, latest) for one in page]
        return File(msgspec.json.encode({"type": "FeatureCollection", "features": features}), following)

    def series(self, scope: Scope, chosen: Chosen, form: str) -> File:
        found = (one for one in self._whole(scope).streams.values() if chosen.fits(one.thing))
        page, following = _paged(found, chosen)
        latest = self._catalogues.latest(scope)
        rows = [_series_row(one, latest.get(one.id)) for one in page]
        if form == JSON:
            told = [dict(zip(_SERIES_COLUMNS, row, strict=True)) for row in rows]
            for one in told:
                text = one.pop("value_text")
                one["value"] = one["value"] if text is None else text
                one["time"] = time_text(one["time"])
            return File(msgspec.json.encode({"series": told, "next": following}), following)
        return File(_table(_SERIES_COLUMNS, rows, form), following)

    def readings(
        self, scope: Scope, series: Sequence[int], start: int, end: int, limit: int, after: str, form: str
    ) -> File:
        """Return readings of series in a range of time (Unix ms). Raises NotFound, TooMuch."""
        whole = self._whole(scope)
        streams = [whole.streams[number] for number in series if number in whole.streams]
        if len(streams) != len(series):
            raise NotFound(phrase("open-series-unknown", "there is no such series, or it is not yours to see"))
        streams.sort(key=lambda one: one.id)
        question = [sorted(series), start, end]
        place = decode_cursor(after, question, Place) if after else None
        asked = Selection(streams, None)
        asked.start, asked.end = start, end
        budget = Budget()
        with self._city.queries.snapshot() as now:
            found = list(
                islice(Observations(now, budget, self._city.store.database.snapshot).by_series(asked, place), limit + 1)
            )
        following = encode_cursor(_place(found[limit - 1]), question) if len(found) > limit else None
        rows = [_raw(one) for one in found[:limit]]
        return File(rendered(RawHistory("raw", "UTC", [], rows, following), form), following)

    def ngsi_ld(self, scope: Scope, chosen: Chosen, model: str) -> File:
        """Return entities of a model of ngsi_ld.TYPES; "" stands for all."""
        if model == "Building":
            return self._buildings(scope)
        kinds = {kind for kind, of in ngsi_ld.MODEL_OF.items() if of == model}
        found = (
            one for one in self._whole(scope).things.values()
            if chosen.fits(one) and (model in ("", "Device") or one.row.kind in kinds)
        )  # fmt: skip
        page, following = _paged(found, chosen)
        latest = self._catalogues.latest(scope)
        told = [
            made
            for one in page
            for made in ngsi_ld.entities(_to_tell(one, latest))
            if not model or made["type"] == model
        ]
        return File(_in_context(told), following)

    def _buildings(self, scope: Scope) -> File:
        with self._city.store.database.snapshot() as reader:
            found = tables.sites(reader, scope)
        told = [
            ngsi_ld.building(
                one.id, one.name, one.address, one.kind,
                None if one.lat is None or one.lon is None else (one.lon, one.lat),
            )
            for one in found
        ]  # fmt: skip
        return File(_in_context(told), None)

    def _whole(self, scope: Scope) -> Catalogue:
        return self._catalogues.whole(scope)


def _in_context(told: list[dict[str, Any]]) -> bytes:
    """Return entities, each with the context of its model."""
    return msgspec.json.encode([{**one, "@context": ngsi_ld.context([one["type"]])} for one in told])


def _paged(found: Iterable[Any], chosen: Chosen) -> tuple[list[Any], str | None]:
    page = list(islice((one for one in found if one.id > chosen.after), chosen.limit + 1))
    more = len(page) > chosen.limit
    page = page[: chosen.limit]
    return page, str(page[-1].id) if more else None


def _place(one: Observation) -> Place:
    return Place(one.stream.id, one.time_ms, one.ordinal)


def _thing_row(one: Thing) -> tuple[Any, ...]:
    row = one.row
    lon, lat = one.point or (None, None)
    return (
        row.id, row.name, row.kind, row.layer, row.hub, row.device, row.site, one.site, row.zone, row.place,
        row.service, row.provider, row.privacy, row.status, lon, lat, one.seen_ms,
    )  # fmt: skip


def _series_row(one: Stream, newest: LatestRow | None) -> tuple[Any, ...]:
    row = one.row
    value = None if newest is None else msgspec.json.decode(newest.value)
    text = value if isinstance(value, str) else None
    number = None if text is not None or value is None else float(value)
    return (
        row.id, row.thing, one.thing.row.name, row.metric, row.unit, row.kind, row.series, row.privacy,
        None if newest is None else newest.time_ms, number, text, None if newest is None else newest.quality,
    )  # fmt: skip


def _feature(one: Thing, latest: Mapping[int, LatestRow]) -> dict[str, Any]:
    about = dict(zip(_THING_COLUMNS, _thing_row(one), strict=True))
    for name in ("id", "longitude", "latitude"):
        del about[name]
    about["seen"] = time_text(about["seen"])
    values: dict[str, Any] = {}
    for stream in one.streams:
        newest = latest.get(stream.id)
        if newest is not None:
            values[stream.row.metric] = {
                "value": msgspec.json.decode(newest.value), "unit": stream.row.unit, "time": time_text(newest.time_ms),
            }  # fmt: skip
    return {"type": "Feature", "id": one.id, "geometry": point(one.point), "properties": about | {"values": values}}


def _raw(one: Observation) -> RawRow:
    value = bool(one.value) if one.stream.row.kind == "flag" and one.value in (0, 1) else one.value
    return RawRow(one.stream.row.series, one.time_ms, value, one.quality, one.trust, one.stream.thing.row.device)


def _to_tell(one: Thing, latest: Mapping[int, LatestRow]) -> ngsi_ld.ThingToTell:
    newest = {
        stream.row.metric: ngsi_ld.Newest(msgspec.json.decode(told.value), stream.row.unit, told.time_ms)
        for stream in one.streams
        if (told := latest.get(stream.id)) is not None
    }
    row = one.row
    return ngsi_ld.ThingToTell(
        row.id, row.hub, row.device, row.kind, row.name, row.site, row.status, row.provider, one.point, one.seen_ms,
        newest,
    )  # fmt: skip


def _table(columns: Mapping[str, Kind], rows: Sequence[tuple[Any, ...]], form: str) -> bytes:
    if form == PARQUET:
        cells = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        return parquet({name: (kind, list(cells[at])) for at, (name, kind) in enumerate(columns.items())})
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value, kind) for value, kind in zip(row, columns.values(), strict=True)])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any, kind: Kind) -> Any:
    if kind == "time":
        return time_text(value) or ""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA) else value
