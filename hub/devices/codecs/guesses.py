"""Guesses the metric of each leaf of a codec's answer, for a person to review. Pure.

A guess is `sure` only where every word of the name is accounted for, and a unit that the codec gives, or values that no
other unit has, agree (`hub.devices.codecs.rules`). A limit, a former value or a setting is no guess at all; whatever
remains open is proposed, and gives no reading. See docs/adr/0099-a-guess-that-waits.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hub.core.metric_catalogue import METRICS, metric_phrase, numbered
from hub.core.model import Metric, Value
from hub.core.text import Phrase, phrase
from hub.devices.codecs.channels import CHANNELS, tell_apart
from hub.devices.codecs.mapping import Field, read_flag, read_number
from hub.devices.codecs.names import Name
from hub.devices.codecs.rules import OF_DIMENSION, RULES, Option, Rule, within
from hub.devices.codecs.samples import Leaf, company_of, leaves_of
from hub.devices.codecs.units import LETTERS, OF_UCUM, UNITS, Unit, read_unit
from hub.devices.codecs.vocabulary import KINDS, NEUTRAL

Confidence = Literal["sure", "unsure", "none"]

NO_PRESENT_VALUE = {
    "former": phrase("guess-former", "it is a former value"),
    "limit": phrase("guess-limit", "it is a limit or an extreme"),
    "low": phrase("guess-limit", "it is a limit or an extreme"),
    "setpoint": phrase("guess-setpoint", "it is a set point"),
    "target": phrase("guess-setpoint", "it is a set point"),
    "setting": phrase("guess-setting", "it is a setting"),
    "change": phrase("guess-difference", "it is a difference"),
    "time": phrase("guess-time", "it is a time, or of a period"),
    "alarm": phrase("guess-alarm", "it is an alarm"),
    "state": phrase("guess-state", "it is a state"),
    "error": phrase("guess-fault", "it is a fault or an accuracy"),
    "exported": phrase("guess-exported", "it flows the other way"),
}
"""Why a kind of value is no reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A leaf of decoded data and the metric that it probably is.

    `sample` is the first value that examples show, `low` and `high` the smallest and largest number. `metric` is a key
    of the catalogue, "" for none; reading = raw × `scale` + `offset`, or `values` by raw value as text. `channel`: "2",
    "l1" where several leaves are the same metric. Only a `sure` guess is a reading before a person has confirmed it.
    `reason` says why, or why not.
    """

    path: str
    sample: Value
    low: float | None = None
    high: float | None = None
    metric: str = ""
    scale: float = 1.0
    offset: float = 0.0
    values: Mapping[str, Value] | None = None
    channel: str = ""
    confidence: Confidence = "none"
    reason: Phrase

    @property
    def key(self) -> str:
        """Metric key of the reading: `temperature`, `temperature_2`; "" without a guess."""
        return f"{self.metric}_{self.channel}" if self.metric and self.channel else self.metric

    def defined(self) -> Metric:
        """Return the metric of the reading. A channel's is the catalogue's with a number: a pack has to define it."""
        known = METRICS[self.metric]
        return numbered(known, self.key, self.channel.replace("_", " ").upper()) if self.channel else known

    def field(self) -> Field:
        """Return the field that this guess proposes."""
        values = None if self.values is None else dict(self.values)
        return Field(path=self.path, metric=self.key, scale=self.scale, offset=self.offset, values=values)


class _Verdict(NamedTuple):
    confidence: Confidence
    reason: Phrase
    metric: str = ""
    scale: float = 1.0
    offset: float = 0.0


def guess(samples: Sequence[Mapping[str, Value]]) -> list[Guess]:
    """Return a guess for every leaf that the samples show, in the order of their appearance.

    A sample is what `leaves` returns for one decoded message: the more of them, the more is sure.
    """
    return _guess(samples, own=False)


def _guess(samples: Sequence[Mapping[str, Value]], *, own: bool) -> list[Guess]:
    leaves = leaves_of(samples)
    company = company_of(leaves)
    guesses = [_guessed(leaf, _judge(leaf, company, own)) for leaf in leaves]
    return tell_apart(guesses, {leaf.path: (leaf.name, leaf.column) for leaf in leaves})


def propose(found: Mapping[str, Value], metrics: Mapping[str, Metric]) -> list[Field]:
    """Return the fields of one message of a pack whose values are in the catalogue's units, each metric once.

    For the shipped packs of no particular device (`fields: automatic`). A value is then in the metric's own unit where
    its name gives none, whatever it is: a reading must not come and go with its value.
    """
    sure = (one for one in _guess([found], own=True) if one.confidence == "sure")
    return [one.field() for one in sure if one.key in metrics]


# -- one leaf -----------------------------------------------------------------------------------------------------


def _guessed(leaf: Leaf, verdict: _Verdict) -> Guess:
    numbers = leaf.numbers
    return Guess(
        path=leaf.path,
        sample=leaf.values[0],
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        metric=verdict.metric,
        scale=verdict.scale,
        offset=verdict.offset,
        confidence=verdict.confidence,
        reason=verdict.reason,
    )


def _judge(leaf: Leaf, company: frozenset[str], own: bool) -> _Verdict:
    name = leaf.name
    rules = [rule for rule in RULES if rule.needs <= name.concepts]
    if "former" in name.concepts:
        return _Verdict("none", NO_PRESENT_VALUE["former"])
    if not rules:
        return _of_unit(leaf)
    rule = min(rules, key=lambda one: (len(_rest(one, name)), -len(one.needs)))
    rest = _rest(rule, name)
    if kinds := sorted(rest & KINDS - {"average"}):
        return _Verdict("none", NO_PRESENT_VALUE[kinds[0]])
    verdict = _option(leaf, rule, own)
    doubt = _doubt(leaf, rule, rest, company, own) if verdict.confidence == "sure" else None
    return verdict._replace(confidence="unsure", reason=doubt) if doubt else verdict


def _rest(rule: Rule, name: Name) -> frozenset[str]:
    """Return what a rule leaves unaccounted for."""
    return name.concepts - rule.needs - rule.also - NEUTRAL


def _doubt(leaf: Leaf, rule: Rule, rest: frozenset[str], company: frozenset[str], own: bool) -> Phrase | None:
    """Return what only a person can settle of a leaf whose metric and unit are known."""
    words = [*leaf.name.unknown, *sorted(rest), *_open_letter(leaf, rule, company)]
    if words:
        return phrase("guess-word-unknown", "its name also says {word}", word=words[0])
    if leaf.name.listed:
        return phrase("guess-in-list", "its place in a list does not tell which it is")
    given = not rule.always and (leaf.units or leaf.name.units or (own and rule.options[0].own))
    if rule.beside and not rule.beside & company and not given:
        return phrase("guess-ambiguous", "its name may mean something else")
    return None


def _open_letter(leaf: Leaf, rule: Rule, company: frozenset[str]) -> str:
    """Return the letter of a name that is neither a unit nor the channel beside a channel B, "" if there is none."""
    letter = leaf.name.letter
    if (
        not letter
        or _letter_unit(leaf, rule)
        or (letter in CHANNELS and (letter not in LETTERS or "channel_b" in company))
    ):
        return ""
    return letter


def _option(leaf: Leaf, rule: Rule, own: bool) -> _Verdict:
    option = rule.options[0]
    kind = METRICS[option.metric].kind
    if kind == "number":
        return _of_number(leaf, rule, own)
    agrees = _is_flag(leaf, rule) if kind == "flag" else _is_text(leaf)
    if agrees is None:
        return _contradicted(METRICS[option.metric])
    if not agrees:
        return _Verdict(
            "unsure", phrase("guess-sense-unknown", "which of its values means yes is not told"), option.metric
        )
    return _settled(_Verdict("sure", phrase("guess-by-name", "its name says so"), option.metric), option)


def _settled(verdict: _Verdict, option: Option) -> _Verdict:
    if verdict.confidence != "sure" or not option.doubtful:
        return verdict
    why = phrase("guess-ambiguous", "its name may mean something else")
    return verdict._replace(confidence="unsure", reason=why)


def _contradicted(metric: Metric) -> _Verdict:
    why = phrase("guess-contradicted", "its name says {metric}, its values do not", metric=metric_phrase(metric))
    return _Verdict("none", why)


# -- kinds of value -----------------------------------------------------------------------------------------------


def _is_flag(leaf: Leaf, rule: Rule) -> bool | None:
    """Tell whether all values are yes or no; False where their sense is open; None where they are something else."""
    if leaf.units or leaf.name.units or any(number not in (0, 1) for number in leaf.numbers):
        return None
    if all(read_flag(value) is None for value in leaf.values):
        return None
    words = all(isinstance(value, str) and read_number(value) is None for value in leaf.values)
    return words or "open" in leaf.name.concepts or not rule.needs & {"door", "window", "contact"}


def _is_text(leaf: Leaf) -> bool | None:
    if not all(isinstance(value, str) and value.isprintable() for value in leaf.values):
        return None
    return True if "firmware" in leaf.name.concepts or not leaf.numbers else None


def _of_number(leaf: Leaf, rule: Rule, own: bool) -> _Verdict:
    first = METRICS[rule.options[0].metric]
    if not leaf.numbers or any(isinstance(value, bool) for value in leaf.values):
        return _contradicted(first)
    units = _named_units(leaf, rule)
    if not units:
        return _by_values(leaf, rule, own)
    unit = next(iter(units)) if len(units) == 1 else None
    if unit is None:
        return _Verdict("unsure", phrase("guess-unit-unknown", "its unit is not known"), first.key)
    why = phrase("guess-by-unit", "its name and its unit say so")
    alike = [option for option in rule.options if OF_UCUM[METRICS[option.metric].unit].dimension == unit.dimension]
    for option in alike:
        verdict = _settled(_converted(leaf, METRICS[option.metric], unit, why), option)
        if verdict.metric:
            return _fluid(verdict, rule, unit)
    why = phrase("guess-unit-contradicts", "its name says {metric}, its unit does not", metric=metric_phrase(first))
    return _contradicted(first) if alike else _Verdict("none", why)


def _fluid(verdict: _Verdict, rule: Rule, unit: Unit) -> _Verdict:
    """Doubt that a pressure is the air's where its unit is rather that of pipes."""
    if rule.needs == {"pressure"} and unit not in (UNITS["hPa"], UNITS["Pa"]):
        return verdict._replace(
            confidence="unsure", reason=phrase("guess-ambiguous", "its name may mean something else")
        )
    return verdict


def _named_units(leaf: Leaf, rule: Rule) -> set[Unit | None]:
    """Return the units that a neighbour or the name gives, None for one that is not known."""
    given = {read_unit(text) for text in leaf.units if text.strip() not in ("", "-", "1")}
    named = {read_unit(text) if text else None for text in leaf.name.units}
    letter = _letter_unit(leaf, rule)
    return given | named | ({letter} if letter else set())


def _letter_unit(leaf: Leaf, rule: Rule) -> Unit | None:
    """Return the unit of a last letter, if it is one of the rule's: `TempC`, `BAT_V`."""
    unit = UNITS.get(LETTERS.get(leaf.name.letter, ""))
    known = {OF_UCUM[METRICS[option.metric].unit].dimension for option in rule.options}
    return unit if unit and unit.dimension in known else None


def _by_values(leaf: Leaf, rule: Rule, own: bool) -> _Verdict:
    """Tell metric and unit from values that no other unit has."""
    for option in rule.options:
        for usual in option.usual:
            if within(leaf.numbers, usual):
                metric = METRICS[option.metric]
                unit = UNITS.get(usual.unit, OF_UCUM[metric.unit])
                why = phrase("guess-by-values", "its name and its values say so")
                return _settled(_converted(leaf, metric, unit, why), option)
    option = rule.options[0]
    metric = METRICS[option.metric]
    unit = OF_UCUM[metric.unit]
    if own and option.own and option.own[0] <= min(leaf.numbers) and max(leaf.numbers) <= option.own[1]:
        return _converted(leaf, metric, unit, phrase("guess-by-name", "its name says so"))
    if metric.unit == "1" and not option.usual and all(number == int(number) >= 0 for number in leaf.numbers):
        return _settled(_converted(leaf, metric, unit, phrase("guess-by-name", "its name says so")), option)
    verdict = _converted(leaf, metric, unit, phrase("guess-no-unit", "nothing tells its unit"))
    return verdict._replace(confidence="unsure") if verdict.metric else verdict


def _converted(leaf: Leaf, metric: Metric, unit: Unit, why: Phrase) -> _Verdict:
    base = OF_UCUM[metric.unit]
    scale, offset = unit.scale / base.scale, unit.offset / base.scale
    low = -math.inf if metric.low is None else metric.low
    high = math.inf if metric.high is None else metric.high
    if not all(low <= number * scale + offset <= high for number in leaf.numbers):
        return _contradicted(metric)
    return _Verdict("sure", why, metric.key, scale, offset)


def _of_unit(leaf: Leaf) -> _Verdict:
    """Propose the metric of a unit where the name says nothing."""
    units = {read_unit(text) for text in leaf.units}
    unit = units.pop() if len(units) == 1 else None
    key = OF_DIMENSION.get(unit.dimension, "") if unit else ""
    if unit is None or not key or leaf.name.concepts & KINDS or not leaf.numbers:
        return _Verdict("none", phrase("guess-name-unknown", "its name says nothing of what it is"))
    verdict = _converted(leaf, METRICS[key], unit, phrase("guess-unit-alone", "only its unit says so"))
    return verdict._replace(confidence="unsure") if verdict.metric else verdict
