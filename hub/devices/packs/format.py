"""Models of the files of a pack. Pure; `hub.devices.packs.loader` makes a pack of them.

    pack.yaml         `PackKeys`
    codec.js          the payload codec (`hub.devices.codecs`), and other *.js and *.json files that it loads by
                      `require`
    vectors/*.yaml    a list of `hub.devices.packs.vectors.VectorKeys` each

A pack of a radio (`RADIO`) has a codec, one of a wired or connected device a map (`hub.devices.packs.maps`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hub.config.field_types import MetricKey, Section, readable
from hub.config.values import Duration
from hub.core.text import phrase
from hub.devices.packs.maps import MAPS, PLAIN
from hub.devices.packs.value_types import Bytes, File, Half, Label, Number, Port, Resolution, Shown, Slug, Text, Unit
from hub.sdk.sigfox.grammar import Grammar

RADIO = ("lorawan", "sigfox")


class LoRaWANKeys(Section):
    """The device's LoRaWAN version and class."""

    mac: Literal["1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4"] = Field(
        description="Version of LoRaWAN: from 1.0.4 the DevNonce of a join counts, before it is drawn."
    )
    class_: Literal["A", "C"] = Field(default="A", alias="class", description="A listens after an uplink, C always.")


class Tr005Keys(Section):
    """The device's ProfileID in a LoRaWAN QR code (LoRa Alliance TR005), in its two halves."""

    vendor: Half = Field(description="The vendor's number at the LoRa Alliance, hexadecimal in quotes.")
    profiles: tuple[Half, ...] = Field(
        default=(), max_length=64, description="The vendor's own numbers of these models; none: not known."
    )


class CodecKeys(Section):
    """The codec and what its answers hold beside values."""

    file: File = Field(default="codec.js", description="The codec's own file.")
    format: Annotated[str, readable(Grammar)] | None = Field(
        default=None,
        description="sigfox: the payload in the operator's grammar, instead of a file: `temp::int:16 hum::uint:8`.",
    )
    message: str | None = Field(
        default=None, description="Key of `data` that names the message; without it, messages are told by their port."
    )
    time: str | None = Field(default=None, description="Key of `data` that dates the values: Unix seconds.")
    history: str | None = Field(
        default=None,
        description="Key of `data` with former values: a list of objects, each with `time` (Unix s) or `ago` (s).",
    )


class MessageKeys(Section):
    """A kind of uplink. Undeclared kinds are not decoded."""

    ports: tuple[Port, ...] = Field(default=(), description="The ports it comes on; none: any.")
    about: Annotated[str, Shown] = Field(default="", max_length=200, description="What it is, for people.")


class MetricKeys(Section):
    """A metric of the pack's own, beyond the catalogue."""

    unit: Unit = Field(default="1", description="UCUM.")
    resolution: Resolution = Field(default="0.01", description="The smallest step that is kept, in that unit.")
    kind: Literal["number", "flag", "text"] = Field(default="number", description="What a value is.")
    low: Number | None = Field(default=None, description="A smaller value is implausible.")
    high: Number | None = Field(default=None, description="A larger value is implausible.")
    device_class: Annotated[str, Shown] = Field(
        default="", max_length=40, description="Home Assistant's, where there is one."
    )
    state_class: Literal["", "measurement", "total_increasing"] = Field(default="", description="Home Assistant's.")
    privacy: Literal["technical", "environment", "personal"] = Field(
        description="What a value says of people: maybe personal is personal."
    )
    fr: Text = Field(description="Its name in French.")
    en: Text = Field(description="Its name in English.")

    @model_validator(mode="after")
    def _agrees(self) -> MetricKeys:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(
                phrase(
                    "metric-low-above-high",
                    "`low` is above `high`, so that no value is between them: exchange them",
                )
            )
        if self.kind == "number" and (self.low is None or self.high is None):
            raise ValueError(
                phrase(
                    "downlink-number-without-bounds",
                    "a number has bounds: low and high, outside which a value is refused",
                )
            )
        return self


class FieldKeys(Section):
    """A leaf of the codec's `data` and the metric it is: value = raw × scale + offset."""

    path: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="Keys to the leaf, joined by dots; elements of a list by their number."
    )
    metric: MetricKey = Field(description="Key of the catalogue or of `metrics`.")
    scale: Number = Field(default=1.0, description="Factor to the metric's unit.")
    offset: Number = Field(default=0.0, description="Added after the factor.")
    values: dict[str, bool | Number | str] | None = Field(
        default=None, description="Raw value, as text → reading; any other raw value gives none."
    )
    invalid: tuple[Number | str, ...] = Field(default=(), description="Raw values that mean: no reading.")


class ProposedKeys(Section):
    """A leaf of the codec's `data` that an import found, and what it may be, until a person decides."""

    path: Annotated[str, Field(min_length=1, max_length=256)] = Field(description="As in `fields`.")
    sample: bool | Number | str | None = Field(default=None, description="A value that an example shows.")
    metric: MetricKey | None = Field(default=None, description="The metric that it may be; none: nothing is known.")
    scale: Number = Field(default=1.0, description="As in `fields`.")
    offset: Number = Field(default=0.0, description="As in `fields`.")
    values: dict[str, bool | Number | str] | None = Field(default=None, description="As in `fields`.")
    confidence: Literal["sure", "unsure", "none"] = Field(description="How far the guess is to be believed.")
    why: Annotated[str, Field(max_length=300), Shown] = Field(default="", description="Why it is guessed, or not.")
    decision: Literal["ask", "take", "leave"] = Field(
        default="ask",
        description="A person's word: `take` makes it one of `fields`, `leave` leaves it out. With `ask` the pack is "
        "not installed.",
    )

    @model_validator(mode="after")
    def _takes_something(self) -> ProposedKeys:
        if self.decision == "take" and self.metric is None:
            raise ValueError(phrase("proposed-without-metric", "what is taken needs a `metric`; or write `leave`"))
        return self


class BoundKeys(Section):
    """A value of a downlink, with its bounds."""

    low: Number = Field(description="The smallest value that may be sent.")
    high: Number = Field(description="The largest.")
    whole: bool = Field(default=True, description="Only whole numbers.")
    unit: Unit = Field(default="1", description="UCUM.")
    fr: Text = Field(description="Its name in French.")
    en: Text = Field(description="Its name in English.")


class DownlinkKeys(Section):
    """A downlink the device accepts. The codec's `encodeDownlink` is given {downlink, …values}."""

    sets: Literal["sensor", "actuator"] = Field(
        default="sensor", description="A period or a threshold (role technicien), or something that moves or switches."
    )
    fields: dict[Slug, BoundKeys] = Field(default={}, description="Its values, each with bounds.")
    period: Slug | None = Field(
        default=None,
        description="Its only field, where that is the time between two uplinks, in s, min or h: what "
        "`ilot crisis sampling` sends.",
    )
    fr: Text = Field(description="What it does, in French.")
    en: Text = Field(description="What it does, in English.")

    @model_validator(mode="after")
    def _one_period(self) -> DownlinkKeys:
        if self.period is None:
            return self
        if list(self.fields) != [self.period]:
            raise ValueError(
                phrase("downlink-period-field", "a downlink that sets the period has one field, and `period` names it")
            )
        bound = self.fields[self.period]
        if bound.unit not in ("s", "min", "h") or bound.low <= 0:
            raise ValueError(phrase("downlink-period-unit", "a period is more than zero, in s, min or h"))
        return self


class SourceKeys(Section):
    """The source of vectors, which is never the codec they test."""

    kind: Literal["document", "codec", "standard", "device"] = Field(
        description="The maker's document, an independent codec's own examples or answers, a standard, or payloads of "
        "a device whose own display a person has read."
    )
    title: Annotated[str, Field(min_length=1, max_length=200), Shown] = Field(description="Title, or the codec's name.")
    version: Text = Field(description="Version, date or commit.")
    by: Text = Field(description="Who publishes it.")
    licence: Text = Field(description="Its licence; only facts are taken: bytes and the values they mean.")


class DefaultKeys(Section):
    """A default credential of the device. A device that still has it is not written to."""

    user: str = Field(default="", max_length=128, description="Its user name; nothing: whatever the name.")
    password: str | None = Field(default=None, min_length=1, max_length=128, description="The password, or the token.")
    key: Bytes | None = Field(default=None, description="In place of a password: the radio key, hexadecimal.")
    source: Slug = Field(description="A name of `sources`: who says so.")
    page: str = Field(default="", max_length=200, description="Where in it.")

    @model_validator(mode="after")
    def _one(self) -> DefaultKeys:
        if (self.password is None) == (self.key is None):
            raise ValueError(
                phrase("default-credential-two-kinds", "a default credential is either a password or a key")
            )
        if self.key is not None and (self.user or len(self.key) not in (32, 64)):
            raise ValueError(phrase("default-credential-key-size", "a key has 16 or 32 bytes, and no user"))
        return self


class PackKeys(Section):
    """The file of a pack: maker, protocol, messages and downlinks of the device."""

    format: Literal[1] = Field(description="Version of this format.")
    version: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="Version of the pack; it only rises.")
    vendor: Text = Field(description="Who makes the device.")
    models: tuple[Text, ...] = Field(min_length=1, description="The models that it describes.")
    fr: Text = Field(description="What the device is, in French.")
    en: Text = Field(description="What the device is, in English.")
    licence: Text = Field(description="Licence of the pack's own files, as an SPDX identifier.")
    protocol: Literal[
        "lorawan",
        "sigfox",
        "modbus",
        "bacnet",
        "knx",
        "bluetooth",
        "mbus",
        "wmbus",
        "http_json",
        "mqtt_devices",
        "opcua",
    ] = Field(description="What the device speaks: the type of the integration.")
    lorawan: LoRaWANKeys | None = Field(default=None, description="How it speaks LoRaWAN; for packs of lorawan alone.")
    period: Duration | None = Field(default=None, description="Time between two uplinks as delivered, where known.")
    labels: tuple[Label, ...] = Field(
        default=(), max_length=16, description="Patterns of the text on its label or in its QR code."
    )
    tr005: Tr005Keys | None = Field(default=None, description="Its numbers in a LoRaWAN QR code.")
    codec: CodecKeys = Field(default=CodecKeys(), description="The codec.")
    messages: dict[Slug, MessageKeys] = Field(
        default={}, description="Kinds of uplinks, by name. lorawan and sigfox: at least one."
    )
    metrics: dict[MetricKey, MetricKeys] = Field(default={}, description="Metrics of its own, by key.")
    fields: Literal["automatic"] | tuple[FieldKeys, ...] | None = Field(
        default=None,
        description="Leaves and their metrics; `automatic` proposes them from names, for a person to confirm. lorawan "
        "and sigfox need it.",
    )
    registers: tuple[dict[str, Any], ...] | None = Field(
        default=None, min_length=1, max_length=1000, description="modbus: the register map, as in `settings.registers`."
    )
    objects: dict[str, dict[str, Any]] | None = Field(
        default=None, min_length=1, max_length=2000, description="bacnet: the objects, as in `settings.objects`."
    )
    groups: dict[Slug, dict[str, Any]] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="knx: the communication objects by a name, each as an entry of `settings.groups`; the device says "
        "their group addresses in `settings.addresses`.",
    )
    layout: tuple[dict[str, Any], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=32,
        description="bluetooth: what is read over a connection, as in `settings.gatt`.",
    )
    records: tuple[dict[str, Any], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="mbus, wmbus: the records that the standard does not explain, as in `settings.records`.",
    )
    signs: tuple[dict[str, Any], ...] = Field(
        default=(),
        max_length=16,
        description="What tells its devices from others on a line, by the integration that searches it: one of them is "
        "enough.",
    )
    tried: bool = Field(
        default=False, description="Somebody has read a real device with it and compared the values with its display."
    )
    proposed: tuple[ProposedKeys, ...] = Field(
        default=(), max_length=256, description="What an import found, for a person to decide."
    )
    untested: bool = Field(
        default=False,
        description="Nobody's examples show what its payloads mean: it needs no vectors, is shown as untested, and is "
        "installed only where a person says so.",
    )
    ignore: tuple[str, ...] = Field(
        default=(), max_length=256, description="Leaves left out on purpose; `*` stands for anything: `debug.*`."
    )
    downlinks: dict[Slug, DownlinkKeys] = Field(default={}, description="What it can be told, by name.")
    default_credentials: tuple[DefaultKeys, ...] = Field(
        default=(), max_length=32, description="Credentials with which the device leaves the factory."
    )
    sources: dict[Slug, SourceKeys] = Field(
        min_length=1, description="Where vectors and default credentials come from, by name."
    )

    @property
    def part(self) -> Any:
        """The map, None where the pack has none."""
        return getattr(self, self._map_key) if self._map_key else None

    @property
    def _map_key(self) -> str:
        return MAPS[self.protocol].key if self.protocol in MAPS else ""

    @model_validator(mode="after")
    def _speaks(self) -> PackKeys:
        for protocol, place in MAPS.items():
            if self.protocol == protocol and self.part is None:
                raise ValueError(
                    phrase(
                        "pack-needs-map", "a pack of {protocol} needs `{option}`", protocol=protocol, option=place.key
                    )
                )
            if getattr(self, place.key) is not None and place.key != self._map_key:
                raise ValueError(
                    phrase(
                        "map-of-another-protocol",
                        "`{option}` is for packs of {protocol}",
                        option=place.key,
                        protocol=protocol,
                    )
                )
        if self.protocol not in RADIO:
            return self._not_radio()
        if not self.messages or self.fields is None:
            raise ValueError(
                phrase(
                    "pack-without-messages", "a pack of {protocol} has `messages` and `fields`", protocol=self.protocol
                )
            )
        if self.protocol == "lorawan":
            if self.lorawan is None:
                raise ValueError(
                    phrase(
                        "pack-lorawan-missing",
                        "a pack of lorawan says how its device speaks it: `lorawan: {{mac: 1.0.3, class: A}}`",
                    )
                )
            if self.codec.format is not None:
                raise ValueError(
                    phrase(
                        "pack-format-of-sigfox",
                        "`codec.format` is the Sigfox operator's grammar: a pack of lorawan has a codec file",
                    )
                )
            return self
        if self.lorawan is not None or self.tr005 is not None or self.labels:
            raise ValueError(
                phrase("pack-options-of-lorawan", "`lorawan`, `tr005` and `labels` are for packs of lorawan")
            )
        if any(message.ports for message in self.messages.values()):
            raise ValueError(phrase("pack-sigfox-ports", "Sigfox has no ports: `codec.message` tells messages apart"))
        if self.codec.format is not None and self.downlinks:
            raise ValueError(
                phrase("pack-format-cannot-encode", "`codec.format` encodes nothing: downlinks need a codec file")
            )
        return self

    def _not_radio(self) -> PackKeys:
        of_radio = (
            "lorawan",
            "tr005",
            "labels",
            "codec",
            "messages",
            "fields",
            "proposed",
            "untested",
            "ignore",
            "downlinks",
            "metrics",
            "period",
        )
        if given := [key for key in of_radio if key in self.model_fields_set]:
            raise ValueError(
                phrase(
                    "pack-option-of-radio",
                    "`{option}` is for packs with a codec: {protocols}",
                    option=given[0],
                    protocols=list(RADIO),
                )
            )
        if self.protocol in PLAIN and not self.default_credentials:
            raise ValueError(
                phrase(
                    "pack-without-content",
                    "a pack of {protocol} lists `default_credentials`: it has nothing else to say",
                    protocol=self.protocol,
                )
            )
        return self
