"""Table of routes: paths, roles, and the API's document. Pure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

EVERYBODY: frozenset[str] = frozenset()
"""Everybody, also anonymous visitors."""

PAGE, API, FILE, STREAM = "page", "api", "file", "stream"
_PART = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """A route. `path` may hold `{name}`: one part, percent-decoded. `query` and `body`: name → JSON Schema of a
    parameter; `summary` in English, for the API document. `people`: not for tokens, only for somebody who is signed in.
    `upload`: maximum bytes of files in a form; `quiet`: requests do not lengthen the session;
    `screen`: also for a screen on a wall, which nobody is signed in to; `long`: the answer is
    sent in parts, bounded each, and takes as long as the client takes to read it; `fields`: maximum number of fields of
    a form; `into`: opens the file that an upload is written to as it comes, instead of memory, and `pace` raises
    NotReady when so many bytes in so many seconds are too few."""

    method: str
    path: str
    handler: Callable[[Any], Awaitable[Any]]
    roles: frozenset[str]
    kind: str = PAGE
    summary: str = ""
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    body: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    people: bool = False
    upload: int = 0
    quiet: bool = False
    screen: bool = False
    long: bool = False
    fields: int = 64
    into: Callable[[], Awaitable[BinaryIO]] | None = None
    pace: Callable[[int, float], None] = lambda taken, seconds: None


class Table:
    """Routes by method and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._plain = {(one.method, one.path): one for one in self.routes if "{" not in one.path}
        self._shaped = [(_pattern(one.path), one) for one in self.routes if "{" in one.path]

    def find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], list[str]]:
        """Return (the route, its parts, the other methods of the path). `path` is percent-encoded."""
        method = "GET" if method == "HEAD" else method
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain, {}, []
        others = [m for m, p in self._plain if p == path]
        for pattern, route in self._shaped:
            matched = pattern.fullmatch(path)
            if matched and route.method == method:
                return route, matched.groupdict(), []
            if matched:
                others.append(route.method)
        return None, {}, others


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PART.split(path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if n % 2 else re.escape(part) for n, part in enumerate(parts)))


def document(table: Table, title: str, cookie: str, token: str) -> dict[str, Any]:
    """Return the API as an OpenAPI 3.1 document. `cookie` is the name of the session's; `token` says where one comes
    from."""
    paths: dict[str, dict[str, Any]] = {}
    for route in table.routes:
        if route.kind in (API, STREAM):
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookie,
                    "description": "Of somebody who signed in. What changes something needs X-CSRF too.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"Of a script, {token}. Without a cookie, and without X-CSRF.",
                },
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}, "reason": {"type": "string"}},
                }
            },
        },
        "security": [{"session": []}, {"token": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    kind = "text/event-stream" if route.kind == STREAM else "application/json"
    changes = route.method != "GET"
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PART.findall(route.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": dict(shape)} for name, shape in route.query.items()]
    if changes:
        parameters.append(
            {
                "name": "X-CSRF",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "Required with a session, unused with a token.",
            }
        )
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-z]+', '_', route.path.removeprefix('/api/1'))}".strip("_"),
        "summary": route.summary,
        "parameters": parameters,
        "x-roles": sorted(route.roles),
        "responses": {
            "200": {"description": "Done.", "content": {kind: {"schema": {}}}},
            "401": {"description": "Not signed in.", **error},
            "403": {"description": "Not with this role, or not from this page.", **error},
            "422": {"description": "Refused; says why and what to do.", **error},
        },
    }
    if route.people:
        found["security"] = [{"session": []}]
    if route.body:
        schema = {"type": "object", "properties": {name: dict(shape) for name, shape in route.body.items()}}
        kind = "multipart/form-data" if route.upload else "application/json"
        found["requestBody"] = {"content": {kind: {"schema": schema}}}
    return found
