"""Sections `meter:` of a place, `history:` and `energy:`: data for hourly aggregates, drift and reports. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from hub.config.field_types import Empty, Id, MetricKey, Section
from hub.config.parts.pulse import Index
from hub.config.parts.rules import Series
from hub.config.values import Duration, Size
from hub.core.model import Meter as ModelMeter
from hub.core.model import MeterSwap as ModelSwap
from hub.core.text import phrase

_MB, _GB = 1 << 20, 1 << 30

Carrier = Literal["electricity", "gas", "heat", "cold", "wood", "fuel-oil", "water", "other"]


class MeterSwap(Section):
    """One meter was taken down and another put up."""

    at: datetime = Field(description="When: YYYY-MM-DD HH:MM, in the site's time.")
    final: Index | None = Field(
        default=None, description="What the old dial showed last, in the metric's unit; without it, nobody read it."
    )
    initial: Index | None = Field(default=None, description="What the new one showed first.")
    serial: str = Field(default="", max_length=64, description="Serial number of the new meter.")
    accuracy: str = Field(
        default="", max_length=64, description="Its class; without it, reports say that none is known."
    )
    calibrated: date | None = Field(default=None, description="Date of its calibration or of its marking.")


class Meter(Section):
    """The facts of the meter that stands there, for reports and for exact sums."""

    metric: MetricKey = Field(default="energy", description="The metric that is its index; it only ever rises.")
    carrier: Carrier = Field(description="What it measures.")
    use: str = Field(default="", max_length=100, description="What that is used for: heating, hot water, lighting…")
    serial: str = Field(default="", max_length=64, description="Serial number of the first meter, before any swap.")
    accuracy: str = Field(
        default="", max_length=64, description="Its class: MID B, EN 1434 class 2… Of the first meter, before any swap."
    )
    calibrated: date | None = Field(default=None, description="Date of the last calibration or of its marking.")
    kwh: Index | None = Field(
        default=None,
        description="How many kWh one unit of the metric is: of gas in m3, PCS of the bill. 1 where the metric is "
        "`energy`; without it, it is no energy.",
    )
    wraps: Index | None = Field(
        default=None, description="Where its dial starts over, in the metric's unit: 1000000 of one with six digits."
    )
    reference: float | None = Field(
        default=None, gt=0, le=1e12, description="What a year should come to: kWh, or units of what is no energy."
    )
    drift: bool = Field(default=True, description="Whether the hub looks for a drift of it.")
    schedule: Id | None = Field(
        default=None,
        description="Whose holidays its building has, for the drift: an id of `schedules`. Its region, school zone, "
        "exceptions and whole days of closing count, not its hours.",
    )
    behind: Id | None = Field(
        default=None,
        description="The id of the place whose meter counts the same again: of the main meter that this one is behind. "
        "A sum with both counts it once.",
    )
    swaps: list[MeterSwap] = Field(default=[], max_length=64, description="Replacements, in the order of their dates.")

    @model_validator(mode="after")
    def _in_order(self) -> Meter:
        dates = [one.at.replace(tzinfo=None) for one in self.swaps]
        if dates != sorted(set(dates)):
            raise ValueError(phrase("swaps-out-of-order", "swaps stand in the order of their dates, one a date"))
        if self.wraps is not None and self.wraps <= 0:
            raise ValueError(phrase("meter-wraps-not-positive", "wraps must be above 0"))
        return self


class History(Section):
    """What this hub remembers of readings by itself; it never leaves the hub but for reports."""

    memory: Size = Field(
        default=8 * _MB, ge=1 * _MB, le=256 * _MB, description="RAM for the raw readings of the last 24 hours, at most."
    )
    hours: Duration = Field(
        default=timedelta(days=762),
        ge=timedelta(days=31),
        le=timedelta(days=3660),
        description="How long hourly aggregates are kept; months are kept for ten years.",
    )
    max_size: Size = Field(
        default=1 * _GB, ge=8 * _MB, description="The most disk that hours may take; then the oldest go first."
    )
    raw_on_disk: Literal["none", "tpm", "key-file"] = Field(
        default="none",
        description="Raw readings on disk too, encrypted. The key is held by this machine's TPM 2.0, or lies in a file "
        "of the same disk, where whoever has the card has it too.",
    )
    raw_days: Duration = Field(
        default=timedelta(days=30),
        ge=timedelta(days=1),
        le=timedelta(days=92),
        description="How long they are kept there.",
    )
    raw_max_size: Size = Field(
        default=512 * _MB, ge=8 * _MB, description="The most disk that they may take; then the oldest go first."
    )
    raw_personal: bool = Field(
        default=False,
        description="Personal data too, where privacy keeps them. Otherwise these stay in RAM, for a day.",
    )


class Operator(Section):
    """Who runs a part of the building and is given the data of it (code de la construction, R175-3)."""

    name: str = Field(default="", max_length=100, description="Its name, for people.")
    meters: list[Id] = Field(default=[], max_length=500, description="Ids of `places` with a meter.")
    zones: list[Id] = Field(default=[], max_length=500, description="…and all meters and temperatures of these zones.")


class Energy(Section):
    """Degree days, drift and reports."""

    outdoor: Series | None = Field(
        default=None, description="The series of the outdoor temperature, place/metric; drift and degree days need it."
    )
    base: float = Field(
        default=18.0, ge=5, le=25, description="Base of the degree days.", json_schema_extra={"unit": "°C"}
    )
    operators: Annotated[dict[Id, Operator], Empty] = Field(
        default={}, description="Who is given the data of which meters, by id."
    )


def to_meter(meter: Meter, timezone: str) -> ModelMeter:
    """Convert to the model's meter, with dates in Unix seconds."""
    zone = ZoneInfo(timezone)
    kwh = Decimal(1) if meter.kwh is None and meter.metric == "energy" else meter.kwh
    return ModelMeter(
        metric=meter.metric,
        carrier=meter.carrier,
        use=meter.use,
        serial=meter.serial,
        accuracy=meter.accuracy,
        calibrated=meter.calibrated.isoformat() if meter.calibrated else "",
        kwh=kwh,
        wraps=meter.wraps,
        reference=meter.reference,
        drift=meter.drift,
        schedule=meter.schedule or "",
        behind=meter.behind or "",
        swaps=tuple(
            ModelSwap(
                at=(one.at if one.at.tzinfo else one.at.replace(tzinfo=zone)).timestamp(),
                final=one.final,
                initial=one.initial,
                serial=one.serial,
                accuracy=one.accuracy,
                calibrated=one.calibrated.isoformat() if one.calibrated else "",
            )
            for one in meter.swaps
        ),
    )
