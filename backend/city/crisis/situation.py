"""The situation of a scope at one moment: what the board, the point de situation, the last snapshot and exports show.

Plain data, so that each of them says the same. Lists are limited here, with the whole number beside. Times are Unix
seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from backend.city.crisis import heat, measures
from backend.city.crisis.hubs import READ_ONLY, HubSign, Seen
from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Measure
from backend.storage.city.database import Reader
from backend.storage.city.sql import Value


class SeenScope(Protocol):
    """A `backend.city.people.viewer.Scope`."""

    @property
    def services(self) -> frozenset[str] | None: ...
    @property
    def sectors(self) -> frozenset[str] | None: ...
    @property
    def provider(self) -> str: ...
    def things(self, alias: str) -> tuple[str, tuple[Value, ...]]: ...


class Limits(NamedTuple):
    """How many lines of each kind are shown."""

    hubs: int = 100
    alerts: int = 100
    rooms: int = 50
    log: int = 50


class HubState(msgspec.Struct, frozen=True):
    """A hub that is silent, read-only or declared isolated; `at` is its last state, or when it was declared."""

    hub: str
    name: str
    site: str
    at: float | None
    who: str = ""
    why: str = ""


class Critical(msgspec.Struct, frozen=True):
    hub: str
    text: str
    text_fr: str
    site: str
    state: str
    raised_at: float


class Held(msgspec.Struct, frozen=True):
    """A measure or a crew that is engaged."""

    id: int
    text: str
    who: str
    begun: float
    expires: float
    place: str = ""


class Intervention(msgspec.Struct, frozen=True):
    """Interventions of a service that are not done."""

    service: str
    waiting: int
    on_the_way: int
    on_site: int


class HotRoom(msgspec.Struct, frozen=True):
    name: str
    site: str
    value: float
    at: float
    over: bool


class Heat(msgspec.Struct, frozen=True):
    """A heat profile with its ranking. `scope` names sites, sectors and services, "" for all of what is seen."""

    id: int
    text: str
    threshold: float
    expires: float
    scope: str
    rooms: list[HotRoom]
    over: int
    known: int
    all: int
    median: float | None


class Entry(msgspec.Struct, frozen=True):
    n: int
    at: float
    who: str
    kind: str
    text: str
    digest: str


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """`drill` is the title of the drill that is on, "" in earnest. `seen_at`: when hubs and alerts were read.
    `log_head` is the digest of the last line, which a later check compares."""

    made: float
    city: str
    drill: str
    drill_until: float
    seen_at: float
    hubs: int
    heard: int
    silent: int
    silent_hubs: list[HubState]
    read_only: list[HubState]
    isolated: list[HubState]
    critical: int
    alerts: list[Critical]
    measures: list[Held]
    crews: list[Held]
    interventions: list[Intervention]
    heat: list[Heat]
    log: list[Entry]
    log_lines: int
    log_head: str


def gather(
    r: Reader,
    seen: Seen,
    scope: SeenScope,
    *,
    city: str,
    now: float,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    log: bool = True,
) -> Situation:
    """Gather the situation out of one snapshot of the city's database, and what was seen of the backend's. Without
    `log` the main courante is left out: it is written for the crisis cell, and knows no scope."""
    drill = tables.drill(r, now)
    number = 0 if drill is None else drill.id
    hubs = _hubs(r, seen, scope)
    names = tables.site_names(r)
    silent = [one for one in hubs if one.silent(now)]
    silent.sort(key=lambda one: (-(one.seen_at or 0.0), one.hub))
    held = tables.measures(r, number, now)
    alerts = _alerts(r, seen, scope, {one.hub for one in hubs}, names)
    lines = tables.newest_lines(r, number, max(1, limits.log)) if log else []
    declared = _isolated(r, number, hubs, names)
    return Situation(
        made=now,
        city=city,
        drill="" if drill is None else drill.title,
        drill_until=0.0 if drill is None else drill.expires,
        seen_at=seen.at,
        hubs=len(hubs),
        heard=len(hubs) - len(silent),
        silent=len(silent),
        silent_hubs=[_state(one, names) for one in silent[: limits.hubs]],
        read_only=[_state(one, names) for one in hubs if one.crisis == READ_ONLY][: limits.hubs],
        isolated=declared[: limits.hubs],
        critical=len(alerts),
        alerts=alerts[: limits.alerts],
        measures=[_held(one) for one in held if one.kind == measures.MEASURE],
        crews=[_held(one) for one in held if one.kind == measures.CREW],
        interventions=[Intervention(*row) for row in tables.interventions(r, *scope.things("t"))],
        heat=[_heat(r, one, scope, now, limits.rooms) for one in held if one.kind == measures.HEAT],
        log=[Entry(one.n, one.at, one.who, one.kind, one.text, one.digest.hex()) for one in lines[: limits.log]],
        log_lines=lines[0].n if lines else 0,
        log_head=lines[0].digest.hex() if lines else "",
    )


def unlimited(scope: SeenScope) -> bool:
    """Return whether a scope has all services, sectors and providers."""
    return scope.services is None and scope.sectors is None and not scope.provider


def _hubs(r: Reader, seen: Seen, scope: SeenScope) -> list[HubSign]:
    if unlimited(scope):
        return list(seen.hubs)
    condition, values = scope.things("t")
    within = tables.hubs_in_scope(r, condition, values)
    return [
        one._replace(sites=tuple(site for site in one.sites if site in within[one.hub]))
        for one in seen.hubs
        if one.hub in within
    ]


def _alerts(r: Reader, seen: Seen, scope: SeenScope, hubs: set[str], names: Mapping[str, str]) -> list[Critical]:
    """Return the critical alerts of what a scope shows. One of a device that the register does not have yet is shown
    where the scope has everything, and one without a device where the hub is in it."""
    condition, values = scope.things("t")
    wanted = sorted({(one.hub, one.device) for one in seen.alerts if one.device})
    known, shown = tables.seen_devices(r, condition, values, wanted)
    everything = unlimited(scope)
    found = []
    for one in seen.alerts:
        key = (one.hub, one.device)
        if (key in shown or (everything and key not in known)) if one.device else one.hub in hubs:
            site = names.get(one.site) or one.site
            found.append(Critical(one.hub, one.text, one.text_fr, site, one.state, one.raised_at))
    return found


def _isolated(r: Reader, drill: int, hubs: list[HubSign], names: Mapping[str, str]) -> list[HubState]:
    """Return the hubs of this scope that are declared isolated; in earnest only those that did not speak since."""
    of = {one.hub: one for one in hubs}
    found = []
    for one in tables.isolated(r, drill):
        hub = of.get(one.hub)
        if hub is not None and (drill or (hub.seen_at or 0.0) <= one.at):
            found.append(HubState(one.hub, hub.name, _site(hub, names), one.at, one.who, one.why))
    return found


def _state(one: HubSign, names: Mapping[str, str]) -> HubState:
    return HubState(one.hub, one.name, _site(one, names), one.seen_at)


def _site(one: HubSign, names: Mapping[str, str]) -> str:
    return ", ".join(names.get(site, site) for site in one.sites)


def _held(one: Measure) -> Held:
    return Held(one.id, one.text, one.who, one.begun, one.expires, str(json.loads(one.facts).get("place", "")))


def _heat(r: Reader, one: Measure, scope: SeenScope, now: float, most: int) -> Heat:
    facts: dict[str, Any] = json.loads(one.facts)
    named = {key: tuple(str(text) for text in facts.get(key, ())) for key in ("sites", "sectors", "services")}
    condition, values = scope.things("t")
    rooms = tables.rooms_in_scope(r, condition, values, **named)
    threshold = float(facts["threshold"])

    def rooms_named(things: Sequence[int]) -> dict[int, heat.Room]:
        return {thing: heat.Room(*names) for thing, names in tables.room_names(r, things).items()}

    readings = (heat.Reading(thing, value, None if at is None else at / 1000) for thing, value, at in rooms)
    ranked = heat.rank(readings, rooms_named, threshold=threshold, now=now, most=most)
    return Heat(
        one.id,
        one.text,
        threshold,
        one.expires,
        ", ".join(text for texts in named.values() for text in texts),
        [
            HotRoom(hot.room.name, hot.room.site_name, hot.value, hot.at, hot.value >= threshold)
            for hot in ranked.hottest
        ],
        ranked.over,
        ranked.known,
        ranked.rooms,
        ranked.median,
    )
