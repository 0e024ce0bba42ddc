"""Calls about rules that are not in force yet: what they can be made of, and how often they would have fired."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from hub.automation.rules import Surroundings, compile_rules
from hub.automation.rules.compiler import Rule
from hub.automation.rules.conditions import Equals, Limit
from hub.automation.rules.replay import HOUR, Episode, Replay, by_the_hour
from hub.config.checks.rules import check_rules
from hub.config.model import Core
from hub.config.model import Place as WrittenPlace
from hub.config.parts.custom_templates import all_templates
from hub.config.parts.rules import Rule as WrittenRule
from hub.config.parts.templates import described
from hub.config.positions import Finding, dotted
from hub.config.validate import validate
from hub.core.calls import Call, number
from hub.core.clock import Clock
from hub.core.errors import ConfigError, HubError, NotReady, Problem
from hub.core.model import Device, Metric, Place
from hub.core.text import phrase

WEEK_S, LONGEST_S = 7 * 86_400, 31 * 86_400
MOST_SERIES = 200
MOST_READINGS = 300_000
"""Readings of one replay: a week of one every 2 s. They are never all in memory."""
TURN = 250
"""Readings between two turns of the event loop: a few milliseconds."""
TURNS = 1000
"""Turns of a replayed clock, each for every device, between two of the event loop."""
AT_ONCE, LEAST_PAGE, MOST_PAGE = 40_000, 100, 500
"""Readings in memory at a time, of all series together; of one series at the least and at the most, since what history
unpacks at once keeps others waiting."""
SHORTEST_READ_S, FIRST_READ_S = 300, 900
MOST_WAITING = 5
"""Replays at a time: one runs, the others wait for it."""
SHOWN = 100
"""Episodes of one answer."""
EXACT, AT_LEAST, ABOUT = "exact", "at-least", "about"


class Building(NamedTuple):
    """Facts of the hub as it is now, for a replay. `core`: its configuration; `on_duty`: whether a device was
    to report at a moment; `timed`: not all of them always are; `metrics_of`: the
    metrics that a device reports; `series`: (place, metric) of all that history has; `ask_periods` finds the periods in
    the packs of devices."""

    core: Callable[[], Core]
    surroundings: Surroundings
    on_duty: Callable[[Device, float], bool]
    timed: Callable[[], bool]
    places: Callable[[], Iterable[Place]]
    metric: Callable[[str, str], Metric | None]
    metrics_of: Callable[[str], Iterable[str]]
    series: Callable[[], Iterable[tuple[str, str]]]
    ask_periods: Callable[[], Awaitable[None]]


class _Series(NamedTuple):
    """A series that a rule looks at, and the device that it is taken to come from."""

    place: str
    metric: str
    device: Device

    @property
    def name(self) -> str:
        return f"{self.place}/{self.metric}"


class RuleReplay:
    """Service behind the calls. `history` are the calls of history."""

    def __init__(self, building: Building, history: Mapping[str, Call], clock: Clock) -> None:
        self._building, self._history, self._clock = building, history, clock
        self._began = clock.monotonic()
        self._turn, self._waiting = asyncio.Lock(), 0

    def calls(self) -> dict[str, Call]:
        """rule.choices {} → {rules, schedules, templates, notifiers, places: ids of those in the file} ·
        rule.replay {rule: options as in the file, or name: of a rule in force; span_s} → {count, certainty: exact,
        at-least or about, from, to, raw_from, seconds, unsure_hours, series, left_out, stopped, episodes, why} ·
        rule.compiled {rule or name} → {metric, unit, limit, clears, up, plain: the value itself is tested, timed}."""
        return {"rule.choices": self._choices, "rule.compiled": self._compile, "rule.replay": self._replay}

    async def _choices(self, arguments: dict[str, Any]) -> dict[str, Any]:
        core = self._building.core()
        own = core.rule_templates
        return {
            "rules": list(core.rules), "schedules": list(core.schedules), "places": list(core.places),
            "templates": [described(name, one, name in own) for name, one in all_templates(own).items()],
            "notifiers": [
                {"name": name, **one.model_dump(mode="json", include={"least", "zones", "when", "quiet", "states"})}
                for name, one in core.notifiers.items() if one.enabled
            ],
        }  # fmt: skip

    async def _compile(self, arguments: dict[str, Any]) -> dict[str, Any]:
        rule = self._compiled(arguments)
        limit = rule.test if isinstance(rule.test, Limit) else None
        return {
            "metric": rule.metric, "unit": rule.unit, "limit": limit and limit.limit, "clears": limit and limit.clears,
            "up": limit and limit.up, "timed": rule.during is not None,
            "plain": not (rule.rate_s is not None or rule.minus or rule.stuck),
        }  # fmt: skip

    async def _replay(self, arguments: dict[str, Any]) -> dict[str, Any]:
        rule = self._compiled(arguments)
        span = number(arguments, "span_s", WEEK_S)
        if not HOUR <= span <= LONGEST_S:
            raise HubError(phrase("replay-span-out-of-bounds", "a rule is replayed over 1 hour to 31 days"))
        if isinstance(rule.test, Equals) and isinstance(rule.test.value, str):
            return {**_NOTHING, "why": "text"}
        if self._waiting >= MOST_WAITING:
            raise NotReady(phrase("replay-busy", "other rules are being replayed: try again in a moment"))
        if rule.absence:
            await self._building.ask_periods()
        self._waiting += 1
        try:
            async with self._turn:
                return await _Run(self._building, self._history, rule, self._clock, self._began).result(int(span))
        finally:
            self._waiting -= 1

    def _compiled(self, arguments: dict[str, Any]) -> Rule:
        """Compile a proposed rule, or one in force. Raises ConfigError with everything that is wrong with it."""
        core, name = self._building.core(), str(arguments.get("name") or "")
        if "rule" in arguments:
            name = name or "proposed"
            core = self._proposed(core, name, arguments["rule"])
        elif name not in core.rules:
            raise HubError(phrase("no-such-rule", "there is no rule {name!r}", name=name[:64]))
        one = core.model_copy(update={"rules": {name: core.rules[name].model_copy(update={"enabled": True})}})
        return compile_rules(one)[0]

    def _proposed(self, core: Core, name: str, options: Any) -> Core:
        """Return the configuration with a rule that may name places of the store. Its action is not judged."""
        found: list[Finding] = []
        options = (
            {key: value for key, value in options.items() if key != "set"} if isinstance(options, dict) else options
        )
        rule = validate(WrittenRule, options, ("rules", name), "the rule", found)
        if rule is not None:
            known = {place.id: WrittenPlace.model_construct(zone=place.zone) for place in self._building.places()}
            core = core.model_copy(update={"rules": {name: rule}, "places": {**known, **core.places}})
            found += check_rules(core)
        if rule is None or found:
            raise ConfigError([Problem(one.message, dotted(one.path)) for one in found])
        return core


_NOTHING: dict[str, Any] = {
    "count": 0, "certainty": EXACT, "from": None, "to": None, "raw_from": None, "seconds": 0.0, "unsure_hours": 0,
    "series": 0, "left_out": 0, "stopped": False, "episodes": [], "why": "",
}  # fmt: skip


class _Run:
    """A replay under way."""

    def __init__(self, building: Building, history: Mapping[str, Call], rule: Rule, clock: Clock, began: float) -> None:
        self._building, self._history, self._rule, self._clock, self._began = building, history, rule, clock, began
        self._raw_from: list[int] = []
        self._known_from: list[int] = []
        self._hours = False

    async def result(self, span: int) -> dict[str, Any]:
        end = int(self._clock.now())
        begin = end - span
        series = self._series()
        used = series[:MOST_SERIES]
        if not used:
            return {**_NOTHING, "why": "no-history"}
        here = {one.device.id: one.device for one in used}
        replay = Replay(
            self._rule,
            self._building.surroundings._replace(devices=lambda: list(here.values())),
            self._building.on_duty,
            self._building.metric,
            begin,
            timed=self._building.timed(),
        )
        page = max(LEAST_PAGE, min(MOST_PAGE, AT_ONCE // len(used)))
        stopped = await self._feed(replay, [self._events(one, begin, end, page) for one in used], len(here))
        last = replay.now if stopped else end
        await _let_pass(replay, last, len(here))
        replay.finish(last)
        if not self._known_from:
            return {**_NOTHING, "why": "no-history"}
        return self._answer(replay, begin, int(last), len(used), len(series) - len(used), stopped=stopped)

    async def _feed(self, replay: Replay, events: list[AsyncIterator[_Event]], devices: int) -> bool:
        """Give all events in the order of their times; returns whether there were too many."""
        heads: list[tuple[int, int, _Event]] = []
        for index, source in enumerate(events):
            first = await anext(source, None)
            if first is not None:
                heapq.heappush(heads, (first.at, index, first))
        count = 0
        while heads:
            at, index, event = heads[0]
            await _let_pass(replay, at, devices)
            if event.low is None:
                replay.read(event.series.device, event.series.metric, at, event.value)
            else:
                replay.hour(event.series.device, event.series.metric, at, event.low, event.value)
            count += 1
            if count >= MOST_READINGS or replay.broken:
                return True
            if count % TURN == 0:
                await asyncio.sleep(0)
            following = await anext(events[index], None)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following.at, index, following))
        return False

    def _series(self) -> list[_Series]:
        """Return what the rule looks at, as far as history has it."""
        rule, found = self._rule, []
        zones = {place.id: place.zone for place in self._building.places()}
        devices: dict[str, list[Device]] = {}
        for device in self._building.surroundings.devices():
            devices.setdefault(device.place, []).append(device)
        for place, metric in sorted(self._building.series()):
            here = devices.get(place, [])
            mine = rule.wants(place, zones.get(place, "")) and rule.metric in (None, metric)
            if here and (mine or rule.minus == (place, metric)):
                of = [one for one in here if metric in set(self._building.metrics_of(one.id))]
                found.append(_Series(place, metric, (of or here)[0]))
        return found

    async def _events(self, series: _Series, begin: int, end: int, page: int) -> AsyncIterator[_Event]:
        """Yield what history has of a series: hours as long as there is nothing finer, then readings."""
        at, span = begin, FIRST_READ_S
        first = True
        while at < end:
            asked = {"series": series.name, "from": at, "to": min(end, at + span), "limit": page}
            told = await self._history["history.raw"](asked)
            if first:
                first = False
                start = told["raw_from"]
                start = end if start is None else min(max(start, begin), end)
                async for event in self._hours_of(series, begin, start):
                    yield event
                if start > at:
                    self._raw_from.append(start)
                    at = start
                    continue
                self._raw_from.append(begin)
            readings = told["readings"]
            if readings:
                self._known_from.append(readings[0][0])
            for time, value in readings:
                yield _Event(time, series, value)
            at = min(end, at + span) if told["next"] is None else told["next"]
            span = _next_span(span, len(readings), page)
            await asyncio.sleep(0)

    async def _hours_of(self, series: _Series, begin: int, end: int) -> AsyncIterator[_Event]:
        """Yield the hours that end before `end`, where they say something."""
        if begin >= end:
            return
        told = await self._history["history"]({"series": series.name, "from": begin, "to": end, "step": "hour"})
        for cell in told["cells"]:
            at, low, high = cell[0], cell[2], cell[3]
            if cell[1] is None or at < begin or at + HOUR > end:
                continue
            self._hours = True
            if by_the_hour(self._rule) and low is not None and high is not None:
                self._known_from.append(at)
                yield _Event(at, series, high, low)

    def _answer(
        self, replay: Replay, begin: int, end: int, series: int, left_out: int, *, stopped: bool
    ) -> dict[str, Any]:
        certainty = EXACT
        if self._rule.absence and self._clock.now() - (self._clock.monotonic() - self._began) > begin:
            certainty = ABOUT  # nobody knows whether a device or the hub was silent
        if self._hours and by_the_hour(self._rule):
            certainty = AT_LEAST
        episodes = sorted(replay.episodes, key=lambda one: -one.begin)[:SHOWN]
        return {
            "count": replay.count, "certainty": certainty, "from": max(begin, min(self._known_from)), "to": end,
            "raw_from": min(self._raw_from), "seconds": round(replay.seconds),
            "unsure_hours": replay.unsure_hours, "series": series, "left_out": left_out, "stopped": stopped,
            "episodes": [_shown(one) for one in episodes], "why": replay.broken,
        }  # fmt: skip


class _Event(NamedTuple):
    """A reading, or with `low` an hour from `at` on and its highest `value`."""

    at: int
    series: _Series
    value: float
    low: float | None = None


async def _let_pass(replay: Replay, to: float, devices: int) -> None:
    while not replay.advance(to, max(5, TURNS // devices)):  # noqa: ASYNC110 - nobody is waited for: others get their turn
        await asyncio.sleep(0)


def _next_span(span: int, readings: int, page: int) -> int:
    """Return the seconds to ask for next: a read costs as much as what lies in it."""
    if readings < page // 4:
        return min(WEEK_S, 2 * span)
    return max(SHORTEST_READ_S, math.ceil(span / 2)) if readings >= page else span


def _shown(episode: Episode) -> dict[str, Any]:
    return {**episode._asdict(), "begin": int(episode.begin), "end": None if episode.end is None else int(episode.end)}
