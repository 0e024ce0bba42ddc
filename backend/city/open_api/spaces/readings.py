"""Readings that a provider drops into its space: CSV or lines of JSON, checked line by line, and taken whole or not at
all.

    point,time,metric,value,name,lat,lon
    bac-12,2027-01-15T07:00:00Z,fill_level,83,Bac place Verte,48.854,2.370
    bac-12,2027-01-15T08:00:00Z,fill_level,84,,,

    {"point": "bac-12", "time": "2027-01-15T07:00:00Z", "metric": "fill_level", "value": 83, "lat": 48.8, "lon": 2.3}

`point`, `time`, `metric` and `value` stand on each line; `lat` and `lon` on the first line of a point that is new, or
that moved; `name` where it has one. Each point becomes a thing of the register, of the space's provider and service,
and internal. What tells of persons is not taken. Pure but for `take`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from backend.city.open_api import feeds
from backend.city.open_api.feeds import MOST_BYTES, MOST_LINES, Line, Source, Taken
from backend.city.open_api.geometry import on_earth
from backend.city.open_api.reports import plain_text
from backend.city.open_api.spaces.desk import DAY, SpaceRefused, admit, gone, hub_of
from backend.city.people import journal
from backend.city.people.viewer import Viewer
from backend.city.register import kinds
from backend.storage.city import spaces as tables
from backend.storage.city.database import Transaction
from backend.storage.city.register import Locate
from backend.storage.city.spaces import Space
from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.core.nesting import shallow_json
from hub.core.text import phrase

CSV, JSON_LINES = "text/csv", "application/x-ndjson"
MUST, MAY = ("point", "time", "metric", "value"), ("name", "lat", "lon")
MOST_TOLD = 50
__all__ = ["CSV", "JSON_LINES", "MOST_BYTES", "Given", "parse", "take"]


class Given(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A line, as it stands in a file."""

    point: feeds.PointId
    time: feeds.Moment
    metric: feeds.MetricKey
    value: float
    name: str = ""
    lat: float | None = None
    lon: float | None = None


class Wrong(NamedTuple):
    """Why a line, counted from 1, is not taken."""

    line: int
    said: str


def source_of(space: Space) -> Source:
    def kind(metrics: Any, name: str) -> tuple[str, str]:
        classes = {METRICS[one].device_class for one in metrics if one in METRICS}
        return kinds.guess(metrics, classes, (name,))

    return Source(hub_of(space.name), tables.CLASS, kind, space.provider, space.service)


def parse(body: bytes, form: str) -> tuple[list[tuple[int, Given]], list[Wrong]]:
    """Return the lines of a body with their numbers, and what is wrong with those that cannot be read. Raises
    SpaceRefused for a body that is no such file."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpaceRefused(400, phrase("spaces-not-utf8", "this is no UTF-8")) from None
    lines, wrong = list[tuple[int, Given]](), list[Wrong]()
    for number, raw in (_csv if form == CSV else _json)(text, wrong):
        if len(lines) + len(wrong) >= MOST_LINES:
            raise SpaceRefused(
                413, phrase("spaces-lines", "at most {count} lines are taken at a time", count=MOST_LINES)
            )
        try:
            lines.append((number, raw()))
        except (msgspec.MsgspecError, DecodeError, ValueError) as error:
            wrong.append(Wrong(number, str(error)[:200]))
    if not lines and not wrong:
        raise SpaceRefused(400, phrase("spaces-empty", "there is no reading in this"))
    return lines, wrong


def _json(text: str, wrong: list[Wrong]) -> Iterator[tuple[int, Callable[[], Given]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, lambda line=line: msgspec.json.decode(shallow_json(line.encode()), type=Given)  # type: ignore[misc]


def _csv(text: str, wrong: list[Wrong]) -> Iterator[tuple[int, Callable[[], Given]]]:
    rows = csv.reader(text.splitlines(), strict=True)
    try:
        head = [one.strip() for one in next(rows, [])]
        if len(set(head)) != len(head) or not set(MUST) <= set(head) <= {*MUST, *MAY}:
            raise SpaceRefused(
                400,
                phrase("spaces-columns", "the first line must be {columns}", columns=",".join((*MUST, *MAY))),
                lines=[{"line": 1, "said": ",".join(head)[:200]}],
            )
        for row in rows:
            if row:
                yield rows.line_num, lambda row=row: _of_row(head, row)  # type: ignore[misc]
    except csv.Error as error:
        wrong.append(Wrong(rows.line_num, str(error)))


def _of_row(head: list[str], row: list[str]) -> Given:
    if len(row) != len(head):
        raise ValueError(f"{len(row)} fields, not {len(head)}")
    found = {name: one.strip() for name, one in zip(head, row, strict=True)}
    return msgspec.convert({name: one for name, one in found.items() if one or name in MUST}, Given, strict=False)


def take(t: Transaction, viewer: Viewer, name: str, body: bytes, form: str, now: float, locate: Locate) -> Taken:
    """Store the readings of a body. Raises SpaceRefused, which tells each wrong line; nothing is stored then."""
    space = tables.space(t, viewer.scope, name)
    if space is None:
        raise gone()
    if not space.readings:
        raise SpaceRefused(403, phrase("spaces-no-readings", "this space takes files and no readings"))
    day = int(now // DAY)
    admit(space, tables.used(t, name, day), len(body), now)
    lines, wrong = parse(body, form)
    source = source_of(space)
    known = feeds.points_of(t, source.hub)
    told = _told(lines, known, wrong)
    points, times = {**known, **told}, list[int]()
    for number, one in lines:
        line = Line(one.point, one.metric, one.value, one.time)
        at, said = feeds.checked(line, points, now)
        metric = METRICS.get(one.metric)
        if metric is not None and metric.kind == "number" and metric.privacy == "personal":
            said.append(f"metric {one.metric}: tells of persons")
        wrong += [Wrong(number, each) for each in said]
        times.append(at)
    if wrong:
        raise refused(wrong)
    readings = [Line(one.point, one.metric, one.value, one.time) for _, one in lines]
    try:
        taken = feeds.put(t, viewer.id, source, readings, times, told, now, locate)
    except DecodeError as error:
        raise SpaceRefused(400, error.detail) from error
    tables.came(t, name, day, len(body))
    facts = {"readings": taken.readings, "new": taken.new}
    journal.note(t, viewer.id, "spaces.readings", name, facts, now)
    return taken


def _told(
    lines: list[tuple[int, Given]], known: Mapping[str, tuple[str, float | None, float | None]], wrong: list[Wrong]
) -> dict[str, tuple[str, float, float]]:
    """Return the points that lines place, by their last such line; a name alone changes none."""
    told: dict[str, tuple[str, float, float]] = {}
    for number, one in lines:
        if one.lat is None and one.lon is None:
            continue
        if one.lat is None or one.lon is None or not _on_earth(one.lon, one.lat):
            wrong.append(Wrong(number, "lat, lon"))
        else:
            former = told.get(one.point) or known.get(one.point)
            named = plain_text(one.name, 100)[:100] or (former[0] if former else one.point)
            told[one.point] = named, one.lat, one.lon
    return told


def _on_earth(lon: float, lat: float) -> bool:
    return math.isfinite(lon) and math.isfinite(lat) and on_earth(lon, lat)


def too_many_bytes() -> SpaceRefused:
    return SpaceRefused(
        413, phrase("spaces-readings-bytes", "readings have at most {count} bytes", count=MOST_BYTES), most=MOST_BYTES
    )


def refused(wrong: list[Wrong]) -> SpaceRefused:
    wrong = sorted(wrong)
    return SpaceRefused(
        400,
        phrase(
            "spaces-lines-wrong",
            "{count} [line is|lines are] wrong, so nothing was taken",
            count=len({one.line for one in wrong}),
        ),
        lines=[one._asdict() for one in wrong[:MOST_TOLD]],
    )
