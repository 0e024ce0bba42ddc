"""Handlers of the operations that read: each out of one snapshot of the database, in a thread, never by whoever answers
hubs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from aiohttp import web

from backend.api import rows
from backend.api.event_stream import EventStreams
from backend.api.guard import Guard, Query, chosen_format, conditional
from backend.api.operations import FORMATS, MOST_ROWS, OPERATIONS, RangeRequest
from backend.api.requests import body_of, read
from backend.queries.cursors import decode_cursor, encode_cursor
from backend.queries.intervals import MAX_TIME, Intervals
from backend.queries.listings import Listings
from backend.queries.range_queries import Place, RangeQuery, Ranges
from backend.queries.views import Views
from backend.storage.queries import Queries
from hub.core.errors import DecodeError
from hub.core.text import phrase

MAX_BODY = 256 << 10
"""Bytes of a question for ranges: 1,000 names."""
DAY_MS = 86_400_000
MOST_DAYS = {"raw": 366, "minute": 366, "hour": 1830, "day": 7320, "month": 36_600}
"""Days of one question, by its step."""

T = TypeVar("T")


class ReadingApi:
    """Handlers of the operations that read, over the reading side of a database."""

    def __init__(self, guard: Guard, queries: Queries) -> None:
        self._guard = guard
        self._views = Views(queries)
        self._lists = Listings(self._views)
        self._ranges = Ranges(queries)
        self.events = EventStreams(guard, queries)

    def route(self, router: web.UrlDispatcher) -> None:
        for operation in OPERATIONS:
            handler = self.events.stream if operation.name == "events" else getattr(self, operation.name, None)
            if handler is not None:
                self._guard.route(router, operation, handler)

    async def hubs(self, request: web.Request, query: Query) -> Any:
        limit = query["limit"]
        found = await self._done(lambda: self._views.hubs(hub=query["hub"], after=query["after"], limit=limit))
        return {"hubs": found, "next": found[-1]["hub"] if len(found) == limit else None}

    async def verify(self, request: web.Request, query: Query) -> Any:
        asked = query["hub"], query["run"], query["stream"], query["after"], query["limit"]
        found, following = await self._done(lambda: self._lists.streams(*asked))
        return {"streams": found, "next": following}

    async def series(self, request: web.Request, query: Query) -> Any:
        limit, asked = query["limit"], (query["hub"], query["place"], query["metric"])
        found = await self._done(lambda: self._views.series(*asked, after=query["after"], limit=limit))
        return {"series": found, "next": found[-1]["id"] if len(found) == limit else None}

    async def latest(self, request: web.Request, query: Query) -> Any:
        return await self._done(lambda: self._views.latest(request.match_info["id"]))

    async def newest(self, request: web.Request, query: Query) -> Any:
        names = query["series"]
        found = await self._done(lambda: self._ranges.latest(names, time.time()))
        return {"latest": [rows.latest(name, *one) for name, one in zip(names, found, strict=True)]}

    async def history(self, request: web.Request, query: Query) -> Any:
        asked = request.match_info["id"], query["from"], query["to"], query["limit"]
        return await self._done(lambda: self._views.history(*asked))

    async def ranges(self, request: web.Request, query: Query) -> web.StreamResponse:
        form = chosen_format(request, FORMATS)
        if request.method == "POST":
            asked = read(await body_of(request, MAX_BODY), RangeRequest)
        else:
            asked = RangeRequest(
                query["series"], query["from"], query["to"], query["step"], query["zone"], query["period"],
                query["limit"], query["after"],
            )  # fmt: skip
        body, following = await self._done(lambda: self._ranged(asked, form))
        headers = {} if following is None else {"Next-Cursor": following}
        if following is not None and request.method != "POST":
            after = request.rel_url.update_query(after=following)
            headers["Link"] = f'<{after}>; rel="next"'
        return conditional(request, body, form, headers)

    async def gaps(self, request: web.Request, query: Query) -> Any:
        limit = query["limit"]
        found = await self._done(lambda: self._views.gaps(query["hub"], after=query["after"], limit=limit))
        return {"gaps": found, "next": found[-1]["id"] if len(found) == limit else None}

    async def forks(self, request: web.Request, query: Query) -> Any:
        found, following = await self._done(lambda: self._lists.forks(query["after"], query["limit"]))
        return {"forks": found, "next": following}

    async def alarms(self, request: web.Request, query: Query) -> Any:
        asked = query["hub"], query["open"], query["after"], query["limit"]
        found, following = await self._done(lambda: self._lists.alarms(*asked))
        return {"alarms": found, "next": following}

    async def raised(self, request: web.Request, query: Query) -> Any:
        asked = query["hub"], query["all"], query["after"], query["limit"]
        found, following = await self._done(lambda: self._lists.alerts(*asked))
        return {"alerts": found, "next": following}

    async def erased(self, request: web.Request, query: Query) -> Any:
        asked = query["hub"], query["after"], query["limit"]
        found, following = await self._done(lambda: self._lists.erasures(*asked))
        return {"erasures": found, "next": following}

    async def retention(self, request: web.Request, query: Query) -> Any:
        return {"classes": await self._done(self._views.retention)}

    async def asked(self, request: web.Request, query: Query) -> Any:
        asked = query["hub"], query["after"], query["limit"]
        found, following = await self._done(lambda: self._lists.lookups(*asked))
        return {"asked": found, "next": following}

    async def callbacks(self, request: web.Request, query: Query) -> Any:
        found = await self._done(lambda: self._lists.callbacks(query["after"], query["limit"]))
        return dict(zip(("tokens", "waiting", "next"), found, strict=True))

    def _ranged(self, asked: RangeRequest, form: str) -> tuple[bytes, str | None]:
        """Return a page of ranges in a format, and the cursor of the next one."""
        intervals = None if asked.step == "raw" else Intervals(asked.step, asked.zone)
        zone = Intervals("day", asked.zone)
        start = _moment(asked.start, "from", zone)
        end = _moment(asked.end, "to", zone) if asked.end != "" else min(int(time.time() * 1000) + 1, MAX_TIME)
        days = MOST_DAYS[asked.step]
        if end <= start:
            raise DecodeError("bad-query", phrase("range-ends-before-it-begins", "`to` lies after `from`"))
        if end - start > days * DAY_MS:
            raise DecodeError(
                "bad-query",
                phrase(
                    "range-too-long",
                    "with step {step} a question spans at most {days} days; ask for less, or a longer step",
                    step=asked.step,
                    days=days,
                ),
            )
        question = [asked.series, asked.start, asked.end, asked.step, asked.zone]
        place = decode_cursor(asked.after, question, Place) if asked.after else Place()
        query = RangeQuery(tuple(asked.series), start, end, intervals, min(asked.limit, MOST_ROWS))
        page = self._ranges.page(query, _checked(place, query))
        following = None if page.next is None else encode_cursor(page.next, question)
        told = rows.history(query, page, asked.zone, asked.period * 1000, following)
        return rows.rendered(told, form), following

    async def _done(self, work: Callable[[], T]) -> T:
        async with self._guard.turns.turn():
            return await asyncio.to_thread(work)


def _moment(given: int | str, name: str, zone: Intervals) -> int:
    """Return the Unix ms of a moment: a number, a date of the zone, or a date and time with its offset."""
    try:
        if isinstance(given, int) or (given.isascii() and given.isdigit() and len(given) < 18):
            found = int(given)
        elif len(given) <= 10:
            day = date.fromisoformat(given)
            found = zone.start(day)
        else:
            at = datetime.fromisoformat(given)
            if at.tzinfo is None:
                raise ValueError("without an offset")
            found = int(at.astimezone(UTC).timestamp() * 1000)
        if 0 <= found < MAX_TIME:
            return found
    except (ValueError, OverflowError):
        pass
    raise DecodeError(
        "bad-query",
        phrase(
            "query-moment-wrong",
            "{name} is Unix ms, a date as 2027-01-31, or a date and time with its offset as 2027-01-31T08:00:00Z",
            name=name,
        ),
    )


def _checked(place: Place, query: RangeQuery) -> Place:
    """Return the place of a cursor, which anybody may have written. Raises DecodeError when it is none of this
    question's."""
    inside = place.time_ms is None or -DAY_MS < place.time_ms - query.start <= query.end - query.start + 32 * DAY_MS
    if not 0 <= place.series < len(query.series) or not inside:
        raise DecodeError("bad-query", phrase("cursor-outside", "the cursor names a place that the question has not"))
    return place
