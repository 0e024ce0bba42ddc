"""Accounts: rules of adding, changing and removing people, in the caller's transaction, each change in the journal.

A local account begins without a password: whoever adds it hands over a code, by which its person chooses one. An
account of the sign-in provider is made when that person comes for the first time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec

from backend.city.people import journal, scopes
from backend.city.people.refusals import refused
from backend.city.people.viewer import Role, Scope, Viewer
from backend.storage.city import people as table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.people import Person

NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
RESERVED = ("sso-", "token", "system", "cli")
"""Beginnings of ids that are no local account's."""
MOST = 10_000
CODE_S = 3 * 86_400.0
"""Seconds for which a code may be used."""


def mark_of(one: Person) -> bytes:
    """Return what changes with a person's password, role and scope: a session of another mark is over."""
    parts = [one.secret or b"", one.role.encode(), one.scope.encode(), one.issuer.encode(), bytes([one.disabled])]
    return sha256(b"ilot/city/mark" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()[:16]


def viewer_from(one: Person) -> Viewer:
    """Return a person as a viewer, with the scope that their role allows."""
    role = Role(one.role)
    return Viewer(one.name, one.full_name or one.name, role, scopes.seen_as(role, one.scope), one.language)


def find(r: Reader, name: str) -> Person:
    """Return the person of an id. Raises Refused."""
    found = table.person_named(r, name)
    if found is None:
        raise refused("people-unknown")
    return found


def add(
    t: Transaction, who: str, name: str, role: Role, scope: Scope, code: bytes, now: float, full_name: str = ""
) -> Person:
    """Add a local account whose code has this hash. Raises Refused."""
    if not NAME.fullmatch(name) or name.startswith(RESERVED):
        raise refused("people-name")
    scopes.check(role, scope)
    if table.person_named(t, name) is not None:
        raise refused("people-there")
    if len(table.people(t)) >= MOST:
        raise refused("people-full")
    one = Person(
        t.next("people"), name, full_name.strip()[:80], "", "", role.value, scopes.text_of(scope), "fr", None, code,
        now + CODE_S, False, now, 0.0,
    )  # fmt: skip
    table.put_person(t, one)
    _note(t, who, "people.account-added", one, now)
    return one


def new_code(t: Transaction, who: str, name: str, code: bytes, now: float) -> Person:
    """Give a local account another code; its password goes on until the code is used. Raises Refused."""
    one = replace(_local(t, name), code=code, code_until=now + CODE_S)
    table.put_person(t, one)
    journal.note(t, who, "people.code-made", name, {}, now)
    return one


def set_password(t: Transaction, name: str, secret: bytes, now: float, *, by_code: bytes = b"") -> Person:
    """Set a password, and end what was open. With `by_code`, the hash of the code that was used, only while it is the
    account's. Raises Refused."""
    one = _local(t, name)
    if by_code and (one.code != by_code or now >= one.code_until or one.disabled):
        raise refused("people-code-wrong")
    one = replace(one, secret=secret, code=None, code_until=0.0)
    table.put_person(t, one)
    table.end_sessions(t, one.id)
    journal.note(t, name, "people.password", name, {"by": "code" if by_code else "password"}, now)
    return one


def change(t: Transaction, who: str, name: str, role: Role, scope: Scope, now: float) -> Person:
    """Give somebody another role or scope; their sessions end. Raises Refused."""
    one = find(t, name)
    if one.issuer:
        raise refused("people-of-provider")
    scopes.check(role, scope)
    changed = replace(one, role=role.value, scope=scopes.text_of(scope))
    if role is not Role.ADMIN:
        _keep_one(t, one)
    table.put_person(t, changed)
    table.end_sessions(t, one.id)
    _note(t, who, "people.role", changed, now, {"former": one.role, "former_scope": msgspec.Raw(one.scope.encode())})
    return changed


def disable(t: Transaction, who: str, name: str, now: float, *, disabled: bool = True) -> Person:
    """Let somebody in no more, or again; what is open ends. Raises Refused."""
    one = find(t, name)
    if disabled:
        _keep_one(t, one)
    changed = replace(one, disabled=disabled)
    table.put_person(t, changed)
    table.end_sessions(t, one.id)
    journal.note(t, who, "people.disabled" if disabled else "people.enabled", name, {}, now)
    return changed


def remove(t: Transaction, who: str, name: str, now: float) -> None:
    """Remove an account, its sessions and its tokens. Raises Refused."""
    one = find(t, name)
    _keep_one(t, one)
    table.remove_person(t, one.id)
    _note(t, who, "people.account-removed", one, now)


def end_sessions(t: Transaction, who: str, name: str, now: float, but: bytes = b"") -> int:
    """Sign somebody out everywhere, except for one session; return how many ended. Raises Refused."""
    ended = table.end_sessions(t, find(t, name).id, but)
    journal.note(t, who, "people.sessions-ended", name, {"count": ended}, now)
    return ended


def of_provider(
    t: Transaction, issuer: str, subject: str, full_name: str, role: Role, scope: Scope, language: str, now: float
) -> Person:
    """Return the account of somebody whom the sign-in provider names, with the role that it gives now. Raises
    Refused."""
    scopes.check(role, scope)
    one = table.person_of_provider(t, issuer, subject)
    if one is None:
        if len(table.people(t)) >= MOST:
            raise refused("people-full")
        number = t.next("people")
        one = Person(
            number, f"sso-{number}", "", issuer, subject, "", "", language, None, None, 0.0, False, now, 0.0
        )  # fmt: skip
    if one.disabled:
        raise refused("people-disabled")
    changed = replace(
        one, full_name=full_name.strip()[:80], role=role.value, scope=scopes.text_of(scope), signed_in=now
    )
    table.put_person(t, changed)
    if (one.role, one.scope) != (changed.role, changed.scope):
        table.end_sessions(t, one.id)
        _note(t, "system", "people.role", changed, now, {"former": one.role, "issuer": issuer, "name": full_name[:80]})
    return changed


def _local(r: Reader, name: str) -> Person:
    one = find(r, name)
    if one.issuer:
        raise refused("people-of-provider")
    return one


def _keep_one(r: Reader, one: Person) -> None:
    """Raise Refused for the last local administrator who can sign in: without one nobody could break the glass."""
    admins = [
        other
        for other in table.people(r)
        if other.role == Role.ADMIN and not other.issuer and not other.disabled and (other.secret or other.code)
    ]
    if [other.id for other in admins] == [one.id]:
        raise refused("people-last-admin")


def _note(t: Transaction, who: str, what: str, one: Person, now: float, more: Mapping[str, Any] | None = None) -> None:
    journal.note(
        t,
        who,
        what,
        one.name,
        {"role": one.role, "scope": msgspec.Raw(one.scope.encode() or b"null"), **(more or {})},
        now,
    )
