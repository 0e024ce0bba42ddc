"""The fields of an alert, and the rule that they mean. Pure.

Fields are text, as people write it: quantities and durations with or without a unit, in French or English. The rule is
what stands in the file, with its texts in both languages where nobody wrote any.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from hub.config.values import show_duration
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric
from hub.core.text import phrase
from hub.i18n.metric_names import metric_name
from hub.i18n.quantities import read_duration, read_quantity, read_rate
from hub.i18n.typography import ascii_spaces
from hub.web.words import word

WHEN = ("above", "below", "yes", "no", "text", "stuck", "silent", "periods")
OF = ("value", "rate", "mean", "max", "min", "minus")
SEVERITIES = ("info", "warning", "critical")
PLAIN = (
    "where", "metric", "when", "value", "of", "rate_over", "minus_place", "minus_metric", "within", "clears", "for",
    "during", "severity", "escalate", "text", "text_fr", "template",
)  # fmt: skip
"""Names of the fields; those of a template's inputs are `in.NAME`."""
FIELD_OF = {
    "above": "value", "below": "value", "equals": "value", "stuck": "value", "silent": "value",
    "silent_periods": "value", "places": "where", "zones": "where", "aggregate": "of", "minus": "minus_place",
}  # fmt: skip
"""Option of a rule → field, where the names differ."""
LONGEST_ID = 64
EXACT = 2**53
DIFFERENCES = ("margin",)
"""Inputs of templates that are a difference of two values."""


class Kinds(NamedTuple):
    """Kinds of value that a condition is for."""

    when: Collection[str]
    default: str


KINDS = {
    "number": Kinds(("above", "below", "stuck", "silent", "periods"), "above"),
    "flag": Kinds(("yes", "no", "stuck", "silent", "periods"), "yes"),
    "text": Kinds(("text", "stuck", "silent", "periods"), "text"),
}


@dataclass(slots=True)
class Draft:
    """A rule in the making. `errors`: field → what is wrong with it; `titles`: what it is about, by language."""

    name: str = ""
    rule: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    metric: Metric | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What exists: (id → zone) of places, ids of zones, rules and schedules, templates by name, and the metric of a
    key."""

    places: Mapping[str, str]
    zones: Collection[str]
    rules: Collection[str]
    schedules: Collection[str]
    templates: Mapping[str, Mapping[str, Any]]
    metric: Callable[[str], Metric | None]


class _Reader:
    """Reads the fields of one form, and notes what is wrong beside each."""

    def __init__(self, fields: Mapping[str, str], lang: str, draft: Draft) -> None:
        self._fields, self._lang, self.draft = fields, lang, draft

    def text(self, name: str) -> str:
        return self._fields.get(name, "").strip()

    def wrong(self, name: str, why: str) -> None:
        self.draft.errors.setdefault(name, why)

    def quantity(self, name: str, unit: str, *, rate: bool = False, difference: bool = False) -> float | None:
        try:
            if rate:
                read = read_rate(self.text(name), unit, self._lang)
            else:
                read = read_quantity(self.text(name), unit, self._lang, difference=difference)
        except ValueError as error:
            self.wrong(name, error.args[0])
            return None
        return int(read) if read.is_integer() and abs(read) < EXACT else read

    def duration(self, name: str) -> str | None:
        try:
            read = read_duration(self.text(name), self._lang)
        except ValueError as error:
            self.wrong(name, error.args[0])
            return None
        if not timedelta(seconds=1) <= read <= timedelta(days=31):
            self.wrong(name, phrase("duration-out-of-bounds", "a duration from 1 s to 31 days"))
            return None
        return show_duration(read)

    def choice(self, name: str, known: Collection[str], default: str = "") -> str:
        chosen = self.text(name) or default
        if chosen and chosen not in known:
            self.wrong(name, phrase("choice-not-known", "this choice does not exist here any more: choose again"))
            return default
        return chosen


def draft(fields: Mapping[str, str], lang: str, facts: Facts) -> Draft:
    """Return the rule that the fields mean, with everything that is wrong beside its field."""
    made = Draft()
    reader = _Reader(fields, lang, made)
    _where(reader, facts)
    template = reader.choice("template", facts.templates)
    if template:
        _template(reader, facts.templates[template])
    else:
        _condition(reader, facts)
    _more(reader, facts)
    made.name = _name(made.rule, facts.rules)
    return made


def _where(reader: _Reader, facts: Facts) -> None:
    kind, _, one = reader.text("where").partition(":")
    if kind == "place" and one in facts.places:
        reader.draft.rule["places"] = [one]
    elif kind == "zone" and one in facts.zones:
        reader.draft.rule["zones"] = [one]
    elif kind != "all" or one:
        reader.wrong("where", phrase("where-not-chosen", "choose where: a place, a zone or the whole building"))


def _template(reader: _Reader, template: Mapping[str, Any]) -> None:
    rule, inputs = reader.draft.rule, dict[str, Any]()
    rule["template"] = template["name"]
    for asked in template["inputs"]:
        name = f"in.{asked['name']}"
        if not reader.text(name):
            if template["own"] and asked["default"] is None:
                reader.wrong(name, phrase("field-is-needed", "this is needed"))
            continue
        given: Any
        if asked["kind"] == "duration":
            given = reader.duration(name)
        elif asked["kind"] == "metric":
            given = reader.choice(name, asked["words"])
        else:
            given = reader.quantity(name, asked["unit"] or "1", difference=asked["name"] in DIFFERENCES)
        if given is not None and given != asked["default"]:
            inputs[asked["name"]] = given
    if inputs:
        rule["inputs"] = inputs


def _condition(reader: _Reader, facts: Facts) -> None:
    rule, draft = reader.draft.rule, reader.draft
    key = reader.text("metric")
    draft.metric = metric = facts.metric(key) if key else None
    kinds = KINDS[metric.kind if metric is not None else "number"]
    when = reader.choice("when", WHEN, kinds.default)
    if metric is not None:
        rule["metric"] = metric.key
        if METRICS.get(metric.key) is None:
            rule["unit"] = metric.unit  # known to a plugin or a pack alone
        if when not in kinds.when:
            reader.wrong("when", _wrong_kind(metric.kind))
            return
    elif key or when not in ("silent", "periods"):
        reader.wrong("metric", phrase("metric-not-chosen", "choose which value is watched"))
        return
    if when in ("stuck", "silent"):
        rule[when] = reader.duration("value")
    elif when == "periods":
        rule["silent_periods"] = reader.quantity("value", "1")
    elif when in ("yes", "no"):
        rule["equals"] = when == "yes"
    elif when == "text":
        rule["equals"] = reader.text("value")
    elif metric is not None:
        _limit(reader, facts, when, metric)


def _wrong_kind(kind: str) -> str:
    if kind == "number":
        return phrase("number-needs-limit", "this value is a number: choose above or below")
    if kind == "flag":
        return phrase("flag-needs-yes-or-no", "this value is yes or no: choose which of them")
    return phrase("text-needs-words", "this value is a text: choose which text it is")


def _limit(reader: _Reader, facts: Facts, when: str, metric: Metric) -> None:
    rule = reader.draft.rule
    of = reader.choice("of", OF, "value")
    rate, difference = of == "rate", of in ("rate", "minus")
    if of in ("mean", "max", "min"):
        rule["aggregate"] = of
        if "zones" not in rule:
            reader.wrong("of", phrase("aggregate-needs-zone", "a mean, lowest or highest is one of a zone: choose one"))
    elif rate:
        rule["rate_over"] = reader.duration("rate_over") if reader.text("rate_over") else "30min"
    elif of == "minus":
        other = reader.choice("minus_place", facts.places)
        if not other or "places" not in rule:
            reader.wrong("minus_place", phrase("minus-needs-places", "a difference is one of two places: choose both"))
        rule["minus"] = f"{other}/{reader.text('minus_metric') or metric.key}"
    if of in ("mean", "max", "min", "minus") and reader.text("within"):
        rule["within"] = reader.duration("within")
    rule[when] = reader.quantity("value", metric.unit, rate=rate, difference=difference)
    if reader.text("clears"):
        rule["clears"] = over = reader.quantity("clears", metric.unit, rate=rate, difference=difference)
        limit = rule[when]
        if limit is not None and over is not None and over != limit and (over > limit) == (when == "above"):
            reader.wrong("clears", _beyond(when))


def _beyond(when: str) -> str:
    if when == "above":
        return phrase("over-above-threshold", "an alert above a threshold is not over at a higher value than that")
    return phrase("over-below-threshold", "an alert below a threshold is not over at a lower value than that")


def _more(reader: _Reader, facts: Facts) -> None:
    """Read what the simple form leaves out."""
    rule = reader.draft.rule
    for name in ("for", "escalate"):
        if reader.text(name):
            rule[name] = reader.duration(name)
    during = reader.choice("during", facts.schedules)
    if during:
        rule["during"] = during
    template = facts.templates.get(str(rule.get("template", "")))
    if template is not None and template["needs_schedule"] and not during:
        reader.wrong("during", phrase("schedule-needed", "this one watches at some hours only: choose which"))
    severity = reader.choice("severity", SEVERITIES)
    if severity:
        rule["severity"] = severity
    for name in ("text", "text_fr"):
        if reader.text(name):
            rule[name] = reader.text(name)[:200]
    if template is None and not reader.draft.errors:
        for name, text in proposed_texts(rule, reader.draft.metric).items():
            rule.setdefault(name, text)


def proposed_texts(rule: Mapping[str, Any], metric: Metric | None) -> dict[str, str]:
    """Return the texts of an alert in both languages, with the placeholders of a rule."""
    key = next(
        f"alert-said-{name}"
        for name in ("above", "below", "equals", "stuck", "silent", "silent_periods")
        if name in rule
    )
    named = {lang: "" if metric is None else metric_name(metric, lang) for lang in ("en", "fr")}
    named["fr"] = named["fr"][:1].lower() + named["fr"][1:] if named["fr"][1:2].islower() else named["fr"]
    said = {
        lang: ascii_spaces(word(key, lang, place="{place}", value="{value}", limit="{limit}", metric=named[lang]))
        for lang in named
    }
    return {"text": said["en"][:200], "text_fr": said["fr"][:200]}


def _name(rule: Mapping[str, Any], taken: Collection[str]) -> str:
    """Return a name for the rule that is not taken: of its place or zone, and what is watched."""
    where = [*rule.get("places", ()), *rule.get("zones", ())][:1]
    what = rule.get("template") or rule.get("metric") or "silence"
    how = next((one for one in ("above", "below", "stuck", "silent") if one in rule and what != "silence"), "")
    base = _slug("-".join([*where, str(what), *([how] if how else [])]))[: LONGEST_ID - 4]
    number, name = 1, base
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "alert"
