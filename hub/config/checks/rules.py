"""Checks of rules that cannot be evaluated: a missing series, a wrong unit or kind, a cycle. Pure.

Metrics that only a plugin knows are accepted with the rule's `unit`; the hub checks it again at the first reading
(`hub.automation.rules.engine`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.config.calendars.schools import missing_zone, zones
from hub.config.model import Core
from hub.config.parts.custom_templates import all_templates, check_templates
from hub.config.parts.rules import BUILTIN_ALERTS, Rule, series_of
from hub.config.parts.templates import TEMPLATES, Template, expand, read_input
from hub.config.positions import Finding, Path, clipped
from hub.config.pydantic_findings import nearest, unknown_id
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.core.text import phrase, reason_of


def check_rules(core: Core) -> Iterator[Finding]:
    """Yield the errors of rules and schedules in an otherwise valid configuration."""
    for name, schedule in core.schedules.items():
        if schedule.site is not None:
            yield from unknown_id(schedule.site, core.sites, "site", "sites", ("schedules", name, "site"))
        for option in ("also_during", "not_during"):
            for at, calendar in enumerate(getattr(schedule, option)):
                yield from unknown_id(
                    calendar, core.calendars, "calendar", "calendars", ("schedules", name, option, at)
                )
        school = schedule.school_holidays
        if school is not None and school.zone not in zones(core.school_years):
            message = missing_zone(school.zone, core.school_years)
            yield Finding(("schedules", name, "school_holidays", "zone"), message)
    for name, device in core.devices.items():
        if device.duty is not None:
            yield from unknown_id(device.duty, core.schedules, "schedule", "schedules", ("devices", name, "duty"))
    for name, notifier in core.notifiers.items():
        for at, zone in enumerate(notifier.zones):
            yield from unknown_id(zone, core.zones, "zone", "zones", ("notifiers", name, "zones", at))
        if notifier.quiet is not None:
            yield from unknown_id(notifier.quiet, core.schedules, "schedule", "schedules", ("notifiers", name, "quiet"))
    broken = list(check_templates(core.rule_templates))
    yield from broken
    if broken:
        return
    templates = all_templates(core.rule_templates)
    whole: dict[str, Rule] = {}
    for name, rule in core.rules.items():
        path: Path = ("rules", name)
        if name in BUILTIN_ALERTS:
            yield Finding(
                path,
                phrase("rule-name-reserved", "the hub's own alerts have this name: give the rule another one"),
                at_key=True,
            )
        wrong = [*_template(rule, path, templates), *_names(rule, core, path)]
        if not wrong:
            full = expand(rule, templates)
            wrong = [*_valid_alone(full, path), *_series(full, path), *_action(full, core, path)]
            whole[name] = full
        yield from wrong
    yield from _cycles(whole, core)


def _template(rule: Rule, path: Path, templates: Mapping[str, Template]) -> Iterator[Finding]:
    if rule.template is None:
        return
    template = templates.get(rule.template)
    if template is None:
        message = phrase(
            "rule-template-unknown",
            "there is no template '{template}'; there are {templates}",
            template=clipped(rule.template),
            templates=list(templates),
        )
        yield Finding((*path, "template"), message, nearest(rule.template, templates))
        return
    for name, value in rule.inputs.items():
        if name not in template.inputs:
            message = phrase(
                "template-input-unknown",
                "template {template} has no input '{input}'; it has {inputs}",
                template=rule.template,
                input=clipped(name),
                inputs=list(template.inputs) or phrase("no-inputs", "none"),
            )
            yield Finding((*path, "inputs", name), message, nearest(name, template.inputs), at_key=True)
            continue
        try:
            read_input(template.inputs[name], value)
        except ValueError as error:
            message = phrase("template-input-wrong", "{input}: {reason}", input=name, reason=reason_of(error))
            yield Finding((*path, "inputs", name), message)
    yield from _bin_depth(rule, path)
    for name, asked in template.inputs.items():
        if rule.template not in TEMPLATES and asked.default is None and name not in rule.inputs:
            yield Finding(
                (*path, "template"),
                phrase(
                    "template-input-missing",
                    "template {template} needs the input {input}",
                    template=rule.template,
                    input=name,
                ),
            )
    if template.needs_schedule and rule.during is None:
        yield Finding(
            (*path, "template"),
            phrase(
                "template-needs-schedule",
                "template {template} needs `during`: a schedule of `schedules`",
                template=rule.template,
            ),
        )


def _bin_depth(rule: Rule, path: Path) -> Iterator[Finding]:
    """Check that a full bin is nearer to its sensor than the bottom of an empty one."""
    full, depth = rule.inputs.get("full"), rule.inputs.get("depth")
    if rule.template != "bin_full" or not isinstance(full, int | float) or not full:
        return
    if not isinstance(depth, int | float) or full >= depth:
        message = phrase("template-full-depth", "full: must be less than `depth`, which it needs")
        yield Finding((*path, "inputs", "full"), message)


def _names(rule: Rule, core: Core, path: Path) -> Iterator[Finding]:
    for option, noun, known in (("places", "place", core.places), ("zones", "zone", core.zones)):
        for at, name in enumerate(getattr(rule, option)):
            yield from unknown_id(name, known, noun, option, (*path, option, at))
    if rule.during is not None:
        yield from unknown_id(rule.during, core.schedules, "schedule", "schedules", (*path, "during"))
    if rule.minus is not None:
        place, _ = series_of(rule.minus)
        yield from unknown_id(place, core.places, "place", "places", (*path, "minus"))


def _valid_alone(rule: Rule, path: Path) -> Iterator[Finding]:
    try:
        rule.whole()
    except ValueError as error:
        yield Finding(path, reason_of(error), at_key=True)


def _series(rule: Rule, path: Path) -> Iterator[Finding]:
    """Check the metrics: whether they exist in that unit, and whether the test is one for their kind."""
    if rule.metric is None:
        return
    at: Path = (*path, "metric") if rule.template is None else (*path, "template")
    metric = METRICS.get(rule.metric)
    if metric is None:
        if rule.unit is None:
            message = phrase(
                "rule-metric-unknown",
                "no metric '{metric}' is in the catalogue; one that a plugin adds needs its `unit` here",
                metric=clipped(rule.metric),
            )
            yield Finding(at, message, nearest(rule.metric, METRICS))
        return
    yield from _of_kind(rule, metric, path)
    if rule.unit is not None and rule.unit != metric.unit:
        where = (*path, "unit") if rule.template is None else at
        yield Finding(
            where,
            phrase(
                "rule-unit-wrong",
                "{metric} is measured in {unit}, not in '{given}'",
                metric=metric.key,
                unit=metric.unit,
                given=clipped(rule.unit),
            ),
        )
    if rule.minus is not None:
        other = METRICS.get(series_of(rule.minus)[1])
        if other is None:
            message = phrase(
                "series-not-in-catalogue",
                "the two series cannot be compared: {series} is not in the catalogue",
                series=rule.minus,
            )
            yield Finding((*path, "minus"), message)
        elif (other.unit, other.kind) != (metric.unit, metric.kind):
            message = phrase(
                "series-of-other-unit",
                "the two series cannot be compared: {series} is in {unit}, {metric} in {metric_unit}",
                series=rule.minus,
                unit=other.unit,
                metric=metric.key,
                metric_unit=metric.unit,
            )
            yield Finding((*path, "minus"), message)


def _of_kind(rule: Rule, metric: Metric, path: Path) -> Iterator[Finding]:
    if (rule.above is not None or rule.below is not None) and metric.kind != "number":
        option = "above" if rule.above is not None else "below"
        at = (*path, option) if rule.template is None else (*path, "metric")
        if metric.kind == "text":
            yield Finding(at, phrase("text-needs-equals", "{metric} is a text: use equals", metric=metric.key))
        else:
            yield Finding(at, phrase("flag-needs-equals", "{metric} is true or false: use equals", metric=metric.key))
    if rule.equals is not None:
        wanted = "flag" if isinstance(rule.equals, bool) else "text"
        if metric.kind != wanted:
            at = (*path, "equals") if rule.template is None else (*path, "metric")
            if metric.kind == "number":
                message = phrase("number-needs-bound", "{metric} is a number: use above or below", metric=metric.key)
            elif metric.kind == "text":
                message = phrase("equals-no-text", "{metric} is a text: equals must be a text", metric=metric.key)
            else:
                message = phrase(
                    "equals-no-flag", "{metric} is true or false: equals must be true or false", metric=metric.key
                )
            yield Finding(at, message)


def _action(rule: Rule, core: Core, path: Path) -> Iterator[Finding]:
    action = rule.set
    if action is None:
        return
    device = core.devices.get(action.device)
    if device is None:
        message = phrase(
            "rule-device-unknown", "there is no device '{device}' in `devices`", device=clipped(action.device)
        )
        yield Finding((*path, "set", "device"), message, nearest(action.device, core.devices))
        return
    limits = device.writable.get(action.metric)
    if limits is None:
        message = phrase(
            "rule-metric-read-only",
            "{metric} of {device} is read-only: list it in the device's `writable:`",
            metric=action.metric,
            device=action.device,
        )
        yield Finding((*path, "set", "metric"), message, nearest(action.metric, device.writable))
        return
    for option in ("value", "otherwise"):
        value = getattr(action, option)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if limits.low is None or limits.high is None:
            yield Finding(
                (*path, "set", option),
                phrase(
                    "writable-without-bounds",
                    "{metric} has no bounds: give it low and high in `writable:`",
                    metric=action.metric,
                ),
            )
        elif not limits.low <= value <= limits.high:
            yield Finding(
                (*path, "set", option),
                phrase(
                    "written-value-out-of-bounds",
                    "{metric} of {device} must be from {low:g} to {high:g}",
                    metric=action.metric,
                    device=action.device,
                    low=limits.low,
                    high=limits.high,
                ),
            )


def _cycles(rules: dict[str, Rule], core: Core) -> Iterator[Finding]:
    """Yield rules that, through what they write, switch each other on and off for ever."""
    follows = {
        name: [other for other, reader in rules.items() if _writes_input_of(rule, reader, core)]
        for name, rule in rules.items()
    }
    for name in rules:
        way = _shortest_cycle(name, follows)
        if way:
            message = phrase("rule-reads-itself", "the rule reads what it writes itself")
            if len(way) > 1:
                through = " → ".join((name, *way))
                message = phrase("rule-in-circle", "the rule goes in a circle: {way}", way=through)
            yield Finding(("rules", name, "set"), message, at_key=True)


def _writes_input_of(rule: Rule, reader: Rule, core: Core) -> bool:
    """Return whether `rule` writes a series that `reader` tests."""
    if rule.set is None:
        return False
    device = core.devices.get(rule.set.device)
    if device is None:
        return False
    if reader.minus is not None and series_of(reader.minus) == (device.place, rule.set.metric):
        return True
    if reader.metric != rule.set.metric:
        return False
    place = core.places.get(device.place)
    everywhere = not reader.places and not reader.zones
    return everywhere or device.place in reader.places or (place is not None and place.zone in reader.zones)


def _shortest_cycle(start: str, follows: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the shortest path from a rule back to itself; empty when there is none."""
    ways: list[tuple[str, ...]] = [(name,) for name in follows[start]]
    seen: set[str] = set()
    for way in ways:  # the list grows during the loop
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, name) for name in follows[way[-1]]]
    return ()
