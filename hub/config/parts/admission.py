"""Section `admission:`: ignored senders, treatment of suspect devices, how long reports wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.config.field_types import Section
from hub.config.values import Duration, Size
from hub.core.text import phrase

Pattern = Annotated[str, Field(min_length=1, max_length=160, pattern=r"^[\x21-\x7e]+$")]
Group = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(min_length=1, max_length=64)]


class Filter(Section):
    """Which senders: those that fit all that is said here. `*` stands for anything, `?` for one character."""

    id: Pattern = Field(default="*", description="Their device ids, like ble:A4:C1:*.")
    integration: Pattern = Field(default="*", description="The instance that hears them: a name of `integrations`.")
    model: Pattern = Field(default="*", description="Their model, as the list of quarantine shows it.")

    @model_validator(mode="after")
    def _says_something(self) -> Filter:
        if {self.id, self.integration, self.model} <= {"*"}:
            raise ValueError(
                phrase(
                    "filter-without-condition",
                    "a filter that fits everybody would hide every new device: name an id or a model",
                )
            )
        return self


class Admission(Section):
    """Who may speak, beside the devices that are named: see how-to/admit-devices.md."""

    ignore: list[Filter] = Field(
        default=[], max_length=256, description="Never listed, counted only: a neighbour's sensors, for instance."
    )
    block: list[Filter] = Field(
        default=[], max_length=256, description="Never admitted, never listed; each that speaks is a security event."
    )
    suspects: Literal["uncertain", "quarantine"] = Field(
        default="uncertain",
        description="What becomes of the readings of a device that looks cloned, until a person has looked: marked "
        "uncertain, or kept out.",
    )
    signal_jump: int = Field(
        default=40,
        ge=0,
        le=100,
        json_schema_extra={"unit": "dB"},
        description="A signal that jumps so far to and fro comes from two senders; 0: nobody looks.",
    )
    apart: list[Group] = Field(
        default=[],
        max_length=64,
        description="Groups of gateways, adapters or integrations: no device is heard by two groups within 5 minutes.",
    )
    rate_factor: float = Field(
        default=4.0,
        ge=1.5,
        le=1000,
        description="A device without authentication may report this many times as often as its pack expects.",
    )
    most_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        json_schema_extra={"unit": "reports"},
        description="…and one whose period nobody knows, so many; without a number, as often as it likes.",
    )
    hold: Duration = Field(
        default=timedelta(hours=72),
        ge=timedelta(0),
        le=timedelta(hours=72),
        description="How long reports of a sensor that waits in quarantine are kept, encrypted, to be released with "
        "their own times when it is adopted; 0s: not at all.",
    )
    hold_size: Size = Field(default=16 << 20, ge=64 << 10, le=256 << 20, description="…and how much of them in all.")
