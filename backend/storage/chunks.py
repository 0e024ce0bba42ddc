"""Operations that the backend asks of a database for bodies and chunks: Protocols and plain records.

A block of a hub is stored as its *body*: decrypted, still compressed, with the opened names of its epoch beside. A
compactor turns the bodies of a hub into *chunks*, which queries read; the *watermark* of the hub says up to which
record. A reader takes the chunks, and the bodies above the watermark, out of one snapshot, so that each reading is
there once at any moment. Three things carry this, and an engine has to keep them:

    ids         record ids of one hub rise in the order in which its transactions commit: they are drawn while the hub
                is locked. Nothing is said of ids of two hubs, so a watermark over several would leave records out
    one change  `apply` writes all of a `Changes` in one transaction, or nothing
    version     every change of a hub's chunks, and each new order to erase, raises its version; `apply` changes nothing
                when the version is another than that of the snapshot from which the changes were worked out

What a chunk holds, when bodies become chunks, which rows an order reaches: `backend.readings.compaction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from backend.storage.engine import ErasureOrder


class Body(NamedTuple):
    """Body of a block. `record` is the id of its record, `epoch` the number of its epoch; `boot` dates it, empty when
    it carries UTC. `data` is one frame of zstd, as the hub sealed it."""

    record: int
    epoch: int
    boot: bytes
    received_at: float
    data: bytes


class Names(NamedTuple):
    """Names of an epoch: the body of its TABLE record `number`, opened."""

    epoch: int
    number: int
    data: bytes


class Bucket(NamedTuple):
    """Content of a chunk: readings of one privacy class from one hour. `hour` counts hours since 1970 (UTC), or those
    of the monotonic clock of `boot` when it is not empty: such readings are dated when they are read."""

    privacy: str
    boot: bytes
    hour: int


class NewChunk(NamedTuple):
    """A chunk to be stored. `arrived_at` is when the last of its records arrived. A bucket collects `loose` chunks,
    until they are put together into one that is not."""

    bucket: Bucket
    rows: int
    arrived_at: float
    loose: bool
    data: bytes


class ChunkHead(NamedTuple):
    """A stored chunk without its content. Ids rise, and are never used again."""

    id: int
    bucket: Bucket
    rows: int
    arrived_at: float
    loose: bool

    def kept(self, data: bytes, rows: int) -> NewChunk:
        """Return the chunk that takes the place of this one, with what is left of it."""
        return NewChunk(self.bucket, rows, self.arrived_at, self.loose, data)


class LooseBucket(NamedTuple):
    """A bucket of a hub with loose chunks."""

    hub: str
    bucket: Bucket


class BootClock(NamedTuple):
    """Offset from the monotonic ms of a boot to Unix ms, and the error of that."""

    offset_ms: int
    error_ms: int


class SeriesName(NamedTuple):
    """A series of one hub."""

    place: str
    metric: str
    device: str


class SeriesLine(NamedTuple):
    """A series as it is listed. `day` is the last day since 1970 of which there are readings; `classes` has a bit for
    each of `reading_rules.CLASSES` in whose chunks they are put."""

    name: SeriesName
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


class SeriesSeen(NamedTuple):
    """What is known of a series before a compaction: its class, the last day with readings, and in which classes'
    chunks it has any."""

    privacy: str
    day: int
    classes: int


class ErasureJob(NamedTuple):
    """An order to erase and how far it was executed: chunks up to the id `cursor` hold nothing of it. `record` is the
    id of the record that brought it; `readings` counts what was erased, `late` what arrived later and was left out,
    `left` readings of its device that it does not reach, since they are not personal. Without `done_at`, bytes may be
    left."""

    order: ErasureOrder
    record: int
    cursor: int = 0
    readings: int = 0
    late: int = 0
    done_at: float | None = None
    left: int = 0


class Belief(NamedTuple):
    """For how many days each class is kept (0: for ever), and the last moment of the clock that ingest believed."""

    days: dict[str, int]
    believed: float | None


class AsideAlarm(NamedTuple):
    """The alarm of a body that is set aside: its sentence, with code and parameters."""

    detail: str
    coded: bytes | None


@dataclass
class Changes:
    """Changes of one hub, written in one transaction. None of `through`: the watermark stays. What is dropped is
    overwritten, and bodies up to the watermark are dropped with it."""

    through: int | None = None
    aside: list[tuple[int, str]] = field(default_factory=list)  # bodies that cannot be read, and why: to quarantine
    alarm: AsideAlarm | None = None  # of these
    put: list[NewChunk] = field(default_factory=list)
    drop: list[int] = field(default_factory=list)
    settle: list[int] = field(default_factory=list)  # chunks that are loose no more
    names: list[Names] = field(default_factory=list)  # in the place of those with the same number
    forget_names: list[int] = field(default_factory=list)  # epochs, where none of their bodies came meanwhile
    series: list[SeriesLine] = field(default_factory=list)
    forget_series: list[SeriesName] = field(default_factory=list)
    jobs: list[ErasureJob] = field(default_factory=list)  # in the place of those with the same order
    purged: tuple[str, int, float] | None = None  # privacy class, readings, moment


class HubSnapshot(Protocol):
    """One hub at one moment, whatever is written meanwhile. Any thread, one at a time."""

    @property
    def version(self) -> int: ...
    @property
    def through(self) -> int:
        """The watermark: id of the last record whose readings are in chunks, 0 before the first."""

    def bodies(self, most: int = -1, after: int = 0) -> Iterator[Body]:
        """Yield the bodies above the watermark, of records after the id `after`, by their ids."""

    def aside(self) -> int:
        """Return how many bodies are in quarantine."""

    def names(self, epoch: int) -> list[Names]:
        """Return the names of an epoch, by their numbers."""

    def named_epochs(self) -> list[int]:
        """Return the epochs of this hub that have names stored."""

    def heads(self, first: int | None = None, last: int | None = None, boot: bytes | None = None) -> list[ChunkHead]:
        """Return the chunks with hours `first` … `last`, of one boot or of all, by hour and id."""

    def boots(self) -> list[bytes]:
        """Return the boots that have chunks of their own."""

    def after(self, chunk: int, most: int) -> list[ChunkHead]:
        """Return the chunks with greater ids, by their ids."""

    def data(self, chunk: int) -> bytes: ...

    def clocks(self) -> dict[bytes, BootClock]:
        """Return the boots whose time is known."""

    def jobs(self) -> list[ErasureJob]:
        """Return all orders to erase, in the order of their records."""

    def series(self, names: Iterable[SeriesName]) -> dict[SeriesName, SeriesSeen]:
        """Return those of the series that are known."""

    def all_series(self, most: int) -> dict[SeriesName, SeriesSeen] | None:
        """Return all series of the hub; None where there are more than `most`."""

    def classes_of(self, device: str, metric: str) -> int:
        """Return in which classes' chunks this metric of a device may be: bits, all of them where that is not known."""

    def series_named(self, name: str) -> list[SeriesName]:
        """Return the series whose zone, place or device has this name."""

    def personal_before(self, day: int) -> list[SeriesName]:
        """Return series of class personal whose last reading is of a day before."""


class Bodies(Protocol):
    """Bodies that ingest adds, inside its transaction."""

    def named(self, hub: str, epoch: int) -> bool:
        """Return whether names of an epoch are stored: they are dropped once nothing needs them."""

    def add_names(self, hub: str, names: Names) -> None:
        """Store names, unless this number of the epoch is stored already."""

    def add(self, hub: str, body: Body) -> None: ...

    def order(self, hub: str, order: ErasureOrder, record: int) -> bool:
        """Store an order to erase; return whether it is new. Readers leave out at once what it reaches."""


class Chunks(Protocol):
    """Bodies and chunks for one compactor, in short transactions of its own. Raises StorageError."""

    def compact_alone(self) -> bool:
        """Take the right to compact this database, which ends with the process; return whether nobody else has it."""

    def upkeep(self) -> None:
        """Do what this engine needs now and then, so that room is given back. Call it before each piece of work."""

    def waiting(self, before: float, most: int) -> list[str]:
        """Return the hubs with a body above their watermark that arrived before, the one that waits longest first."""

    def loose(self, before: float, crowd: int, most: int) -> list[LooseBucket]:
        """Return buckets whose last loose chunk arrived before, and those with more than `crowd` of them."""

    def unfinished(self, most: int) -> list[str]:
        """Return hubs with orders to erase that are not done."""

    def expired(self, privacy: str, before: float, now: float, most: int) -> list[tuple[str, ChunkHead]]:
        """Return chunks of a class that ended before this moment. By arrival instead: those of a boot whose time is
        unknown, and those that begin after `now`."""

    def hubs(self) -> list[str]:
        """Return the hubs that have chunks."""

    def belief(self) -> Belief: ...

    def snapshot(self, hub: str) -> AbstractContextManager[HubSnapshot]: ...

    def apply(self, hub: str, version: int, changes: Changes) -> bool:
        """Write all changes, durably; return False, with nothing changed, when the hub is not at this version."""

    def remove_traces(self, hub: str = "") -> bool:
        """Remove what was dropped from beside the tables (a write-ahead log, pages that are not in use); return whether
        it is done, or somebody reads, or of this hub bodies are left that were compacted."""

    def close(self) -> None:
        """Close it, and give the right to compact back."""


class PackedAccount(Protocol):
    """Lines of the account of records, one by one and packed (`backend.ingest.packed_records`). Inside a
    transaction."""

    def first_line(self, stream: int) -> int | None:
        """Return the lowest number of a stream that has a line of its own."""

    def lines(self, stream: int, first: int, last: int) -> list[tuple[int, bytes, float]]:
        """Return (number, digest, arrival) of the lines of these numbers."""

    def packed(self, stream: int, block: int) -> bytes | None: ...

    def replace(self, stream: int, block: int, data: bytes, first: int, last: int) -> None:
        """Store a packed block in the place of what it was, and delete the lines of its numbers `first` … `last`."""
