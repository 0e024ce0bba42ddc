"""Replays one rule over past readings, with the engine that watches the present ones, on a clock of its own. Pure.

Readings are given in the order of their times, one by one where history has them, else by the hour: the lowest and the
highest value, in an order that nobody knows. From hours the engine is told what certainly was: without a duration the
order in which it fires least, with one only what held all the hour. So what it counts then is the least that there was.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, inf
from typing import NamedTuple

import msgspec

from hub.automation.rules.compiler import Rule
from hub.automation.rules.conditions import Equals, Limit
from hub.automation.rules.engine import RuleBinding, Rules, Surroundings
from hub.automation.rules.events import Fired
from hub.core.model import Device, Metric, Report, TrustClass, Value

HOUR = 3600
MINUTE = 60
MOST_EPISODES = 1000
"""Episodes that are told one by one; all are counted."""


class Episode(NamedTuple):
    """A time for which the rule held at a place, in a zone or of an integration (`key`); `end` None: it still does.
    `hourly`: known to the hour only."""

    key: str
    name: str
    place: str
    begin: float
    end: float | None
    value: str
    limit: str
    hourly: bool


def by_the_hour(rule: Rule) -> bool:
    """Return whether hours can say something of a rule: it tests single values of a number or a flag."""
    other = rule.aggregate or rule.minus or rule.rate_s is not None or rule.stuck
    return not other and (isinstance(rule.test, Limit) or (rule.test is not None and isinstance(rule.test.value, bool)))


class Replay:
    """Replay of one rule from the Unix second `begin` on.

    `surroundings` are those of the engine, with `on_duty` asked for a moment of the past; `timed`: hours of duty begin
    and end. `metric` returns a device's metric. Call `advance` up to the time of a reading, until it returns true,
    before the reading is given.
    """

    def __init__(
        self,
        rule: Rule,
        surroundings: Surroundings,
        on_duty: Callable[[Device, float], bool],
        metric: Callable[[str, str], Metric | None],
        begin: float,
        *,
        timed: bool,
    ) -> None:
        self.count, self.unsure_hours = 0, 0
        """How often it fired; hours in which it may have, and in which nothing certain is known."""
        self.episodes: list[Episode] = []
        self.seconds: float = 0.0
        """Seconds for which it held, at all places together."""
        self._rule = msgspec.structs.replace(rule, alert=True, action=None)
        self._metric, self._timed = metric, timed or rule.during is not None
        self.now, self._hourly = begin, False
        self._held: dict[str, Episode] = {}
        self._bindings: dict[tuple[str, str], RuleBinding | None] = {}
        self._rules = Rules(
            [self._rule],
            surroundings._replace(on_duty=lambda device: on_duty(device, self.now)),
            may_keep=lambda metric, zone: True,  # history has only what may be kept
            now=lambda: self.now,
            monotonic=lambda: self.now,
            fired=self._fired,
        )
        self._rules.tick()
        self._least_s = self._rules.absence.shortest_patience() if rule.absence else rule.for_s or inf
        """Shortest time between a reading and what it may begin by time alone."""
        self._next = self._rules.next_due()

    @property
    def broken(self) -> str:
        """Why the engine watches the rule no more, "" while it does."""
        return next(iter(self._rules.broken.values()), "")

    def advance(self, to: float, most: int = 200) -> bool:
        """Let time pass up to a second; returns false after `most` turns of the clock that did not suffice."""
        for _ in range(most):
            due = min(self._next, (self.now // MINUTE + 1) * MINUTE if self._timed else inf)
            due = max(due if due == inf else ceil(due), self.now)
            if due > to:
                self.now = max(self.now, to)
                return True
            self.now = due
            self._rules.tick()
            self._next = max(self._rules.next_due(), self.now + 1)
        return False

    def read(self, device: Device, key: str, at: float, value: Value) -> None:
        """Evaluate one reading."""
        self._hourly = False
        self._take(device, key, at, value)

    def hour(self, device: Device, key: str, begin: int, low: float, high: float) -> None:
        """Evaluate what is known of an hour, once time has come to its beginning. `by_the_hour` holds."""
        test, on = self._rule.test, device.place in self._held
        up = test.up if isinstance(test, Limit) else isinstance(test, Equals) and test.value is True
        most, least = (high, low) if up else (low, high)
        end = begin + HOUR - 1
        self._hourly = True
        if test is None:
            return
        if self._rule.for_s:
            steady = bool(test.holds(least, on))
            self._later(device, key, end if steady else begin, least)
            if not steady and test.holds(most, False) and device.place not in self._held:
                self.unsure_hours += 1
            return
        for at, value in ((begin, most), (end, least)) if on else ((begin, least), (end, most)):
            self._later(device, key, at, value)

    def finish(self, end: float) -> None:
        """Close what still holds at the end."""
        for episode in self._held.values():
            self._keep(episode, end)
        self._held.clear()

    def _later(self, device: Device, key: str, at: float, value: float) -> None:
        while not self.advance(at):
            pass  # an hour has 60 turns at the most, beside its one duration
        self._take(device, key, at, value)

    def _take(self, device: Device, key: str, at: float, value: Value) -> None:
        one = (device.id, key)
        if one not in self._bindings:
            metric = self._metric(device.id, key)
            self._bindings[one] = self._rules.bind(device, {} if metric is None else {key: metric}, (key,))
        binding = self._bindings[one]
        if binding is not None:
            self.now = max(self.now, at)
            self._rules.evaluate(binding, Report(device=device.id, values={key: value}, time=at), TrustClass.B)
            self._next = min(self._next, self.now + self._least_s)

    def _fired(self, fired: Fired) -> None:
        key, where = fired.where.key, fired.where
        if fired.on:
            self.count += 1
            self._held[key] = Episode(
                key, where.name, where.place, self.now, None, fired.value, fired.limit, self._hourly
            )
        elif key in self._held:
            self._keep(self._held.pop(key)._replace(end=self.now), self.now)

    def _keep(self, episode: Episode, until: float) -> None:
        self.seconds += max(0.0, until - episode.begin)
        if len(self.episodes) < MOST_EPISODES:
            self.episodes.append(episode)
