"""Section `privacy:`: processing of personal data before anything of it is stored. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.config.field_types import Empty, Id, MetricKey, Purpose, Section
from hub.config.pydantic_findings import one_of
from hub.config.values import Duration
from hub.core.text import phrase

DAY = timedelta(days=1)
Span = Annotated[Duration, Field(ge=timedelta(minutes=1), le=DAY)]
DOES = ("drop", "aggregate", "count", "coarsen", "pseudonymise", "consent")


def _divides_a_day(window: timedelta) -> None:
    if DAY % window:
        raise ValueError(
            phrase("window-not-dividing-day", "a window must go into a day without a rest: 15min, 1h, 6h, 1d")
        )


class Coarsen(Section):
    """What is left of how exact it is."""

    step: float | None = Field(
        default=None, gt=0, le=1e9, description="Numbers are rounded to a multiple of this, in the metric's unit."
    )
    time: Span | None = Field(default=None, description="Times are put back to the beginning of such a span.")
    grid: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        json_schema_extra={"unit": "m"},
        description="Positions are snapped to squares of this size; 0: kept as they are. Without a rule: 200.",
    )
    keep_id: bool = Field(
        default=False, description="Positions keep the id of their device. Without it they are cut from it."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Coarsen:
        if self.step is None and self.time is None and self.grid is None and not self.keep_id:
            raise ValueError(
                phrase("coarsen-without-option", "coarsen needs step, time, grid or keep_id: what is to be less exact?")
            )
        return self


class Aggregate(Section):
    """One value a zone and window; the readings themselves are dropped."""

    window: Duration = Field(
        default=timedelta(hours=1), ge=timedelta(minutes=1), le=DAY, description="Length; it goes into a day."
    )
    by: Literal["mean", "sum", "max"] = Field(
        default="mean", description="Mean of the devices' means, or sum or greatest of all readings."
    )
    least: int = Field(
        default=5,
        ge=1,
        le=10_000,
        description="Of fewer devices nothing is told.",
        json_schema_extra={"unit": "devices"},
    )

    @model_validator(mode="after")
    def _fits_a_day(self) -> Aggregate:
        _divides_a_day(self.window)
        return self


class Count(Section):
    """A count a zone and window, rounded to 5; 0 and 1 to 4 are told alike, as 0."""

    window: Duration = Field(
        default=timedelta(hours=1), ge=timedelta(minutes=1), le=DAY, description="Length; it goes into a day."
    )
    of: Literal["devices", "sum", "max"] = Field(
        default="devices",
        description="Devices that said true or more than 0; sum of all readings; sum of each device's greatest.",
    )
    total: bool = Field(default=False, description="The sum of what is told, a site, is told too.")

    @model_validator(mode="after")
    def _fits_a_day(self) -> Count:
        _divides_a_day(self.window)
        return self


class Pseudonymise(Section):
    """Device, place and zone leave as a pseudonym."""

    rotate: Span | None = Field(
        default=None,
        description="Another pseudonym each such span, from a key in memory only; by default one that stays, from a "
        "key that can be destroyed.",
    )


class PrivacyRule(Section):
    """What happens to some metrics in some zones. The first rule of the file that fits a series decides."""

    zones: tuple[Id, ...] = Field(default=(), description="Zones it is about; by default all.")
    metrics: tuple[MetricKey, ...] = Field(
        default=(), description="Metrics of the catalogue, and `position`; by default all."
    )
    plugin_metrics: tuple[MetricKey, ...] = Field(
        default=(), description="Metrics that a plugin or a pack adds; `ilot status` says when nothing declares one."
    )
    device_classes: tuple[str, ...] = Field(
        default=(), description="Metrics of these device classes: occupancy, carbon_dioxide, power…"
    )
    purpose: Purpose | None = Field(
        default=None, description="What for. Metrics of class personal are kept in no form without a purpose."
    )
    drop: bool = Field(default=False, description="Nothing of it is kept.")
    coarsen: Coarsen | None = Field(default=None, description="It is kept less exactly.")
    aggregate: Annotated[Aggregate | None, Empty] = Field(
        default=None, description="Only an aggregate of the zone is kept."
    )
    count: Annotated[Count | None, Empty] = Field(default=None, description="Only a count of the zone is kept.")
    pseudonymise: Annotated[Pseudonymise | None, Empty] = Field(
        default=None, description="It is kept under a pseudonym."
    )
    consent: Id | None = Field(
        default=None,
        description="A purpose that the people of the zone agree to (`ilot privacy consent`): kept, under a pseudonym, "
        "only while they do.",
    )

    @model_validator(mode="after")
    def _does_one_thing(self) -> PrivacyRule:
        does = [name for name in DOES if getattr(self, name) not in (None, False)]
        if not does:
            raise ValueError(
                phrase("privacy-rule-without-action", "a privacy rule does one of {actions}", actions=list(DOES))
            )
        alone = [name for name in does if name in DOES[:3]]
        if alone and len(does) > 1:
            raise ValueError(
                phrase(
                    "privacy-action-alone",
                    "{action} stands alone: nothing is left to {others}",
                    action=alone[0],
                    others=one_of(name for name in does if name != alone[0]),
                )
            )
        if self.consent and self.pseudonymise:
            raise ValueError(
                phrase("consent-with-pseudonym", "consent brings its own pseudonym: leave pseudonymise out")
            )
        if (self.aggregate or self.count or self.consent) and not self.purpose:
            raise ValueError(phrase("privacy-purpose-missing", "say what for: purpose"))
        return self


class PrivacySection(Section):
    """What happens to which data before anything of it is stored."""

    rules: Annotated[dict[Id, PrivacyRule], Empty] = Field(
        default={}, description="Privacy rules, by id, in the order in which they are asked."
    )
