"""Viewers: whoever looks, in a role, within a scope; and the guards of routes.

    async def routes_page(request): viewer = viewer_of(request) …

    router.add_get("/routes", needs(Role.HEAD, Role.OPERATOR)(routes_page))
    router.add_get("/sta/v1.1/Things", needs(*READS, use="sensorthings")(things))     also with a token of this use
    router.add_get("/register", public(register_page))                               also strangers, with a form's token
    router.add_post("/open311/requests.json", program(post_request))                 strangers that are programs
    router.add_get("/events", needs(stream=True)(events))                            does not lengthen the session

`backend.city.people.guards` enforces what is declared here, and answers no route that declares nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web

from backend.storage.city import scope
from backend.storage.city.sql import Value
from hub.core.errors import AuthFailed, HubError
from hub.core.text import phrase

CLASSES = frozenset({"public", "internal", "personal"})
H = TypeVar("H", bound=Callable[..., Any])


class Role(StrEnum):
    """The work of a person, which decides what they may do."""

    OPERATOR = "operator"
    HEAD = "head"
    CREW = "crew"
    PROVIDER = "provider"
    ELECTED = "elected"
    DPO = "dpo"
    ADMIN = "admin"


STAFF = frozenset({Role.OPERATOR, Role.HEAD, Role.CREW, Role.DPO, Role.ADMIN})
"""Roles of the operator's own people, who see single things; a provider sees its own, an elected person aggregates."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Part of the city shown to somebody. None stands for all; `provider` "" for any; `classes` are privacy classes."""

    services: frozenset[str] | None = None
    sectors: frozenset[str] | None = None
    provider: str = ""
    classes: frozenset[str] = frozenset({"public", "internal"})

    def things(self, alias: str) -> tuple[str, tuple[Value, ...]]:
        """Return the condition on the table `things`, named `alias` in the query, and its values."""
        return scope.things(alias, self)

    def within(self, other: Scope) -> Scope:
        """Return what is in this scope and in another one. Two different providers have nothing in common."""
        classes = self.classes & other.classes
        if self.provider and other.provider and self.provider != other.provider:
            classes = frozenset()
        return Scope(
            _both(self.services, other.services),
            _both(self.sectors, other.sectors),
            self.provider or other.provider,
            classes,
        )


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


NOTHING = Scope(frozenset(), frozenset(), "", frozenset())


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks. `id` is the author in the journal, of a program `token:…`; `language` is "fr" or "en"."""

    id: str
    name: str
    role: Role
    scope: Scope
    language: str = "fr"


VIEWER = web.RequestKey("city-viewer", Viewer)
"""Who asks."""
FORM_TOKEN = web.RequestKey("city-form-token", str)
"""The token that the forms of the answer carry."""
SESSION_LEFT = web.RequestKey("city-session-left", tuple)
"""Seconds until the session ends without activity, and in any case."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may ask at a route. `roles` None: also strangers. `use`: tokens of programs for it are admitted too. `forms`:
    what changes something carries the token of a page of ours. `stream`: asking does not lengthen the session."""

    roles: frozenset[Role] | None
    use: str = ""
    forms: bool = True
    stream: bool = False


_GUARD = "__city_guard__"


def needs(*roles: Role, use: str = "", stream: bool = False) -> Callable[[H], H]:
    """Declare that a handler is for people in these roles, without one for everybody who is signed in; with `use` also
    for programs with a token of that use."""
    return _declare(Guard(frozenset(roles or Role), use, stream=stream))


def public(handler: H) -> H:
    """Declare that a handler's pages are for everybody, also for strangers."""
    return _declare(Guard(None))(handler)


def program(handler: H) -> H:
    """Declare that a handler answers programs of strangers: cookies are not looked at, forms need no token."""
    return _declare(Guard(None, forms=False))(handler)


def _declare(guard: Guard) -> Callable[[H], H]:
    def declare(handler: H) -> H:
        plain = getattr(handler, "__func__", handler)  # attributes of a bound method are its function's
        setattr(plain, _GUARD, guard)
        return handler

    return declare


def guard_of(handler: object) -> Guard | None:
    """Return what a handler declares; None for nothing."""
    found = getattr(handler, _GUARD, None)
    return found if isinstance(found, Guard) else None


class SignInFirst(HubError):
    """Nobody is signed in."""

    def __init__(self) -> None:
        super().__init__(phrase("people-sign-in-first", "sign in first"))


class NotAllowed(AuthFailed):
    """Somebody is signed in whose role does not allow it."""

    def __init__(self) -> None:
        super().__init__(phrase("people-role", "your role does not allow this"))


def viewer_of(request: web.Request) -> Viewer:
    """Return who asks. Raises SignInFirst, which becomes the sign-in for pages and 401 for programs."""
    found: Viewer | None = request.get(VIEWER)
    if found is None:
        raise SignInFirst
    return found


def stranger_or_viewer(request: web.Request) -> Viewer | None:
    """Return who asks at a public route; None for a stranger."""
    return request.get(VIEWER)


def require(viewer: Viewer, *roles: Role) -> None:
    """Raise NotAllowed unless the viewer has one of these roles."""
    if viewer.role not in roles:
        raise NotAllowed
