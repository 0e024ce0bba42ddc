"""What the backend asks of a database for reading: one consistent snapshot at a time, from any thread, beside whoever
writes.

A snapshot answers with plain records, in the order that each method names; what they mean is told by
`backend.queries.views`. Times are Unix seconds unless their name says otherwise. Methods raise StorageError when the
database refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from backend.storage.chunks import HubSnapshot
from backend.storage.epoch_context import Context
from backend.storage.tables import AlertChange, Anchor, Hub
from hub.core.text import Phrase
from hub.protocol.ranges import Ranges


class HubLine(NamedTuple):
    """A hub with the last state that was accepted of it, as it signed it."""

    hub: Hub
    state: bytes | None
    state_at: float | None


class StreamLine(NamedTuple):
    """A stream of a hub; its sets of numbers are those of `backend.storage.engine.Stream`."""

    hub: str
    run: bytes
    stream: str
    stored: Ranges
    forked: Ranges
    readings: int
    announced: int
    started_at: float


class SeriesLine(NamedTuple):
    """A series, and the devices that stood at its place. What is told of it is what the newest of these says."""

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


class DeviceSeries(NamedTuple):
    """A series of one device, at one place. `day` is the last day since 1970 of which there are readings."""

    device: str
    place: str
    metric: str
    day: int
    unit: str
    kind: str
    device_class: str
    state_class: str
    privacy: str
    site: str
    zone: str
    model: str
    integration: str


class RunOfRecord(NamedTuple):
    """The run of the stream that a record is of, and the run before it."""

    run: bytes
    previous: bytes | None


class GapLine(NamedTuple):
    """A declared gap, and the numbers of its stream that are stored."""

    id: int
    hub: str
    run: bytes
    stream: str
    first: int
    last: int
    readings: int
    from_s: int
    to_s: int
    reason: str
    received_at: float
    stored: Ranges


class ForkLine(NamedTuple):
    """A number that arrived with two contents: the digest that is stored (None where it is lost), and the other one."""

    hub: str
    run: bytes
    stream: str
    seq: int
    stored: bytes | None
    digest: bytes
    bytes: int
    received_at: float


class AlarmLine(NamedTuple):
    """An alarm. `coded` is code and parameters of its sentence, where it has some."""

    id: int
    kind: str
    hub: str
    raised_at: float
    cleared_at: float | None
    detail: str
    coded: bytes | None


class QuarantineLine(NamedTuple):
    """An entry of the quarantine, without its bytes."""

    id: int
    hub: str
    reason: str
    bytes: int
    received_at: float


class ErasureLine(NamedTuple):
    """An erasure that a hub ordered, and what came of it; `done_at` is None until no byte is left."""

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


class RetentionLine(NamedTuple):
    """Days for which a class is kept (0: for ever), how many rows were deleted of it, and when last."""

    privacy: str
    days: int
    purged: int
    purged_at: float | None


class AlertLine(NamedTuple):
    """An alert, and what the operator requests of it."""

    change: AlertChange
    wanted: bytes | None


class LookupLine(NamedTuple):
    """A device that a hub looked up."""

    hub: str
    device: str
    first_at: float
    last_at: float
    told_at: float | None


class CallbackTokenLine(NamedTuple):
    """A token of callbacks, and what came with it."""

    id: str
    hub: str
    name: str
    created_at: float
    revoked_at: float | None
    used_at: float | None
    taken: int
    repeated: int


class WaitingLine(NamedTuple):
    """How many callbacks wait for a hub, and since when the oldest does."""

    hub: str
    waiting: int
    oldest_at: float


class EpochLine(NamedTuple):
    """The stored context of an epoch, with its stream and the identity of its hub."""

    context: Context
    hub: str
    run: bytes
    stream: str
    identity: bytes


class AsideLine(NamedTuple):
    """A record in quarantine whose epoch is known, and the numbers of its stream that are stored."""

    hub: str
    run: bytes
    stream: str
    stored: Ranges
    body: bytes


class Totals(NamedTuple):
    """Totals of a database: readings by stream's name, and how many there are of everything else; "undated" counts
    reports, and of bodies that are not compacted yet, readings."""

    readings: int
    streams: int
    of_stream: dict[str, int]
    counts: dict[str, int]


class Snapshot(Protocol):
    """One moment of the database. Lists that several hubs fill give the newest of each hub before any hub's older
    ones, where there are more than `limit`: a hub can make many, and must not fill a list alone."""

    def hubs(self, *, after: str = "", limit: int = -1, hub: str = "") -> list[HubLine]:
        """Return hubs by their ids, after the id `after`; or one."""

    def sites(self) -> list[tuple[str, str]]:
        """Return (hub, site) for each site of a hub's series."""

    def newest_streams(self, hubs: Sequence[str], most: int) -> dict[str, tuple[list[StreamLine], int]]:
        """Return for each hub its newest streams, the oldest of them first, and how many it has in all."""

    def streams(self, hub: str) -> list[StreamLine]:
        """Return all streams of a hub, the oldest first."""

    def series(
        self, hub: str = "", place: str = "", metric: str = "", *, after: tuple[str, str, str], limit: int
    ) -> list[SeriesLine]:
        """Return series by (hub, place, metric), after `after`; all, or those of a hub, place, metric."""

    def marks(self) -> dict[str, tuple[int, int]]:
        """Return for each hub of which anything is stored the last record, and the version of its chunks and orders:
        while both stay, so do its readings."""

    def device_series(self, hub: str) -> list[DeviceSeries]:
        """Return all series of a hub, by device, place and metric."""

    def devices(self, hub: str, place: str, metric: str) -> list[str]:
        """Return the devices that have this series; none of an unknown one."""

    def hub(self, hub: str) -> HubSnapshot:
        """Return what is stored of a hub, at this same moment."""

    def runs(self, hub: str, records: Sequence[int]) -> dict[int, RunOfRecord]:
        """Return the run of each record of a hub that has a line of its own."""

    def gaps(self, hub: str = "", *, after: int = 0, limit: int = -1) -> list[GapLine]: ...

    def count_gaps(self, hubs: Sequence[str]) -> dict[str, int]:
        """Return how many gaps each of these hubs has declared; those that declared none are left out."""

    def forks(self) -> list[ForkLine]: ...

    def alarms(self, hub: str = "", *, everything: bool = False, limit: int = -1) -> list[AlarmLine]:
        """Return open alarms, the newest first; then, with `everything`, cleared ones."""

    def quarantined(self, hub: str = "", *, limit: int = -1) -> list[QuarantineLine]:
        """Return the entries of the quarantine, the newest first."""

    def erasures(self, hub: str = "", *, limit: int = -1) -> list[ErasureLine]:
        """Return erasures, the newest orders first."""

    def retention(self) -> list[RetentionLine]:
        """Return each class, by its name."""

    def alerts(self, hub: str = "", *, everything: bool = False, limit: int = -1) -> list[AlertLine]:
        """Return alerts, the newest first: those not cleared, or all."""

    def alert_changes(self, received: float, cleared: float) -> list[AlertChange]:
        """Return the alerts whose present change arrived after a moment, the oldest first: those that are open, or that
        were cleared after another moment. Unix seconds."""

    def on_trial(self) -> frozenset[str]:
        """Return the hubs on trial, of which nothing is kept when it is over."""

    def anchors(self, hub: str, limit: int) -> list[Anchor]:
        """Return anchors by their arrival, the newest first: a hub that once dated one far ahead would show it first
        for years."""

    def lookups(self, hub: str = "", *, limit: int = -1) -> list[LookupLine]:
        """Return which hub looked up which device, the newest first."""

    def callback_tokens(self) -> list[CallbackTokenLine]: ...

    def waiting_callbacks(self) -> list[WaitingLine]: ...

    def totals(self) -> Totals: ...

    def compacts_since(self) -> float | None:
        """Return when the body arrived that waits longest for a compactor; None where none does."""

    def epochs(self, after: int, limit: int) -> list[EpochLine]:
        """Return epochs of enrolled hubs by their numbers, after the number `after`."""

    def set_aside(self, reason: str) -> Iterator[AsideLine]:
        """Yield records in quarantine for a reason, by stream, in the order of their arrival."""


class Progress(Protocol):
    """Called with the share, 0 to 1, that is done."""

    def __call__(self, share: float) -> None: ...


class Damage(NamedTuple):
    """A damaged part of the database: its kind (file, table, index), its name, how many findings there are, the first
    of them, and what to do."""

    kind: str
    name: str
    findings: int
    first: str
    remedy: Phrase


class Sample(NamedTuple):
    """A look at some of the database: how many tables it has, how many of them were read whole, and how many rows at
    random places of the others; what is damaged, "" where nothing was found; the engine's release."""

    tables: int
    whole: int
    rows: int
    damage: str
    release: str


class Queries(Protocol):
    """Reading side of one database. Any thread."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a snapshot, for the block. Raises StorageError."""

    def damage(self, progress: Progress) -> Iterator[Damage]:
        """Look through the files for what a disk has damaged, in one snapshot; the server may run meanwhile. `progress`
        is called with the share that is done. Raises StorageError when the disk refuses to read them."""

    def sample(self, seconds: float) -> Sample:
        """Look for damage for about so many seconds. Raises StorageError when the disk refuses to read."""
