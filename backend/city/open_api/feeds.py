"""Feeds of others into the city's view: weather, tourism. Blocking; any thread.

A program with a token of use feeds sends readings of its points; each point becomes a thing of the register under the
hub `feed:<name>`, which no hub can be called, and is seen as every other thing is. Readings are kept for KEPT_S. A feed
that dates a reading ahead of this clock or long ago is refused whole, with each line that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from backend.city.feed_history import PREFIX
from backend.city.open_api.geometry import on_earth
from backend.city.open_api.reports import plain_text
from backend.city.open_api.times import parse_time
from backend.city.people import journal
from backend.storage.city import open_api as tables
from backend.storage.city import register
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.register import DeviceFacts, Locate, Newest, SeriesFacts
from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase

KINDS = {"weather": ("weather", "weather"), "tourism": ("traffic", "traffic")}
"""Kind and layer of what each feed tells."""
CLASS = "public"
AHEAD_S, OLDEST_S, KEPT_S = 300.0, 30 * 86_400.0, 400 * 86_400.0
MOST_LINES, MOST_POINTS, MOST_BYTES = 2000, 500, 512 << 10
MOST_TOLD = 20


PointId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
MetricKey = Annotated[str, Meta(min_length=1, max_length=64)]
Moment = Annotated[str, Meta(max_length=40)]


class Line(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A reading of a point."""

    point: PointId
    metric: MetricKey
    value: float
    time: Moment


class Point(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A point of a feed: a station, a counter."""

    id: PointId
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    lat: float
    lon: float


class Message(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Contents of a feed: points that are new or moved, and readings."""

    readings: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=MOST_LINES)]
    points: Annotated[tuple[Point, ...], Meta(max_length=MOST_POINTS)] = ()


class Taken(NamedTuple):
    """How many readings came, and how many of them were new."""

    readings: int
    new: int


class Source(NamedTuple):
    """Whose readings come: under which hub of the register, what class of things, and what kind and layer one is of,
    by its metrics and its name. `provider` and `service` are those of its things, "" for none."""

    hub: str
    privacy: str
    kind: Callable[[Collection[str], str], tuple[str, str]]
    provider: str = ""
    service: str = ""


def take(t: Transaction, who: str, feed: str, message: Message, now: float, locate: Locate) -> Taken:
    """Store what a feed sent. Raises DecodeError, which tells each wrong line; nothing is stored then."""
    source = Source(PREFIX + feed, CLASS, lambda metrics, name: KINDS[feed])
    told = {one.id: (plain_text(one.name, 100)[:100] or one.id, one.lat, one.lon) for one in message.points}
    times = _checked(message, {**points_of(t, source.hub), **told}, now)
    return put(t, who, source, message.readings, times, told, now, locate)


def points_of(t: Reader, hub: str) -> dict[str, tuple[str, float | None, float | None]]:
    """Return (name, latitude, longitude) of the points of a feed that are known."""
    return {name: (one[1], one[3], one[4]) for name, one in tables.feed_devices(t, hub).items()}


def put(
    t: Transaction,
    who: str,
    source: Source,
    lines: Sequence[Line],
    times: Sequence[int],
    told: Mapping[str, tuple[str, float, float]],
    now: float,
    locate: Locate,
) -> Taken:
    """Store readings that were checked, with their Unix ms; `told` are points that are new or moved. Raises
    DecodeError where there are too many points."""
    hub = source.hub
    known = points_of(t, hub)
    points = {**known, **told}
    wanted: dict[str, set[str]] = {name: set() for name in points}
    for device, metric in tables.feed_series(t, hub):
        wanted.setdefault(device, set()).add(metric)
    before = {name: frozenset(metrics) for name, metrics in wanted.items()}
    for line in lines:
        wanted[line.point].add(line.metric)
    fresh = set(wanted) != set(known) or any(wanted[name] != before[name] for name in wanted)
    if fresh or any(known.get(name) != one for name, one in told.items()):
        if len(points) > MOST_POINTS:
            raise DecodeError(
                "bad-feed", phrase("open-feed-points", "a feed has at most {count} points", count=MOST_POINTS)
            )
        _register(t, source, points, wanted, locate, now)
        journal.note(t, who, "feed-points", hub, {"points": len(points)}, now)
    numbers = tables.feed_series(t, hub)
    rows = [(numbers[line.point, line.metric][0], at, line.value) for line, at in zip(lines, times, strict=True)]
    new = tables.add_readings(t, rows)
    _put_newest(t, lines, times, numbers, now)
    return Taken(len(rows), new)


def _checked(message: Message, points: Mapping[str, object], now: float) -> list[int]:
    """Return the Unix ms of each reading. Raises DecodeError with the lines that are wrong."""
    wrong, times = list[str](), list[int]()
    for one in message.points:
        if not (math.isfinite(one.lat) and math.isfinite(one.lon) and on_earth(one.lon, one.lat)):
            wrong.append(f"points {one.id}: lat, lon")
    for number, line in enumerate(message.readings):
        at, said = checked(line, points, now)
        wrong += [f"readings[{number}]: {one}" for one in said]
        times.append(at)
    if wrong:
        raise DecodeError(
            "bad-feed",
            phrase(
                "open-feed-wrong",
                "{count} [line is|lines are] wrong, so nothing was taken: {lines}",
                count=len(wrong),
                lines=wrong[:MOST_TOLD],
            ),
        )
    return times


def checked(line: Line, points: Mapping[str, object], now: float) -> tuple[int, list[str]]:
    """Return the Unix ms of a reading, 0 where it says none, and each field of it that is wrong."""
    metric, at, wrong = METRICS.get(line.metric), 0, list[str]()
    try:
        at = parse_time(line.time) // 1000
    except DecodeError:
        wrong.append("time")
    if line.point not in points:
        wrong.append(f"point {line.point}")
    if metric is None or metric.kind != "number":
        wrong.append(f"metric {line.metric}")
    elif not math.isfinite(line.value) or not (
        (metric.low is None or line.value >= metric.low) and (metric.high is None or line.value <= metric.high)
    ):
        wrong.append(f"value {line.value:g}")
    if at and not now - OLDEST_S <= at / 1000 <= now + AHEAD_S:
        wrong.append(f"time {line.time}")
    return at, wrong


def _register(
    t: Transaction,
    source: Source,
    points: Mapping[str, tuple[str, float | None, float | None]],
    wanted: Mapping[str, set[str]],
    locate: Locate,
    now: float,
) -> None:
    hub = source.hub
    devices = []
    for name in sorted(points):
        kind, layer = source.kind(wanted[name], points[name][0])
        series = []
        for key in sorted(wanted[name]):
            metric = METRICS[key]
            series.append(
                SeriesFacts(
                    key, metric.unit, f"{hub}/{name}/{key}", metric.kind, metric.device_class, metric.state_class,
                    "environment",
                )
            )  # fmt: skip
        devices.append(DeviceFacts(name, "", "", name, kind, layer, source.privacy, 0, points[name][0], tuple(series)))
    register.put_devices(t, hub, devices, locate, now)
    for name, (number, _, _, lat, lon) in tables.feed_devices(t, hub).items():
        _, new_lat, new_lon = points[name]
        if new_lat is not None and new_lon is not None and (lat, lon) != (new_lat, new_lon):
            tables.place_feed(t, number, new_lat, new_lon)
        if source.provider:
            tables.own_feed(t, number, source.provider, source.service)
    register.place_things(t, locate, hub)


def _put_newest(
    t: Transaction,
    lines: Sequence[Line],
    times: Sequence[int],
    numbers: Mapping[tuple[str, str], tuple[int, int]],
    now: float,
) -> None:
    newest: dict[int, tuple[int, Newest]] = {}
    seen: dict[int, tuple[float, int]] = {}
    for line, at in zip(lines, times, strict=True):
        series, thing = numbers[line.point, line.metric]
        if series not in newest or newest[series][1].time_ms < at:
            value = msgspec.json.encode(line.value).decode()
            newest[series] = thing, Newest(at, value, line.value, 0, 0)
        last, count = seen.get(thing, (0.0, 0))
        seen[thing] = max(last, at / 1000), count + 1
    register.put_latest(t, newest)
    register.put_seen(t, seen, now)
