"""Models of vector files. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from hub.config.field_types import MetricKey, Section
from hub.core.text import phrase
from hub.devices.packs.value_types import Bytes, Number, Port, Slug


class FormerKeys(Section):
    """Former values in a vector."""

    time: Number | None = Field(default=None, description="Unix seconds.")
    ago: Number | None = Field(default=None, ge=0, description="Seconds before the uplink.")
    readings: dict[MetricKey, bool | Number | str] = Field(description="Metric → value.")

    @model_validator(mode="after")
    def _dated(self) -> FormerKeys:
        if (self.time is None) == (self.ago is None):
            raise ValueError(phrase("vector-history-time", "former values have either time or ago"))
        return self


class VectorKeys(Section):
    """A payload and its meaning, with its source. Exactly one of `readings`, `data`, `refused` and `downlink` is
    set."""

    source: Slug = Field(description="A name of `sources`.")
    page: str = Field(default="", max_length=200, description="Where in it.")
    message: Slug | None = Field(default=None, description="The message it is.")
    port: Port | None = Field(default=None, description="LoRaWAN port; needed there, and only there.")
    bytes: Bytes | None = Field(default=None, description="The payload, hexadecimal in quotes; for packs with a codec.")
    heard: dict[str, Any] | None = Field(
        default=None,
        min_length=1,
        description="For packs with a map, in the place of `bytes`: what the device says there. modbus: `input 0` → "
        "list of words; bacnet: object → value; knx: name → bytes; bluetooth: `service/characteristic` → bytes; mbus, "
        "wmbus: `records` → the bytes of a telegram behind its header, in clear.",
    )
    time: Number | None = Field(default=None, description="Of the values, Unix seconds, where the payload says it.")
    readings: dict[MetricKey, bool | Number | str] | None = Field(
        default=None, description="Metric → value: all of them."
    )
    history: tuple[FormerKeys, ...] = Field(default=(), description="Former values, in the order of the codec.")
    skipped: tuple[str, ...] = Field(default=(), description="Reasons why leaves give no reading.")
    data: dict[str, Any] | None = Field(default=None, description="What the codec returns, whole.")
    refused: bool = Field(default=False, description="The codec refuses it.")
    downlink: Slug | None = Field(default=None, description="A name of `downlinks`: these bytes are its encoding.")
    given: dict[str, Number] = Field(default={}, description="The values of the downlink.")
    unconfirmed: bool = Field(
        default=False,
        description="What is expected is what the pack itself said (`ilot pack vector`): the pack does not pass until "
        "a person has compared it and taken this away.",
    )

    @model_validator(mode="after")
    def _one_claim(self) -> VectorKeys:
        claims = (self.readings is not None, self.data is not None, self.refused, self.downlink is not None)
        if sum(claims) != 1:
            raise ValueError(
                phrase("vector-without-result", "a vector has exactly one of readings, data, refused and downlink")
            )
        if (self.bytes is None) == (self.heard is None):
            raise ValueError(
                phrase("vector-without-input", "a vector has `bytes`, or `heard` where the pack has a map")
            )
        if self.heard is not None:
            if self.readings is None or self.model_fields_set - {"source", "page", "heard", "readings", "skipped"}:
                raise ValueError(
                    phrase(
                        "vector-heard-with-message", "a vector with `heard` has `readings`, and nothing about messages"
                    )
                )
            return self
        if (self.readings is not None or self.data is not None) and self.message is None:
            raise ValueError(phrase("vector-without-message", "a vector names its message"))
        return self
