"""Section `rules:`: what this hub watches by itself. Pure.

A rule is one number or state of a place (a series, its rate, its difference to another, or an aggregate of a zone) and
one test of it. See `hub.config.parts.templates` for the shipped rules.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hub.config.field_types import DeviceId, Empty, Id, MetricKey, Section, readable
from hub.config.values import Duration
from hub.core.text import phrase

TESTS = ("above", "below", "equals", "silent", "silent_periods", "stuck")
LONGEST = timedelta(days=31)
BUILTIN_ALERTS = frozenset({"security", "energy_drift", "rule_command"})
"""Names that stand in place of a rule's for alerts that the hub raises beside the configured rules."""

_SERIES = re.compile(r"([a-z0-9][a-z0-9_.-]{0,63})/([a-z][a-z0-9_]{0,63})")


def series_of(text: str) -> tuple[str, str]:
    """Parse `boiler/flow_temperature` into place and metric. Raises ValueError with a sentence."""
    found = _SERIES.fullmatch(text)
    if found is None:
        raise ValueError(
            phrase("series-of-wrong-form", "expected a series, place/metric, like boiler/flow_temperature")
        )
    return found[1], found[2]


Series = Annotated[str, readable(series_of)]
Lasting = Annotated[Duration, Field(ge=timedelta(seconds=1), le=LONGEST)]


class Action(Section):
    """What a rule writes to a device while it holds. The device's `writable:` must allow it."""

    device: DeviceId = Field(description="The device: an id of `devices`.")
    metric: MetricKey = Field(description="The metric to write; the device's `writable:` names it, with its bounds.")
    value: bool | float | str = Field(description="What to write, in the metric's unit.")
    otherwise: bool | float | str | None = Field(
        default=None, description="What to write when the rule is over; without it, the metric is let go."
    )
    clear_identity: bool = Field(
        default=False,
        description="Whether readings of trust class C, which anybody near could forge, may command too.",
    )


class Rule(Section):
    """One thing that this hub watches. It has a template, or exactly one test: above, below, equals, silent,
    silent_periods or stuck."""

    enabled: bool = Field(default=True, description="Whether it is watched.")
    template: str | None = Field(
        default=None, max_length=40, description="A rule that is ready to use; `docs/how-to/alerts.md` shows them."
    )
    inputs: Annotated[dict[str, Any], Empty] = Field(default={}, description="What the template asks, by name.")
    metric: MetricKey | None = Field(default=None, description="The metric that is watched.")
    unit: str | None = Field(
        default=None,
        max_length=32,
        description="The unit that you count in (UCUM); another one than the metric's is "
        "an error. Needed for a metric that only a plugin knows.",
    )
    places: list[Id] = Field(default=[], max_length=500, description="Where, each place for itself: ids of `places`.")
    zones: list[Id] = Field(
        default=[], max_length=500, description="All places of these zones. Without `places` and `zones`: everywhere."
    )
    aggregate: Literal["mean", "max", "min"] | None = Field(
        default=None, description="One number for each zone, of the last values of its places."
    )
    minus: Series | None = Field(
        default=None, description="Another series, place/metric, that is subtracted: the test is of the difference."
    )
    rate_over: Lasting | None = Field(
        default=None, description="Test how fast it changes, in its unit per hour, over at least this time."
    )
    within: Lasting = Field(
        default=timedelta(hours=1), description="How old a value may be to count in `aggregate` and `minus`."
    )
    above: float | None = Field(default=None, description="True at this value and above; in the metric's unit.")
    below: float | None = Field(default=None, description="True below this value; in the metric's unit.")
    equals: bool | str | None = Field(default=None, description="True while a flag, or a text, is this.")
    clears: float | None = Field(
        default=None,
        description="Hysteresis: `above` is over below this value, `below` is over at this value and above.",
    )
    silent: Lasting | None = Field(default=None, description="True when nothing was heard for so long.")
    silent_periods: float | None = Field(
        default=None,
        ge=1.5,
        le=100,
        description="True when nothing was heard for so many of the device's periods, as its pack tells them; 24 h "
        "where none does.",
    )
    stuck: Lasting | None = Field(
        default=None, description="True when readings come (three at least) and the value stayed the same for so long."
    )
    for_: Lasting | None = Field(default=None, alias="for", description="How long it must be true without a break.")
    during: Id | None = Field(
        default=None, description="Only at these hours: an id of `schedules`. What was raised then stays until it ends."
    )
    severity: Literal["info", "warning", "critical"] | None = Field(
        default=None, description="How much it matters; without it, the template's, else warning."
    )
    escalate: Lasting | None = Field(
        default=None, description="An alert that nobody acknowledged for so long is escalated, and told again."
    )
    text: str = Field(
        default="", max_length=200, description="For people; {place}, {value} and {limit} stand for what they say."
    )
    text_fr: str = Field(default="", max_length=200, description="The same in French.")
    alert: bool = Field(default=True, description="False: it only acts, nothing is told or kept.")
    set: Action | None = Field(default=None, description="What to write to a device while it holds.")

    @model_validator(mode="after")
    def _is_one_rule(self) -> Rule:
        tests = [name for name in TESTS if getattr(self, name) is not None]
        if self.template is not None:
            own = [*tests, *(name for name in ("aggregate", "minus", "rate_over") if getattr(self, name) is not None)]
            if own:
                raise ValueError(
                    phrase(
                        "template-with-option",
                        "a rule with a template has its inputs instead of {option}",
                        option=own[0],
                    )
                )
            return self
        if self.inputs:
            raise ValueError(phrase("inputs-without-template", "inputs are for a template: name one with `template`"))
        if len(tests) != 1:
            raise ValueError(
                phrase("rule-without-test", "a rule has a template or exactly one test: {tests}", tests=list(TESTS))
            )
        return self.whole()

    def whole(self) -> Rule:
        """Return the rule. Raises ValueError when its options do not go together."""
        if self.silent is None and self.silent_periods is None and self.metric is None:
            raise ValueError(phrase("rule-metric-missing", "say which metric it is about"))
        numeric = self.above is not None or self.below is not None
        for name in ("clears", "aggregate", "minus", "rate_over"):
            if getattr(self, name) is not None and not numeric:
                raise ValueError(phrase("option-needs-bound", "{option} goes with above or below", option=name))
        if self.above is not None and self.clears is not None and self.clears > self.above:
            raise ValueError(phrase("clears-above-above", "above: clears must not be higher than it"))
        if self.below is not None and self.clears is not None and self.clears < self.below:
            raise ValueError(phrase("clears-below-below", "below: clears must not be lower than it"))
        if self.aggregate is not None and (not self.zones or self.places):
            raise ValueError(phrase("aggregate-without-zones", "aggregate is of zones: say which, and no places"))
        if self.minus is not None and not self.places:
            raise ValueError(phrase("minus-without-places", "minus compares places: say which in `places`"))
        if sum(getattr(self, name) is not None for name in ("aggregate", "minus", "rate_over")) > 1:
            raise ValueError(phrase("aggregations-exclude-each-other", "only one of aggregate, minus and rate_over"))
        if self.for_ is not None and (self.silent or self.silent_periods or self.stuck):
            raise ValueError(phrase("silent-with-for", "silent and stuck say how long by themselves: remove `for`"))
        if not self.alert and self.set is None:
            raise ValueError(phrase("rule-does-nothing", "a rule without alert and without set does nothing"))
        return self
