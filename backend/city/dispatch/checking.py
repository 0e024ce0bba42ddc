"""Check of a plan: names that do not exist, routes that nothing reaches, moments at which nobody is told. Pure.

Who is on duty changes only at the beginning or end of a shift, a swap or a route, at local midnight, and where the
clock changes. Each of these moments of the period is looked at, in Unix time, so that both hours that a clock change
repeats count, and the one that it skips does not: what is found is a proof and not a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backend.city.dispatch.plan import DAY_MINUTES, MACHINES, Plan, Route, Step, Swap
from backend.city.dispatch.rota import begun_on, local_in, on_duty
from hub.core.text import Phrase, phrase

HOUR = 3600.0


class Hole(NamedTuple):
    """A period, in Unix seconds, in which a step of routes reaches nobody; `steps` are (route, number from 1)."""

    begin: float
    end: float
    service: str
    steps: tuple[tuple[str, int], ...]


class Verdict(NamedTuple):
    """Findings of a check. `wrong` must be mended before a plan can be used; `holes` are moments without anybody."""

    wrong: list[Phrase]
    holes: list[Hole]
    hours: int
    moments: int


def check(plan: Plan, swaps: Sequence[Swap], begin: float, end: float) -> Verdict:
    """Check a plan for a period of Unix seconds."""
    wrong = errors(plan)
    if wrong:
        return Verdict(wrong, [], 0, 0)
    holes, moments = _holes(plan, swaps, begin, end)
    return Verdict([], holes, round((end - begin) / HOUR), moments)


def errors(plan: Plan) -> list[Phrase]:
    """Return what is wrong in a plan at any moment."""
    for zone in _zones(plan):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return [phrase("routes-zone-unknown", "the time zone {zone!r} is not known", zone=zone[:60])]
    services, people = {one.id for one in plan.services}, {one.id for one in plan.people}
    found = [*_twice("service", [one.id for one in plan.services]), *_twice("person", [one.id for one in plan.people]),
             *_twice("route", [one.id for one in plan.routes])]  # fmt: skip
    for person in plan.people:
        if person.service not in services:
            found += [_no_service(f"people.{person.id}", person.service)]
    for number, shift in enumerate(plan.rota, 1):
        if shift.service not in services:
            found.append(_no_service(f"rota.{number}", shift.service))
        found += [_no_person(f"rota.{number}", name) for name in shift.people if name not in people]
    for route in plan.routes:
        if route.service not in services:
            found.append(_no_service(f"routes.{route.id}", route.service))
        for step in route.chain:
            if step.service and step.service not in services:
                found.append(_no_service(f"routes.{route.id}", step.service))
        if [one.after_s for one in route.chain] != sorted(one.after_s for one in route.chain):
            found.append(
                phrase("routes-steps-order", "routes.{route}: each step comes after the one before", route=route.id)
            )
    return found + _order(plan)


def _order(plan: Plan) -> list[Phrase]:
    routes = plan.routes
    if not routes or not routes[-1].catches_all or not routes[-1].chain:
        return [
            phrase(
                "routes-no-catch-all",
                "the last route has no condition and a chain, so that no alert is lost: add one to the service that "
                "always answers",
            )
        ]
    for number, route in enumerate(routes):
        for earlier in routes[:number]:
            if earlier.catches_all or _covers(plan, earlier, route):
                return [
                    phrase(
                        "routes-never-reached",
                        "routes.{route} is never reached: routes.{earlier} takes all of it before",
                        route=route.id,
                        earlier=earlier.id,
                    )
                ]
    return []


def _covers(plan: Plan, wide: Route, narrow: Route) -> bool:
    """Return whether one route surely takes all that another would; patterns count as covered when they are named."""
    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
        (wide.rules, narrow.rules), (wide.severities, narrow.severities), (wide.sectors, narrow.sectors),
        (wide.contracts, narrow.contracts),
    )  # fmt: skip
    one_zone = plan.zone_of(wide.service) == plan.zone_of(narrow.service)
    same = wide.times.always or (wide.times == narrow.times and one_zone)
    return same and all(not one or (other and set(other) <= set(one)) for one, other in pairs)


def _twice(kind: str, names: list[str]) -> Iterator[Phrase]:
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield phrase("routes-name-twice", "two of the kind {kind} have the id {name!r}", kind=kind, name=name)


def _no_service(where: str, service: str) -> Phrase:
    return phrase("routes-no-service", "{where}: there is no service {service!r}", where=where, service=service)


def _no_person(where: str, person: str) -> Phrase:
    return phrase("routes-no-person", "{where}: there is nobody {person!r} in people", where=where, person=person)


def _holes(plan: Plan, swaps: Sequence[Swap], begin: float, end: float) -> tuple[list[Hole], int]:
    steps = [(route, number, step, route.service if not step.service else step.service)
             for route in plan.routes for number, step in enumerate(route.chain, 1)]  # fmt: skip
    shifts = max((step.after_s for _, _, step, _ in steps), default=0)
    duty: dict[tuple[str, tuple[str, ...]], list[tuple[float, bool]]] = {}
    moments = sorted(set(changes(plan, swaps, begin, end + shifts)))
    asked = {(service, step.channels) for _, _, step, service in steps}
    zones = {name: plan.zone_of(name) for name, _ in asked}
    for at in moments:
        now = {zone: local_in(plan, at, zone) for zone in set(zones.values())}
        there = {service: on_duty(plan, swaps, service, at, now[zone]) for service, zone in zones.items()}
        for service, channels in asked:
            reached = any(person.address(one) for person in there[service] for one in channels) or _by_machine(
                plan, service, channels
            )
            seen = duty.setdefault((service, channels), [])
            if not seen or seen[-1][1] != reached:
                seen.append((at, reached))
    found: dict[tuple[float, float, str], list[tuple[str, int]]] = {}
    active = {route.id: _active(plan, route, moments, end) for route in plan.routes}
    for route, number, step, service in steps:
        for first, last in _without(duty[service, step.channels], end + shifts):
            # a step that begins after the alert is asked for a moment that much later
            for from_, to in _overlap((first - step.after_s, last - step.after_s), active[route.id], begin, end):
                key = (from_ + step.after_s, to + step.after_s, service)
                found.setdefault(key, []).append((route.id, number))
    holes = [Hole(*key, tuple(names)) for key, names in sorted(found.items())]
    return holes, len(moments)


def _by_machine(plan: Plan, service: str, channels: tuple[str, ...]) -> bool:
    """Return whether only systems are told by a step: these need nobody on duty."""
    known = plan.service(service)
    return known is not None and all(
        one in MACHINES and bool(known.glpi if one == "glpi" else known.open311) for one in channels
    )


def _without(seen: list[tuple[float, bool]], end: float) -> Iterator[tuple[float, float]]:
    for (at, reached), following in zip(seen, [*[one for one, _ in seen[1:]], end], strict=True):
        if not reached and at < following:
            yield at, following


def _active(plan: Plan, route: Route, moments: Sequence[float], end: float) -> list[tuple[float, float]]:
    """Return the periods in which a route may match."""
    found: list[tuple[float, float]] = []
    began: float | None = None
    zone = plan.zone_of(route.service)
    for at in moments:
        on = begun_on(route.times, local_in(plan, at, zone)) is not None
        if on and began is None:
            began = at
        elif not on and began is not None:
            found.append((began, at))
            began = None
    if began is not None:
        found.append((began, end))
    return found


def _overlap(
    one: tuple[float, float], periods: Iterable[tuple[float, float]], begin: float, end: float
) -> Iterator[tuple[float, float]]:
    for first, last in periods:
        low, high = max(one[0], first, begin), min(one[1], last, end)
        if low < high:
            yield low, high


def changes(plan: Plan, swaps: Iterable[Swap], begin: float, end: float) -> Iterator[float]:
    """Yield each moment of a period at which somebody else may be on duty, or another route be taken, and each whole
    hour. Unix seconds."""
    yield begin
    at = begin - begin % HOUR
    while at <= end:
        if at >= begin:
            yield at
        at += HOUR
    for name in _zones(plan):
        yield from (one for one in _edges(plan, name, begin, end) if begin <= one < end)
    for swap in swaps:
        yield from (one for one in (swap.begin, swap.end) if begin <= one < end)


def _zones(plan: Plan) -> list[str]:
    return sorted({plan.zone, *(one.zone for one in plan.services if one.zone)})


def _edges(plan: Plan, name: str, begin: float, end: float) -> Iterator[float]:
    """Yield each midnight of a zone, and each beginning and end of what its services have."""
    zone, minutes = ZoneInfo(name), {0}
    used = [*((one.service, one.times) for one in plan.rota), *((one.service, one.times) for one in plan.routes)]
    for service, times in used:
        if plan.zone_of(service) == name:
            minutes |= {times.begin % DAY_MINUTES, times.end % DAY_MINUTES}
    day = datetime.fromtimestamp(begin, zone).date() - timedelta(1)
    last = datetime.fromtimestamp(end, zone).date() + timedelta(1)
    while day <= last:
        for minute in minutes:
            wall = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)
            for fold in (0, 1):  # an hour that the clock change repeats has both
                yield wall.replace(fold=fold).astimezone(UTC).timestamp()
        day += timedelta(1)


def reaches(plan: Plan, step: Step, route: Route, swaps: Sequence[Swap], at: float) -> bool:
    """Return whether a step of a route tells anybody at a moment: what the check finds for whole periods, asked of one
    moment."""
    service = step.service or route.service
    people = on_duty(plan, swaps, service, at)
    return any(person.address(one) for person in people for one in step.channels) or _by_machine(
        plan, service, step.channels
    )
