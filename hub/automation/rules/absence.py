"""Detects silence: one event for a silent device, one for a whole silent integration instance.

A device is silent when no report came from it for its period of patience. When nothing came from its whole instance for
half of that, and at least two of its devices are watched, the instance (gateway, bus, server) is taken to be down, and
a single event says so. When the instance is heard again, its devices get the full time again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from math import inf

from hub.automation.rules.compiler import Rule
from hub.automation.rules.events import Fired, RuleSubject
from hub.config.values import show_duration
from hub.core.model import Device, Place, TrustClass, Value

UNKNOWN_S = 86_400.0
"""Patience with a device whose reporting period is unknown, in seconds."""


class Absence:
    """The absence rules of one hub. `open` are the (rule, key) that held in an earlier run; `start` is the monotonic
    second at which this run began."""

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        place: Callable[[str], Place | None],
        devices: Callable[[], Iterable[Device]],
        period: Callable[[Device], float | None],
        start: float,
        open: set[tuple[str, str]],
        on_duty: Callable[[Device], bool] = lambda device: True,
    ) -> None:
        self.rules = list(rules)
        self._place, self._devices, self._period = place, devices, period
        self._start = start
        self._on_duty = on_duty
        self._since: dict[str, float] = {}  # rule or device → start of its active hours
        self._device: dict[tuple[str, str], float] = {}  # (device, metric or "") → last report
        self._instance: dict[str, float] = {}
        self._back: dict[str, float] = {}  # instance → first report after a silence
        self._watched: dict[str, dict[str, float]] = {}  # rule → device → watched since
        self._ticked = False
        self._on = {(rule.name, key) for rule in self.rules for name, key in open if name == rule.name}

    def inherit(self, former: Absence) -> None:
        """Take over from the former rules: when devices were last heard, and since when they have been watched."""
        self._device, self._instance, self._back = former._device, former._instance, former._back
        self._start, self._ticked, self._since = former._start, True, former._since
        metrics = {rule.name: rule.metric for rule in former.rules}
        same = {rule.name for rule in self.rules if metrics.get(rule.name, "") == rule.metric}
        self._watched = {name: since for name, since in former._watched.items() if name in same}
        self._on |= {(name, key) for name, key in former._on if name in {rule.name for rule in self.rules}}

    def holds(self, rule: str, key: str) -> bool:
        return (rule, key) in self._on

    def active(self) -> list[tuple[str, str]]:
        """Return (rule, key) of everything that holds."""
        return list(self._on)

    def applies_to(self, device: Device) -> bool:
        return any(self._applies(rule, device) for rule in self.rules)

    def _applies(self, rule: Rule, device: Device) -> bool:
        place = self._place(device.place)
        return rule.wants(device.place, place.zone if place else "")

    def record_report(self, device: Device, values: Mapping[str, Value], now: float) -> Iterator[Fired]:
        """Record a report. Yields the silences that it ends."""
        if not self.rules:
            return
        self._device[device.id, ""] = now
        self._instance[device.integration] = now
        for rule in self.rules:
            if not self._applies(rule, device):
                continue
            if rule.metric is not None:
                if rule.metric not in values:
                    continue
                self._device[device.id, rule.metric] = now
            away = (rule.name, f"integration:{device.integration}")
            if away in self._on:
                self._on.discard(away)
                self._back[device.integration] = now
                yield _fired(rule, self._of_instance(device), False, "")
            if (rule.name, device.id) in self._on:
                self._on.discard((rule.name, device.id))
                yield _fired(rule, self._of_device(device), False, "")

    def tick(self, now: float, watched: Mapping[str, bool]) -> Iterator[Fired]:
        """Advance the clock. Yields silences that began, and those that end because their device was removed."""
        if not self.rules:
            return
        devices = list(self._devices())
        first, self._ticked = now if self._ticked else self._start, True
        for rule in self.rules:
            wanted = [device for device in devices if self._applies(rule, device)]
            self._watch(rule, wanted, first)
            yield from self._end_removed(rule, wanted)
            waiting = self._waiting(rule, wanted, watched, now)
            mine = [device for device, _, _ in waiting]
            several = {d.integration for d in mine} - _singles(mine)
            for device, heard, patience in waiting:
                if now - heard < patience:
                    continue
                away = (rule.name, f"integration:{device.integration}")
                if away in self._on or (rule.name, device.id) in self._on:
                    continue
                shown = show_duration(timedelta(seconds=round(patience)))
                silent_s = now - self._instance.get(device.integration, self._start)
                if device.integration in several and silent_s >= patience / 2:
                    self._on.add(away)
                    yield _fired(rule, self._of_instance(device), True, shown)
                else:
                    self._on.add((rule.name, device.id))
                    yield _fired(rule, self._of_device(device), True, shown)

    def next_due(self, now: float, watched: Mapping[str, bool]) -> float:
        """Return the earliest second at which time alone could begin a silence, as things stand after a tick; a report
        can only put it off, or begin another wait. Infinity for none."""
        due = inf
        for rule in self.rules:
            wanted = [device for device in self._devices() if self._applies(rule, device)]
            for device, heard, patience in self._waiting(rule, wanted, watched, now):
                away = (rule.name, f"integration:{device.integration}")
                if away not in self._on and (rule.name, device.id) not in self._on:
                    due = min(due, heard + patience)
        return due

    def shortest_patience(self) -> float:
        """Return the shortest time after a report at which one of the devices could be silent."""
        return min(
            (
                self._patience(rule, device)
                for rule in self.rules
                for device in self._devices()
                if self._applies(rule, device)
            ),
            default=inf,
        )

    def _waiting(
        self, rule: Rule, wanted: list[Device], watched: Mapping[str, bool], now: float
    ) -> list[tuple[Device, float, float]]:
        """Return (device, since when its time runs, its patience) of the devices that are to be heard now."""
        began = self._active_since(f"rule:{rule.name}", watched[rule.name], now)
        if began is None:
            return []
        found = []
        for device in wanted:
            duty = self._active_since(device.id, self._on_duty(device), now)
            if duty is not None:
                last = self._device.get((device.id, rule.metric or ""), 0.0)
                last = max(last, self._watched[rule.name][device.id])
                since = max(began, duty, self._back.get(device.integration, 0.0))
                found.append((device, max(last, since), self._patience(rule, device)))
        return found

    def _active_since(self, name: str, active: bool, now: float) -> float | None:
        """Return since when the hours `name` have been active, None outside them; 0.0 if they were active at the start.

        A device that is off by design outside its hours gets its full time when they begin.
        """
        if not active:
            self._since[name] = -1.0
            return None
        if self._since.get(name) == -1.0:
            self._since[name] = now
        return self._since.setdefault(name, 0.0)

    def _watch(self, rule: Rule, wanted: list[Device], first: float) -> None:
        """Start the full time of devices that were added, or that the rule has just begun to watch."""
        known = self._watched.get(rule.name, {})
        self._watched[rule.name] = {device.id: known.get(device.id, first) for device in wanted}

    def _end_removed(self, rule: Rule, wanted: list[Device]) -> Iterator[Fired]:
        """End silences of devices that were removed or are no longer watched; no report could end them."""
        here = {device.id for device in wanted} | {f"integration:{device.integration}" for device in wanted}
        for key in [key for name, key in self._on if name == rule.name and key not in here]:
            self._on.discard((rule.name, key))
            yield _fired(rule, RuleSubject(key), False, "")

    def _patience(self, rule: Rule, device: Device) -> float:
        if rule.silent_s is not None:
            return rule.silent_s
        period = self._period(device)
        return UNKNOWN_S if period is None else max(60.0, period * (rule.silent_periods or 3.0))

    def _of_device(self, device: Device) -> RuleSubject:
        place = self._place(device.place)
        site, zone = (place.site, place.zone) if place else ("", "")
        name = (place.name if place else "") or device.place
        return RuleSubject(device.id, device.id, device.place, site, zone, device.integration, name)

    def _of_instance(self, device: Device) -> RuleSubject:
        name = device.integration
        return RuleSubject(f"integration:{name}", "", "", "", "", name, name)


def _fired(rule: Rule, where: RuleSubject, on: bool, limit: str) -> Fired:
    return Fired(rule, where, on, "", limit, TrustClass.B)


def _singles(devices: list[Device]) -> set[str]:
    """Return instances with one watched device: its silence cannot be told from the instance's."""
    count: dict[str, int] = {}
    for device in devices:
        count[device.integration] = count.get(device.integration, 0) + 1
    return {integration for integration, devices_ in count.items() if devices_ == 1}
