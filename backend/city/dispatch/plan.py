"""The dispatch plan: routes, services, people, rota. Pure.

    route   (rule, severity, sector, contract, local time) → service and chain; the first that matches; the last one
            matches everything
    rota    who of a service is on duty at a moment; one line is a shift that repeats
    chain   steps with the seconds after the alert at which each begins, unless somebody took it before
    swap    one person for another during a period, or nobody instead: leave

A plan is one document with a version. Times of a shift and of a route are local times of its service: of that one's
`zone`, or else of the plan's, wherever the sites are that an alert comes from. A shift or a route whose end is not
after its beginning goes on past midnight, and belongs to the day on which it began.
"""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

EMAIL, SMS, WEBHOOK, GLPI, OPEN311 = "email", "sms", "webhook", "glpi", "open311"
CHANNELS = (EMAIL, SMS, WEBHOOK, GLPI, OPEN311)
MACHINES = (GLPI, OPEN311)
"""Channels to a system and not to a person; the address is the service's."""
SEVERITIES = ("info", "warning", "critical")
DAY_MINUTES = 24 * 60
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Name = Annotated[str, Meta(min_length=1, max_length=120)]
Glob = Annotated[str, Meta(min_length=1, max_length=120)]
Minute = Annotated[int, Meta(ge=0, le=DAY_MINUTES)]
Weekday = Annotated[int, Meta(ge=0, le=6)]
Holidays = Literal["also", "never", "only"]
ChannelName = Literal["email", "sms", "webhook", "glpi", "open311"]


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """A period that repeats: weekdays (Monday is 0), minutes since local midnight, and whether it counts on public
    holidays: `also` as on any day, `never`, or `only` there, whatever the weekday."""

    days: tuple[Weekday, ...] = EVERY_DAY
    begin: Minute = 0
    end: Minute = DAY_MINUTES
    holidays: Holidays = "also"

    @property
    def always(self) -> bool:
        """Whether it covers each moment."""
        whole = self.begin % DAY_MINUTES == self.end % DAY_MINUTES
        return whole and set(self.days) == set(EVERY_DAY) and self.holidays == "also"


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service of the town. `zone` is the time zone of its rota and of its routes, "" for the plan's; `glpi` and
    `open311` are addresses of its systems, "" for none."""

    id: Id
    name: Name
    zone: Annotated[str, Meta(max_length=60)] = ""
    glpi: Annotated[str, Meta(max_length=300)] = ""
    open311: Annotated[str, Meta(max_length=300)] = ""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is told: `account` is the name with which they sign in, `webhook` an address by HTTPS."""

    id: Id
    name: Name
    service: Id
    account: Annotated[str, Meta(max_length=120)] = ""
    language: Literal["fr", "en"] = "fr"
    email: Annotated[str, Meta(max_length=254, pattern=r"^$|^[^@\s<>,;]+@[A-Za-z0-9.-]+$")] = ""
    sms: Annotated[str, Meta(pattern=r"^$|^\+[1-9][0-9]{6,14}$")] = ""
    webhook: Annotated[str, Meta(max_length=500, pattern=r"^$|^https?://[^\s]+$")] = ""

    def address(self, channel: str) -> str:
        """Return where this person is told by a channel, "" where not."""
        return {EMAIL: self.email, SMS: self.sms, WEBHOOK: self.webhook}.get(channel, "")


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the rota. `turn`: `all` of `people` are on duty, or one after the other by `day` or `week`, the first
    of them in the week (on the day) of `since`."""

    service: Id
    people: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=64)]
    times: Times = Times()
    turn: Literal["all", "day", "week"] = "all"
    since: date = date(2026, 1, 5)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a chain: after so many seconds, tell who is on duty of a service ("": that of the route), by these
    channels."""

    after_s: Annotated[int, Meta(ge=0, le=7 * 86_400)] = 0
    channels: Annotated[tuple[ChannelName, ...], Meta(min_length=1)] = ("email",)
    service: Annotated[str, Meta(pattern=r"^$|^[a-z0-9][a-z0-9._-]{0,63}$")] = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route. Empty conditions match everything; `rules`, `sectors` and `contracts` take patterns with `*`. Without a
    chain alerts are listed, and nobody is told. `crew`: each alert is an intervention too."""

    id: Id
    service: Id
    rules: Annotated[tuple[Glob, ...], Meta(max_length=100)] = ()
    severities: tuple[Literal["info", "warning", "critical"], ...] = ()
    sectors: Annotated[tuple[Glob, ...], Meta(max_length=100)] = ()
    contracts: Annotated[tuple[Glob, ...], Meta(max_length=100)] = ()
    times: Times = Times()
    chain: Annotated[tuple[Step, ...], Meta(max_length=12)] = ()
    crew: bool = False

    @property
    def catches_all(self) -> bool:
        """Whether it matches each alert at each moment."""
        return not (self.rules or self.severities or self.sectors or self.contracts) and self.times.always


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Something that several sites hang on: a feeder, a line's operator, a gateway, a release. `hubs` by id, `tags` as
    given at enrolment."""

    kind: Literal["gateway", "feeder", "operator", "release", "ring", "tag"]
    name: Name
    sites: Annotated[tuple[str, ...], Meta(max_length=5000)] = ()
    hubs: Annotated[tuple[str, ...], Meta(max_length=5000)] = ()
    tags: Annotated[tuple[str, ...], Meta(max_length=100)] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole plan. `families`: name → patterns of rules that count as one; `alone`: families that never make an
    incident, since many sites have them at one hour by nature."""

    zone: str = "Europe/Paris"
    calendar: Literal["france", "alsace-moselle", "none"] = "france"
    more_holidays: tuple[date, ...] = ()
    services: Annotated[tuple[Service, ...], Meta(max_length=500)] = ()
    people: Annotated[tuple[Person, ...], Meta(max_length=5000)] = ()
    rota: Annotated[tuple[Shift, ...], Meta(max_length=5000)] = ()
    routes: Annotated[tuple[Route, ...], Meta(max_length=2000)] = ()
    causes: Annotated[tuple[Cause, ...], Meta(max_length=1000)] = ()
    families: dict[str, tuple[Glob, ...]] = {}
    alone: tuple[Glob, ...] = ()

    def person(self, name: str) -> Person | None:
        return next((one for one in self.people if one.id == name), None)

    def service(self, name: str) -> Service | None:
        return next((one for one in self.services if one.id == name), None)

    def zone_of(self, service: str) -> str:
        """Return the time zone of a service's rota."""
        known = self.service(service)
        return (known.zone if known is not None else "") or self.zone

    def family(self, rule: str) -> str:
        """Return the family of a rule: the first whose patterns match, else the rule itself."""
        return next((name for name, globs in self.families.items() if matches(rule, globs)), rule)


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """From `begin` to `end` (Unix s) `instead` is on duty in the place of `person`; "" for nobody. `id` rises: of two
    that overlap the later one counts."""

    id: int
    service: str
    person: str
    instead: str
    begin: float
    end: float


def matches(text: str, globs: tuple[str, ...]) -> bool:
    """Return whether a text matches one of the patterns."""
    return any(fnmatchcase(text, glob) for glob in globs)
