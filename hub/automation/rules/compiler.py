"""Compiles the configured rules to `Rule`: templates expanded, times in seconds, units resolved. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import msgspec

from hub.automation.rules.conditions import Equals, Limit
from hub.automation.rules.schedules import Calendar, Hours, Interval, Programme, SpecialDays
from hub.config.calendars.schools import holidays
from hub.config.model import Core
from hub.config.parts.custom_templates import all_templates
from hub.config.parts.rules import Rule as Written
from hub.config.parts.rules import series_of
from hub.config.parts.schedules import Calendar as WrittenCalendar
from hub.config.parts.schedules import Schedule, dates_of, day_of, days_of, hours_of
from hub.config.parts.templates import expand
from hub.config.values import show_duration
from hub.core.metric_catalogue import METRICS
from hub.core.model import Value
from hub.core.text import phrase

SHOWN = {"Cel": "°C", "[ppm]": "ppm", "1": "", "kW.h": "kWh", "m3": "m³", "m3/h": "m³/h",
         "ug/m3": "µg/m³", "Bq/m3": "Bq/m³", "uS/cm": "µS/cm", "m/s2": "m/s²", "deg": "°", "MiBy": "MiB"}  # fmt: skip
"""UCUM units as people write them."""


class Action(msgspec.Struct, frozen=True):
    """The write of a rule while it holds; on its end `otherwise` is written, None releases the metric. `by_anybody`:
    readings of trust class C may trigger it."""

    device: str
    metric: str
    value: Value
    otherwise: Value | None = None
    by_anybody: bool = False


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled rule. `places` and `zones` are ids; both empty: everywhere. Exactly one of `test`, `silent_s` and
    `silent_periods` is set; `aggregate`, `minus`, `rate_s` and `stuck` say which quantity `test` applies to."""

    name: str
    metric: str | None = None
    unit: str | None = None
    places: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    aggregate: str | None = None
    minus: tuple[str, str] | None = None
    rate_s: float | None = None
    stuck: bool = False
    within_s: float = 3600.0
    test: Limit | Equals | None = None
    silent_s: float | None = None
    silent_periods: float | None = None
    for_s: float = 0.0
    during: Programme | None = None
    severity: str = "warning"
    escalate_s: float | None = None
    text: str = ""
    text_fr: str = ""
    limit: str = ""
    alert: bool = True
    action: Action | None = None

    @property
    def absence(self) -> bool:
        """True for a rule on silence."""
        return self.silent_s is not None or self.silent_periods is not None

    def wants(self, place: str, zone: str) -> bool:
        """Return whether the rule applies to this place, which lies in this zone."""
        return place in self.places or zone in self.zones or not (self.places or self.zones)


def compile_rules(core: Core) -> list[Rule]:
    """Compile the enabled rules of a configuration that `ilot check` accepts."""
    templates = all_templates(core.rule_templates)
    programmes = {name: compile_programme(schedule, core) for name, schedule in core.schedules.items()}
    return [_rule(name, expand(rule, templates), core, programmes) for name, rule in core.rules.items() if rule.enabled]


def _rule(name: str, rule: Written, core: Core, programmes: dict[str, Programme]) -> Rule:
    metric = METRICS.get(rule.metric or "")
    unit = rule.unit or (metric.unit if metric is not None else None)
    action = rule.set
    return Rule(
        name=name,
        metric=rule.metric,
        unit=unit,
        places=frozenset(rule.places),
        zones=frozenset(rule.zones),
        aggregate=rule.aggregate,
        minus=None if rule.minus is None else series_of(rule.minus),
        rate_s=_seconds(rule.rate_over),
        stuck=rule.stuck is not None,
        within_s=rule.within.total_seconds(),
        test=_test(rule),
        silent_s=_seconds(rule.silent),
        silent_periods=rule.silent_periods,
        for_s=_seconds(rule.for_) or 0.0,
        during=None if rule.during is None else programmes[rule.during],
        severity=rule.severity or "warning",
        escalate_s=_seconds(rule.escalate),
        text=rule.text,
        text_fr=rule.text_fr,
        limit=_limit(rule, unit),
        alert=rule.alert,
        action=None
        if action is None
        else Action(action.device, action.metric, action.value, action.otherwise, action.clear_identity),
    )


def _test(rule: Written) -> Limit | Equals | None:
    if rule.above is not None:
        return Limit(rule.above, rule.above if rule.clears is None else rule.clears)
    if rule.below is not None:
        return Limit(rule.below, rule.below if rule.clears is None else rule.clears, up=False)
    if rule.stuck is not None:
        return Limit(rule.stuck.total_seconds(), rule.stuck.total_seconds())
    return None if rule.equals is None else Equals(rule.equals)


def _limit(rule: Written, unit: str | None) -> str:
    number = rule.above if rule.above is not None else rule.below
    if number is not None:
        return with_unit(number, unit)
    time = rule.silent or rule.stuck
    return show_duration(time) if time is not None else str(rule.equals) if rule.equals is not None else ""


def with_unit(value: Value, unit: str | None) -> str:
    """Format a value for people: `55.2 °C`."""
    if isinstance(value, bool | str):
        return str(value)
    shown = f"{round(value, 2):.15g}" if abs(value) >= 1 else f"{value:.3g}"
    return f"{shown} {SHOWN.get(unit or '', unit or '')}".rstrip()


def compile_programme(schedule: Schedule, core: Core) -> Programme:
    """Compile one of the core's schedules."""
    days: list[list[Interval]] = [[] for _ in range(7)]
    for names, hours in schedule.weekly.items():
        for day in days_of(names):
            days[day] += [hours_of(text) for text in hours]
    public, school = schedule.public_holidays, schedule.school_holidays
    off = None if school is None else holidays(school.zone, core.school_years)
    special = SpecialDays(
        exceptions=_dates(schedule.exceptions),
        region=None if public is None else public.region,
        holiday=() if public is None else _hours(public.hours),
        school=None
        if school is None or off is None
        else Calendar(
            phrase("school-holidays-of-zone", "school holidays, zone {zone}", zone=school.zone),
            dict.fromkeys(off.days, ()),
            off.until,
        ),
        school_hours=() if school is None else _hours(school.hours),
        also=tuple(_calendar(name, core.calendars[name]) for name in schedule.also_during),
        never=tuple(_calendar(name, core.calendars[name]) for name in schedule.not_during),
    )
    return Programme(ZoneInfo(core.timezone_of(schedule.site)), tuple(tuple(day) for day in days), special)


def _calendar(name: str, written: WrittenCalendar) -> Calendar:
    until = None if written.until is None else day_of(written.until)
    return Calendar(phrase("calendar-named", "calendar {name}", name=name), _dates(written.days), until)


def _dates(written: Mapping[str, list[str]]) -> dict[date, Hours]:
    """Expand periods to days. Where periods overlap, the later in the file wins."""
    return {day: _hours(hours) for period, hours in written.items() for day in dates_of(period)}


def _hours(texts: list[str]) -> Hours:
    return tuple(hours_of(text) for text in texts)


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()
