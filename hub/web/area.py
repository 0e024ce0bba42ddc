"""Area of the pages: one subject with its pages, its operations in the API, and its place in the menu.

Operations take a `Visit` whose fields are text and return plain data; they use the calls of the control socket, where
the rules are. Pages show the results of operations; they work without scripts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from hub.core.errors import DecodeError, HubError
from hub.core.text import Phrase, reason_of
from hub.i18n.catalogues import translate
from hub.operations.crisis.readonly import ReadOnly
from hub.page_kit.menu import Entry
from hub.page_kit.people.passwords import Busy
from hub.page_kit.refusals import Refused
from hub.page_kit.request.responses import json
from hub.page_kit.request.routes import API, Route
from hub.page_kit.request.visit import Visit
from hub.protocol.device_labels import Unreadable
from hub.web.roles import READS
from hub.web.site import Site
from hub.web.words import word

Operation = Callable[[Visit], Awaitable[Any]]
Again = Callable[[Visit, int], Awaitable[web.Response]]

TEXT: Mapping[str, Any] = {"type": "string"}
TRUTH: Mapping[str, Any] = {"type": "boolean"}
DRY: Mapping[str, Any] = {"dry_run": TRUTH}


class Area(NamedTuple):
    """An area. `said`: keys of the catalogue that a form's redirection may report as done (`?said=`); `files`: name →
    content type, below `static/`; `unenrolled`: a hub that is not enrolled yet has it too."""

    routes: Callable[[Site], list[Route]]
    menu: tuple[Entry, ...] = ()
    said: frozenset[str] = frozenset()
    files: Mapping[str, str] = {}
    order: int = 500
    unenrolled: bool = False


def json_endpoint(operation: Operation) -> Operation:
    """Return a handler that answers the operation's result as JSON."""

    async def handler(visit: Visit) -> web.Response:
        return json(await operation(visit))

    return handler


def get(path: str, what: Operation, summary: str, roles: frozenset[str] = READS, **query: Any) -> Route:
    """Return the route of an API operation that reads; `query`: name → JSON Schema."""
    return Route("GET", f"/api/1{path}", json_endpoint(what), roles, API, summary, query=query)


def post(
    path: str, what: Operation, summary: str, roles: frozenset[str], *fields: str, people: bool = False, **others: Any
) -> Route:
    """Return the route of an API operation that changes something; `fields` are text, `others`: name → JSON Schema;
    `people`: not for tokens."""
    body = {**dict.fromkeys(fields, TEXT), **others}
    return Route("POST", f"/api/1{path}", json_endpoint(what), roles, API, summary, body=body, people=people)


def delete(path: str, what: Operation, summary: str, roles: frozenset[str], *, people: bool = False) -> Route:
    return Route("DELETE", f"/api/1{path}", json_endpoint(what), roles, API, summary, people=people)


def error_text(error: HubError, lang: str) -> str:
    """Return the hub's refusal, for people."""
    if isinstance(error, Refused):
        return word(error.key, lang)
    if isinstance(error, ReadOnly):
        return word("hub-read-only", lang)
    if isinstance(error, Unreadable) or (isinstance(error, DecodeError) and isinstance(error.detail, Phrase)):
        return translate(error.detail, lang)
    return translate(reason_of(error), lang)


async def run_form(visit: Visit, work: Operation, again: Again) -> web.Response | None:
    """Run a form's operation; when the hub refuses, return the page again with the reason, else None."""
    try:
        await work(visit)
    except Busy:
        raise  # the error page retries by itself
    except HubError as error:
        visit.error = error_text(error, visit.lang)
        visit.error_lang = "en" if visit.lang != "en" and visit.error == str(error) else ""
        return await again(visit, 422)
    return None
