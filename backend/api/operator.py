"""Handlers of the operator's requests: one bearer token, JSON answers; the only request that changes anything answers
an alert."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from backend import alerts, sigfox_callbacks
from backend.api.requests import MAX_REQUEST, Handler, answer, body_of, read
from backend.ingest import Ingest
from backend.owner import Owner
from backend.views import MAX_LIMIT, Views, parse_number
from backend.worker import Worker
from hub.core.text import phrase

_MAX_TIME = 2**53


class _Answer(msgspec.Struct, frozen=True):
    state: Literal["acknowledged", "muted", "cleared"]
    by: Annotated[str, Meta(min_length=1, max_length=64)]
    why: Annotated[str, Meta(max_length=200)] = ""
    hub: Annotated[str, Meta(max_length=128)] = ""
    seconds: Annotated[float, Meta(gt=0, le=31 * 86_400)] | None = None


class OperatorApi:
    """Handlers of the operator's requests over one owner, worker and database. `gave_way` counts the evicted
    connections by hub, with "" for those without a hub's certificate; `malformed` the requests that could not be read,
    by reason."""

    def __init__(self, owner: Owner, worker: Worker, gave_way: Mapping[str, int], malformed: Mapping[str, int]) -> None:
        self.owner, self._gave_way, self._malformed = owner, gave_way, malformed
        self._worker = worker
        self._views = Views(owner.database)
        self._started = time.time()

    def route(self, router: web.UrlDispatcher) -> None:
        for path, handler in (
            ("/v1/hubs", self.hubs),
            ("/v1/callbacks", self.callbacks),
            ("/v1/verify", self.verify),
            ("/v1/series", self.series),
            ("/v1/series/{id:.+}/latest", self.latest),
            ("/v1/series/{id:.+}/history", self.history),
            ("/v1/gaps", self.gaps),
            ("/v1/forks", self.forks),
            ("/v1/alarms", self.alarms),
            ("/v1/raised", self.raised),
            ("/v1/erased", self.erased),
            ("/v1/retention", self.retention),
            ("/v1/stats", self.stats),
            ("/v1/whereabouts", self.asked),
        ):
            router.add_get(path, self._guarded(handler))
        router.add_post("/v1/raised/{alert}", self._guarded(self.wanted))

    async def hubs(self, request: web.Request) -> Any:
        return {"hubs": await asyncio.to_thread(self._views.hubs)}

    async def callbacks(self, request: web.Request) -> Any:
        return await sigfox_callbacks.overview(self._worker)

    async def verify(self, request: web.Request) -> Any:
        query = request.query
        streams = self._views.verify
        arguments = (query.get("hub", ""), query.get("run", ""), query.get("stream", ""))
        return {"streams": await asyncio.to_thread(streams, *arguments)}

    async def series(self, request: web.Request) -> Any:
        query = request.query
        arguments = (query.get("hub", ""), query.get("place", ""), query.get("metric", ""))
        limit, after = parse_number(query.get("limit", str(MAX_LIMIT)), "limit", 1, MAX_LIMIT), query.get("after", "")
        found = await asyncio.to_thread(self._views.series, *arguments, after=after, limit=limit)
        return {"series": found, "next": found[-1]["id"] if len(found) == limit else None}

    async def latest(self, request: web.Request) -> Any:
        return await asyncio.to_thread(self._views.latest, request.match_info["id"])

    async def history(self, request: web.Request) -> Any:
        query = request.query
        start = parse_number(query.get("from", "0"), "from", 0, _MAX_TIME)
        end = parse_number(query.get("to", str(_MAX_TIME)), "to", 0, _MAX_TIME)
        limit = parse_number(query.get("limit", "1000"), "limit", 1, MAX_LIMIT)
        return await asyncio.to_thread(self._views.history, request.match_info["id"], start, end, limit)

    async def gaps(self, request: web.Request) -> Any:
        query = request.query
        after = parse_number(query.get("after", "0"), "after", 0, _MAX_TIME)
        limit = parse_number(query.get("limit", str(MAX_LIMIT)), "limit", 1, MAX_LIMIT)
        found = await asyncio.to_thread(self._views.gaps, query.get("hub", ""), after=after, limit=limit)
        return {"gaps": found, "next": found[-1]["id"] if len(found) == limit else None}

    async def forks(self, request: web.Request) -> Any:
        return {"forks": await asyncio.to_thread(self._views.forks)}

    async def alarms(self, request: web.Request) -> Any:
        return {"alarms": await asyncio.to_thread(self._views.alarms)}

    async def raised(self, request: web.Request) -> Any:
        query = request.query
        arguments = (query.get("hub", ""), query.get("all", "") not in ("", "0"))
        return {"alerts": await asyncio.to_thread(self._views.raised, *arguments)}

    async def erased(self, request: web.Request) -> Any:
        return {"erasures": await asyncio.to_thread(self._views.erased, request.query.get("hub", ""), MAX_LIMIT)}

    async def retention(self, request: web.Request) -> Any:
        return {"classes": await asyncio.to_thread(self._views.retention)}

    async def asked(self, request: web.Request) -> Any:
        return {"asked": await asyncio.to_thread(self._views.asked, request.query.get("hub", ""))}

    async def wanted(self, request: web.Request) -> Any:
        asked, alert = read(await body_of(request, MAX_REQUEST), _Answer), request.match_info["alert"]

        def ask(ingest: Ingest) -> str:
            with ingest.storage.transaction():
                until = None if asked.seconds is None else time.time() + asked.seconds
                return alerts.request_change(
                    ingest.storage.connection, alert, asked.state, asked.by, asked.why, until, asked.hub
                )

        return {"alert": alert, "hub": await self._worker.call(ask), "wanted": asked.state}

    async def stats(self, request: web.Request) -> Any:
        def running(ingest: Ingest) -> dict[str, Any]:
            counts, journal = ingest.counts, ingest.journal
            return {
                "duplicates": counts.duplicates,
                "refused": counts.refused,
                "stale_states": ingest.states.stale,
                "journal_set_aside": counts.set_aside,
                "messages": counts.messages,
                "journal_pending": 0 if journal is None else journal.pending_records,
                "journal_pending_readings": 0 if journal is None else journal.pending_readings,
                "journal_pending_bytes": 0 if journal is None else journal.pending_bytes,
                "db": ingest.storage.db.hex(),
            }

        totals = await asyncio.to_thread(self._views.stats)
        more = {
            "uptime": time.time() - self._started, "demo_grade": self.owner.demo_grade,
            "connections_gave_way": {hub or "strangers": count for hub, count in self._gave_way.items()},
            "requests_malformed": sum(self._malformed.values()),
        }  # fmt: skip
        return totals | await self._worker.call(running) | more

    def _guarded(self, handler: Callable[[web.Request], Awaitable[Any]]) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(
                token.encode("utf-8", "replace"), self.owner.api_token.encode()
            ):
                said = phrase(
                    "api-token-needed", "the operator API needs Authorization: Bearer and the token in api.token"
                )
                return answer({"error": said}, 401)
            return answer(await handler(request), headers={"Cache-Control": "no-store"})

        return guarded
