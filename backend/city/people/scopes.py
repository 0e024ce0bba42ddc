"""Scopes as JSON, and the rules of which role may have which scope. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from backend.city.people.refusals import refused
from backend.city.people.viewer import CLASSES, NOTHING, Role, Scope
from hub.core.errors import DecodeError
from hub.core.text import phrase
from hub.page_kit.refusals import Refused

MOST_NAMES = 200
"""Services, and sectors, of one scope: each is a value in every query."""
ALWAYS: dict[Role, frozenset[str]] = {
    Role.DPO: CLASSES,
    Role.ELECTED: frozenset({"public", "internal"}),
}


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    services: list[str] | None = None
    sectors: list[str] | None = None
    provider: str = ""
    classes: list[str] = []


def text_of(scope: Scope) -> str:
    """Return a scope as JSON, with its names in their order."""
    written = _Written(
        None if scope.services is None else sorted(scope.services),
        None if scope.sectors is None else sorted(scope.sectors),
        scope.provider,
        sorted(scope.classes),
    )
    return msgspec.json.encode(written).decode()


def scope_of(text: str) -> Scope:
    """Return the scope of a JSON text. Raises DecodeError."""
    try:
        read = msgspec.json.decode(text, type=_Written)
    except msgspec.DecodeError as error:
        raise DecodeError(
            "bad-scope", phrase("people-scope-unread", "a scope cannot be read: {reason}", reason=str(error))
        ) from error
    return Scope(_names(read.services), _names(read.sectors), read.provider, frozenset(read.classes) & CLASSES)


def seen_as(role: Role, text: str) -> Scope:
    """Return the scope that somebody in a role has now: nothing where it does not fit the role or cannot be read."""
    try:
        scope = scope_of(text)
        check(role, scope)
    except (DecodeError, Refused):
        return NOTHING
    return scope


def check(role: Role, scope: Scope) -> None:
    """Raise Refused where a role may not have a scope."""
    if (role is Role.PROVIDER) != bool(scope.provider):
        raise refused("people-scope-provider")
    if not scope.classes:
        raise refused("people-scope-classes")
    if "personal" in scope.classes and role in (Role.ELECTED, Role.PROVIDER, Role.CREW):
        raise refused("people-scope-personal")
    for names in (scope.services, scope.sectors):
        if names is not None and not 0 < len(names) <= MOST_NAMES:
            raise refused("people-scope-names")


def given(services: Iterable[str], sectors: Iterable[str], provider: str, classes: Iterable[str], role: Role) -> Scope:
    """Return the scope of what an operator typed: no services or sectors stand for all, no classes for the role's own.
    Raises Refused."""
    named, parts = _filled(services), _filled(sectors)
    found = frozenset(one.strip() for one in classes if one.strip())
    if found - CLASSES:
        raise refused("people-scope-classes")
    scope = Scope(named or None, parts or None, provider.strip(), found or ALWAYS.get(role, Scope().classes))
    check(role, scope)
    return scope


def _filled(names: Iterable[str]) -> frozenset[str]:
    return frozenset(one.strip() for one in names if one.strip())


def _names(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
