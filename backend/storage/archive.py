"""What the backend asks of a database for its archive: all that it keeps, as lines that have no engine's form, and a
fresh database that is filled with them.

Each class of lines is one JSON object in the archive (docs/reference/archive-format.md): its field `line` names the
class, bytes are base64. Numbers that an engine gave (`id`, `stream`, `epoch`, `record`) are kept as they are, since
lines and readings name each other by them. An engine may number the records of each hub anew; then it says so in
`by_hub`, and one that cannot is given greater numbers (`backend.archive.importing`).

Times are Unix seconds unless their name ends in `_ms`. Methods raise StorageError when the database refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

from backend.storage.chunks import HubSnapshot
from hub.core.errors import StorageError


class Line(msgspec.Struct, frozen=True, tag_field="line", forbid_unknown_fields=True):
    """A line of the archive."""


class HubLine(Line, frozen=True, tag="hub"):
    """A hub in the registry, and the last state that it signed. No id of a record of it is above `last_record`."""

    hub: str
    identity: bytes
    name: str
    enrolled_at: float
    revoked_at: float | None
    seen_at: float | None
    state: bytes | None
    state_at: float | None
    tags: list[str]
    last_record: int


class StreamLine(Line, frozen=True, tag="stream"):
    """A stream of a hub. `stored` and `forked` are ranges of record numbers."""

    id: int
    run: bytes
    stream: str
    started_at: float
    stored: list[tuple[int, int]]
    forked: list[tuple[int, int]]
    readings: int
    announced: int
    previous: bytes | None


class EpochLine(Line, frozen=True, tag="epoch"):
    """An EPOCH record, as its hub sealed it."""

    id: int
    eid: bytes
    stream: int
    raw: bytes
    received_at: float


class TableLine(Line, frozen=True, tag="table"):
    """A TABLE record of an epoch, as its hub sealed it."""

    epoch: int
    number: int
    raw: bytes


class NamesLine(Line, frozen=True, tag="names"):
    """The same, opened."""

    epoch: int
    number: int
    data: bytes


class BootLine(Line, frozen=True, tag="boot"):
    """The clock of a boot."""

    boot: bytes
    offset_ms: int | None
    error_ms: int | None
    source: str | None


class SeriesLine(Line, frozen=True, tag="series"):
    """A series, as `backend.storage.chunks.SeriesLine`."""

    place: str
    metric: str
    device: str
    privacy: str
    day: int
    classes: int
    unit: str
    resolution: str
    kind: str
    device_class: str
    state_class: str
    site: str
    zone: str
    model: str
    integration: str


class ErasureLine(Line, frozen=True, tag="erasure"):
    """An order to erase. Without `done_at` it is not executed to the last byte."""

    id: str
    kind: str
    name: str
    until_ms: int
    ordered_at: float
    record: int
    readings: int
    late: int
    done_at: float | None
    left_over: int = 0
    dropped: int = 0


class GapLine(Line, frozen=True, tag="gap"):
    """A declared gap."""

    id: int
    run: bytes
    stream: str
    first: int
    last: int
    readings: int
    from_s: int
    to_s: int
    reason: str
    declared_by: int
    received_at: float


class ForkLine(Line, frozen=True, tag="fork"):
    """A second content of a number."""

    id: int
    stream: int
    seq: int
    digest: bytes
    eid: bytes
    raw: bytes
    received_at: float


class RecordLine(Line, frozen=True, tag="record"):
    """A line of the account of records."""

    id: int
    stream: int
    seq: int
    digest: bytes
    epoch: int
    kind: int
    readings: int
    received_at: float


class PackLine(Line, frozen=True, tag="pack"):
    """Lines of 1,024 numbers of a stream, packed (`backend.ingest.packed_records`)."""

    stream: int
    block: int
    data: bytes


class QuarantineLine(Line, frozen=True, tag="quarantine"):
    """Bytes that could not be read."""

    id: int
    hub: str
    reason: str
    digest: bytes
    body: bytes
    received_at: float
    epoch: int | None


class AlarmLine(Line, frozen=True, tag="alarm"):
    """An alarm, open or cleared."""

    id: int
    kind: str
    hub: str
    detail: str
    coded: bytes | None
    raised_at: float
    cleared_at: float | None


class AlertLine(Line, frozen=True, tag="alert"):
    """An alert of a hub, and what the operator requests of it."""

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
    wanted: bytes | None
    wanted_state: str | None


class AnchorLine(Line, frozen=True, tag="anchor"):
    """A head of a hub's audit chain."""

    hub: str
    told_ms: int
    count: int
    head: str
    counts: str
    received_at: float


class LookupLine(Line, frozen=True, tag="lookup"):
    """A device that a hub looked up."""

    hub: str
    device: str
    first_at: float
    last_at: float
    told_at: float | None


class TokenLine(Line, frozen=True, tag="token"):
    """An enrolment token, without its secret: one that was not used admits nobody."""

    id: str
    name: str
    created_at: float
    expires_at: float
    used_at: float | None
    hub: str | None
    cancelled_at: float | None
    tags: list[str]


class TrialLine(Line, frozen=True, tag="trial"):
    """A token that is for a trial."""

    token: str


class RetentionLine(Line, frozen=True, tag="retention"):
    """The days for which a class is kept; 0: for ever."""

    privacy: str
    days: int
    purged: int
    purged_at: float | None


class SilenceLine(Line, frozen=True, tag="silence"):
    """A silence that somebody was told of."""

    scope: str
    name: str
    since: float
    raised_at: float
    detail: str


class CallbackTokenLine(Line, frozen=True, tag="callback-token"):
    """A token of callbacks; `secret` is the digest of its secret."""

    id: str
    secret: bytes
    hub: str
    name: str
    created_at: float
    revoked_at: float | None
    used_at: float | None
    taken: int
    repeated: int


class CallbackLine(Line, frozen=True, tag="callback"):
    """A callback as it came; without `fields` its hub has stored it."""

    id: int
    key: str
    hub: str
    token: str
    fields: bytes | None
    answer: bytes | None
    answered: str
    received_at: float
    done_at: float | None


class DownlinkLine(Line, frozen=True, tag="downlink"):
    """A hub's answer for a device."""

    hub: str
    device: str
    id: str
    data: bytes
    until: float | None
    sent_at: float | None


OF_HUB: tuple[type[Line], ...] = (
    HubLine, StreamLine, EpochLine, TableLine, NamesLine, BootLine, SeriesLine, ErasureLine, GapLine, ForkLine,
)  # fmt: skip
"""Lines of one hub, beside its account: of the same moment as its readings."""
ACCOUNT: tuple[type[Line], ...] = (RecordLine, PackLine)
COMMON: tuple[type[Line], ...] = (
    QuarantineLine, AlarmLine, AlertLine, AnchorLine, LookupLine, TokenLine, TrialLine, RetentionLine, SilenceLine,
    CallbackTokenLine, CallbackLine, DownlinkLine,
)  # fmt: skip
"""Lines of all hubs, and of none."""
EVERY: tuple[type[Line], ...] = (*OF_HUB, *ACCOUNT, *COMMON)


class AccountPart(NamedTuple):
    """A part of a hub's account: the lines of records that arrived on a day since 1970, or packed blocks of a stream
    (`stream`, and `number` counts PACKS blocks). `key` changes whenever the lines do."""

    stream: int | None
    number: int
    key: str


PACKS = 64
"""Packed blocks of one part."""


class ArchiveSnapshot(Protocol):
    """One moment of a database."""

    def hubs(self) -> list[str]:
        """Return the enrolled hubs, by their ids."""

    def hub(self, hub: str) -> HubSnapshot:
        """Return bodies and chunks of a hub."""

    def of_hub(self, hub: str) -> Iterator[Line]:
        """Yield the lines of OF_HUB, class by class, those of a class by their keys."""

    def account(self, hub: str) -> list[AccountPart]:
        """Return the parts of a hub's account."""

    def account_lines(self, hub: str, part: AccountPart) -> Iterator[Line]:
        """Yield the lines of a part."""

    def common(self) -> Iterator[Line]:
        """Yield the lines of COMMON, class by class, those of a class by their keys."""


class ArchiveSource(Protocol):
    """A database that is exported. One thread."""

    by_hub: bool
    """Whether ids of records are drawn for each hub: those of two hubs may be the same."""

    def snapshot(self) -> AbstractContextManager[ArchiveSnapshot]: ...

    def may_pass(self, error: StorageError) -> bool:
        """Return whether the same may pass a moment after this error."""

    def close(self) -> None: ...


class ArchiveTarget(Protocol):
    """A fresh database that is filled. One thread, while nobody else writes."""

    by_hub: bool

    def is_fresh(self) -> bool:
        """Return whether nobody is enrolled, and nothing noted."""

    def done(self) -> set[str]:
        """Return what was noted."""

    def add(self, hub: str, lines: Iterable[Line], note: str) -> None:
        """Store lines of a hub ("": of all) in one transaction, durably, with a note."""

    def admit(self, hub: HubLine, note: str) -> None:
        """Let a hub in as its line says, with a note."""

    def finish(self, note: str) -> None:
        """Put this note in the place of all, and draw new numbers above all that were stored."""

    def close(self) -> None: ...
