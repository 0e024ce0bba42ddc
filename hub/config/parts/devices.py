"""Options of devices, and of the instances and lines that read them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from hub.config.field_types import Empty, Id, InstanceName, MetricKey, PackName, Section
from hub.config.values import Duration
from hub.core.text import phrase


class Strategy(Section):
    """Which readings go further. What is not said here is inherited: device, else integration, else the whole hub."""

    on: Literal["always", "change", "period", "change-or-period"] | None = Field(
        default=None,
        description="`always` (as they come), `change` (by more than the dead band), at most one a `period`, or "
        "`change-or-period`: when it changes, and once a period in any case. Without it, `always`.",
        title="On",
    )
    dead_band: float | None = Field(
        default=None, ge=0, description="How much a number must differ from the one sent last; in the metric's unit."
    )
    period: Duration | None = Field(default=None, description="For the strategies with a period; from 1s to 1d.")

    @field_validator("period")
    @classmethod
    def _period_is_sound(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not timedelta(seconds=1) <= value <= timedelta(days=1):
            raise ValueError(phrase("report-period-out-of-bounds", "a period is from 1s to 1d"))
        return value


class Report(Strategy):
    """Which readings go further, for all metrics and for some."""

    metrics: Annotated[dict[MetricKey, Strategy], Empty] = Field(
        default={}, description="For single metrics, by key; it says more than the line above it."
    )


class Writable(Section):
    """That one metric of a device may be written, and by whom. Whatever is not listed is read-only."""

    low: float | None = Field(default=None, description="The least that may be written; in the metric's unit.")
    high: float | None = Field(default=None, description="The most. A number without both bounds is not written.")
    role: Literal["technicien", "administrateur"] = Field(
        default="administrateur", description="Who may write it, at least."
    )
    every: Duration = Field(
        default=timedelta(seconds=10),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="The shortest time between two writes.",
    )
    reason: Literal["always", "dangerous", "never"] = Field(
        default="dangerous",
        description="When whoever writes gives a reason for the audit log: `always`, `never`, or where a mistake is "
        "`dangerous`: locks, doors, gas, smoke, heat and other safety.",
    )

    @model_validator(mode="after")
    def _bounds_are_whole(self) -> Writable:
        if (self.low is None) != (self.high is None):
            raise ValueError(phrase("writable-bound-missing", "low and high are given together"))
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(phrase("writable-bounds-reversed", "low must not be above high"))
        return self


class Bus(Section):
    """A serial line that the hub owns and lends, one exchange at a time."""

    port: str = Field(
        min_length=1,
        max_length=200,
        description="Device file, best by its name in /dev/serial/by-id, or tcp://host:port of a converter.",
    )
    baudrate: int = Field(default=9600, ge=300, le=921_600, description="Speed.", json_schema_extra={"unit": "Bd"})
    bits: Literal[7, 8] = Field(default=8, description="Data bits.")
    parity: Literal["N", "E", "O"] = Field(default="N", description="None, even or odd.")
    quiet: Duration | None = Field(
        default=None,
        description="Silence between two exchanges, at most 1s; without it, 3.5 characters, as Modbus RTU wants it.",
        title="Quiet",
    )

    @field_validator("quiet")
    @classmethod
    def _quiet_is_short(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value > timedelta(seconds=1):
            raise ValueError(phrase("bus-silence-too-long", "the silence between two exchanges is 1s at most"))
        return value


class DeviceKeys(Section):
    """One device. That it is named here admits it."""

    integration: InstanceName = Field(description="The instance that speaks to it: a name of `integrations`.")
    place: Id = Field(description="What it stands for: an id of `places`.")
    name: str = Field(default="", max_length=100, description="Its name, for people.")
    model: str = Field(default="", max_length=100, description="Its maker's model.")
    pack: PackName | None = Field(
        default=None, description="The device pack that reads its payloads: vendor-model; `ilot pack list` shows them."
    )
    key: SecretStr | None = Field(
        default=None,
        description="Its radio key in hexadecimal, always by way of `!secret`.",
        json_schema_extra={"unit": "hex"},
    )
    settings: Annotated[dict[str, Any], Empty] = Field(
        default={}, description="What its integration asks about each device."
    )
    writable: Annotated[dict[MetricKey, Annotated[Writable, Empty]], Empty] = Field(
        default={}, description="Metrics that may be written, each within bounds. Everything else is read-only."
    )
    duty: Id | None = Field(
        default=None,
        description="When it speaks, an id of `schedules`: outside these hours it is absent by design, not silent.",
    )
    report: Annotated[Report, Empty] = Field(
        default=Report.defaults(), description="Which of its readings are kept and sent."
    )


class Perimeter(Section):
    """The owner's declaration that nobody else reaches this bus: its readings become trust class B."""

    kind: Literal["locked room", "dedicated vlan"] = Field(description="What keeps others out.")
    declared_by: str = Field(min_length=1, max_length=100, description="Who says so.")
    declared_on: date = Field(description="Since when: YYYY-MM-DD.")


class InstanceKeys(Section):
    """The core's keys of one integration instance; the integration's own options stand beside them."""

    type: InstanceName | None = Field(
        default=None, description="Which integration; without it, the one of the same name."
    )
    enabled: bool = Field(default=True, description="Whether it runs. Its devices stay known when it does not.")
    isolation: Literal["process", "none"] | None = Field(
        default=None,
        description="Run in a process of its own or not; without it, `none` for what ships with the hub, `process` for "
        "anything else.",
    )
    perimeter: Perimeter | None = Field(default=None, description="For wired buses: who else could reach them.")
    report: Annotated[Report, Empty] = Field(
        default=Report.defaults(), description="Which of its readings are kept and sent."
    )
