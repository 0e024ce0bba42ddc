"""Configuration: as text and as forms, preview of a change, its history, and its confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from hub.core.errors import HubError
from hub.core.nesting import shallow_json
from hub.page_kit.menu import Entry
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Rejected, Visit
from hub.web import config_wording as configuring
from hub.web.area import DRY, TEXT, TRUTH, Area, get, post
from hub.web.areas.configuration import forms as configuration_forms
from hub.web.config_wording import AWAY, may_edit, show_refusal
from hub.web.roles import ADMINISTRATEUR, READS, RULES
from hub.web.site import Site

MOST_TEXT = 512 * 1024
FILES = {"lines.js": "text/javascript", "config.js": "text/javascript", "config.css": "text/css"}
WHOLE: dict[str, Any] = {"files": {"type": "object"}, "edits": {"type": "array"}, "revision": TEXT, "base": TEXT}


class Configuration:
    def __init__(self, site: Site) -> None:
        self._site = site

    # the API

    async def show(self, visit: Visit) -> Any:
        """Return the text of the files, with secrets by name. A role that may not change it gets no invalid text, which
        may hold a secret."""
        answer = await self._site.call("config.show", revision=visit.query.get("revision", ""))
        if visit.person.role != ADMINISTRATEUR:
            wrong = bool(answer["problems"])
            answer["files"] = {name: "" if wrong else AWAY.sub(r"\1…@", text) for name, text in answer["files"].items()}
            answer["problems"] = [{**one, "source": ""} for one in answer["problems"]]
        return answer

    async def log(self, visit: Visit) -> Any:
        return await self._site.call("config.log")

    async def diff(self, visit: Visit) -> Any:
        return await self._site.call("config.diff", **_asked(visit), by=visit.who)

    async def apply(self, visit: Visit) -> Any:
        """Check now, apply after the answer: `progress` reports the rest."""
        asked = {**_asked(visit), "by": visit.who, "reason": visit.text("reason"), "origin": visit.address}
        plan = await self._site.call("config.apply", **asked, dry_run=True)
        if visit.fields.get("dry_run") or plan["state"] == "same":
            return plan
        asked["base"] = asked.get("base") or plan["base"]
        anyway = bool(visit.fields.get("anyway"))
        return {**plan, **await self._site.call("config.apply", **asked, anyway=anyway, later=True)}

    async def progress(self, visit: Visit) -> Any:
        return await self._site.call("config.progress")

    async def confirm(self, visit: Visit) -> Any:
        return await self._site.call("config.confirm", by=visit.who, origin=visit.address)

    async def revert(self, visit: Visit) -> Any:
        return await self._site.call("config.revert", by=visit.who, origin=visit.address)

    # pages

    async def page(self, visit: Visit, status: int = 200) -> web.Response:
        shown, log = await self.show(visit), await self.log(visit)
        progress = shown["progress"] if "progress" in shown else await self.progress(visit)
        return self._site.page(
            "configuration",
            visit,
            status,
            shown=shown,
            revisions=log["revisions"][:50],
            progress=progress,
            url=await self._elsewhere(visit) if progress["stage"] else "",
            may=may_edit(visit, shown),
            problems=configuring.problems(shown["problems"], visit.lang),
        )

    async def _elsewhere(self, visit: Visit) -> str:
        """Return the present address of the pages, when their port differs from the requested one."""
        status = await self._site.call("status")
        there = urlsplit(status.get("web", {}).get("url") or "")
        here = urlsplit(f"https://{visit.request.host}")
        if not there.port or there.port == (here.port or 443):
            return ""
        host = here.hostname or there.hostname or ""
        return f"https://{f'[{host}]' if ':' in host else host}:{there.port}/configuration"

    async def text_page(
        self, visit: Visit, status: int = 200, text: str | None = None, problems: list[dict[str, Any]] | None = None
    ) -> web.Response:
        shown = await self.show(visit)
        name = str(visit.fields.get("file") or visit.query.get("file") or shown["first"])
        if name not in shown["files"]:
            raise Rejected(404, "no-page")
        found = configuring.problems(shown["problems"] if problems is None else problems, visit.lang)
        return self._site.page(
            "configuration_text",
            visit,
            status,
            shown=shown,
            file=name,
            may=may_edit(visit, shown),
            text=shown["files"][name] if text is None else text,
            problems=found,
            base=visit.fields.get("base") or shown["digest"],
        )

    async def text_form(self, visit: Visit) -> web.Response:
        """Preview {file, text, base}, or show the errors at their lines."""
        name, text = visit.text("file"), str(visit.fields.get("text", "")).replace("\r\n", "\n")
        files = {name: text}
        judged = await self._site.call("config.check", files=files)
        if not judged["ok"]:
            return await self.text_page(visit, 422, text, judged["problems"])
        return await self.preview(visit, {"files": files, "base": visit.text("base")})

    async def rollback_form(self, visit: Visit) -> web.Response:
        """Preview a rollback to {revision}."""
        try:
            return await self.preview(visit, {"revision": visit.text("revision")})
        except HubError as error:
            show_refusal(visit, error)
            return await self.page(visit, 422)

    async def preview(
        self, visit: Visit, asked: dict[str, Any], changes: Sequence[dict[str, str]] = ()
    ) -> web.Response:
        """Show what a change would do, before it is applied; `changes` in words, where a form made it."""
        plan = await self._site.call("config.diff", **asked, by=visit.who)
        asked["base"] = asked.get("base") or plan.get("base", "")
        return self._site.page(
            "configuration_preview",
            visit,
            plan=plan,
            asked=msgspec.json.encode(asked).decode(),
            changes=changes,
            lines=configuring.rows(plan["diff"], visit.lang),
        )

    async def apply_form(self, visit: Visit) -> web.Response:
        """Apply {asked, reason, anyway}: `asked` as in the preview."""
        try:
            asked = msgspec.json.decode(shallow_json(str(visit.fields.get("asked", ""))), type=dict[str, Any])
        except msgspec.MsgspecError:
            raise Rejected(400, "bad-body") from None
        visit.fields.update({name: asked[name] for name in WHOLE if name in asked})
        try:
            await self.apply(visit)
        except HubError as error:
            show_refusal(visit, error)
            return await self.page(visit, 422)
        return answers.redirect("/configuration")

    async def confirm_form(self, visit: Visit) -> web.Response:
        return await self._finish(visit, self.confirm)

    async def revert_form(self, visit: Visit) -> web.Response:
        return await self._finish(visit, self.revert)

    async def _finish(self, visit: Visit, work: Any) -> web.Response:
        try:
            await work(visit)
        except HubError as error:
            show_refusal(visit, error)
            return await self.page(visit, 422)
        return answers.redirect("/configuration")


def _asked(visit: Visit) -> dict[str, Any]:
    return {name: visit.fields[name] for name in WHOLE if visit.fields.get(name)}


def routes(site: Site) -> list[Route]:
    do = Configuration(site)
    return [
        *configuration_forms.routes(site, do),
        Route("GET", "/configuration", do.page, READS),
        Route("GET", "/configuration/text", do.text_page, READS),
        Route("POST", "/configuration/text", do.text_form, RULES, upload=MOST_TEXT),
        Route("POST", "/configuration/rollback", do.rollback_form, RULES),
        Route("POST", "/configuration/apply", do.apply_form, RULES, upload=2 * MOST_TEXT),
        Route("POST", "/configuration/confirm", do.confirm_form, RULES),
        Route("POST", "/configuration/revert", do.revert_form, RULES),
        get("/configuration", do.show, "The configuration, with what is wrong in it", revision=TEXT),
        get("/configuration/log", do.log, "Its versions, the newest first"),
        get("/configuration/progress", do.progress, "How the change under way stands"),
        post("/configuration/diff", do.diff, "What a change would do", RULES, **WHOLE),
        post("/configuration/apply", do.apply, "Change it: answered before it is done", RULES, "reason",
             **WHOLE, anyway=TRUTH, **DRY),
        post("/configuration/confirm", do.confirm, "Keep a change that waits for a word", RULES),
        post("/configuration/revert", do.revert, "Take that change back", RULES),
    ]  # fmt: skip


AREA = Area(
    routes, (Entry("configuration", "/configuration", "group-hub"),), frozenset({"config-same"}), FILES, order=160
)
