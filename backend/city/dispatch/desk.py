"""What people do on the pages: take, mute and close alerts, take incidents, work on interventions, change the plan.

Each is one transaction with its line in the journal. What the hub has to do goes to it as a request under the alert's
own id; until it answers, the alert's state is the hub's.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from backend.city.dispatch import plan_table
from backend.city.dispatch.intake import ALARM
from backend.city.dispatch.lifecycle import Lifecycle
from backend.city.dispatch.plan import Plan, Route
from backend.city.incidents import correlation
from backend.city.people import journal
from backend.city.people.viewer import Viewer
from backend.queries.views import NotFound
from backend.storage.city import dispatch as table
from backend.storage.city import incidents as incident_table
from backend.storage.city.database import Transaction
from backend.storage.city.dispatch import Intervention, KnownAlert
from hub.core.errors import ConfigError
from hub.core.text import phrase
from hub.page_kit.picture_sanitizer import sanitize

MOST_MUTE_H = 31 * 24
MOST_NOTE = 1000
MOST_NOTES = 100
NEXT = {
    "open": ("taken", "on-site", "done"),
    "taken": ("on-site", "done"),
    "on-site": ("done",),
    "done": (),
    "closed": (),
}
"""State of an intervention → what a crew may do next."""


class NotThere(NotFound):
    """The thing asked for is unknown, or not for whoever asks."""

    exit_code = 3


def ask(t: Transaction, viewer: Viewer, one: KnownAlert, state: str, why: str, hours: float, now: float) -> None:
    """Ask the hub of an alert to change it: acknowledged, muted for so many hours, cleared."""
    if one.cleared_at is not None:
        raise NotThere(phrase("alerts-over", "this alert is over"))
    if state == "muted" and one.alert.startswith(ALARM):
        raise ConfigError(
            phrase("alerts-alarm-not-muted", "an alarm of the backend is taken or closed: nothing would raise it again")
        )
    until = now + min(hours, MOST_MUTE_H) * 3600.0 if state == "muted" else None
    table.add_act(t, one.hub, one.alert, state, viewer.id, why[:200], until, now)
    table.set_wanted(t, one.hub, one.alert, state, viewer.id)
    table.end_chains(t, one.hub, one.alert, "asked")
    table.drop_waiting(t, one.hub, one.alert, "raised")
    if one.alert.startswith(ALARM) and state != "cleared":  # no hub answers for an alarm of the backend
        life = Lifecycle(t, *plan_table.current(t), plan_table.standing_swaps(t, now), now)
        life.take([table.as_change(one, n=one.n + 1, state=state, by=f"backend:{viewer.id}", why=why[:200], now=now)])
    journal.note(t, viewer.id, f"alert.{state}", f"{one.hub}/{one.alert}", {"why": why[:200]}, now)


def take_incident(t: Transaction, viewer: Viewer, number: int, now: float, url: str) -> None:
    """Take an incident, and ask the hub of each of its alerts that is open."""
    found = incident_table.incident(t, number)
    if found is None or found.closed_at is not None:
        raise NotThere(phrase("incidents-over", "this incident is over"))
    life = Lifecycle(t, *plan_table.current(t), plan_table.standing_swaps(t, now), now, url=url)
    life.take_incident(found, viewer.id)
    for one in table.children(t, number):
        if one.cleared_at is None and one.state not in ("acknowledged", "muted"):
            ask(t, viewer, one, "acknowledged", "", 0.0, now)
    journal.note(t, viewer.id, "incident.taken", str(number), {}, now)


def split_incident(t: Transaction, viewer: Viewer, number: int, hub: str, name: str, now: float) -> None:
    correlation.split(t, number, hub, name, now, viewer.id)
    correlation.end_if_over(t, number, now, viewer.id)
    journal.note(t, viewer.id, "incident.split", str(number), {"hub": hub, "alert": name}, now)


def merge_incidents(t: Transaction, viewer: Viewer, number: int, into: int, now: float) -> None:
    correlation.merge(t, number, into, now, viewer.id)
    journal.note(t, viewer.id, "incident.merged", str(number), {"into": into}, now)


def move_intervention(
    t: Transaction, viewer: Viewer, task: Intervention, state: str, note: str, picture: bytes | None, now: float
) -> None:
    """Note that a crew took an intervention, is on site, is done, or writes a note; taking it takes its alert too.
    Raises Refused for a picture that is none."""
    if state != "note" and state not in NEXT[task.state]:
        raise NotThere(phrase("intervention-not-now", "this intervention is {state} already", state=task.state))
    if len(table.notes(t, task.id)) >= MOST_NOTES:
        raise NotThere(phrase("intervention-notes-full", "an intervention has {most} notes at most", most=MOST_NOTES))
    clean = None if not picture else sanitize(picture)
    if state != "note":
        table.move_intervention(t, task.id, state, viewer.id, now)
        one = table.alert(t, task.hub, task.alert)
        if one is not None and one.cleared_at is None and one.state not in ("acknowledged", "muted") and not one.wanted:
            ask(t, viewer, one, "acknowledged", note[:200], 0.0, now)
    if state != "note" or note or clean:
        table.add_note(t, task.id, now, viewer.id, state, note[:MOST_NOTE], clean.data if clean else None,
                       clean.kind if clean else "")  # fmt: skip
    journal.note(
        t, viewer.id, f"intervention.{state}", str(task.id), {"note": note[:200], "picture": clean is not None}, now
    )


def store_plan(t: Transaction, viewer: Viewer, plan: Plan, now: float) -> int:
    """Let a plan count. A head of service changes what leads to their own services alone. Raises ConfigError."""
    _, former = plan_table.current(t)
    own = viewer.scope.services
    if own is not None:
        others = _of_others(plan, own)
        if others != _of_others(former, own):
            raise ConfigError(
                phrase(
                    "routes-not-yours", "this changes what is not of your services ({services})", services=sorted(own)
                )
            )
    version = plan_table.store(t, plan, viewer.id, now)
    journal.note(
        t, viewer.id, "routes.stored", str(version), {"routes": len(plan.routes), "people": len(plan.people)}, now
    )
    return version


def _of_others(plan: Plan, own: frozenset[str]) -> bytes:
    """Return all of a plan that is of other services, in its order, as bytes to compare."""
    kept = msgspec.structs.replace(
        plan,
        services=tuple(one for one in plan.services if one.id not in own),
        people=tuple(one for one in plan.people if one.service not in own),
        rota=tuple(one for one in plan.rota if one.service not in own),
        routes=tuple(one for one in plan.routes if one.service not in own),
    )
    return msgspec.json.encode(kept)


def change_route(t: Transaction, viewer: Viewer, name: str, do: str, now: float) -> int:
    """Move a route up or down, or remove it. Raises ConfigError, NotThere."""

    def change(routes: list[Route], at: int) -> None:
        route = routes.pop(at)
        if do == "up":
            routes.insert(max(0, at - 1), route)
        elif do == "down":
            routes.insert(at + 1, route)

    return _change(t, viewer, name, change, now)


def _change(t: Transaction, viewer: Viewer, name: str, change: Callable[[list[Route], int], None], now: float) -> int:
    _, plan = plan_table.current(t)
    routes = list(plan.routes)
    at = next((n for n, one in enumerate(routes) if one.id == name), None)
    if at is None:
        raise NotThere(phrase("routes-no-route", "there is no route {name!r}", name=name))
    change(routes, at)
    return store_plan(t, viewer, msgspec.structs.replace(plan, routes=tuple(routes)), now)


def add_route(t: Transaction, viewer: Viewer, route: Route, now: float) -> int:
    """Add a route before the catch-all, or as the first of a plan. Raises ConfigError."""
    _, plan = plan_table.current(t)
    routes = list(plan.routes)
    routes.insert(len(routes) - 1 if routes and routes[-1].catches_all else len(routes), route)
    return store_plan(t, viewer, msgspec.structs.replace(plan, routes=tuple(routes)), now)


def add_swap(
    t: Transaction, viewer: Viewer, service: str, person: str, instead: str, begin: float, end: float, now: float
) -> None:
    """Let somebody, or nobody, be on duty in the place of a person. Raises NotThere, ConfigError."""
    _, plan = plan_table.current(t)
    if viewer.scope.services is not None and service not in viewer.scope.services:
        raise NotThere(phrase("routes-no-route", "there is no route {name!r}", name=service))
    if plan.person(person) is None or (instead and plan.person(instead) is None) or person == instead:
        raise ConfigError(phrase("duty-who", "say two different people of the directory"))
    if not now - 86_400 < end or not begin < end <= begin + 366 * 86_400:
        raise ConfigError(phrase("duty-when", "say a beginning and a later end, a year apart at most"))
    number = table.add_swap(t, service, person, instead, begin, end, viewer.id, now)
    journal.note(
        t, viewer.id, "duty.swap", str(number), {"service": service, "person": person, "instead": instead}, now
    )


def cancel_swap(t: Transaction, viewer: Viewer, number: int, now: float) -> None:
    if not table.cancel_swap(t, number, viewer.scope.services, now):
        raise NotThere(phrase("duty-no-swap", "there is no such swap"))
    journal.note(t, viewer.id, "duty.swap-cancelled", str(number), {}, now)
