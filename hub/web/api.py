"""The API under /api/1, and the operations behind it that the pages' forms use too.

Each operation takes a `Visit` whose fields are text, and returns plain data. It asks the hub by the calls of the
control socket: the rules are there, once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import apsw
import msgspec
from aiohttp import web

from hub.errors import HubError
from hub.web import showing
from hub.web.accounts import Refused
from hub.web.answering import json
from hub.web.routes import (
    API,
    AUDITS,
    READS,
    RULES,
    STREAM,
    WORKS,
    Route,
    document,
)  # fmt: skip
from hub.web.visit import Rejected, Visit
from hub.web.words import word

if TYPE_CHECKING:
    from hub.web.site import Site

_TEXT = {"type": "string"}
_TRUTH = {"type": "boolean"}
_WISH = ("label", "device", "key", "integration", "place", "zone", "role", "pack", "name", "model")
_FILTER: dict[str, Mapping[str, Any]] = {
    "q": _TEXT, "state": {"type": "string", "enum": list(showing.STATES)}, "zone": _TEXT, "integration": _TEXT,
    "sort": {"type": "string", "enum": list(showing.SORTS)}, "dir": {"type": "string", "enum": ["asc", "desc"]},
}  # fmt: skip
_PAGE: dict[str, Mapping[str, Any]] = {
    "page": {"type": "integer", "minimum": 1},
    "size": {"type": "integer", "minimum": 1, "maximum": 200},
}
WAIT_S = 3.0

Operation = Callable[[Visit], Awaitable[Any]]


class Operations:
    """What can be asked and done."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def status(self, visit: Visit) -> Any:
        status = await self._site.lately("status")
        return {**status, "summary": showing.summary(status), "web": self.server()}

    def server(self) -> dict[str, Any]:
        """How the server itself stands."""
        site = self._site
        return {
            "connections": len(site.connections or ()), "cut": site.connections.cut if site.connections else 0,
            "sessions": len(site.sessions), "streams": site.feed.listeners, "refused": dict(site.refused),
        }  # fmt: skip

    async def devices(self, visit: Visit) -> Any:
        found = showing.rows((await self._site.lately("devices"))["devices"], visit.query)
        shown, page, size = showing.page_of(found, visit.query)
        return {"total": len(found), "page": page, "size": size, "devices": shown}

    async def device(self, visit: Visit) -> Any:
        name = visit.parts["device"]
        known = self._site.parts.devices.get(name)
        one = next((one for one in (await self._site.call("devices"))["devices"] if one["id"] == name), None)
        if known is None or one is None:
            raise Rejected(404, "no-device")
        values = []
        for value in self._site.parts.live.values():
            if value.device == name:
                metric = self._site.parts.metric(name, value.metric)
                named = {"fr": metric.fr, "en": metric.en} if metric else {"fr": "", "en": ""}
                values.append({**msgspec.to_builtins(value), **named})
        writable = [
            {"metric": key, "unit": metric.unit if (metric := self._site.parts.metric(name, key)) else "",
             "kind": metric.kind if metric else "number",
             "fr": metric.fr if metric else "", "en": metric.en if metric else "", **msgspec.to_builtins(limits)}
            for key, limits in known.writable.items()
        ]  # fmt: skip
        return {**one, "signal": showing.strongest(one["heard"]), "pack": known.pack, "values": values,
                "writable": writable}  # fmt: skip

    async def todo(self, visit: Visit) -> Any:
        status, listed = await self._site.lately("status"), await self._site.lately("devices")
        waiting = listed["quarantine"]
        return {
            "degraded": status["degraded"],
            "trouble": [one for one in listed["devices"] if one["state"] == "trouble"],
            "refused": [one for one in waiting if one["known"]],
            "candidates": sorted((one for one in waiting if not one["known"]), key=lambda one: -one["last"]),
        }

    async def add(self, visit: Visit) -> Any:
        wish = {name: visit.text(name) for name in _WISH if visit.fields.get(name)}
        return await self._site.call(
            "device.add", wishes=[wish], dry_run=bool(visit.fields.get("dry_run")),
            update=bool(visit.fields.get("update")), by=visit.who,
        )  # fmt: skip

    async def label(self, visit: Visit) -> Any:
        return await self._site.call("device.label", label=visit.text("label"))

    async def remove(self, visit: Visit) -> Any:
        return await self._site.call(
            "device.remove", device=visit.parts["device"], dry_run=bool(visit.fields.get("dry_run")), by=visit.who
        )

    async def replace(self, visit: Visit) -> Any:
        key = re.sub(r"[\s:-]", "", visit.text("key"))
        if key and not re.fullmatch(r"(?:[0-9a-fA-F]{2}){1,64}", key):
            raise Refused("key-bad")
        return await self._site.call(
            "device.replace", old=visit.parts["device"], new=visit.text("new"), key=key,
            dry_run=bool(visit.fields.get("dry_run")), by=visit.who,
        )  # fmt: skip

    async def command(self, visit: Visit) -> Any:
        release = bool(visit.fields.get("release"))
        done = await self._site.call(
            "command.set", device=visit.parts["device"], metric=visit.text("metric"), release=release,
            value=None if release else visit.text("value"), why=visit.text("why"), by=visit.who,
            role=visit.person.role,
        )  # fmt: skip
        return await self._site.call("command.wait", id=done["id"], seconds=WAIT_S)

    async def commands(self, visit: Visit) -> Any:
        return await self._site.call("command.list", limit=100)

    async def stop(self, visit: Visit) -> Any:
        return await self._site.call("command.stop", by=visit.who, why=visit.text("why"))

    async def resume(self, visit: Visit) -> Any:
        return await self._site.call("command.resume", by=visit.who, why=visit.text("why"))

    async def link(self, visit: Visit) -> Any:
        status = await self._site.lately("status")
        return {name: status[name] for name in ("buffer", "link", "backup", "mirror", "clock", "certificate")}

    async def backup(self, visit: Visit) -> Any:
        await self._site.note(visit.who, {"web": "backup asked for"})
        return await self._site.call("backup")

    async def audit(self, visit: Visit) -> Any:
        before = visit.query.get("before", "")
        most = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else (1 << 62)

        def work(db: apsw.Connection) -> list[dict[str, Any]]:
            found = db.execute("SELECT n, at, who, what FROM audit WHERE n < ? ORDER BY n DESC LIMIT 100", (most,))
            return [
                {"n": n, "at": at, "who": who, "what": msgspec.msgpack.decode(what, type=dict[str, Any])}
                for n, at, who, what in found
            ]

        answer: dict[str, Any] = {"entries": await self._site.store.call(work)}
        if visit.query.get("verify"):
            answer["whole"] = len(await self._site.store.audited())
        return answer

    async def session(self, visit: Visit) -> Any:
        return {"name": visit.person.name, "role": visit.person.role, "csrf": visit.form_token}

    async def accounts(self, visit: Visit) -> Any:
        return {"accounts": [{"name": one.name, "role": one.role, "at": one.at} for one in self._site.accounts.all()]}

    async def put_account(self, visit: Visit) -> Any:
        name = visit.text("name").lower()
        one = await self._site.accounts.put(name, _password(visit), visit.text("role"), visit.who)
        self._site.sessions.end_all(name, but=visit.token)
        return {"name": one.name, "role": one.role}

    async def remove_account(self, visit: Visit) -> Any:
        name = visit.parts.get("name") or visit.text("name")
        await self._site.accounts.remove(name, visit.who)
        self._site.sessions.end_all(name)
        return {"name": name}

    async def own_password(self, visit: Visit) -> Any:
        """{former, password}: a session alone does not change it. Throttled as a sign-in is."""
        account, site = visit.person, self._site
        if site.throttle.take(account.name, visit.address, known=True):
            raise Rejected(429, "throttled")
        if await site.accounts.fits(account.name, _password(visit, "former")) is None:
            await site.refuse("password-wrong", visit, visit.address)
            raise Refused("password-wrong")
        site.throttle.give_back(account.name, visit.address, known=True)
        await site.accounts.put(account.name, _password(visit), account.role, visit.who)
        site.sessions.end_all(account.name, but=visit.token)
        return {"name": account.name}

    async def openapi(self, visit: Visit) -> Any:
        return document(self._site.table, self._site.place.hub)

    async def table(self, visit: Visit) -> web.Response:
        """The devices as CSV; `lang` as that language's spreadsheets want it."""
        found = showing.rows((await self._site.lately("devices"))["devices"], visit.query)
        heads = [word(f"csv-{name}", visit.lang) for name in CSV]
        states = {state: word(f"state-{state}", visit.lang) for state in showing.STATES}
        body = showing.table(found, visit.lang, heads, states)
        headers = {"Content-Disposition": 'attachment; filename="appareils.csv"', "Cache-Control": "no-store"}
        return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)


CSV = ("id", "name", "state", "why", "place", "zone", "site", "model", "integration", "signal", "seen")


def _password(visit: Visit, name: str = "password") -> str:
    value = visit.fields.get(name, "")
    if not isinstance(value, str):
        raise HubError(f"{name} is text")
    return value[:1024]


def routes(site: Site) -> list[Route]:
    """All of the API."""
    do = site.operations

    def answered(operation: Operation) -> Operation:
        async def handler(visit: Visit) -> web.Response:
            return json(await operation(visit))

        return handler

    def get(path: str, what: Operation, summary: str, roles: frozenset[str] = READS, **query: Any) -> Route:
        return Route("GET", f"/api/1{path}", answered(what), roles, API, summary, query=query)

    def post(path: str, what: Operation, summary: str, roles: frozenset[str], *fields: str, **flags: Any) -> Route:
        body = {**dict.fromkeys(fields, _TEXT), **flags}
        return Route("POST", f"/api/1{path}", answered(what), roles, API, summary, body=body)

    dry = {"dry_run": _TRUTH}
    return [
        Route("GET", "/api/1/live", site.feed.stream, READS, STREAM, "Live values as events", query={"device": _TEXT}),
        Route("GET", "/api/1/devices.csv", do.table, READS, API, "The devices as CSV", query=_FILTER),
        get("/openapi.json", do.openapi, "This document"),
        get("/session", do.session, "Who is signed in, and the token that changes carry"),
        get("/status", do.status, "All of `ilot status`"),
        get("/devices", do.devices, "Devices, filtered, sorted and paged", READS, **_FILTER, **_PAGE),
        get("/devices/{device}", do.device, "One device: how it stands, its values, what may be written"),
        get("/todo", do.todo, "What somebody should look at, and what is heard and not admitted"),
        get("/link", do.link, "Buffer, link, backup and clock"),
        get("/commands", do.commands, "The last commands"),
        get("/audit", do.audit, "The audit chain, newest first", AUDITS, before={"type": "integer"}, verify=_TEXT),
        get("/accounts", do.accounts, "Who may sign in", RULES),
        post("/devices", do.add, "Add a device", WORKS, *_WISH, update=_TRUTH, **dry),
        post("/labels", do.label, "What a label says, and what is known of its device", WORKS, "label"),
        post("/devices/{device}/replace", do.replace, "Let another device stand in its place", WORKS, "new", "key",
             **dry),
        post("/devices/{device}/commands", do.command, "Write a metric, or let go of it", WORKS, "metric", "value",
             "why", release=_TRUTH),
        Route("DELETE", "/api/1/devices/{device}", answered(do.remove), WORKS, API, "Remove a device that was added"),
        post("/commands/stop", do.stop, "Stop all writes, and let go of what was written", WORKS, "why"),
        post("/commands/resume", do.resume, "Allow writes again", RULES, "why"),
        post("/backup", do.backup, "Back up this hub's state now", RULES),
        post("/accounts", do.put_account, "Add an account, or give it another role and password", RULES, "name",
             "password", "role"),
        Route("DELETE", "/api/1/accounts/{name}", answered(do.remove_account), RULES, API, "Remove an account"),
        post("/password", do.own_password, "Change one's own password", READS, "former", "password"),
    ]  # fmt: skip


__all__ = ["Operations", "routes"]
