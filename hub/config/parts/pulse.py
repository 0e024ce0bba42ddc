"""Section `pulse:` of a place: the meter of a pulse counter. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from hub.config.field_types import MetricKey, Section
from hub.config.pydantic_findings import one_of
from hub.core.model import Correction as ModelCorrection
from hub.core.model import Pulse as ModelPulse
from hub.core.text import phrase

UNITS: dict[str, dict[str, Decimal]] = {
    # metric → unit → factor to the metric's own unit
    "water": {"L": Decimal(1), "m3": Decimal(1000)},
    "volume": {"L": Decimal(1), "m3": Decimal(1000)},
    "gas": {"L": Decimal("0.001"), "m3": Decimal(1)},
    "energy": {"Wh": Decimal("0.001"), "kWh": Decimal(1), "MWh": Decimal(1000)},
}
Unit = Literal["L", "m3", "Wh", "kWh", "MWh"]


def _within(low: float, high: float) -> AfterValidator:
    def check(value: Decimal) -> Decimal:
        if not Decimal(str(low)) <= value <= Decimal(str(high)):
            raise ValueError(
                phrase("number-out-of-bounds", "expected a number from {low:g} to {high:g}", low=low, high=high)
            )
        return value

    return AfterValidator(check)


_WRITTEN = PlainSerializer(float, return_type=float, when_used="json")
Index = Annotated[
    Decimal, _within(0, 1e12), _WRITTEN, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1e12})
]
Weight = Annotated[
    Decimal, _within(1e-6, 1e9), _WRITTEN, WithJsonSchema({"type": "number", "minimum": 1e-6, "maximum": 1e9})
]
"""Decimal numbers, kept as they were written."""


class Correction(Section):
    """What the dial showed on a date: it was read, the meter was replaced, or its counter was."""

    at: datetime = Field(description="When: YYYY-MM-DD HH:MM, in the site's time.")
    index: Index = Field(description="What the dial showed then, in `unit`.")
    raw: Index | None = Field(
        default=None,
        description="What the counter said at that moment; needed for a date before the hub's last three days.",
    )
    weight: Weight | None = Field(
        default=None, description="From then on, where the new meter's pulses weigh something else."
    )


class Pulse(Section):
    """A counter without a meaning of its own, or a register that is not the dial's: what it stands for."""

    metric: Literal["water", "gas", "volume", "energy"] = Field(description="What the place measures.")
    source: MetricKey = Field(
        default="count", description="The metric that the device reports: its raw register. It is replaced."
    )
    weight: Weight = Field(description="What one pulse stands for, in `unit`.")
    unit: Unit = Field(description="Of weight and indexes: L, m3, Wh, kWh or MWh.", title="Unit")
    initial: Index = Field(default=Decimal(0), description="What the dial showed at the counter's first reading.")
    initial_raw: Index | None = Field(
        default=None,
        description="What the counter said when the dial showed `initial`; without it, the first that is heard.",
    )
    wraps: int | None = Field(
        default=None,
        ge=2,
        le=1 << 63,
        description="Where the counter starts over: 65536 of one with 16 bits. Without it, a lower count is a restart.",
    )
    corrections: list[Correction] = Field(default=[], max_length=64, description="What the dial showed later, by date.")

    @model_validator(mode="after")
    def _fits(self) -> Pulse:
        if self.unit not in UNITS[self.metric]:
            raise ValueError(
                phrase(
                    "pulse-unit-wrong",
                    "{metric} is measured in {units}, not in {unit}",
                    metric=self.metric,
                    units=one_of(UNITS[self.metric]),
                    unit=self.unit,
                )
            )
        if self.source == self.metric and self.weight == 1 and not (self.initial or self.corrections):
            raise ValueError(
                phrase("pulse-changes-nothing", "this changes nothing: {metric} stays {metric}", metric=self.metric)
            )
        dates = [one.at.replace(tzinfo=None) for one in self.corrections]
        if dates != sorted(set(dates)):
            raise ValueError(
                phrase("corrections-out-of-order", "corrections stand in the order of their dates, one a date")
            )
        return self


def to_pulse(pulse: Pulse, timezone: str) -> ModelPulse:
    """Convert to the model's pulse, with amounts in the metric's own unit and dates in Unix seconds."""
    factor, zone = UNITS[pulse.metric][pulse.unit], ZoneInfo(timezone)
    return ModelPulse(
        metric=pulse.metric,
        source=pulse.source,
        weight=pulse.weight * factor,
        initial=pulse.initial * factor,
        initial_raw=pulse.initial_raw,
        wraps=pulse.wraps,
        corrections=tuple(
            ModelCorrection(
                at=(one.at if one.at.tzinfo else one.at.replace(tzinfo=zone)).timestamp(),
                index=one.index * factor,
                raw=one.raw,
                weight=None if one.weight is None else one.weight * factor,
            )
            for one in pulse.corrections
        ),
    )
