"""Who may be told of an alert: those whose account sees its page. Who has no account here, and a system, is told what
its route leads there."""

from __future__ import annotations

from backend.city.dispatch.plan import Plan
from backend.city.people import accounts
from backend.city.people.viewer import CLASSES, NOTHING, Role, Scope
from backend.storage.city import dispatch as table
from backend.storage.city import people as people_table
from backend.storage.city.database import Reader
from backend.storage.city.dispatch import KnownAlert

INCIDENT = "incident:"


class Sight:
    """Alerts that the people of a plan may see, by their accounts, within one transaction."""

    def __init__(self, r: Reader, plan: Plan) -> None:
        self._r, self._plan = r, plan
        self._scopes: dict[str, Scope | None] = {}

    def sees(self, person: str, hub: str, name: str) -> bool:
        """Return whether a person of the plan sees the page of an alert, or of an incident, `incident:N`."""
        scope = self._scope(person)
        if scope is None:
            return True
        if name.startswith(INCIDENT):
            return bool(table.children_seen(self._r, scope, int(name.removeprefix(INCIDENT))))
        task = table.intervention_of(self._r, hub, name)
        if task is not None and scope.services is not None and task.service not in scope.services:
            return False
        return table.visible(self._r, scope, hub, name) is not None

    def children(self, person: str, incident: int) -> list[KnownAlert] | None:
        """Return the alerts of an incident that a person sees; None for all."""
        scope = self._scope(person)
        return None if scope is None else table.children_seen(self._r, scope, incident)

    def _scope(self, person: str) -> Scope | None:
        """Return the scope of a person's account; None where there is none, or it limits nothing."""
        if person not in self._scopes:
            self._scopes[person] = self._read(person)
        return self._scopes[person]

    def _read(self, person: str) -> Scope | None:
        known = self._plan.person(person)
        found = people_table.person_named(self._r, known.account) if known is not None and known.account else None
        if found is None:
            return None
        viewer = accounts.viewer_from(found)
        scope = NOTHING if found.disabled or viewer.role is Role.ELECTED else viewer.scope  # who sees no single things
        return None if scope == Scope(classes=CLASSES) else scope
