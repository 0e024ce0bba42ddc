"""Resource paths of SensorThings, and what they lead to. Blocking; any thread.

Things · Things(1) · Things(1)/Datastreams · Things(1)/Datastreams(5)/Thing · Things(1)/name · Things(1)/name/$value ·
Things(1)/Datastreams/$ref · Observations('5-1800000000000')
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from backend.city.open_api.answers import Source, Streams, source_of
from backend.city.open_api.model import MOST_ID, SETS, Catalogue, EntitySet
from backend.city.open_api.observations import Observations
from backend.queries.views import NotFound
from hub.core.errors import DecodeError
from hub.core.text import phrase

MOST_SEGMENTS = 12
_SEGMENT = re.compile(r"([A-Za-z]+)(?:\((?:(\d{1,18})|'([^']{1,100})')\))?")
_OBSERVATION = re.compile(r"(\d{1,10})-(-?\d{1,16})(?:-(\d{1,6}))?")


class Segment(NamedTuple):
    """A part of a path: an entity set, a link or a property, and the id in its parentheses."""

    name: str
    id: str = ""


class Found(NamedTuple):
    """The target of a path: a collection (`source`), an entity (`one`) or a property of it (`property`, its value).
    `form` is "", "$value" or "$ref"."""

    of: EntitySet
    source: Source | None = None
    one: Any = None
    property: str = ""
    value: Any = None
    kind: str = ""
    form: str = ""


def parse_path(path: str) -> list[Segment]:
    """Return the parts of a path. Raises DecodeError."""
    parts = path.strip("/").split("/")
    if len(parts) > MOST_SEGMENTS:
        raise DecodeError(
            "bad-query", phrase("open-path-deep", "a path has at most {count} parts", count=MOST_SEGMENTS)
        )
    found: list[Segment] = []
    for part in parts:
        if part in ("$value", "$ref") and part is parts[-1] and found:
            found.append(Segment(part))
            continue
        match = _SEGMENT.fullmatch(part)
        if match is None:
            raise DecodeError(
                "bad-query",
                phrase("open-path-wrong", "{part} is no part of a path: write Things, Things(1), name", part=part[:60]),
            )
        found.append(Segment(match[1], match[2] or match[3] or ""))
    return found


def root(segments: list[Segment]) -> EntitySet:
    """Return the set in which a path begins. Raises NotFound."""
    of = SETS.get(segments[0].name)
    if of is None:
        raise NotFound(
            phrase("open-set-unknown", "there is no {name}; there are {known}", name=segments[0].name, known=list(SETS))
        )
    return of


def target(segments: list[Segment]) -> EntitySet:
    """Return the set of what a path leads to, without reading anything. Raises NotFound."""
    here = root(segments)
    for segment in segments[1:]:
        link = here.links.get(segment.name)
        if link is None:
            return here
        here = SETS[link.to]
    return here


def observation_id(text: str) -> tuple[int, int, int]:
    """Return series, time and ordinal of the id of an observation. Raises NotFound."""
    found = _OBSERVATION.fullmatch(text)
    if found is None:
        raise nothing()
    return int(found[1]), int(found[2]), int(found[3] or 0)


def resolve(segments: list[Segment], catalogue: Catalogue, readings: Observations | None) -> Found:
    """Return what a path leads to. `readings` are needed where it names an observation. Raises NotFound."""
    of = root(segments)
    first, rest = segments[0], segments[1:]
    found: Found
    if of.name == "Observations":
        found = Found(of, Streams(list(catalogue.streams.values())))
        if first.id:
            found = Found(of, one=_observation(first.id, catalogue, readings))
    elif first.id:
        found = Found(of, one=catalogue.one(of.name, _number(first.id)))
        if found.one is None:
            raise nothing()
    else:
        found = Found(of, catalogue.all(of.name))
    for at, segment in enumerate(rest):
        found = _step(found, segment, catalogue, readings, last=at == len(rest) - 1)
    return found


def _step(found: Found, segment: Segment, catalogue: Catalogue, readings: Observations | None, *, last: bool) -> Found:
    if segment.name == "$ref" and not found.property and last:
        return found._replace(form="$ref")
    if found.property:
        if segment.name == "$value":
            return found._replace(form="$value")
        if isinstance(found.value, dict) and segment.name in found.value and not segment.id:
            return found._replace(property=segment.name, value=found.value[segment.name], kind="any")
        raise nothing()
    if found.one is None:
        raise nothing()
    of, one = found.of, found.one
    link = of.links.get(segment.name)
    if link is None:
        field = of.fields.get(segment.name)
        if field is None or segment.id:
            raise nothing()
        return Found(of, one=one, property=segment.name, value=field.value(one), kind=field.kind)
    to, source = SETS[link.to], source_of(one, segment.name, of)
    if not link.many:
        if segment.id or isinstance(source, Streams) or not source:
            raise nothing()
        return Found(to, one=source[0])
    if not segment.id:
        return Found(to, source)
    if isinstance(source, Streams):
        seen = _observation(segment.id, catalogue, readings)
        if seen.stream not in source.of:
            raise nothing()
        return Found(to, one=seen)
    number = _number(segment.id)
    named = [each for each in source if each.id == number]
    if not named:
        raise nothing()
    return Found(to, one=named[0])


def _observation(text: str, catalogue: Catalogue, readings: Observations | None) -> Any:
    series, time_ms, ordinal = observation_id(text)
    stream = catalogue.streams.get(series)
    if stream is None or readings is None:
        raise nothing()
    found = readings.one(stream, time_ms, ordinal)
    if found is None:
        raise nothing()
    return found


def _number(text: str) -> int:
    if not text.isdigit() or int(text) > MOST_ID:
        raise nothing()
    return int(text)


def nothing() -> NotFound:
    return NotFound(phrase("open-nothing", "there is nothing at this address, or it is not yours to see"))
