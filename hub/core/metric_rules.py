"""Checks the declaration of a metric: one judgement for plugins, packs, devices' own metrics and the test kit.
Pure.

A metric is refused whole: a privacy class that nobody knows would protect nobody, a resolution that is no number loses
every reading. A metric of another's name has its unit and kind, and protects people no less.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from hub.core.errors import PluginError
from hub.core.logs import tame
from hub.core.model import METRIC_KEY, Metric, MetricKind, PrivacyClass
from hub.core.text import phrase
from hub.core.ucum import is_ucum, likely_ucum

KINDS: tuple[str, ...] = get_args(MetricKind)
PRIVACY: tuple[str, ...] = get_args(PrivacyClass)
"""From what says nothing of people to what does."""
STATES = ("", "measurement", "total_increasing", "total")
RESOLUTION = re.compile(r"(?=.*[1-9])[0-9]{1,9}(?:\.[0-9]{1,12})?")
"""A decimal above zero, as records keep it."""
LONGEST = {"device_class": 40, "fr": 100, "en": 100, "code": 200, "number": 20}
"""Characters of the texts of a metric."""


def unit_problem(unit: object) -> str:
    """Return why this is no unit, with the one that was probably meant; "" when it is one."""
    if isinstance(unit, str) and is_ucum(unit):
        return ""
    likely = likely_ucum(unit) if isinstance(unit, str) else ""
    if likely:
        return phrase(
            "unit-not-ucum-likely", "{unit} is no unit of UCUM: write {likely}", unit=_said(unit), likely=likely
        )
    return phrase(
        "unit-not-ucum",
        "{unit} is no unit of UCUM, whose units are like Cel, %, kW.h, m3/h, [ppm], and 1 for a plain number",
        unit=_said(unit),
    )


def ucum_unit(unit: str) -> str:
    """Return a unit as it is. Raises ValueError for a text that is none."""
    if wrong := unit_problem(unit):
        raise ValueError(wrong)
    return unit


def metric_problem(metric: object) -> str:
    """Return what is wrong with the declaration of a metric, "" when nothing is."""
    if not isinstance(metric, Metric):
        return phrase("metric-of-wrong-type", "a metric is a hub.Metric, not {type}", type=type(metric).__name__)
    if not isinstance(metric.key, str) or not METRIC_KEY.fullmatch(metric.key):
        return phrase(
            "metric-key-wrong",
            "no metric can be named {metric}: letters from a to z, digits and '_', a letter first, at most 64",
            metric=_said(metric.key),
        )
    if wrong := unit_problem(metric.unit):
        return phrase("metric-unit-wrong", "metric {metric}: {reason}", metric=metric.key, reason=wrong)
    for option, known in (("kind", KINDS), ("privacy", PRIVACY), ("state_class", STATES)):
        if not _is_one_of(getattr(metric, option), known):
            return phrase(
                "metric-word-unknown",
                "metric {metric}: {option} is {given}; it is one of {known}",
                metric=metric.key,
                option=option,
                given=_said(getattr(metric, option)),
                known=[word or "''" for word in known],
            )
    return _number_problem(metric) or _text_problem(metric)


def _number_problem(metric: Metric) -> str:
    if not isinstance(metric.resolution, str) or not RESOLUTION.fullmatch(metric.resolution):
        return phrase(
            "metric-resolution-wrong",
            "metric {metric}: resolution is {given}; it is a decimal above zero as text, like '0.01'",
            metric=metric.key,
            given=_said(metric.resolution),
        )
    for option in ("low", "high"):
        bound = getattr(metric, option)
        if bound is not None and not (is_number(bound) and math.isfinite(bound)):
            return phrase(
                "metric-bound-wrong",
                "metric {metric}: {option} is {given}; it is a finite number, or None",
                metric=metric.key,
                option=option,
                given=_said(bound),
            )
    if metric.low is not None and metric.high is not None and metric.low > metric.high:
        return phrase(
            "metric-bounds-reversed",
            "metric {metric}: low {low:g} is above high {high:g}, so that no value is between them",
            metric=metric.key,
            low=metric.low,
            high=metric.high,
        )
    return ""


def _text_problem(metric: Metric) -> str:
    for option, most in LONGEST.items():
        text = getattr(metric, option)
        if not isinstance(text, str) or len(text) > most or not _is_one_line(text):
            return phrase(
                "metric-text-wrong",
                "metric {metric}: {option} is one line of at most {most} characters, without control characters",
                metric=metric.key,
                option=option,
                most=most,
            )
    return ""


def clash(metric: Metric, known: Metric, owner: str) -> str:
    """Return why a metric may not have the name of a `known` one of `owner`, "" when it may."""
    weaker = PRIVACY.index(metric.privacy) < PRIVACY.index(known.privacy)
    if (metric.unit, metric.kind) == (known.unit, known.kind) and not weaker:
        return ""
    return phrase(
        "metric-name-taken",
        "metric {metric} is a {kind} in {unit}, privacy {privacy}; {owner} has one of that name, a {its_kind} in "
        "{its_unit}, privacy {its_privacy}: give it another name",
        metric=metric.key,
        kind=metric.kind,
        unit=metric.unit,
        privacy=metric.privacy,
        owner=owner,
        its_kind=known.kind,
        its_unit=known.unit,
        its_privacy=known.privacy,
    )


def expect_metrics(metrics: Iterable[object], catalogue: Mapping[str, Metric]) -> None:
    """Raise PluginError that says what is wrong with the first wrong metric; none of them may be used then."""
    for metric in metrics:
        wrong = metric_problem(metric)
        if not wrong and isinstance(metric, Metric) and metric.key in catalogue:
            wrong = clash(metric, catalogue[metric.key], phrase("metric-owner-catalogue", "the catalogue"))
        if wrong:
            raise PluginError(wrong)


def is_number(value: Any) -> bool:
    """Return whether a value is a number; a bool is a flag."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_utf8(text: str) -> bool:
    """Return whether a text has a UTF-8 form: half of a surrogate pair has none."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_one_line(text: str) -> bool:
    return is_utf8(text) and tame(text) == text and "\n" not in text and "\t" not in text


def _is_one_of(word: object, known: tuple[str, ...]) -> bool:
    return isinstance(word, str) and word in known


def _said(value: object) -> str:
    """Return a value that stands in a sentence, whatever a plugin gave."""
    if isinstance(value, str):
        return f"'{tame(value[:40].encode(errors='replace').decode())}'"
    return str(value) if isinstance(value, bool | float) else type(value).__name__
