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
from hub.config.positions import Finding, Path, quoted
from hub.config.pydantic_findings import nearest, unknown_id
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.core.text import phrase

KINDS = {"number": "a number", "flag": "true or false", "text": "a text"}


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
                phrase("hubs-own-alerts", "the hub's own alerts have this name: give the rule another one"),
                at_key=True,
            )
        wrong = [*_template(rule, path, templates), *_names(rule, core, path)]
        if not wrong:
            full = expand(rule, templates)
            wrong = [*_valid_alone(full, path), *_series(full, core, path), *_action(full, core, path)]
            whole[name] = full
        yield from wrong
    yield from _cycles(whole, core)


def _template(rule: Rule, path: Path, templates: Mapping[str, Template]) -> Iterator[Finding]:
    if rule.template is None:
        return
    template = templates.get(rule.template)
    if template is None:
        there = ", ".join(templates)
        message = f"there is no template {quoted(rule.template)}; there are {there}"
        yield Finding((*path, "template"), message, nearest(rule.template, templates))
        return
    for name, value in rule.inputs.items():
        if name not in template.inputs:
            there = ", ".join(template.inputs) or "none"
            message = f"template {rule.template} has no input {quoted(name)}; it has {there}"
            yield Finding((*path, "inputs", name), message, nearest(name, template.inputs), at_key=True)
            continue
        try:
            read_input(template.inputs[name], value)
        except ValueError as error:
            yield Finding((*path, "inputs", name), f"{name}: {error}")
    for name, asked in template.inputs.items():
        if rule.template not in TEMPLATES and asked.default is None and name not in rule.inputs:
            yield Finding(
                (*path, "template"),
                phrase(
                    "template-needs-input",
                    "template {template} needs the input {name}",
                    template=rule.template,
                    name=name,
                ),
            )
    if template.needs_schedule and rule.during is None:
        yield Finding(
            (*path, "template"),
            phrase(
                "template-needs-during",
                "template {template} needs `during`: a schedule of `schedules`",
                template=rule.template,
            ),
        )


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
        yield Finding(path, str(error), at_key=True)


def _series(rule: Rule, core: Core, path: Path) -> Iterator[Finding]:
    """Check the metrics: whether they exist in that unit, and whether the test is one for their kind."""
    if rule.metric is None:
        return
    at: Path = (*path, "metric") if rule.template is None else (*path, "template")
    metric = METRICS.get(rule.metric)
    if metric is None:
        if rule.unit is None:
            message = (
                f"no metric {quoted(rule.metric)} is in the catalogue; one that a plugin adds needs its `unit` here"
            )
            yield Finding(at, message, nearest(rule.metric, METRICS))
        return
    yield from _of_kind(rule, metric, path)
    if rule.unit is not None and rule.unit != metric.unit:
        where = (*path, "unit") if rule.template is None else at
        yield Finding(
            where,
            phrase(
                "measured-not",
                "{key} is measured in {unit}, not in {quoted}",
                key=metric.key,
                unit=metric.unit,
                quoted=quoted(rule.unit),
            ),
        )
    if rule.minus is not None:
        other = METRICS.get(series_of(rule.minus)[1])
        if other is None or (other.unit, other.kind) != (metric.unit, metric.kind):
            said = "is not in the catalogue" if other is None else f"is in {other.unit}, {metric.key} in {metric.unit}"
            yield Finding(
                (*path, "minus"),
                phrase(
                    "two-series-cannot",
                    "the two series cannot be compared: {minus} {said}",
                    minus=rule.minus,
                    said=said,
                ),
            )
    if core.devices and (rule.places or rule.minus):
        standing = {device.place for device in core.devices.values()}
        named = [((*path, "places", at), place) for at, place in enumerate(rule.places)]
        if rule.minus is not None:
            named.append(((*path, "minus"), series_of(rule.minus)[0]))
        for where, place in named:
            if place not in standing:
                yield Finding(
                    where,
                    phrase(
                        "no-device-devices",
                        "no device of `devices` stands for {quoted}: there is no series to watch",
                        quoted=quoted(place),
                    ),
                )


def _of_kind(rule: Rule, metric: Metric, path: Path) -> Iterator[Finding]:
    if (rule.above is not None or rule.below is not None) and metric.kind != "number":
        option = "above" if rule.above is not None else "below"
        at = (*path, option) if rule.template is None else (*path, "metric")
        yield Finding(
            at, phrase("use-equals", "{key} is {kinds}: use equals", key=metric.key, kinds=KINDS[metric.kind])
        )
    if rule.equals is not None:
        wanted = "flag" if isinstance(rule.equals, bool) else "text"
        if metric.kind != wanted:
            at = (*path, "equals") if rule.template is None else (*path, "metric")
            hint = "use above or below" if metric.kind == "number" else f"equals must be {KINDS[metric.kind]}"
            yield Finding(
                at, phrase("is", "{key} is {kinds}: {hint}", key=metric.key, kinds=KINDS[metric.kind], hint=hint)
            )


def _action(rule: Rule, core: Core, path: Path) -> Iterator[Finding]:
    action = rule.set
    if action is None:
        return
    device = core.devices.get(action.device)
    if device is None:
        message = f"there is no device {quoted(action.device)} in `devices`"
        yield Finding((*path, "set", "device"), message, nearest(action.device, core.devices))
        return
    limits = device.writable.get(action.metric)
    if limits is None:
        message = f"{action.metric} of {action.device} is read-only: list it in the device's `writable:`"
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
                    "has-no-bounds", "{metric} has no bounds: give it low and high in `writable:`", metric=action.metric
                ),
            )
        elif not limits.low <= value <= limits.high:
            bounds = f"{limits.low:g} to {limits.high:g}"
            yield Finding(
                (*path, "set", option),
                phrase(
                    "must-from",
                    "{metric} of {device} must be from {bounds}",
                    metric=action.metric,
                    device=action.device,
                    bounds=bounds,
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
            through = " → ".join((name, *way))
            said = "reads what it writes itself" if len(way) == 1 else f"goes in a circle: {through}"
            yield Finding(("rules", name, "set"), phrase("rule", "the rule {said}", said=said), at_key=True)


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
