"""The eight entity sets of SensorThings over the register. Pure.

    Thing · Sensor · Location · HistoricalLocation · FeatureOfInterest   a thing of the register; they share its id
    Datastream          a series of a thing, under the series' id
    ObservedProperty    a metric, under the number that it keeps
    Observation         a reading; its id is "<datastream>-<Unix ms>", with "-1", "-2" … for further ones of the same
                        millisecond: it stays when readings are archived and imported again

A thing without a position has no Location and no HistoricalLocation; the feature that it observes has no geometry. The
HistoricalLocation tells when the thing was last heard of at this position: former ones are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backend.city.open_api.times import time_text
from backend.storage.city import register
from backend.storage.city.open_api import SeriesRow
from hub.core.metric_catalogue import METRICS

GEOJSON = "application/geo+json"
_OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_"
_TYPES = {"number": f"{_OM}Measurement", "flag": f"{_OM}TruthObservation"}
_QUALITIES = {0: "good", 1: "uncertain", 2: "bad", 3: "undated"}
MOST_ID = (1 << 31) - 1


class Thing:
    """A thing with its series."""

    __slots__ = ("row", "site", "streams")

    def __init__(self, row: register.Thing, site: str) -> None:
        self.row, self.site = row, site
        self.streams: list[Stream] = []

    @property
    def id(self) -> int:
        return self.row.id

    @property
    def placed(self) -> bool:
        return self.row.lat is not None and self.row.lon is not None

    @property
    def point(self) -> tuple[float, float] | None:
        """Longitude and latitude."""
        return (self.row.lon, self.row.lat) if self.row.lat is not None and self.row.lon is not None else None

    @property
    def seen_ms(self) -> int | None:
        return None if self.row.seen_at is None else int(self.row.seen_at * 1000)


class Property:
    """A metric, and the series that have it."""

    __slots__ = ("id", "metric", "streams")

    def __init__(self, number: int, metric: str) -> None:
        self.id, self.metric = number, metric
        self.streams: list[Stream] = []


class Stream:
    """A series of a thing."""

    __slots__ = ("property", "row", "thing")

    def __init__(self, row: SeriesRow, thing: Thing, of: Property) -> None:
        self.row, self.thing, self.property = row, thing, of

    @property
    def id(self) -> int:
        return self.row.id


class Observation(NamedTuple):
    """A reading of a series; `ordinal` counts those of one millisecond."""

    stream: Stream
    time_ms: int
    ordinal: int
    value: Any
    quality: int
    trust: int

    @property
    def id(self) -> str:
        return f"{self.stream.id}-{self.time_ms}" + (f"-{self.ordinal}" if self.ordinal else "")


class Field(NamedTuple):
    """A property of an entity: its kind (text, number, time, geometry, object, any), and its value; a time is Unix ms
    until it is written, a geometry a point until then."""

    kind: str
    value: Callable[[Any], Any]


class Link(NamedTuple):
    """A way to other entities. `of` is None where they are observations, which are read elsewhere."""

    to: str
    many: bool
    of: Callable[[Any], Sequence[Any]] | None


@dataclass(frozen=True)
class EntitySet:
    """An entity set: `name` in addresses, `single` of one entity."""

    name: str
    single: str
    fields: dict[str, Field]
    links: dict[str, Link] = field(default_factory=dict)


def _id(one: Any) -> Any:
    return one.id


def _itself(one: Any) -> Sequence[Any]:
    return (one,)


def _if_placed(one: Thing) -> Sequence[Any]:
    return (one,) if one.placed else ()


def _if_placed_and_seen(one: Thing) -> Sequence[Any]:
    return (one,) if one.placed and one.seen_ms is not None else ()


def _thing_properties(one: Thing) -> dict[str, Any]:
    row = one.row
    return {
        "hub": row.hub, "device": row.device, "kind": row.kind, "layer": row.layer, "site": row.site,
        "siteName": one.site, "zone": row.zone, "place": row.place, "service": row.service, "provider": row.provider,
        "privacy": row.privacy, "mobile": bool(row.mobile), "status": row.status, "lastSeen": time_text(one.seen_ms),
    }  # fmt: skip


def _thing_about(one: Thing) -> str:
    return ", ".join(part for part in (one.row.kind, one.row.place, one.row.zone, one.site or one.row.site) if part)


def _unit(one: Stream) -> dict[str, Any]:
    unit = one.row.unit
    if not unit or one.row.kind != "number":
        return {"name": None, "symbol": None, "definition": None}
    return {"name": unit, "symbol": unit, "definition": f"https://ucum.org/ucum#{unit}"}


def _title(metric: str) -> str:
    known = METRICS.get(metric)
    return known.en if known is not None and known.en else metric


def point(at: tuple[float, float] | None) -> dict[str, Any] | None:
    return None if at is None else {"type": "Point", "coordinates": list(at)}


def feature(at: tuple[float, float] | None) -> dict[str, Any]:
    return {"type": "Feature", "geometry": None, "properties": {}} if at is None else point(at) or {}


def _where(one: Thing) -> str:
    return one.row.place or one.site or one.row.site or one.row.name


def _result(one: Observation) -> Any:
    value = one.value
    return bool(value) if one.stream.row.kind == "flag" and value in (0, 1) else value


def _parameters(one: Observation) -> dict[str, Any]:
    return {"quality": _QUALITIES.get(one.quality, "unknown"), "trust": one.trust}


def _all(sets: Iterable[EntitySet]) -> dict[str, EntitySet]:
    return {one.name: one for one in sets}


SETS: dict[str, EntitySet] = _all(
    (
        EntitySet(
            "Things", "Thing",
            {
                "id": Field("number", _id), "name": Field("text", lambda one: one.row.name),
                "description": Field("text", _thing_about), "properties": Field("object", _thing_properties),
            },
            {
                "Locations": Link("Locations", True, _if_placed),
                "HistoricalLocations": Link("HistoricalLocations", True, _if_placed_and_seen),
                "Datastreams": Link("Datastreams", True, lambda one: one.streams),
            },
        ),
        EntitySet(
            "Locations", "Location",
            {
                "id": Field("number", _id), "name": Field("text", _where), "description": Field("text", _thing_about),
                "encodingType": Field("text", lambda one: GEOJSON),
                "location": Field("geometry", lambda one: one.point),
                "properties": Field("object", lambda one: {"site": one.row.site, "mobile": bool(one.row.mobile)}),
            },
            {
                "Things": Link("Things", True, _itself),
                "HistoricalLocations": Link("HistoricalLocations", True, _if_placed_and_seen),
            },
        ),
        EntitySet(
            "HistoricalLocations", "HistoricalLocation",
            {"id": Field("number", _id), "time": Field("time", lambda one: one.seen_ms)},
            {"Thing": Link("Things", False, _itself), "Locations": Link("Locations", True, _itself)},
        ),
        EntitySet(
            "Datastreams", "Datastream",
            {
                "id": Field("number", _id),
                "name": Field("text", lambda one: f"{one.thing.row.name}: {_title(one.row.metric)}"),
                "description": Field("text", lambda one: f"{_title(one.row.metric)}, {_thing_about(one.thing)}"),
                "observationType": Field("text", lambda one: _TYPES.get(one.row.kind, f"{_OM}Observation")),
                "unitOfMeasurement": Field("object", _unit),
                "observedArea": Field("geometry", lambda one: one.thing.point),
                "properties": Field(
                    "object",
                    lambda one: {
                        "series": one.row.series, "metric": one.row.metric, "kind": one.row.kind,
                        "deviceClass": one.row.device_class, "stateClass": one.row.state_class,
                        "privacy": one.row.privacy,
                    },
                ),
            },
            {
                "Thing": Link("Things", False, lambda one: (one.thing,)),
                "Sensor": Link("Sensors", False, lambda one: (one.thing,)),
                "ObservedProperty": Link("ObservedProperties", False, lambda one: (one.property,)),
                "Observations": Link("Observations", True, None),
            },
        ),
        EntitySet(
            "Sensors", "Sensor",
            {
                "id": Field("number", _id), "name": Field("text", lambda one: one.row.device),
                "description": Field("text", lambda one: one.row.kind),
                "encodingType": Field("text", lambda one: "text/plain"),
                "metadata": Field("text", lambda one: f"{one.row.hub}/{one.row.device}"),
                "properties": Field("object", lambda one: {"hub": one.row.hub, "device": one.row.device}),
            },
            {"Datastreams": Link("Datastreams", True, lambda one: one.streams)},
        ),
        EntitySet(
            "ObservedProperties", "ObservedProperty",
            {
                "id": Field("number", _id), "name": Field("text", lambda one: one.metric),
                "definition": Field("text", lambda one: f"urn:ilot:metric:{one.metric}"),
                "description": Field("text", lambda one: _title(one.metric)),
                "properties": Field("object", lambda one: {}),
            },
            {"Datastreams": Link("Datastreams", True, lambda one: one.streams)},
        ),
        EntitySet(
            "Observations", "Observation",
            {
                "id": Field("text", _id), "phenomenonTime": Field("time", lambda one: one.time_ms),
                "resultTime": Field("time", lambda one: one.time_ms), "result": Field("any", _result),
                "parameters": Field("object", _parameters),
            },
            {
                "Datastream": Link("Datastreams", False, lambda one: (one.stream,)),
                "FeatureOfInterest": Link("FeaturesOfInterest", False, lambda one: (one.stream.thing,)),
            },
        ),
        EntitySet(
            "FeaturesOfInterest", "FeatureOfInterest",
            {
                "id": Field("number", _id), "name": Field("text", _where), "description": Field("text", _thing_about),
                "encodingType": Field("text", lambda one: GEOJSON), "feature": Field("geometry", lambda one: one.point),
                "properties": Field("object", lambda one: {"site": one.row.site}),
            },
            {"Observations": Link("Observations", True, None)},
        ),
    )
)  # fmt: skip


class Catalogue:
    """The things of a scope with all that hangs on them, as they were at one moment."""

    def __init__(self, things: Iterable[register.Thing], series: Iterable[SeriesRow], sites: dict[str, str]) -> None:
        self.things = {row.id: Thing(row, sites.get(row.site, "")) for row in things}
        self.streams: dict[int, Stream] = {}
        self.properties: dict[int, Property] = {}
        for row in series:
            thing = self.things.get(row.thing)
            if thing is None or row.property is None:
                continue
            of = self.properties.setdefault(row.property, Property(row.property, row.metric))
            stream = self.streams[row.id] = Stream(row, thing, of)
            thing.streams.append(stream)
            of.streams.append(stream)

    def all(self, name: str) -> Sequence[Any]:
        """Return the entities of a set other than observations."""
        if name == "Datastreams":
            return list(self.streams.values())
        if name == "ObservedProperties":
            return list(self.properties.values())
        things = self.things.values()
        if name in ("Locations", "HistoricalLocations"):
            holds = _if_placed if name == "Locations" else _if_placed_and_seen
            return [one for one in things if holds(one)]
        return list(things)

    def one(self, name: str, number: int) -> Any | None:
        """Return an entity of a set other than observations; None where there is none."""
        if name == "Datastreams":
            return self.streams.get(number)
        if name == "ObservedProperties":
            return self.properties.get(number)
        found = self.things.get(number)
        if found is not None and name in ("Locations", "HistoricalLocations"):
            holds = _if_placed if name == "Locations" else _if_placed_and_seen
            return found if holds(found) else None
        return found
