"""Answers of the operator's API, as types: what `docs/reference/openapi.json` says of each, and what tests hold it to.

Times are Unix ms where a reading has them (`time`, `begin`, `end`, `from_ms`, `until_ms`), and Unix seconds by a clock
where a name ends with `_at` or `_s`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Value = bool | int | float | str


class Coded(msgspec.Struct, forbid_unknown_fields=True):
    """Code and parameters of a sentence, by which a program recognises it and says it in another language."""

    code: str
    params: dict[str, Any]


class Problem(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A refusal, by RFC 9457. `error` and `error_text` are what earlier releases said: the sentence, and its code."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    error_text: Coded | None = None


class StreamInfo(msgspec.Struct, forbid_unknown_fields=True):
    """A stream of records of a hub: which numbers are stored."""

    run: str
    stream: str
    through: int
    ranges: list[tuple[int, int]]
    forked: list[tuple[int, int]]
    readings: int
    announced: int
    started_at: float


class HubInfo(msgspec.Struct, forbid_unknown_fields=True):
    """A hub, and what its last state said."""

    hub: str
    identity: str
    name: str
    enrolled_at: float
    revoked_at: float | None
    seen_at: float | None
    tags: list[str]
    state_at: float | None
    heard_at: float | None
    boot: str | None
    generation: int | None
    trust_version: int | None
    streams: list[StreamInfo]
    streams_in_all: int


class Hubs(msgspec.Struct, forbid_unknown_fields=True):
    hubs: list[HubInfo]
    next: str | None


class Streams(msgspec.Struct, forbid_unknown_fields=True):
    streams: list[StreamInfo]
    next: str | None


class SeriesInfo(msgspec.Struct, forbid_unknown_fields=True):
    """A series: one metric at one place of one hub, and the devices that stood there."""

    id: str
    hub: str
    place: str
    metric: str
    unit: str
    resolution: str
    kind: str
    device_class: str
    state_class: str
    privacy: str
    site: str
    zone: str
    devices: list[str]


class SeriesList(msgspec.Struct, forbid_unknown_fields=True):
    series: list[SeriesInfo]
    next: str | None


class Latest(msgspec.Struct, forbid_unknown_fields=True):
    """The newest reading of a series; `time` is null where none has a time."""

    id: str
    time: int | None
    value: Value | None
    quality: int | None
    trust: int | None


class LatestList(msgspec.Struct, forbid_unknown_fields=True):
    latest: list[Latest]


class OldReading(msgspec.Struct, forbid_unknown_fields=True):
    time: int
    value: Value
    quality: int
    trust: int


class UndatedReading(msgspec.Struct, forbid_unknown_fields=True):
    """A reading of a boot whose time nobody knows, at `monotonic` ms of it, and between which dated ones it lies."""

    time: None
    value: Value
    quality: int
    trust: int
    boot: str
    monotonic: int
    not_before: int | None
    not_after: int | None


class OneHistory(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    readings: list[OldReading]
    next: int | None
    undated: list[UndatedReading]


class RawRow(msgspec.Struct, forbid_unknown_fields=True):
    """A reading. `quality` is 0 good, 1 uncertain, 2 bad …; `trust` the class of how its device is known."""

    series: str
    time: int
    value: Value
    quality: int
    trust: int
    device: str


class IntervalRow(msgspec.Struct, forbid_unknown_fields=True):
    """Figures of an interval, from its readings that are not bad. `mean` to `sum` are null of texts. `increase` is
    that of a counter, `resets` how often it fell; `completeness` the share of the interval in which readings are."""

    series: str
    begin: int
    end: int
    count: int
    uncertain: int
    bad: int
    mean: float | None
    min: float | None
    max: float | None
    sum: float | None
    first: Value | None
    first_time: int | None
    last: Value | None
    last_time: int | None
    increase: float | None
    resets: int
    completeness: float


class RawHistory(msgspec.Struct, forbid_unknown_fields=True):
    """Readings of all series asked for, in this order, each series by time; `series` are those of this page."""

    step: Literal["raw"]
    zone: str
    series: list[SeriesInfo]
    rows: list[RawRow]
    next: str | None


class IntervalHistory(msgspec.Struct, forbid_unknown_fields=True):
    """Intervals of all series asked for, in this order, each series by time; `series` are those of this page."""

    step: Literal["minute", "hour", "day", "month"]
    zone: str
    series: list[SeriesInfo]
    rows: list[IntervalRow]
    next: str | None


History = RawHistory | IntervalHistory


class GapInfo(msgspec.Struct, forbid_unknown_fields=True):
    """Records that a hub declared lost. `missing` are those that did not arrive all the same."""

    id: int
    hub: str
    run: str
    stream: str
    first: int
    last: int
    readings: int
    from_s: int
    to_s: int
    reason: str
    received_at: float
    missing: list[tuple[int, int]]


class Gaps(msgspec.Struct, forbid_unknown_fields=True):
    gaps: list[GapInfo]
    next: int | None


class ForkInfo(msgspec.Struct, forbid_unknown_fields=True):
    """A number that arrived with two contents."""

    hub: str
    run: str
    stream: str
    seq: int
    stored: str | None
    digest: str
    bytes: int
    received_at: float


class Forks(msgspec.Struct, forbid_unknown_fields=True):
    forks: list[ForkInfo]
    next: str | None


class AlarmInfo(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Something a person should know of a hub, or of the backend (`hub` is empty)."""

    id: int
    kind: str
    hub: str
    raised_at: float
    cleared_at: float | None
    detail: str
    detail_text: Coded | None = None


class Alarms(msgspec.Struct, forbid_unknown_fields=True):
    alarms: list[AlarmInfo]
    next: str | None


class AlertInfo(msgspec.Struct, forbid_unknown_fields=True):
    """An alert of a hub's own rules, and what the operator asked the hub to do about it."""

    hub: str
    alert: str
    n: int
    rule: str
    key: str
    state: str
    severity: str
    by: str
    why: str
    value: str
    text: str
    text_fr: str
    device: str
    place: str
    site: str
    zone: str
    integration: str
    raised_at: float
    changed_at: float
    received_at: float
    wanted: dict[str, Any] | None


class Alerts(msgspec.Struct, forbid_unknown_fields=True):
    alerts: list[AlertInfo]
    next: str | None


class AlertWanted(msgspec.Struct, forbid_unknown_fields=True):
    alert: str
    hub: str
    wanted: Literal["acknowledged", "muted", "cleared"]


class ErasureInfo(msgspec.Struct, forbid_unknown_fields=True):
    """An erasure that a hub ordered; `done_at` is null until no byte is left."""

    hub: str
    id: str
    kind: str
    name: str
    until_ms: int
    ordered_at: float
    done_at: float | None
    readings: int
    left_over: int
    late: int


class Erasures(msgspec.Struct, forbid_unknown_fields=True):
    erasures: list[ErasureInfo]
    next: str | None


class ClassInfo(msgspec.Struct, forbid_unknown_fields=True):
    """For how many days a class is kept (0: for ever), and what was deleted of it."""

    privacy: str
    days: int
    purged: int
    purged_at: float | None


class Classes(msgspec.Struct, forbid_unknown_fields=True):
    classes: list[ClassInfo]


class LookupInfo(msgspec.Struct, forbid_unknown_fields=True):
    """A device that a hub asked about."""

    hub: str
    device: str
    first_at: float
    last_at: float
    told_at: float | None


class Lookups(msgspec.Struct, forbid_unknown_fields=True):
    asked: list[LookupInfo]
    next: str | None


class CallbackToken(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    hub: str
    name: str
    created_at: float
    revoked_at: float | None
    used_at: float | None
    taken: int
    repeated: int


class Waiting(msgspec.Struct, forbid_unknown_fields=True):
    hub: str
    waiting: int
    oldest_at: float


class Callbacks(msgspec.Struct, forbid_unknown_fields=True):
    """Tokens of callbacks, a page of them; and on its first page how many callbacks wait for each hub."""

    tokens: list[CallbackToken]
    waiting: list[Waiting]
    next: str | None


class Process(msgspec.Struct):
    """A process of the backend that lives: what it does (ingest, api, compact), and of which release it is."""

    name: str
    kind: str
    release: str
    started_at: float


class Stats(msgspec.Struct):
    """Totals of the database and of the processes that answer hubs."""

    readings: int
    streams: int
    of_stream: dict[str, int]
    records: int
    hubs: int
    series: int
    gaps: int
    forks: int
    undated: int
    quarantined: int
    alarms: int
    uptime: float
    release: str
    processes: list[Process]
