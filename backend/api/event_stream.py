"""Live events over HTTP (server-sent events): one feed looks at the database for all who follow.

An event's id is `<feed>-<number>`. Who sends it back as Last-Event-ID gets what came after; `reset` says that this is
not known any more, so that lists have to be read again. One who does not read for WRITE_S is hung up on.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Collection

import msgspec
from aiohttp import web

from backend.api.guard import Guard, Query
from backend.api.operations import EVENT_KINDS, EVENTS
from backend.queries.event_feed import Event, EventFeed
from backend.storage.queries import Queries
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

LOOK_S, BEAT_S, WRITE_S = 2.0, 15.0, 20.0
KEEP_S = 600.0
"""Seconds for which the feed goes on without a follower, so that one that was cut off can go on."""
MOST, MOST_SERIES = 64, 1000
"""Followers, and series that they follow in all."""
RETRY_MS = 3000


class EventStreams:
    """The followers of one feed."""

    def __init__(self, guard: Guard, queries: Queries) -> None:
        self._guard = guard
        self._feed = EventFeed(queries)
        self._life = secrets.token_hex(4)
        self._followers = 0
        self._series: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self._turn = asyncio.Event()
        self._left_at = 0.0
        self._ending = False

    async def stream(self, request: web.Request, query: Query) -> web.StreamResponse:
        """Send events until the client hangs up. Raises NotFound, NotReady, StorageError before it begins."""
        kinds, series = query["kind"] or EVENT_KINDS, query["series"]
        if self._ending or self._followers >= MOST or len(self._series.keys() | set(series)) > MOST_SERIES:
            raise NotReady(phrase("events-too-many-followers", "too many follow events here; try again later"))
        self._followers += 1
        self._series.update(series)
        answer = web.StreamResponse(
            headers={"Content-Type": EVENTS, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        try:
            now = await asyncio.to_thread(self._feed.newest_of, series) if "latest" in kinds else []
            await self._begun()
            await self._follow(request, answer, Filter(kinds, series), now)
        except (ConnectionError, TimeoutError):
            pass  # the client hung up, or does not read
        finally:
            self._followers -= 1
            self._series -= Counter(series)
            self._left_at = time.monotonic()
        return answer

    async def stop(self, app: web.Application | None = None) -> None:
        """End all streams and the looking."""
        self._ending = True
        self._turn.set()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _follow(self, request: web.Request, answer: web.StreamResponse, wanted: Filter, now: list[bytes]) -> None:
        last = self._known(request.headers.get("Last-Event-ID", ""))
        await answer.prepare(request)
        head = f"retry: {RETRY_MS}\n".encode()
        if last is None:
            last = self._feed.number
            kind = "reset" if "Last-Event-ID" in request.headers else "begin"
            head += self._event(last, kind, b"{}")
        await self._send(answer, head + b"\n" + b"".join(self._event(None, "latest", data) for data in now))
        while not self._ending and self._guard.admits(request):
            turn = self._turn
            events = self._feed.since(last)
            if events is None:
                last = self._feed.number
                await self._send(answer, self._event(last, "reset", b"{}"))
            elif told := [event for event in events if wanted.has(event)]:
                last = told[-1].number
                await self._send(answer, b"".join(self._event(one.number, one.kind, one.data) for one in told))
            else:
                last = events[-1].number if events else last
            try:
                async with asyncio.timeout(BEAT_S):
                    await turn.wait()
            except TimeoutError:
                await self._send(answer, b": beat\n\n")

    def _known(self, event: str) -> int | None:
        """Return the number of an event's id, None where what came after it is not known."""
        life, _, number = event.partition("-")
        if life != self._life or not number.isascii() or not number.isdigit() or len(number) > 18:
            return None
        return int(number) if self._feed.since(int(number)) is not None else None

    async def _begun(self) -> None:
        """Begin to look, unless it goes on; wait for the first look."""
        if self._looking is None or self._looking.done():
            self._first = asyncio.Event()
            self._looking = asyncio.create_task(self._look(), name="events")
        await self._first.wait()

    async def _look(self) -> None:
        trouble = ""
        try:
            while self._followers or time.monotonic() < self._left_at + KEEP_S:
                before = self._feed.number
                try:
                    self._feed.keep(await asyncio.to_thread(self._feed.look, tuple(self._series)))
                    trouble = ""
                except HubError as error:
                    if trouble != str(error):
                        log.warning(
                            phrase("events-not-read", "events cannot be read: {reason}", reason=reason_of(error))
                        )
                    trouble = str(error)
                self._first.set()
                if self._feed.number != before:
                    self._turn.set()
                    self._turn = asyncio.Event()
                await asyncio.sleep(LOOK_S)
        finally:
            self._first.set()
            self._feed.forget()

    def _event(self, number: int | None, kind: str, data: bytes) -> bytes:
        name = b"" if number is None else f"id: {self._life}-{number}\n".encode()
        return name + f"event: {kind}\ndata: ".encode() + data + b"\n\n"

    @staticmethod
    async def _send(answer: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await answer.write(data)


class Filter(msgspec.Struct, frozen=True):
    """Events that a follower wants."""

    kinds: Collection[str]
    series: Collection[str]

    def has(self, event: Event) -> bool:
        return event.kind in self.kinds and (not event.series or event.series in self.series)
