"""Answers of SensorThings: entities and collections as JSON, page by page. Blocking; any thread.

A page ends with the place of its last entity in the order of the question (keyset), never with a number of entities:
what comes and goes meanwhile moves nothing, and the last page costs no more than the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from backend.city.open_api.evaluation import compile_filter, compile_order
from backend.city.open_api.filters import Path
from backend.city.open_api.model import SETS, EntitySet, Observation, Stream, feature, point
from backend.city.open_api.observations import Budget, Observations, Place, Selection, order_of
from backend.city.open_api.options import TOKEN, Query
from backend.city.open_api.times import time_text
from backend.queries.cursors import MAX_CURSOR, decode_cursor, encode_cursor
from backend.storage.city.open_api import LatestRow
from hub.core.errors import DecodeError
from hub.core.text import phrase

_TIMES = (Path(("phenomenonTime",)), Path(("resultTime",)))
Key = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Streams:
    """The observations of some series, not yet read."""

    of: Sequence[Stream]


Source = Sequence[Any] | Streams


class Answers:
    """Answers to one question. `base` is the address of the service; `observations` opens the readings, `latest` the
    table of newest readings, both when they are first needed."""

    def __init__(
        self,
        base: str,
        budget: Budget,
        observations: Callable[[], Observations],
        latest: Callable[[], Mapping[int, LatestRow]],
    ) -> None:
        self._base, self._budget = base, budget
        self._observations, self._latest = observations, latest

    def entity(self, of: EntitySet, one: Any, query: Query) -> dict[str, Any]:
        """Return an entity."""
        self._budget.write()
        link, wanted = self.link(of, one), query.select
        found: dict[str, Any] = {}
        for name, field in of.fields.items():
            if wanted and name not in wanted:
                continue
            if name == "id":
                found["@iot.id"] = field.value(one)
                if not wanted:
                    found["@iot.selfLink"] = link
            else:
                found[name] = _written(name, field.kind, field.value(one))
        if "selfLink" in wanted:
            found["@iot.selfLink"] = link
        expanded = dict(query.expand)
        for name in of.links:
            if name in expanded:
                self._expand(of, one, name, expanded[name], found)
            elif not wanted or name in wanted:
                found[f"{name}@iot.navigationLink"] = f"{link}/{name}"
        return found

    def collection(self, of: EntitySet, source: Source, query: Query, address: str) -> dict[str, Any]:
        """Return a page of entities; `address` is that of the whole collection."""
        page, count, following = self._page(of, source, query, address)
        found: dict[str, Any] = {} if count is None else {"@iot.count": count}
        if following is not None:
            found["@iot.nextLink"] = following
        return found | {"value": [self.entity(of, one, query) for one in page]}

    def references(self, of: EntitySet, source: Source, query: Query, address: str) -> dict[str, Any]:
        """Return the addresses of the entities of a page."""
        page, count, following = self._page(of, source, query, address)
        found: dict[str, Any] = {} if count is None else {"@iot.count": count}
        if following is not None:
            found["@iot.nextLink"] = following
        for _ in page:
            self._budget.write()
        return found | {"value": [{"@iot.selfLink": self.link(of, one)} for one in page]}

    def link(self, of: EntitySet, one: Any) -> str:
        number = one.id
        return f"{self._base}/{of.name}({number})" if isinstance(number, int) else f"{self._base}/{of.name}('{number}')"

    def _expand(self, of: EntitySet, one: Any, name: str, query: Query, found: dict[str, Any]) -> None:
        link = of.links[name]
        target = SETS[link.to]
        address = f"{self.link(of, one)}/{name}"
        source = source_of(one, name, of)
        if not link.many:
            one_only = () if isinstance(source, Streams) else source
            found[name] = self.entity(target, one_only[0], query) if one_only else None
            return
        page = self.collection(target, source, query, address)
        found[name] = page["value"]
        for key in ("@iot.count", "@iot.nextLink"):
            if key in page:
                found[name + key] = page[key]

    def _page(
        self, of: EntitySet, source: Source, query: Query, address: str
    ) -> tuple[list[Any], int | None, str | None]:
        question = [address, [pair for pair in query.text if pair[0] in ("$filter", "$orderby")]]
        if isinstance(source, Streams):
            newest = self._newest(source, query)
            if newest is not None:
                return newest, None, _next(address, query, encode_cursor(_place(newest[-1]), question))
            items, count = self._of_streams(source, query, question)
        else:
            items, count = _of_entities(of, source, query, question)
        self._budget.look()
        page = list(islice(items, query.skip, query.skip + query.top + 1))
        more = len(page) > query.top > 0
        page = page[: query.top]
        if not more:
            return page, count, None
        token = encode_cursor(_mark(of, page[-1], query), question)
        if len(token) > MAX_CURSOR:
            raise DecodeError(
                "bad-query", phrase("open-order-long", "these texts are too long to page by: order by id")
            )
        return page, count, _next(address, query, token)

    def _newest(self, source: Streams, query: Query) -> list[Observation] | None:
        """Return the newest observation of one series out of the table, where that is what is asked."""
        only = query.top == 1 and not (query.skip or query.count or query.token or query.filter)
        if not only or len(source.of) != 1 or len(query.orderby) != 1:
            return None
        path, descending = query.orderby[0]
        row = self._latest().get(source.of[0].id) if descending and path in _TIMES else None
        if row is None:
            return None
        value = msgspec.json.decode(row.value)
        return [Observation(source.of[0], row.time_ms, 0, value, row.quality, row.trust)]

    def _of_streams(self, source: Streams, query: Query, question: object) -> tuple[Iterator[Any], int | None]:
        asked, readings = Selection(source.of, query.filter), self._observations()
        count = readings.count(asked) if query.count else None
        if query.top == 0:
            return iter(()), count
        if _by_time(query):
            after = decode_cursor(query.token, question, Place) if query.token else None
            if not query.orderby:
                return readings.by_series(asked, after), count
            return readings.by_time(asked, query.orderby[0][1], after), count
        items = list(readings.all(asked))
        return _in_order(SETS["Observations"], items, query, question, order_of), count


def source_of(one: Any, name: str, of: EntitySet) -> Source:
    """Return what a link of an entity leads to."""
    link = of.links[name]
    if link.of is not None:
        return link.of(one)
    return Streams([one] if isinstance(one, Stream) else one.streams)


def written(name: str, kind: str, value: Any) -> Any:
    """Return a property as JSON has it."""
    return _written(name, kind, value)


def _written(name: str, kind: str, value: Any) -> Any:
    if kind == "time":
        return time_text(value)
    if kind == "geometry":
        return feature(value) if name == "feature" else point(value)
    return value


def _of_entities(
    of: EntitySet, source: Sequence[Any], query: Query, question: object
) -> tuple[Iterator[Any], int | None]:
    items: list[Any] = list(source)
    if query.filter is not None:
        test = compile_filter(of, query.filter)
        items = [one for one in items if test(one)]
    return _in_order(of, items, query, question, _id), len(items) if query.count else None


def _in_order(of: EntitySet, items: list[Any], query: Query, question: object, own: Key) -> Iterator[Any]:
    """Return entities in the order of a question, those of one rank in their own; after its token."""
    items.sort(key=own)
    keys = [(compile_order(of, path), descending) for path, descending in query.orderby]
    for key, descending in reversed(keys):
        items.sort(key=key, reverse=descending)
    if not query.token:
        return iter(items)
    marks, last = decode_cursor(query.token, question, tuple[list[tuple[int, Any]], Any])
    if len(marks) != len(keys):
        raise _foreign()
    last = tuple(last) if isinstance(last, list) else last
    try:
        return iter([one for one in items if _after(one, keys, marks, own, last)])
    except TypeError as error:
        raise _foreign() from error


def _after(one: Any, keys: Sequence[tuple[Key, bool]], marks: Iterable[Any], own: Key, last: Any) -> bool:
    """Return whether an entity comes after a place."""
    for (key, descending), mark in zip(keys, marks, strict=True):
        here = key(one)
        if here != mark:
            return bool(here < mark) if descending else bool(here > mark)
    return bool(own(one) > last)


def _mark(of: EntitySet, one: Any, query: Query) -> object:
    """Return the place of an entity in the order of a question."""
    if isinstance(one, Observation) and _by_time(query):
        return _place(one)
    own = order_of(one) if isinstance(one, Observation) else one.id
    return [compile_order(of, path)(one) for path, _ in query.orderby], own


def _by_time(query: Query) -> bool:
    """Return whether observations need not be sorted: both of their times are one."""
    return all(path in _TIMES for path, _ in query.orderby)


def _place(one: Observation) -> Place:
    return Place(one.stream.id, one.time_ms, one.ordinal)


def _next(address: str, query: Query, token: str) -> str:
    return f"{address}?{_encoded(query.text)}{TOKEN}={token}"


@lru_cache(256)
def _encoded(options: tuple[tuple[str, str], ...]) -> str:
    """Return options as a query has them, ready for one more."""
    pairs = [pair for pair in options if pair[0] != "$count" or pair[1].lower() == "true"]
    return urlencode(pairs, quote_via=quote, safe="$(),/;=") + "&" * bool(pairs)


def _id(one: Any) -> Any:
    return one.id


def _foreign() -> DecodeError:
    return DecodeError("bad-query", phrase("open-token-foreign", "the $skiptoken is not of this question"))
