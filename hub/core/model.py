"""The nouns of the house, as frozen slotted structs. Pure: no I/O, no clock.

The unit of the path is the report: what one device said at one moment, with its proof.
A reading is one value of it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import IntEnum
from typing import Any, Literal, Protocol, Self, TypeVar

import msgspec

Value = float | int | bool | str
"""A reading's value, in the metric's own unit (see `hub.core.metric_catalogue`)."""

DEVICE_ID = re.compile(r"[a-z][a-z0-9_-]{0,31}:[\x21-\x7e]{1,120}")
"""`scheme:identifier`, printable ASCII without spaces, for instance `ble:A4:C1:38:01:02:03`."""

METRIC_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}")
PLACE_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


MetricKind = Literal["number", "flag", "text"]
PrivacyClass = Literal["technical", "environment", "personal"]


class SettingsModel(Protocol):
    """A model of settings: any subclass of `hub.Config`."""

    @classmethod
    def model_validate(cls, obj: Any, /) -> Self:
        """Read it from plain values. Raises ValueError."""
        ...


M = TypeVar("M", bound=SettingsModel)


class Quality(IntEnum):
    """Credibility of a value by its source."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2
    UNDATED = 3  # the clock was never sure in that boot; ordered, not dated


class TrustClass(IntEnum):
    """Trust of the path a report came by (docs/explanation/security.md). Smaller is better."""

    A = 1  # authenticated and fresh
    B = 2  # protected path: encrypted with weak freshness, or a wired bus inside a declared perimeter
    C = 3  # clear identity only


class Proof(msgspec.Struct, frozen=True):
    """Proof of a report, judged by admission. `scheme` names how it was secured: "bthome-ccm", "lorawan-1.0", "modbus",
    "host", "none". `counter` is the sender's own (frame counter, packet id), strictly rising per (device, scheme)
    where the scheme demands it; `authenticated` means that the integrity check passed under a key of this very
    device; `sealed` that it was encrypted under one, though perhaps nothing proves that nobody changed it on its
    way. Both count where the hub knows such a key, and are left out and counted where it knows none. `content` is a
    digest of what came under the counter, where a pack or a bad day may read the same frame in two ways; None: the
    values tell it."""

    scheme: str  # "bthome-ccm", "lorawan-1.0", "modbus", "host", "none"
    counter: int | None = None
    authenticated: bool = False
    sealed: bool = False
    content: int | None = None


class Signal(msgspec.Struct, frozen=True):
    """Radio link quality. `rssi` in dBm, `snr` in dB; `source` is the adapter or gateway that heard it best.
    `heard` lists every one that did with its rssi, best first, when they were several."""

    rssi: int | None = None
    snr: float | None = None
    source: str = ""
    heard: tuple[tuple[str, int | None], ...] = ()


class Position(msgspec.Struct, frozen=True):
    """A place on Earth: `latitude` and `longitude` in degrees (WGS 84), `accuracy` and `altitude` in metres."""

    latitude: float
    longitude: float
    accuracy: float | None = None
    altitude: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The readings of one device at one moment.

    `device` is its id; `values` maps metric keys to values in the metric's own unit; `time` is Unix seconds (UTC) when
    the device or the receiver dates it, None for now. `quality` says how far they can be believed, `proof` how they
    were secured, `signal` how well they were heard, `position` where the device was.
    """

    device: str
    values: dict[str, Value]
    time: float | None = None
    quality: Quality = Quality.GOOD
    proof: Proof | None = None
    signal: Signal | None = None
    position: Position | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes as a radio or bus gave them. `kind` names the radio ("ble"), `address` the sender as the radio knows it,
    `data` the payload by section (for BLE: "service:fcd2", "manufacturer:0499" → bytes). `time` is Unix seconds when
    it was received, None for now; `signal` how well; `name` what the sender calls itself."""

    kind: str
    address: str
    data: dict[str, bytes]
    time: float | None = None
    signal: Signal | None = None
    name: str = ""


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A decoder's answer: the id of the `device` that sent a frame, its `values` by metric, its `proof` and its
    `model`. `values` may be empty: it is alive and says nothing. `skipped` holds reasons, as slugs to count, why a
    part of the frame gave no reading."""

    device: str
    values: dict[str, Value]
    proof: Proof | None = None
    model: str = ""
    skipped: tuple[str, ...] = ()


class NeedKey(msgspec.Struct, frozen=True):
    """A decoder's answer when the frame is sealed and no key is known for `device`, a `model` as far as the frame
    says."""

    device: str
    model: str = ""


class Strategy(msgspec.Struct, frozen=True):
    """Which readings of a metric are forwarded: `on` change, each `period_s` seconds, both, or always; a change is
    one of `dead_band` at least, in the metric's unit. None: as the level above says."""

    on: Literal["always", "change", "period", "change-or-period"] | None = None
    dead_band: float | None = None
    period_s: float | None = None


class Writable(msgspec.Struct, frozen=True):
    """Permission to write a metric: between `low` and `high` (in its unit; a number needs both), by a `role` or a
    higher one, with `every_s` seconds between two writes at least. `reason` is "always", "dangerous" or "never": when
    whoever writes gives a reason."""

    low: float | None = None
    high: float | None = None
    role: str = "administrateur"
    every_s: float = 10.0
    reason: str = "dangerous"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to write one metric of a device, authorised and within its bounds. `id` names it, `device` is the
    device's id and `metric` the key. `value` None means: release, so that what controlled the device before takes
    over again (BACnet: relinquish). Where `metric` is a downlink that the device's pack names, `values` are what its
    codec is given and `value` is None. `expires` is Unix seconds: later, do not send it."""

    id: str
    device: str
    metric: str
    value: Value | None = None
    values: dict[str, float] | None = None
    expires: float = 0.0


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A physical thing with a stable unique `id`, read by the instance `integration`. `place` is the id of what it
    stands for; `name` and `model` are for people; `settings` is the integration's own part of its configuration
    (typed: `settings_as`); `key` is its radio key, bytes, never logged; `pack` names the device pack that describes
    it; `writable` are the metrics that may be written; `report` are its strategies by metric, "" for all of its
    metrics."""

    id: str
    integration: str
    place: str
    model: str = ""
    name: str = ""
    key: bytes | None = None
    settings: dict[str, object] = {}
    pack: str = ""
    writable: dict[str, Writable] = {}
    report: dict[str, Strategy] = {}

    def settings_as(self, model: type[M]) -> M:
        """The settings as an instance of the model that was registered for devices (`device=`), or of another that
        reads a part of them. The hub has validated them when the configuration was read; a ValueError means that the
        model is another one."""
        return model.model_validate(self.settings)

    def __repr__(self) -> str:
        return f"Device(id={self.id!r}, integration={self.integration!r}, place={self.place!r})"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The readings of a payload at one moment: `values` by metric, `time` in Unix seconds, None for the payload's
    own."""

    values: dict[str, Value]
    time: float | None = None


class PackFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a device pack beside its values: its `name`, `version` and `vendor`, the `models` that it describes.
    `mac` is their LoRaWAN version, `listens` their class; `period_s` is the time between two uplinks as delivered,
    None when not known; `downlinks` are what they can be told: name → names of the values."""

    name: str
    version: int
    vendor: str
    models: tuple[str, ...]
    mac: str
    listens: Literal["A", "B", "C"] = "A"
    period_s: float | None = None
    downlinks: dict[str, tuple[str, ...]] = {}


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter's dial showed at a moment (Unix seconds). `raw`: what its counter said then; `weight`: from then
    on."""

    at: float
    index: Decimal
    raw: Decimal | None = None
    weight: Decimal | None = None


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """Which meter a counter stands for: its raw `source` becomes `metric`, in the metric's unit. See
    `hub.pipeline.pulse_counters`."""

    metric: str
    source: str
    weight: Decimal
    initial: Decimal
    initial_raw: Decimal | None = None
    wraps: int | None = None
    corrections: tuple[Correction, ...] = ()


class MeterSwap(msgspec.Struct, frozen=True, kw_only=True):
    """A meter was replaced at a moment (Unix seconds): what the old dial showed last and the new one first, in the
    metric's unit; None: nobody read it. `serial`, `accuracy` and `calibrated` (an ISO date) are the new meter's."""

    at: float
    final: Decimal | None = None
    initial: Decimal | None = None
    serial: str = ""
    accuracy: str = ""
    calibrated: str = ""


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the meter at a place, for reports. `metric` is the one that is its index; `kwh` how many kWh one
    unit of it is, None where it is no energy; `wraps` where its dial rolls over, in that unit; `reference` the kWh of
    a year, or units of what is no energy; `calibrated` an ISO date; `drift` whether one is looked for; `schedule` whose
    holidays are those of its building, "" where nothing is said; `behind` the place of the main meter that counts the
    same again, "" of one that is behind none."""

    metric: str
    carrier: str
    use: str = ""
    serial: str = ""
    accuracy: str = ""
    calibrated: str = ""
    kwh: Decimal | None = None
    wraps: Decimal | None = None
    reference: float | None = None
    swaps: tuple[MeterSwap, ...] = ()
    drift: bool = True
    schedule: str = ""
    behind: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a device stands for and where. Outlives hardware. `zone` is the functional zone of the building
    (code de la construction R175-3)."""

    id: str
    site: str
    zone: str
    name: str = ""
    role: str = ""
    position: Position | None = None
    pulse: Pulse | None = None
    meter: Meter | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A device that was heard or found and is not admitted. Never forwarded; a person decides. `id` is the id that it
    would have, `integration` the instance that heard it (set by the hub); `model`, `values` by metric, `signal` and
    `evidence` (words by name) help the person."""

    id: str
    integration: str
    model: str = ""
    values: dict[str, Value] = {}
    signal: Signal | None = None
    evidence: dict[str, str] = {}


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One named quantity, read or written.

    `key` names it; `unit` is UCUM ("Cel", "%", "kW.h", "1"); `resolution` is the smallest step kept, as a decimal
    string in that unit; `kind` is a number, a flag (bool) or a text. `low` and `high` are the bounds outside which a
    value is refused as implausible. `device_class` and `state_class` follow Home Assistant's where they exist.
    `privacy` says what it may tell of people; maybe personal is personal. `en` is its English name; its French is in a
    catalogue under `code`, "metric-" and its key where that is empty, or is `fr` for what packs, configurations and
    former plugins name. `number` counts those of one name: the second temperature of a device is "Temperature 2".
    """

    key: str
    unit: str = "1"
    resolution: str = "0.01"
    kind: MetricKind = "number"
    low: float | None = None
    high: float | None = None
    device_class: str = ""
    state_class: str = ""
    privacy: PrivacyClass = "technical"
    fr: str = ""
    en: str = ""
    code: str = ""
    number: str = ""


def series_id(place: str, metric: str) -> str:
    """The id of one metric at one place: what history, rules and open data refer to."""
    return f"{place}/{metric}"


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One metric at one place, and who measures it today. `id` outlives the hardware; `place`, `site` and `zone` are
    ids, "" when not configured; `device`, its `model` and its `integration` measure the `metric` now; `name` is for
    people."""

    id: str
    place: str
    device: str
    integration: str
    metric: Metric
    name: str = ""
    model: str = ""
    site: str = ""
    zone: str = ""


class LastValue(msgspec.Struct, frozen=True, kw_only=True):
    """The last reading of one `series`, by its id: the `value` of a `metric` in its `unit`, sent by `device`. `time`
    is Unix seconds, None while the clock is not sure. `trust` is the class of its path, `quality` what its source
    says; `rssi` is in dBm, None where there is no radio."""

    series: str
    device: str
    metric: str
    value: Value
    unit: str
    time: float | None
    trust: str
    quality: str
    rssi: int | None
