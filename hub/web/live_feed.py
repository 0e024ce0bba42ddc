"""Live values for open pages: one stream of server-sent events a tab (HTML Living Standard, 9.2).

                             event: clock    {now}: the hub's time, first of all; a phone's may be wrong
    id: <life>-<version>     event: values   [{series, device, value, unit, time, …}, …]
                             event: summary  {devices, green, …}: the figures of the overview
                             event: crisis   {key, counts}: state of a crisis (`crisis_summary`)
                             event: states   {device: state, …}: those that changed
                             event: config   {stage, state, at, until}: state of a change of the configuration
                             event: end      {} the session is over, or its role no longer reads

Every series has the version at which it last changed. A tab that reconnects sends the last id it received and gets the
changes since; one without an id, or with one of another process, gets all. At least once every BEAT_S something is
sent, and before anything is sent the session and its role are checked again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from hub.core.clock import Clock
from hub.core.model import LastValue, Report
from hub.page_kit.people.sessions import Session
from hub.page_kit.request.visit import Rejected, Visit
from hub.web.people.accounts import Account
from hub.web.presentation.views import summary
from hub.web.services import PageServices

STEP_S, SUMMARY_S, BEAT_S, WRITE_S = 1.0, 5.0, 4.0, 10.0
"""Seconds. A page that hears nothing for two beats no longer says that it is live (`static/live.js`)."""
MOST, MOST_EACH = 40, 8


class FeedSource(Protocol):
    """The part of `hub.web.site.Site` that is used here."""

    parts: PageServices
    clock: Clock

    async def call(self, name: str, /, **arguments: Any) -> Any: ...
    async def cached_call(self, name: str) -> Any: ...
    def account_of(self, visit: Visit, *, touch: bool) -> Account | None: ...


class Feed:
    """Feed of a server; it reads the live values only while somebody listens."""

    def __init__(self, site: FeedSource) -> None:
        self._site = site
        self._life = secrets.token_hex(4)
        self._seen: dict[int, Report] = {}
        self._last: dict[str, tuple[int, LastValue]] = {}
        self._states: dict[str, tuple[int, str]] = {}
        self._version = 0
        self._summary: dict[str, Any] = {}
        self._crisis: dict[str, Any] = {}
        self._change: dict[str, Any] = {}
        self._summed = self._entered = self._staged = 0
        self._turn, self._looking = asyncio.Event(), asyncio.Lock()
        self.listeners = 0

    async def run(self) -> None:
        waited = SUMMARY_S
        while True:
            await asyncio.sleep(STEP_S)
            waited += STEP_S
            if not self.listeners:
                waited = SUMMARY_S
                continue
            await self._look(all_of_it=waited >= SUMMARY_S)
            if waited >= SUMMARY_S:
                waited = 0.0

    async def _look(self, *, all_of_it: bool) -> None:
        async with self._looking:
            await self._look_alone(all_of_it=all_of_it)

    async def _look_alone(self, *, all_of_it: bool) -> None:
        fresh = self._site.parts.live.changed(self._seen)
        version = self._version + 1
        news = bool(fresh) | await self._look_at_change(version)
        for value in fresh:
            self._last[value.series] = (version, value)
        if all_of_it:
            found = summary(await self._site.cached_call("status"))
            if found != self._summary:
                self._summary, self._summed, news = found, version, True
            crisis = crisis_summary(await self._site.cached_call("crisis.status"))
            if crisis != self._crisis:
                self._crisis, self._entered, news = crisis, version, True
            news |= await self._look_at_states(version)
        if news:
            self._version = version
            self._turn.set()
            self._turn = asyncio.Event()

    async def _look_at_states(self, version: int) -> bool:
        states = {one["id"]: one["state"] for one in (await self._site.cached_call("devices"))["devices"]}
        fresh = {device: state for device, state in states.items() if self._states.get(device, (0, ""))[1] != state}
        self._states = {device: was for device, was in self._states.items() if device in states}
        self._states |= {device: (version, state) for device, state in fresh.items()}
        return bool(fresh)

    async def _look_at_change(self, version: int) -> bool:
        """Update the state of a change. `until`: Unix seconds by the hub's clock, the end of its confirmation; None
        when none waits."""
        now = await self._site.call("config.stage")
        last, left = now["last"], now["confirm_s"]
        found = {"stage": now["stage"], "state": last.get("state", ""), "at": last.get("at")}
        if all(self._change.get(name) == value for name, value in found.items()):
            return False
        self._change = {**found, "until": None if left is None else self._site.clock.now() + left}
        self._staged = version
        return True

    def _since(self, version: int, device: str, only: str = "") -> list[tuple[str, Any]]:
        """Return what changed after a version; of the values those of one device, where one is named; `only`: one kind
        of event alone."""
        if only == "summary":
            return [("summary", self._summary)] if self._summed > version else []
        values = [value for at, value in self._last.values() if at > version and (not device or value.device == device)]
        states = {name: state for name, (at, state) in self._states.items() if at > version}
        found: list[tuple[str, Any]] = []
        found += [("values", values)] if values else []
        found += [("states", states)] if states and not device else []
        found += [("summary", self._summary)] if self._summed > version else []
        found += [("crisis", self._crisis)] if self._entered > version else []
        found += [("config", self._change)] if self._staged > version else []
        return found

    async def stream(self, visit: Visit) -> web.StreamResponse:
        """Send events until the tab is closed or the session ends."""
        session = visit.session or (Session("token", 0.0, 0.0) if visit.account is not None else None)
        if session is None or self.listeners >= MOST or session.streams >= MOST_EACH:
            raise Rejected(429, "busy")
        life, _, number = visit.request.headers.get("Last-Event-ID", "").partition("-")
        version = int(number) if life == self._life and number.isascii() and number.isdigit() else 0
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        session.streams += 1
        self.listeners += 1
        try:
            await answer.prepare(visit.request)
            await self._send(answer, _event("clock", {"now": self._site.clock.now()}, ""))
            if self.listeners == 1:  # the values are from when somebody last listened
                await self._look(all_of_it=True)
            while await self._may(visit, answer):
                turn, now = self._turn, self._version
                events = self._since(version, visit.query.get("device", ""), visit.query.get("only", ""))
                if events:
                    body = b"".join(_event(kind, what, f"{self._life}-{now}") for kind, what in events)
                    await self._send(answer, body)
                version = now
                try:
                    async with asyncio.timeout(BEAT_S):
                        await turn.wait()
                except TimeoutError:
                    await self._send(answer, b": beat\n\n")
        except (ConnectionError, TimeoutError):
            pass  # the tab was closed, or does not read
        finally:
            session.streams -= 1
            self.listeners -= 1
        return answer

    async def _may(self, visit: Visit, answer: web.StreamResponse) -> bool:
        account = self._site.account_of(visit, touch=False)
        if account is not None and account.role in visit.route.roles:
            return True
        await self._send(answer, _event("end", {}, ""))
        return False

    @staticmethod
    async def _send(answer: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await answer.write(data)


def crisis_summary(crisis: Mapping[str, Any]) -> dict[str, Any]:
    """Return what open pages follow of a crisis. `key` changes when a page must be rendered again."""
    held = crisis.get("sampling") or {"phase": "over", "counts": {}, "left_s": 0}
    return {
        "key": f"{crisis['isolated']:d}{crisis['read_only']:d}{'' if crisis['remembered'] else '?'}"
        f"-{held['phase']}-{held.get('plan', '')}",
        "counts": held["counts"],
    }


def _event(kind: str, what: Any, name: str) -> bytes:
    head = f"id: {name}\n" if name else ""
    return f"{head}event: {kind}\ndata: ".encode() + msgspec.json.encode(what, enc_hook=str) + b"\n\n"
