"""Questions that a machine makes up, against a naive oracle: nested dictionaries, comprehensions, `sorted`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from functools import cmp_to_key
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.city.city import City
from backend.city.open_api.sensorthings import PATH, SensorThings

from .open_kit import EVERYTHING, NOW, Device, a_town

BASE = f"https://city.example{PATH}"
Entity = dict[str, Any]


class Way(NamedTuple):
    """A path of a set: as it is written, the kind of what it leads to, and that."""

    text: str
    kind: str
    values: Callable[[Entity], Iterable[Any]]
    many: bool = False


class World:
    """The town as nested dictionaries."""

    def __init__(self, devices: list[Device]) -> None:
        self.things: list[Entity] = []
        self.streams: list[Entity] = []
        self.observations: list[Entity] = []
        metrics = sorted({series.metric for one in devices for series in one.series})
        self.properties: list[Entity] = [
            {"id": n, "name": metric, "streams": []} for n, metric in enumerate(metrics, start=1)
        ]
        by_metric = {one["name"]: one for one in self.properties}
        for one in devices:
            thing: Entity = {"id": one.id, "name": f"{one.kind} {one.id}", "device": one, "streams": []}
            self.things.append(thing)
            for series in one.series:
                of = by_metric[series.metric]
                stream: Entity = {"id": series.id, "series": series, "thing": thing, "property": of}
                self.streams.append(stream)
                thing["streams"].append(stream)
                of["streams"].append(stream)
                for at, value, quality in series.readings:
                    words = {0: "good", 1: "uncertain"}
                    self.observations.append(
                        {
                            "id": f"{series.id}-{at}", "at": at, "result": value, "quality": words[quality],
                            "stream": stream,
                        }
                    )  # fmt: skip

    def of(self, name: str) -> list[Entity]:
        return {
            "Things": self.things, "Datastreams": self.streams, "ObservedProperties": self.properties,
            "Observations": self.observations, "Locations": [one for one in self.things if one["device"].at],
        }[name]  # fmt: skip


def _metrics(thing: Entity) -> list[str]:
    return [stream["property"]["name"] for stream in thing["streams"]]


def _alike(stream: Entity) -> list[int]:
    return [other["id"] for other in stream["property"]["streams"]]


WORLD = World(a_town())
WAYS: dict[str, list[Way]] = {
    "Things": [
        Way("id", "number", lambda e: [e["id"]]),
        Way("name", "text", lambda e: [e["name"]]),
        Way("properties/kind", "any", lambda e: [e["device"].kind]),
        Way("properties/service", "any", lambda e: [e["device"].service]),
        Way("properties/nothing", "any", lambda e: [None]),
        Way("Datastreams/id", "number", lambda e: [s["id"] for s in e["streams"]], many=True),
        Way("Datastreams/ObservedProperty/name", "text", _metrics, many=True),
        Way("Locations/location", "place", lambda e: [e["device"].at] if e["device"].at else [], many=True),
    ],
    "Locations": [
        Way("id", "number", lambda e: [e["id"]]),
        Way("location", "place", lambda e: [e["device"].at]),
        Way("Things/name", "text", lambda e: [e["name"]], many=True),
    ],
    "Datastreams": [
        Way("id", "number", lambda e: [e["id"]]),
        Way("properties/metric", "any", lambda e: [e["series"].metric]),
        Way("unitOfMeasurement/symbol", "any", lambda e: [e["series"].unit or None]),
        Way("Thing/name", "text", lambda e: [e["thing"]["name"]]),
        Way("Thing/id", "number", lambda e: [e["thing"]["id"]]),
        Way("Thing/properties/layer", "any", lambda e: [e["thing"]["device"].layer]),
        Way("observedArea", "place", lambda e: [e["thing"]["device"].at]),
        Way("ObservedProperty/Datastreams/id", "number", _alike, many=True),
    ],
    "ObservedProperties": [
        Way("id", "number", lambda e: [e["id"]]),
        Way("name", "text", lambda e: [e["name"]]),
        Way("Datastreams/Thing/name", "text", lambda e: [s["thing"]["name"] for s in e["streams"]], many=True),
    ],
    "Observations": [
        Way("id", "text", lambda e: [e["id"]]),
        Way("phenomenonTime", "time", lambda e: [e["at"]]),
        Way("resultTime", "time", lambda e: [e["at"]]),
        Way("result", "any", lambda e: [e["result"]]),
        Way("parameters/quality", "any", lambda e: [e["quality"]]),
        Way("Datastream/id", "number", lambda e: [e["stream"]["id"]]),
        Way("Datastream/Thing/name", "text", lambda e: [e["stream"]["thing"]["name"]]),
        Way("Datastream/ObservedProperty/name", "text", lambda e: [e["stream"]["property"]["name"]]),
        Way("FeatureOfInterest/feature", "place", lambda e: [e["stream"]["thing"]["device"].at]),
    ],
}  # fmt: skip
TEXTS = ["air 1", "air", "label", "temperature", "Cel", "waste", "roads", "it's 1", "it's", "good", "room 3", "", "zz"]
Condition = tuple[str, Callable[[Entity], bool]]
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
}  # fmt: skip


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool)
    return (isinstance(a, str) and isinstance(b, str)) or (isinstance(a, int | float) and isinstance(b, int | float))


def holds(op: str, a: Any, b: Any) -> bool:
    same = a is None and b is None if a is None or b is None else alike(a, b) and a == b
    if op in ("eq", "ne"):
        return same if op == "eq" else not same
    return alike(a, b) and _ORDERS[op](a, b)


def comparison(way: Way, op: str, literal: tuple[str, Any], turned: bool) -> Condition:
    text, value = literal
    back = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}.get(op, op)
    said = f"{text} {back} {way.text}" if turned else f"{way.text} {op} {text}"
    return said, lambda e: any(holds(op, found, value) for found in way.values(e))


def function(way: Way, name: str, part: str) -> Condition:
    text = part.replace("'", "''")
    said = f"substringof('{text}',{way.text})" if name == "substringof" else f"{name}({way.text},'{text}')"
    tests: dict[str, Callable[[str], bool]] = {
        "startswith": lambda found: found[: len(part)] == part,
        "endswith": lambda found: found[max(0, len(found) - len(part)) :] == part,
        "substringof": lambda found: found.find(part) >= 0,
    }
    return said, lambda e: any(isinstance(found, str) and tests[name](found) for found in way.values(e))


def within(way: Way, box: tuple[float, float, float, float]) -> Condition:
    west, south, east, north = box
    ring = ",".join(f"{x} {y}" for x, y in ((west, south), (east, south), (east, north), (west, north), (west, south)))
    return f"geo.intersects({way.text},geography'POLYGON(({ring}))')", lambda e: any(
        at is not None and west <= at[0] <= east and south <= at[1] <= north for at in way.values(e)
    )


def moment(ms: int, minutes: int) -> tuple[str, int]:
    at = datetime.fromtimestamp(ms / 1000, UTC).astimezone(timezone(timedelta(minutes=minutes)))
    text = at.isoformat(timespec="milliseconds")
    return (text.replace("+00:00", "Z") if minutes == 0 else text), ms


def literals(kind: str) -> st.SearchStrategy[tuple[str, Any]]:
    numbers = st.one_of(st.integers(-1, 30), st.sampled_from([15.0, 18.7, 21.4, 1e2]))
    number = numbers.map(lambda n: (repr(n), n))
    text = st.sampled_from(TEXTS).map(lambda t: ("'" + t.replace("'", "''") + "'", t))
    null = st.just(("null", None))
    flag = st.booleans().map(lambda b: (str(b).lower(), b))
    if kind == "time":
        return st.builds(moment, st.integers(-2, 400).map(lambda n: NOW + n * 60_000), st.sampled_from([0, 60, -330]))
    return {"number": st.one_of(number, null), "text": st.one_of(text, null)}.get(
        kind, st.one_of(number, text, null, flag)
    )


def leaf(name: str) -> st.SearchStrategy[Condition]:
    found: list[st.SearchStrategy[Condition]] = []
    corner = st.tuples(st.integers(228, 238), st.integers(479, 494), st.integers(1, 6), st.integers(1, 10)).map(
        lambda b: (b[0] / 100 + 0.005, b[1] / 10, (b[0] + b[2]) / 100 + 0.005, (b[1] + b[3]) / 10 + 0.01)
    )
    for way in WAYS[name]:
        if way.kind == "place":
            found.append(st.builds(within, st.just(way), corner))
            continue
        ops = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
        found.append(st.builds(comparison, st.just(way), ops, literals(way.kind), st.booleans()))
        if way.kind in ("text", "any"):
            names = st.sampled_from(["startswith", "endswith", "substringof"])
            found.append(st.builds(function, st.just(way), names, st.sampled_from(TEXTS)))
    return st.one_of(found)


def both(a: Condition, b: Condition) -> Condition:
    sides = [f"({one})" if " or " in one else one for one in (a[0], b[0])]
    return " and ".join(sides), lambda e: a[1](e) and b[1](e)


def either(a: Condition, b: Condition) -> Condition:
    return f"{a[0]} or {b[0]}", lambda e: a[1](e) or b[1](e)


def negated(a: Condition) -> Condition:
    return f"not ({a[0]})", lambda e: not a[1](e)


def conditions(name: str) -> st.SearchStrategy[Condition]:
    return st.recursive(
        leaf(name),
        lambda inner: st.one_of(
            st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(negated, inner)
        ),
        max_leaves=5,
    )


class Asked(NamedTuple):
    """A question."""

    set: str
    condition: Condition | None
    order: list[tuple[Way, bool]]
    top: int
    skip: int
    only: int | None  # observations of this series


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    name = draw(st.sampled_from(list(WAYS)))
    ways = [way for way in WAYS[name] if not way.many and way.kind != "place"]
    order = draw(
        st.lists(st.tuples(st.sampled_from(ways), st.booleans()), max_size=2, unique_by=lambda one: one[0].text)
    )
    only = (
        draw(st.one_of(st.none(), st.sampled_from(WORLD.streams).map(lambda s: s["id"])))
        if name == "Observations"
        else None
    )
    condition = draw(st.one_of(st.none(), conditions(name)))
    top = draw(st.sampled_from([3, 7] if name != "Observations" else [50, 120]))
    return Asked(name, condition, order, top, draw(st.sampled_from([0, 0, 2, 11])), only)


def rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, bool) else (3, value) if isinstance(value, str) else (2, value)


def expected(asked: Asked) -> tuple[list[Any], int]:
    """Return ids and count as the oracle has them."""
    found = WORLD.of(asked.set)
    if asked.only is not None:
        found = [one for one in found if one["stream"]["id"] == asked.only]
    if asked.condition is not None:
        found = [one for one in found if asked.condition[1](one)]
    seen_as = asked.set == "Observations"
    by_time = bool(asked.order) and all(way.kind == "time" for way, _ in asked.order)

    def own(one: Entity) -> Any:
        if not seen_as:
            return one["id"]
        at, series = one["at"], one["stream"]["id"]
        return (series, at) if not asked.order else (at, series)

    def compare(a: Entity, b: Entity) -> int:
        for way, descending in asked.order:
            one, two = rank(next(iter(way.values(a)))), rank(next(iter(way.values(b))))
            if one != two:
                return (-1 if one < two else 1) * (-1 if descending else 1)
        turned = by_time and asked.order[0][1]
        return (-1 if own(a) < own(b) else 1) * (-1 if turned else 1)

    ordered = sorted(found, key=cmp_to_key(compare))
    return [one["id"] for one in ordered][asked.skip :], len(found)


def answered(service: SensorThings, asked: Asked) -> tuple[list[Any], int]:
    """Return ids and count as the service has them, over all pages."""
    path = asked.set if asked.only is None else f"Datastreams({asked.only})/Observations"
    options = [f"$top={asked.top}", f"$skip={asked.skip}", "$count=true", "$select=id"]
    if asked.condition is not None:
        options.append("$filter=" + quote(asked.condition[0]))
    if asked.order:
        orders = ",".join(f"{way.text} {'desc' if descending else 'asc'}" for way, descending in asked.order)
        options.append("$orderby=" + quote(orders))
    url, ids, count = f"{BASE}/{path}?{'&'.join(options)}", list[Any](), set[int]()
    while url:
        page = json.loads(service.answer(EVERYTHING, BASE, url.removeprefix("https://city.example")).body)
        ids += [one["@iot.id"] for one in page["value"]]
        count.add(page["@iot.count"])
        assert len(page["value"]) <= asked.top
        url = page.get("@iot.nextLink", "")
    assert len(count) == 1
    return ids, count.pop()


def run(town: City, examples: int) -> None:
    service = SensorThings(town)

    @settings(
        max_examples=examples, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(questions())
    def agree(asked: Asked) -> None:
        assert answered(service, asked) == expected(asked), asked.condition and asked.condition[0]

    agree()


def test_two_hundred_questions_are_answered_as_an_oracle_answers_them(town: City) -> None:
    run(town, 200)


@pytest.mark.long("two thousand made-up questions")
def test_two_thousand_questions_are_answered_as_an_oracle_answers_them(town: City) -> None:
    run(town, 2000)
