"""Settings of meters: how one is found, and what its records mean that the standard does not explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import records as telegrams
from integrations.mbus.records import Record

Number = Annotated[float, Field(allow_inf_nan=False)]
MOST = 64


class MappedRecord(hub.Config):
    """A record of a telegram and the metric it is: value × scale + offset."""

    dif_vif: str = Field(
        pattern=r"^([0-9A-Fa-f]{2}){2,32}$",
        description="The beginning of the record as `ilot decode` shows it (dif_vif): DIF, DIFE, VIF and VIFE.",
    )
    metric: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="Key of the catalogue.",
    )
    number: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Which one, where several records of a telegram begin so.",
    )
    scale: Number = Field(default=1.0, description="Factor from the value that `ilot decode` shows to the unit.")
    offset: Number = Field(default=0.0, description="Added after the factor.")

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        known = hub.METRICS.get(metric)
        if known is None or known.kind != "number":
            raise ValueError(
                phrase(
                    "mbus.metric-not-in-catalogue", "{metric} is no number in the catalogue of metrics", metric=metric
                )
            )
        return metric

    def read(self, records: Sequence[Record]) -> float | None:
        """Return the reading, None when these records have none."""
        head = bytes.fromhex(self.dif_vif)
        same = [record.value for record in records if record.head == head]
        value = same[self.number - 1] if len(same) >= self.number else None
        return value * self.scale + self.offset if isinstance(value, int | float) else None


Mapped = Annotated[
    tuple[MappedRecord, ...],
    Field(
        max_length=MOST,
        description="Records that give a reading by your word: those of the maker, or stored ones.",
    ),
]


class RecordMap(hub.Config):
    """The `records` of a device pack: the map, and its readings in vectors."""

    records: Annotated[tuple[MappedRecord, ...], Field(min_length=1, max_length=MOST)]

    @model_validator(mode="after")
    def _once(self) -> RecordMap:
        _each_once(self.records)
        return self

    def metrics(self) -> set[str]:
        return {one.metric for one in self.records}

    def readings(self, heard: Mapping[str, Any]) -> dict[str, float]:
        """Return the readings of a vector. `heard`: `records` → hexadecimal, the records of a telegram."""
        said = heard.get("records")
        if set(heard) != {"records"} or not isinstance(said, str):
            raise ValueError(phrase("mbus.vector-without-records", "`heard` is `records: hexadecimal`"))
        found = telegrams.parse(bytes.fromhex(said)).records
        return {one.metric: value for one in self.records if (value := one.read(found)) is not None}


class DeviceSettings(hub.Config):
    """How a meter is found, and what its own records mean."""

    address: int | None = Field(
        default=None,
        ge=1,
        le=250,
        description="Its primary address. Without one it is found by its own, which its id then must be: "
        "mbus:KAM-06855817-08-04.",
    )
    meter: str = Field(
        default="",
        pattern=r"^([A-Z]{3}-[0-9a-f]{8}-[0-9a-f]{2}-[0-9a-f]{2})?$",
        description="Its own address where the id of the device is another: KAM-06855817-08-04.",
    )
    records: Mapped = ()

    @model_validator(mode="after")
    def _once(self) -> DeviceSettings:
        _each_once(self.records)
        return self


class WirelessSettings(hub.Config):
    """What the own records of a meter mean that is heard by radio."""

    text_code = "WirelessSettings"

    records: Mapped = ()

    @model_validator(mode="after")
    def _once(self) -> WirelessSettings:
        _each_once(self.records)
        return self


def _each_once(records: Sequence[MappedRecord]) -> None:
    seen = set[str]()
    for one in records:
        if one.metric in seen:
            raise ValueError(
                phrase(
                    "mbus.metric-mapped-twice",
                    "metric {metric} is read twice: one meter has one value of a metric",
                    metric=one.metric,
                )
            )
        seen.add(one.metric)
