"""The parts `crisis:` and `sovereignty:` of the file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from hub.config.field_types import DeviceId, Empty, InstanceName, Section
from hub.config.values import Duration
from hub.core.text import phrase


def _short(text: str) -> str:
    if not 0 < len(text) <= 200:
        raise ValueError(phrase("text-length-wrong", "expected {least} to {most} characters", least=1, most=200))
    return text


Words = Annotated[str, AfterValidator(_short)]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:\[\]-]+$")]


class Sampling(Section):
    """What raising the sampling in a crisis may cost (`ilot crisis sampling`)."""

    longest: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=31))] = Field(
        default=timedelta(hours=24),
        description="How long it is raised at most; then former periods are given back.",
    )
    battery_days: float = Field(
        default=90, ge=0, le=3650, description="Days that a battery must have left when the raised time is over."
    )
    battery_days_raised: float = Field(
        default=14,
        gt=0,
        le=3650,
        description="Days that a battery must last at the raised period, in case its device cannot be told back.",
    )
    unknown_battery: bool = Field(
        default=False, description="Raise devices of whose battery nothing is known too: nothing says what that costs."
    )
    duty_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of the legal airtime of its sub-band that a LoRaWAN device may use."
    )
    channel_share: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="Share of the time that a LoRaWAN channel is taken, by all devices together.",
    )
    line_share: float = Field(
        default=0.5, gt=0, le=1, description="Share of the time that a polled line is busy, by all of its devices."
    )
    meter_reads: int = Field(
        default=24, ge=1, le=86_400, description="Readings a day of a wired M-Bus meter that may live of a battery."
    )
    mains: tuple[DeviceId, ...] = Field(
        default=(), description="Devices that have no battery, although their kind may have one."
    )


class Crisis(Section):
    """What holds when this hub is isolated or read-only (`ilot crisis`)."""

    keep: tuple[InstanceName, ...] = Field(
        default=(),
        description="Integrations that go on while the hub is isolated although they speak over a network. Those with "
        "a declared `perimeter`, or with no address of another machine, go on in any case.",
        title="Keep",
    )
    contacts: Annotated[dict[Words, Words], Empty] = Field(
        default={}, description="Role → name and number, for the sheet that `ilot crisis runbook` prints."
    )
    sampling: Annotated[Sampling, Empty] = Field(
        default=Sampling.defaults(), description="What raising the sampling may cost (`ilot crisis sampling`)."
    )


class Sovereignty(Section):
    """What this machine may depend on beside the owner's hosts, as `ilot sovereignty` checks it."""

    time: tuple[Host, ...] = Field(default=(), description="Time servers.", title="Time")
    mirrors: tuple[Host, ...] = Field(default=(), description="Hosts that packages and updates come from.")
    resolvers: tuple[Host, ...] = Field(default=(), description="Name servers (DNS).")
