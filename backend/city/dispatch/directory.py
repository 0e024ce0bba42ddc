"""Standing of the directory's people here: by their accounts, if they have any. A person of the plan is told of alerts
without one; what they can do besides, and what they are not told, follows from it."""

from __future__ import annotations

from backend.city.dispatch.plan import Person
from backend.city.people import accounts
from backend.city.people.viewer import Role
from backend.storage.city import people as table
from backend.storage.city.database import Reader

NONE, MISSING, NOTHING, LOOKS, TAKES = "none", "missing", "nothing", "looks", "takes"
ACTING = frozenset({Role.OPERATOR, Role.HEAD, Role.CREW, Role.ADMIN})
"""Roles that take alerts and interventions."""


def standing(r: Reader, person: Person) -> str:
    """Return NONE without an account, MISSING while the one that the plan names is not there, NOTHING where it keeps
    its person from being told, LOOKS where it only shows, TAKES where it also acts."""
    if not person.account:
        return NONE
    found = table.person_named(r, person.account)
    if found is None:
        return MISSING
    role = accounts.viewer_from(found).role
    if found.disabled or role is Role.ELECTED:
        return NOTHING
    return TAKES if role in ACTING else LOOKS
