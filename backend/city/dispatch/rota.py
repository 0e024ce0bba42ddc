"""Who is on duty, and which route an alert takes, at a moment. Pure.

A moment is Unix seconds, turned into local time and never the other way round: an hour that a clock change repeats is
on duty twice, one that it skips does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backend.city.dispatch.plan import DAY_MINUTES, Person, Plan, Route, Shift, Swap, Times, matches
from backend.city.dispatch.public_holidays import holidays

_DAY = timedelta(1)


class Facts(NamedTuple):
    """Conditions of a route on an alert."""

    rule: str
    severity: str
    sectors: tuple[str, ...] = ()
    contract: str = ""


class Local(NamedTuple):
    """A local time: date, minute of the day, and what is a public holiday."""

    day: date
    minute: int
    calendar: str
    more: tuple[date, ...]

    def is_holiday(self, day: date) -> bool:
        return day in self.more or day in holidays(self.calendar, day.year)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local(plan: Plan, at: float, service: str = "") -> Local:
    """Return the local time of a moment for a service; of the plan without one."""
    return local_in(plan, at, plan.zone_of(service))


def local_in(plan: Plan, at: float, zone: str) -> Local:
    moment = datetime.fromtimestamp(at, _zone(zone))
    return Local(moment.date(), moment.hour * 60 + moment.minute, plan.calendar, plan.more_holidays)


def begun_on(times: Times, now: Local) -> date | None:
    """Return the day on which the period began that covers a moment; None where none does."""
    begin, end = times.begin, times.end
    if begin == end:
        end = begin + DAY_MINUTES
    elif end < begin:
        end += DAY_MINUTES
    if begin <= now.minute < end and _on(times, now, now.day):
        return now.day
    if now.minute + DAY_MINUTES < end and now.minute + DAY_MINUTES >= begin and _on(times, now, now.day - _DAY):
        return now.day - _DAY
    return None


def _on(times: Times, now: Local, day: date) -> bool:
    if times.holidays == "also":
        return day.weekday() in times.days
    if times.holidays == "only":
        return now.is_holiday(day)
    return day.weekday() in times.days and not now.is_holiday(day)


def shift_people(shift: Shift, day: date) -> tuple[str, ...]:
    """Return whose turn a shift is that began on a day."""
    if shift.turn == "all":
        return shift.people
    if shift.turn == "day":
        turns = (day - shift.since).days
    else:
        turns = (day - (shift.since - timedelta(shift.since.weekday()))).days // 7
    return (shift.people[turns % len(shift.people)],)


def on_duty(plan: Plan, swaps: Iterable[Swap], service: str, at: float, now: Local | None = None) -> list[Person]:
    """Return who of a service is on duty at a moment, in the order of the rota. `now` is its local time,
    if known."""
    now = now or local(plan, at, service)
    standing = [one for one in swaps if one.service == service and one.begin <= at < one.end]
    found: dict[str, Person] = {}
    for shift in plan.rota:
        if shift.service != service or (day := begun_on(shift.times, now)) is None:
            continue
        for name in shift_people(shift, day):
            person = plan.person(_replaced(name, standing))
            if person is not None:
                found[person.id] = person
    return list(found.values())


def _replaced(name: str, swaps: Sequence[Swap]) -> str:
    """Return who is there for a person: swaps are followed once each, the latest first."""
    left = sorted(swaps, key=lambda one: -one.id)
    while (swap := next((one for one in left if one.person == name), None)) is not None:
        left.remove(swap)
        name = swap.instead
    return name


def first_route(plan: Plan, facts: Facts, at: float) -> Route | None:
    """Return the first route that matches; None only in a plan without a catch-all."""
    there: dict[str, Local] = {}
    for one in plan.routes:
        if takes(one, facts):
            zone = plan.zone_of(one.service)
            now = there.get(zone) or there.setdefault(zone, local_in(plan, at, zone))
            if begun_on(one.times, now) is not None:
                return one
    return None


def takes(route: Route, facts: Facts) -> bool:
    """Return whether a route matches an alert, at its times."""
    if route.rules and not matches(facts.rule, route.rules):
        return False
    if route.severities and facts.severity not in route.severities:
        return False
    if route.sectors and not any(matches(sector, route.sectors) for sector in facts.sectors):
        return False
    return not route.contracts or matches(facts.contract, route.contracts)
