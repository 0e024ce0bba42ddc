"""Section `rule_templates:`: templates that the operator writes, or shares as one file that many hubs include. Pure.

    rule_templates: !include district-templates.yaml

A template is a rule whose options may name an input, `$limit`, in place of a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from hub.config.field_types import Empty, Section
from hub.config.parts.rules import Rule
from hub.config.parts.templates import TEMPLATES, Input, Template, read_input
from hub.config.positions import Finding, Path, clipped
from hub.config.pydantic_findings import nearest
from hub.config.values import duration
from hub.core.text import phrase, reason_of

NAMED = re.compile(r"\$([a-z][a-z0-9_]{0,39})")
OPTIONS = (
    "metric", "unit", "aggregate", "minus", "rate_over", "within", "above", "below", "equals", "clears", "silent",
    "silent_periods", "stuck", "for",
)  # fmt: skip
"""Options of a rule that a template may set. Places, actions and hours belong to the rule."""


class WrittenInput(Section):
    """What a template asks. Bounds of a duration are durations."""

    kind: Literal["number", "duration"] = Field(default="number", description="What kind of value it takes.")
    default: float | str | None = Field(default=None, description="Without it, a rule must give the input.")
    low: float | str = Field(description="The least that is allowed.")
    high: float | str = Field(description="The most that is allowed.")
    unit: str = Field(default="", max_length=32, description="Of a number, for people and forms (UCUM).")
    en: str = Field(default="", max_length=200, description="What it is, in English.")
    fr: str = Field(default="", max_length=200, description="The same in French.")

    @model_validator(mode="after")
    def _is_sound(self) -> WrittenInput:
        made = as_input(self)
        if made.low > made.high:
            raise ValueError(phrase("input-bounds-reversed", "low is above high"))
        if self.default is not None:
            read_input(made, self.default)
        return self


class WrittenTemplate(Section):
    """A rule with inputs, ready to be used as `template:` of rules."""

    en: str = Field(default="", max_length=200, description="What it watches, in English.")
    fr: str = Field(default="", max_length=200, description="The same in French.")
    severity: Literal["info", "warning", "critical"] = Field(default="warning", description="Of its alerts.")
    text: str = Field(max_length=200, description="For people; {place}, {value} and {limit} stand for what they say.")
    text_fr: str = Field(default="", max_length=200, description="The same in French.")
    inputs: Annotated[dict[str, WrittenInput], Empty] = Field(
        default={}, max_length=20, description="What it asks, by name."
    )
    rule: dict[str, Any] = Field(
        min_length=1, description="Options of a rule: metric, unit, one test, for…; `$name` stands for an input."
    )
    needs_schedule: bool = Field(default=False, description="Whether a rule of it must say `during`.")


def as_input(written: WrittenInput) -> Input:
    """Convert to an Input. Raises ValueError."""
    low, high = _bound(written.kind, written.low), _bound(written.kind, written.high)
    default: Any = written.default
    if default is not None:
        default = read_input(Input(written.kind, None, "", "", written.unit, low, high), default)
    return Input(written.kind, default, written.en, written.fr or written.en, written.unit, low, high)


def _bound(kind: str, value: float | str) -> float:
    if kind == "duration":
        return duration(str(value)).total_seconds()
    if isinstance(value, str):
        raise ValueError(phrase("input-bounds-no-numbers", "the bounds of a number are numbers"))  # noqa: TRY004 - a sentence for the file
    return float(value)


def all_templates(written: Mapping[str, WrittenTemplate]) -> dict[str, Template]:
    """Return shipped and custom templates; a custom one cannot take a shipped name (`check_templates`)."""
    return {**{name: _template(one) for name, one in written.items()}, **TEMPLATES}


def _template(written: WrittenTemplate) -> Template:
    def make(given: dict[str, Any]) -> dict[str, Any]:
        filled = {option: _filled(value, given) for option, value in written.rule.items()}
        said = {option: value for option, value in filled.items() if value is not None}
        # The rule sets the places; the options are validated as if it had.
        somewhere = {"places": ["somewhere"]} if "minus" in said else {"zones": ["somewhere"]}
        rule = Rule.model_validate({**said, **somewhere})
        return {name: getattr(rule, name) for name in rule.model_fields_set - somewhere.keys()}

    inputs = {name: as_input(one) for name, one in written.inputs.items()}
    text_fr = written.text_fr or written.text
    return Template(
        written.en,
        written.fr or written.en,
        written.severity,
        written.text,
        text_fr,
        inputs,
        make,
        written.needs_schedule,
    )


def _filled(value: Any, given: Mapping[str, Any]) -> Any:
    found = NAMED.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else given[found[1]]


def check_templates(written: Mapping[str, WrittenTemplate]) -> Iterator[Finding]:
    """Yield the errors across a template: options, inputs, and the rule they make."""
    for name, one in written.items():
        path: Path = ("rule_templates", name)
        if name in TEMPLATES:
            yield Finding(
                path,
                phrase(
                    "template-name-taken",
                    "'{template}' is the name of a shipped template: choose another",
                    template=clipped(name),
                ),
                at_key=True,
            )
            continue
        wrong = [*_options(one, path)]
        yield from wrong
        if not wrong:
            yield from _made(one, path)


def _options(one: WrittenTemplate, path: Path) -> Iterator[Finding]:
    used = set()
    for option, value in one.rule.items():
        if option not in OPTIONS:
            message = phrase(
                "template-option-unknown",
                "a template cannot say '{option}'; it says {options}",
                option=clipped(option),
                options=list(OPTIONS),
            )
            yield Finding((*path, "rule", option), message, nearest(option, OPTIONS), at_key=True)
        found = NAMED.fullmatch(value) if isinstance(value, str) else None
        if found is not None and found[1] not in one.inputs:
            message = phrase("template-without-input", "it has no input '{input}'", input=found[1])
            yield Finding((*path, "rule", option), message, nearest(found[1], one.inputs))
        used |= {found[1]} if found is not None else set()
    for name in one.inputs:
        if name not in used:
            yield Finding(
                (*path, "inputs", name),
                phrase("template-input-unused", "nothing in `rule` uses ${input}", input=name),
                at_key=True,
            )


def _made(one: WrittenTemplate, path: Path) -> Iterator[Finding]:
    """Check the rule made with default inputs; an input without one has its lowest value."""
    inputs = {name: as_input(asked) for name, asked in one.inputs.items()}
    given = {
        name: asked.default
        if asked.default is not None
        else (timedelta(seconds=asked.low) if asked.kind == "duration" else asked.low)
        for name, asked in inputs.items()
    }
    try:
        _template(one).make(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = (*path, "rule", *(first["loc"][:1]))
        raised = first.get("ctx", {}).get("error")
        if raised is not None:
            yield Finding(at, reason_of(raised))
        else:
            yield Finding(at, phrase("value-refused", "this value is not accepted: {reason}", reason=first["msg"]))
