"""Forms of the configuration: one for each mapping of the file, made of the schema of the installed plugins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from hub.core.errors import ConfigError
from hub.page_kit.request import responses as answers
from hub.page_kit.request.routes import Route
from hub.page_kit.request.visit import Visit
from hub.web import config_wording as configuring
from hub.web.config_wording import AWAY, may_edit, show_refusal
from hub.web.roles import ADMINISTRATEUR, READS, RULES
from hub.web.site import Site

NAMED = {"devices": "device", "places": "place", "zones": "zone", "sites": "site"}
"""Kind of the names of a mapping's entries."""


class Pages(Protocol):
    """The other pages of the configuration."""

    async def show(self, visit: Visit) -> Any: ...

    @property
    def preview(self) -> Callable[..., Awaitable[web.Response]]: ...


class Forms:
    def __init__(self, site: Site, pages: Pages) -> None:
        self._site, self._pages = site, pages

    async def page(self, visit: Visit, status: int = 200, problems: list[dict[str, Any]] | None = None) -> web.Response:
        """Show ?at=&q=, or ?at=&new=1&name=&type= for a new entry: its name may come from its type."""
        at = configuring.decode_path(visit.fields.get("at") or visit.query.get("at", ""))
        kind = str(visit.fields.get("type") or visit.query.get("type", ""))
        if visit.query.get("new") and (name := visit.query.get("name", "").strip() or kind):
            at = [*at, name]
        answer = await self._site.call("config.form", at=at, type=kind)
        shown = await self._pages.show(visit)
        form = configuring.translated_form(answer["form"], visit.lang)
        self._hide(visit, shown, form)
        filled = {name.removeprefix("f."): value for name, value in visit.fields.items() if name.startswith("f.")}
        told = configuring.with_field_links(form, configuring.problems(problems or [], visit.lang))
        return self._site.page(
            "configuration_form",
            visit,
            status,
            form=form,
            base=answer["digest"],
            filled=filled,
            at=at,
            type=kind,
            may=may_edit(visit, shown),
            step=configuring.encode_path,
            names=configuring.names(at, visit.lang, form.get("titles", ())),
            problems=told,
            entries=configuring.entries(form, visit.query.get("q", "")),
            called_of=lambda name: self._site.name_of(NAMED.get("/".join(at), ""), name, "", visit.lang),
        )

    def _hide(self, visit: Visit, shown: dict[str, Any], form: dict[str, Any]) -> None:
        """Hide in a form whatever the page of the text hides."""
        if visit.person.role == ADMINISTRATEUR:
            return
        for field in form["fields"]:
            field["value"] = "" if shown["problems"] else AWAY.sub(r"\1…@", field["value"])

    async def send(self, visit: Visit) -> web.Response:
        """Preview the change of {at, type, base, f.NAME…}, or show the errors beside their fields."""
        at = configuring.decode_path(visit.fields.get("at", ""))
        filled = {key.removeprefix("f."): value for key, value in visit.fields.items() if key.startswith("f.")}
        try:
            answer = await self._site.call("config.form", at=at, type=visit.text("type"), filled=filled)
        except ConfigError as error:
            return await self._again(visit, error)
        edits = answer["edits"]
        if not edits:
            return answers.redirect(
                f"/configuration/form?at={configuring.quoted(configuring.encode_path(at))}&said=config-same"
            )
        judged = await self._site.call("config.check", edits=edits)
        if not judged["ok"]:
            return await self.page(visit, 422, judged["problems"])
        form = configuring.translated_form(answer["form"], visit.lang)
        try:
            return await self._pages.preview(
                visit, {"edits": edits, "base": visit.text("base")}, configuring.changes(form, edits, visit.lang)
            )
        except ConfigError as error:
            return await self._again(visit, error)

    async def _again(self, visit: Visit, error: ConfigError) -> web.Response:
        found = configuring.as_dicts(error)
        if not any(one["path"] for one in found):
            show_refusal(visit, error)
            found = []
        return await self.page(visit, 422, found)


def routes(site: Site, pages: Pages) -> list[Route]:
    do = Forms(site, pages)
    return [
        Route("GET", "/configuration/form", do.page, READS),
        Route("POST", "/configuration/form", do.send, RULES),
    ]
