"""Evaluates rules at places, with each reading and each tick of the clock. In memory only.

A device's plan asks once for the `RuleBinding` of the metrics it reports; a report that no rule watches costs one test
for None. A rule that raises is reported once and no longer evaluated; the others go on. Events are passed to `fired`,
which must neither fail nor wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import inf
from typing import NamedTuple

import msgspec

from hub.automation.rules.absence import Absence
from hub.automation.rules.compiler import Action, Rule, with_unit
from hub.automation.rules.conditions import (
    Aggregate,
    Difference,
    ForDuration,
    Limit,
    MetricValue,
    Operand,
    Rate,
    Unchanged,
)
from hub.automation.rules.events import Fired, RuleSubject
from hub.automation.rules.write_intents import Holder
from hub.core.model import Device, Metric, Place, Quality, Report, TrustClass, Value
from hub.core.text import phrase, reason_of

AHEAD_S = 120.0
"""A report dated further ahead than this, in seconds, is treated as one of now."""

LATE_S = 1.0
"""A reading older than the last one by more than this, in seconds, is late and ignored. Less is jitter of clocks."""

_log = logging.getLogger("hub.rules")


class RuleInstance:
    """The state of one rule at one place, or of one zone."""

    __slots__ = ("at", "held", "members", "operand", "private", "rule", "series", "true", "trust", "value", "where")

    def __init__(self, rule: Rule, where: RuleSubject, *, on: bool) -> None:
        self.rule, self.where = rule, where
        self.held = ForDuration(rule.for_s, on=on)
        self.operand = _operand(rule)
        self.at: dict[str, float] = {}
        self.value: Value = ""
        self.trust = TrustClass.C
        self.private = False
        self.true = False
        """The value last evaluated met the test, regardless of the schedule."""
        self.members: set[str] = set()
        """Devices whose readings it evaluates."""
        self.series: dict[tuple[str, str], Metric] = {}
        """(metric key, zone) → metric evaluated. Whether it may be published is decided when the rule fires."""

    def take(self, who: str, value: Value, at: float, trust: TrustClass, watched: bool) -> bool:
        """Evaluate one reading of one member. Returns whether the state changed; a late reading never does."""
        if at < self.at.get(who, at) - LATE_S:
            return False
        self.at[who] = at
        tested = self.operand.take(who, value, at)
        test = self.rule.test
        if tested is None or test is None:
            return False
        holds = test.holds(tested, self.held.on)
        if holds is None:
            return False
        self.value, self.true = tested, holds
        self.trust = trust
        if holds and not watched and not self.held.on:
            self.held.since = None
            return False
        return self.held.step(holds, at)

    def begin(self, now: float) -> None:
        """Start the delay if the condition already holds at the start of the hours: a source that reports only changes
        will not repeat the value."""
        if self.true and not self.held.on and self.held.since is None and isinstance(self.operand, MetricValue):
            self.held.since = now

    def fired(self) -> Fired:
        unit = None if self.rule.stuck else self.rule.unit
        value = "" if self.private else f"{self.value:.0f} s" if self.rule.stuck else with_unit(self.value, unit)
        return Fired(self.rule, self.where, self.held.on, value, self.rule.limit, self.trust)


class RuleBinding:
    """The rule instances that evaluate reports of one device with one set of metrics."""

    __slots__ = ("device", "rules", "watches")

    def __init__(self, rules: Rules, device: Device, watches: tuple[tuple[str, RuleInstance, str], ...]) -> None:
        self.rules, self.device, self.watches = rules, device, watches


class Surroundings(NamedTuple):
    """What rules ask about the devices and where they are: the place of an id, the admitted devices, a device's
    reporting period (seconds, None if unknown), whether a device is on duty, and the display name of a zone or ""."""

    place: Callable[[str], Place | None]
    devices: Callable[[], Iterable[Device]]
    period: Callable[[Device], float | None]
    on_duty: Callable[[Device], bool] = lambda device: True
    zone_name: Callable[[str], str] = str


class Rules:
    """The rules of one hub.

    `may_keep` returns whether a metric of a zone may leave memory. `open` are the (rule, key) that held in an earlier
    run: they hold until they end.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        surroundings: Surroundings,
        *,
        may_keep: Callable[[Metric, str], bool],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        fired: Callable[[Fired], None],
        open: Iterable[tuple[str, str]] = (),
    ) -> None:
        everything = list(rules)
        self._rules = [rule for rule in everything if not rule.absence]
        self._devices, self._place, self._zone_name = surroundings.devices, surroundings.place, surroundings.zone_name
        self._may_keep = may_keep
        self._now, self._monotonic, self._fired = now, monotonic, fired
        self._open = set(open)
        self._watches: dict[tuple[str, str], RuleInstance] = {}
        self.broken: dict[str, str] = {}
        self._failed: set[str] = set()  # rules that raised and are no longer evaluated
        self._watched: dict[str, bool] = {rule.name: True for rule in everything}
        self.alerting = frozenset(rule.name for rule in everything if rule.alert)
        self._bound_devices: set[str] = set()  # devices whose reports were bound
        self._named = {rule.name: rule for rule in everything}
        self.actions = {rule.name: rule.action for rule in everything if rule.action is not None}
        self._scheduled = [rule for rule in everything if rule.during is not None]
        self.absence = Absence(
            [rule for rule in everything if rule.absence],
            place=surroundings.place,
            devices=surroundings.devices,
            period=surroundings.period,
            start=monotonic(),
            open=self._open,
            on_duty=surroundings.on_duty,
        )
        self._schedule()

    def inherit(self, former: Rules) -> None:
        """Take over the state of the former rules. Call before the first binding.

        A rule with an unchanged condition keeps its state at each place it still applies to; one whose condition on the
        same metric changed and that held keeps holding until its next reading.
        """
        before = {rule.name: rule for rule in former._rules}
        mine = {rule.name: rule for rule in self._rules if rule.name in before}
        same = {name for name, rule in mine.items() if _condition_of(rule) == _condition_of(before[name])}
        for (name, key), watch in former._watches.items():
            rule = mine.get(name)
            if rule is None or rule.metric != before[name].metric:
                continue
            if name in same and self._applies_to(rule, key):
                watch.rule = rule
                self._watches[name, key] = watch
                if self._watched[name]:
                    watch.begin(self._monotonic())
                elif not watch.held.on:
                    watch.held.since = None
            elif watch.held.on:
                self._open.add((name, key))
        for name, key in former._open - former._watches.keys():
            if name in mine and mine[name].metric == before[name].metric:
                self._open.add((name, key))
        self._bound_devices |= former._bound_devices
        self.absence.inherit(former.absence)

    def _applies_to(self, rule: Rule, key: str) -> bool:
        """Return whether the rule applies to this place or zone."""
        if rule.aggregate:
            return rule.wants("", key.removeprefix("zone:"))
        place = self._place(key)
        return rule.wants(key, place.zone if place else "")

    def holds(self, name: str, key: str, target: tuple[str, str]) -> bool:
        """Return whether this rule holds at `key` and thereby commands `target` (device, metric)."""
        action = self.actions.get(name)
        if action is None or (action.device, action.metric) != target:
            return False
        watch = self._watches.get((name, key))
        on = (name, key) in self._open if watch is None else watch.held.on
        return on or self.absence.holds(name, key)

    def active(self) -> Iterator[tuple[Holder, Action, TrustClass]]:
        """Yield the rule_commands rules that hold, with the trust class of the deciding reading.

        Those that no reading of this run has decided are left out, since their trust class is unknown.
        """
        for (name, key), watch in self._watches.items():
            if watch.held.on and name in self.actions and name not in self._failed:
                yield (name, key), self.actions[name], watch.trust
        for name, key in self.absence.active():
            if name in self.actions and name not in self._failed:
                yield (name, key), self.actions[name], TrustClass.B

    def of(self, name: str) -> Rule | None:
        """Return the rule of this name, or None."""
        return self._named.get(name)

    def limits(self, place: str, metric: str) -> Iterator[tuple[Rule, Limit]]:
        """Yield the rules that compare a metric of this place with a limit, in its unit: the value as read, or one of
        its whole zone."""
        known = self._place(place)
        zone = known.zone if known else ""
        for rule in self._rules:
            other = rule.rate_s is not None or rule.minus is not None or rule.stuck
            if rule.metric == metric and isinstance(rule.test, Limit) and not other and rule.wants(place, zone):
                yield rule, rule.test

    def bind(self, device: Device, metrics: Mapping[str, Metric], keys: Iterable[str]) -> RuleBinding | None:
        """Bind the rules to the reports of a device with these metric keys; None where no rule watches any."""
        place = self._place(device.place)
        zone = place.zone if place else ""
        self._bound_devices.add(device.id)
        found: list[tuple[str, RuleInstance, str]] = []
        for rule in self._rules:
            for key in keys:
                private = key in metrics and not self._may_keep(metrics[key], zone)
                for watch, who in self._members(rule, device, place, key):
                    if not self._unit_differs(rule, metrics.get(key)):
                        watch.private |= private
                        if key in metrics:
                            watch.series[key, zone] = metrics[key]
                        found.append((key, watch, who))
        if not found and not self.absence.applies_to(device):
            return None
        return RuleBinding(self, device, tuple(found))

    def evaluate(self, binding: RuleBinding, report: Report, trust: TrustClass) -> None:
        """Evaluate a report before the privacy filter. Its values may have any type."""
        now = self._monotonic()
        for fired in self.absence.record_report(binding.device, report.values, now):
            self._fired(fired)
        self._evaluate_values(report, trust, binding.watches)

    def _evaluate_values(
        self, report: Report, trust: TrustClass, watches: tuple[tuple[str, RuleInstance, str], ...]
    ) -> None:
        now = self._monotonic()
        if not watches or report.quality is Quality.BAD:  # not credible to its source: counts as heard only
            return
        age = 0.0 if report.time is None else self._now() - report.time
        at = now if age < -AHEAD_S else now - max(0.0, age)
        for key, watch, who in watches:
            try:
                if watch.take(who, report.values[key], at, trust, self._watched[watch.rule.name]):
                    self._fire(watch)
            except Exception as error:  # one failing rule must not stop the others
                self._break(watch.rule, error)

    def _fire(self, watch: RuleInstance) -> None:
        """Emit an event. Asks privacy again: a watched metric may have become private since its last reading."""
        watch.private |= any(not self._may_keep(metric, zone) for (_, zone), metric in watch.series.items())
        self._fired(watch.fired())

    def derived(self, device: Device, values: Mapping[str, Value], metrics: Mapping[str, Metric]) -> None:
        """Evaluate values that the hub computes of a device (availability, battery forecast) like a reading, without
        counting the device as heard."""
        binding = self.bind(device, metrics, values)
        watches = binding.watches if binding is not None else ()
        self._evaluate_values(Report(device=device.id, values=dict(values)), TrustClass.B, watches)

    def tick(self) -> None:
        """Evaluate durations, schedules and silences. Called about once a second."""
        self._schedule()
        now = self._monotonic()
        rules = {rule.name: rule for rule in self._rules}
        ripe = [
            one
            for one in self._watches.values()
            if one.held.ripe(now) and self._watched[one.rule.name] and one.rule.name in rules
        ]
        on = [one for one, watch in self._watches.items() if watch.held.on and one[0] in rules]
        on += [one for one in self._open - self._watches.keys() if one[0] in rules]
        if ripe or on:
            there = self._devices_by_place()
            for watch in ripe:
                if not self._has_device(watch.rule, watch.where.key, watch, there):
                    watch.held.since, watch.true = None, False
                elif watch.held.due(now):
                    self._fire(watch)
            self._end_gone([(rules[name], key) for name, key in on], there, now)
        try:
            for fired in self.absence.tick(now, self._watched):
                self._fired(fired)
        except Exception as error:
            for rule in self.absence.rules:
                self._break(rule, error)

    def next_due(self) -> float:
        """Return the earliest monotonic second at which time alone could make a rule fire, hours apart; infinity for
        none."""
        waiting = (
            watch.held.since + watch.held.for_s
            for watch in self._watches.values()
            if watch.held.since is not None and not watch.held.on and self._watched[watch.rule.name]
        )
        return min(min(waiting, default=inf), self.absence.next_due(self._monotonic(), self._watched))

    def _devices_by_place(self) -> dict[str, tuple[str, set[str]]]:
        """Map each place to its zone and the devices that stand there."""
        there: dict[str, tuple[str, set[str]]] = {}
        for device in self._devices():
            place = self._place(device.place)
            there.setdefault(device.place, (place.zone if place else "", set()))[1].add(device.id)
        return there

    def _has_device(
        self, rule: Rule, key: str, watch: RuleInstance | None, there: Mapping[str, tuple[str, set[str]]]
    ) -> bool:
        """Return whether a device stands there that the rule applies to.

        Where the devices that reported are gone, another one counts only until its first report has been bound.
        """
        if rule.minus is not None and rule.minus[0] not in there:
            return False
        places = [place for place in there if f"zone:{there[place][0]}" == key] if rule.aggregate else [key]
        found: set[str] = set()
        for place in places:
            zone, devices = there.get(place, ("", set()))
            found |= devices if rule.wants(place, zone) else set()
        members = watch.members if watch is not None else set()
        if found and members and not members & found:
            return not found <= self._bound_devices
        return bool(found)

    def _end_gone(self, on: Iterable[tuple[Rule, str]], there: Mapping[str, tuple[str, set[str]]], now: float) -> None:
        """End rules that hold where no device they apply to stands any more; no reading could end them."""
        for rule, key in on:
            watch = self._watches.get((rule.name, key))
            if self._has_device(rule, key, watch, there):
                continue
            self._open.discard((rule.name, key))
            if watch is None:
                self._fired(Fired(rule, RuleSubject(key), False, "", rule.limit, TrustClass.B))
            elif watch.held.step(False, now):
                watch.true = False
                self._fire(watch)

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        broken: list[str] = [
            phrase("rule-not-watched", "rule {rule} is not watched: {reason}", rule=name, reason=why)
            for name, why in self.broken.items()
        ]
        broken += self._bare()
        now = self._now()
        ending = {one: None for rule in self._scheduled if rule.during for one in rule.during.ending(now)}
        return broken + [
            phrase("calendar-ends-soon", "{calendar}: known until {until} only; renew it", calendar=name, until=until)
            for name, until in ending
        ]

    def _bare(self) -> Iterator[str]:
        """Yield the rules that watch places where no device stands: a command may add one, so no file can tell."""
        standing = {device.place for device in self._devices()}
        for rule in [*self._rules, *self.absence.rules]:
            bare = sorted({*rule.places, *([rule.minus[0]] if rule.minus else [])} - standing)
            if bare:
                yield phrase(
                    "rule-place-bare", "rule {rule}: no device stands at {places}", rule=rule.name, places=bare[:5]
                )

    def _schedule(self) -> None:
        for rule in self._scheduled:
            active = rule.during is None or rule.during.active(self._now())
            if self._watched[rule.name] != active:
                for watch in self._watches.values():
                    if watch.rule is rule and active:
                        watch.begin(self._monotonic())
                    elif watch.rule is rule and not watch.held.on:
                        watch.held.since = None
            self._watched[rule.name] = active

    def _members(self, rule: Rule, device: Device, place: Place | None, key: str) -> list[tuple[RuleInstance, str]]:
        """Return the instances of a rule that evaluate a series, and as which member."""
        found = []
        zone = place.zone if place else ""
        if rule.metric == key and rule.wants(device.place, zone):
            if rule.aggregate:
                found.append((self._watch(rule, f"zone:{zone}"), device.place))
                found[0][0].members.add(device.id)
                site = place.site if place else ""
                found[0][0].where = RuleSubject(
                    f"zone:{zone}", site=site, zone=zone, name=self._zone_name(zone) or zone
                )
            else:
                watch = self._watch(rule, device.place)
                name = (place.name if place else "") or device.place
                site = place.site if place else ""
                watch.where = RuleSubject(device.place, device.id, device.place, site, zone, device.integration, name)
                watch.members.add(device.id)
                found.append((watch, "first"))
        if rule.minus == (device.place, key):
            found += [(self._watch(rule, first), "second") for first in rule.places]
        return found

    def _unit_differs(self, rule: Rule, metric: Metric | None) -> bool:
        """Report and return a unit mismatch that `ilot check` cannot see: the metric comes from a plugin."""
        if metric is None or rule.unit in (None, metric.unit):
            return False
        why = phrase(
            "rule-unit-differs",
            "{metric} is measured in {unit}, the rule counts in {rule_unit}",
            metric=metric.key,
            unit=metric.unit,
            rule_unit=rule.unit,
        )
        self._report(rule, why)
        return True

    def _watch(self, rule: Rule, key: str) -> RuleInstance:
        known = self._watches.get((rule.name, key))
        if known is None:
            known = self._watches[rule.name, key] = RuleInstance(
                rule, RuleSubject(key), on=(rule.name, key) in self._open
            )
        return known

    def _break(self, rule: Rule, error: Exception) -> None:
        if rule.name not in self._failed:
            _log.error(
                phrase("rule-watched-no-more", "rule {rule} failed and is watched no more", rule=rule.name),
                exc_info=error,
            )
            self.broken[rule.name] = phrase(
                "unexpected-error", "{kind}: {reason}", kind=type(error).__name__, reason=reason_of(error)
            )
            self._failed.add(rule.name)
        self._rules = [one for one in self._rules if one.name not in self._failed]
        self.absence.rules = [one for one in self.absence.rules if one.name not in self._failed]

    def _report(self, rule: Rule, why: str) -> None:
        if rule.name not in self.broken:
            _log.error(
                phrase(
                    "rule-cannot-be-evaluated", "rule {rule} cannot be evaluated: {reason}", rule=rule.name, reason=why
                )
            )
            self.broken[rule.name] = why


def _condition_of(rule: Rule) -> Rule:
    """Return the rule reduced to its condition, without places, hours and consequences."""
    return msgspec.structs.replace(
        rule,
        places=frozenset(),
        zones=frozenset(),
        during=None,
        severity="",
        escalate_s=None,
        text="",
        text_fr="",
        alert=True,
        action=None,
    )


def _operand(rule: Rule) -> Operand:
    if rule.stuck:
        return Unchanged()
    if rule.rate_s is not None:
        return Rate(rule.rate_s)
    if rule.minus is not None:
        return Difference(rule.within_s)
    return Aggregate(rule.aggregate, rule.within_s) if rule.aggregate else MetricValue()
