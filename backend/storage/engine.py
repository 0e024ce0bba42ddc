"""Operations that the backend asks of a database for writing: Protocols, one for each matter, and plain records.

An engine stores and finds. What follows from what it finds is decided by its caller: which alarm, which quota, which
series an erasure reaches, what a state means. No signature names SQL, a connection or an engine's exception: a disk or
a server that refuses is a StorageError, and a row that is refused for what it holds is a RowRefused.

One thread uses a Storage. Its operations run inside `transaction()`, except where they say otherwise, and find what was
stored before them in it. Whatever concerns one hub names it, directly or by its Stream. Times are Unix seconds unless
their names end in `_ms`; `now` is this machine's clock, judged by the caller.

The reading side, a snapshot from any thread, is `backend.storage.queries`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from backend.storage.epoch_context import Context
from backend.storage.tables import Tables
from hub.core.errors import StorageError
from hub.protocol.ranges import Range, Ranges
from hub.protocol.records.opening import ClockMark, Gap

if TYPE_CHECKING:
    from backend.storage.chunks import Bodies, HubSnapshot, SeriesLine

if TYPE_CHECKING:
    from backend.storage.chunks import Bodies


class RowRefused(StorageError):
    """The database refuses what a row holds, or lacks what the row belongs to: to try again helps nothing."""


class StandbyAway(StorageError):
    """The database waited in vain for the standby that must have each transaction too: any other one would wait as
    long. Nothing of this one may be acknowledged, though it may be stored."""


class HubMoved(StorageError):
    """Another process wrote something of a hub since what is remembered of it was read. Nothing of the transaction is
    stored, and what is wrong is forgotten: the same transaction may be tried again at once."""


@dataclass(slots=True)
class Stream:
    """A stream: (hub, run, stream). `stored` are the committed numbers, `forked` those that arrived with two contents,
    `announced` the highest number that the hub said exists."""

    id: int
    hub: str
    run: bytes
    stream: str
    stored: Ranges = field(default_factory=Ranges)
    forked: Ranges = field(default_factory=Ranges)
    readings: int = 0
    announced: int = 0


class RecordLine(NamedTuple):
    """The line of a record in the account of what was received. `epoch` is the number of its epoch here."""

    seq: int
    digest: bytes
    epoch: int
    kind: int
    readings: int


class StatedBefore(NamedTuple):
    """The last accepted state of a hub, as it signed it, its identity, and when it arrived."""

    body: bytes
    identity: bytes
    at: float


class HeldEvidence(NamedTuple):
    """Rows and bytes that are held of a hub for a person to judge."""

    rows: int
    size: int


class DoneErasure(NamedTuple):
    """An executed order: how many readings are gone, and how many of other classes are left."""

    id: str
    readings: int
    left: int


class ErasureOrder(NamedTuple):
    """An order of a hub to erase what is stored under a name."""

    id: str
    kind: str
    name: str
    until_ms: int
    at: float


class Trial(NamedTuple):
    """A hub that was admitted for a trial, and when."""

    hub: str
    since: float


Forget = Callable[[str | None], None]


class Caches:
    """Those who remember something of the database: told when a hub's part of it, or all of it, may be wrong."""

    def __init__(self) -> None:
        self._known: list[Forget] = []
        self._of_states: list[Forget] = []

    def add(self, forget: Forget, *, of_states: bool = False) -> None:
        """Have `forget` called with a hub, or with None for all hubs, after a transaction failed or another wrote.
        It must not ask the database, which may refuse at that moment. `of_states`: what it forgets follows from what
        hubs stated last, and from nothing else."""
        self._known.append(forget)
        if of_states:
            self._of_states.append(forget)

    def forget(self, hub: str | None = None) -> None:
        for one in self._known:
            one(hub)

    def forget_state(self, hub: str) -> None:
        """Have forgotten what follows from a hub's last state: another wrote that, and nothing else."""
        for one in self._of_states:
            one(hub)


class Streams(Protocol):
    """Streams: one object for each while it is cached, so that a change is seen by all who hold it."""

    def find(self, hub: str, run: bytes, stream: str) -> Stream | None: ...

    def numbered(self, number: int) -> Stream | None:
        """Return the stream of this number, None when there is none."""

    def begin(self, hub: str, run: bytes, stream: str, now: float) -> Stream:
        """Create a stream that does not exist."""

    def begun(self, hub: str) -> list[float]:
        """Return when each stream of a hub began."""

    def of(self, hub: str) -> list[Stream]: ...

    def numbers(self) -> list[int]:
        """Return the numbers of all streams. Also outside a transaction."""

    def change(self, stream: Stream) -> None:
        """Have this transaction store what was changed in `stream`."""

    def follow(self, stream: Stream, previous: bytes) -> None:
        """Store the run before that of `stream`."""

    def trim(self, stream: Stream) -> None:
        """Drop a stream that nobody needs now from a cache that is full."""


class Epochs(Protocol):
    """Epochs and their TABLE records, as they arrived."""

    def find(self, eid: bytes) -> Context | None: ...

    def numbered(self, number: int) -> Context | None: ...

    def add(self, stream: Stream, eid: bytes, raw: bytes, now: float) -> Context:
        """Store an epoch; replace the same one where that was damaged, keeping its tables."""

    def add_table(self, hub: str, epoch: int, number: int, raw: bytes) -> None:
        """Store a TABLE record; replace the same one where that was damaged."""


class Records(Protocol):
    """The account of what was received: one line for each record, one for each declared gap."""

    def digest(self, stream: Stream, seq: int) -> bytes | None:
        """Return the digest stored under this number, None when there is no such record."""

    def add(self, stream: Stream, line: RecordLine, now: float) -> int:
        """Store the line of a new record; return its id, the origin of its readings."""

    def last(self) -> int:
        """Return the id of the newest record, 0 before the first."""

    def numbers(self, stream: Stream) -> Ranges:
        """Return the numbers that have a line of their own. Also outside a transaction."""

    def add_gap(self, hub: str, gap: Gap, record: int, now: float) -> None:
        """Store a declared gap, unless a stored one covers it."""

    def gaps(self, hub: str, run: bytes, stream: str) -> Iterator[Range]:
        """Yield the ranges that a hub declared lost, by their first numbers; one may overlap the next. Also outside a
        transaction."""

    def newest_arrival(self) -> float | None:
        """Return when the last record arrived, None where there is none."""


class Clocks(Protocol):
    """Clocks of boots, which date the readings that came without a time."""

    def offset(self, hub: str, boot: bytes) -> int | None:
        """Return the offset from a boot's monotonic ms to Unix ms, 0 for rows in UTC; None while it is unknown."""

    def note(self, hub: str, mark: ClockMark) -> None:
        """Store the clock of a boot, unless a more exact mark of it is stored. A mark that `reading_rules.check_mark`
        refuses must not be passed."""


class SeriesTable(Protocol):
    """Series that the hubs' records name, listed as soon as one arrives. Callers use
    `backend.readings.series_register`."""

    def register(self, hub: str, lines: Sequence[SeriesLine]) -> set[str]:
        """Store series. One that was personal stays so; return the devices of which a known one is personal from now
        on."""

    def forget(self, hub: str, name: str) -> None:
        """Delete, overwritten, the series of a hub whose zone, place or device is this name."""

    def newest_of_hubs(self, since: float, until: float) -> list[float]:
        """Return the newest hour of which each hub that was seen between these moments has readings in chunks."""


class Alarms(Protocol):
    """Alarms, which wait for a person to know of them. Callers use `backend.hubs.alarms`."""

    def raise_one(self, kind: str, hub: str, detail: str, coded: bytes | None, now: float, most: int) -> bool:
        """Raise an alarm, if it is not open already and fewer than `most` of its kind and hub are; return whether it is
        open now."""

    def clear(self, kind: str, hub: str, detail: str, now: float) -> None: ...

    def clear_kind(self, kind: str, now: float) -> None:
        """Clear all open alarms of a kind, of whichever hub."""

    def was_raised(self, kind: str, hub: str) -> bool:
        """Return whether there is an alarm of this kind and hub, open or cleared."""


class Forks(Protocol):
    """Second contents of numbers, for a person to judge."""

    def has(self, stream: Stream, seq: int, digest: bytes) -> bool: ...

    def add(self, stream: Stream, seq: int, digest: bytes, eid: bytes, raw: bytes, now: float) -> None: ...


class Quarantine(Protocol):
    """Bytes that cannot be read, for a person to judge."""

    def has(self, hub: str, digest: bytes) -> bool: ...

    def add(self, hub: str, reason: str, digest: bytes, body: bytes, epoch: int | None, now: float) -> None: ...

    def held(self, hub: str) -> HeldEvidence:
        """Return what is held of a hub in quarantine and of forks together."""


class States(Protocol):
    """Last states of hubs, as they signed them."""

    def last(self, hub: str) -> StatedBefore | None:
        """Return the last accepted state of a hub; None where there is none. Also outside a transaction."""

    def put(self, hub: str, body: bytes, now: float) -> None: ...


class Erasures(Protocol):
    """Orders to erase, which hold for what arrives later too. They come by `backend.storage.chunks.Bodies.order`, and
    the compactor carries them out."""

    def hidden(self, hub: str) -> dict[str, str]:
        """Return each name that an order of a hub reaches whole, with the id of that order."""

    def add_late(self, hub: str, order: str, count: int) -> None:
        """Count readings that arrived after an order that reaches them whole."""

    def done(self, hub: str, most: int) -> list[DoneErasure]:
        """Return what was executed for a hub, the newest first. Also outside a transaction."""


class Retention(Protocol):
    """Deletion of what is too old, by the classes of `backend.readings.retention`. What is deleted is overwritten."""

    def days(self) -> dict[str, int]:
        """Return the days of each class; 0: for ever."""

    def set_days(self, privacy: str, days: int) -> None: ...

    def delete_others(self, kind: str, before: float, most: int) -> int:
        """Delete at most `most` rows of a class that is not of readings, which the compactor deletes; return how
        many."""

    def count(self, privacy: str, removed: int, now: float) -> None:
        """Count what was deleted of a class."""


class Trials(Protocol):
    """Tokens for a trial, and hubs that were admitted by one. Callers use `backend.ingest.trials`."""

    def expect(self, token: str) -> None:
        """Note that a token is for a trial."""

    def expected(self, token: str) -> bool:
        """Return whether a token is for a trial. Also outside a transaction."""

    def begun(self) -> list[Trial]:
        """Return the hubs on trial. Also outside a transaction."""

    def forget_unused(self, now: float) -> None:
        """Delete tokens for a trial that admit nobody any more and never did."""

    def remove(self, hub: str, most: int) -> bool:
        """Delete about `most` rows of a hub, overwritten, whatever they hold; with the last ones its line in the
        registry and its tokens. Return whether nothing is left of it."""


class Notes(Protocol):
    """Single facts that outlive a process."""

    def believed(self) -> float | None:
        """Return the last moment of this machine's clock that was believed; None before the first. Also outside a
        transaction."""

    def believe(self, now: float) -> None: ...

    def journal_end(self) -> tuple[int, int]:
        """Return (file, offset) up to which a former release's journal is stored; zeros before the first. Also outside
        a transaction."""

    def put_journal_end(self, end: tuple[int, int]) -> None: ...

    def wish(self, hub: str, now: float) -> None:
        """Store a person's request that a hub sends again what is missing of it."""

    def take_wishes(self) -> list[str]:
        """Return the hubs with such a request, each once to each process that takes messages."""


class AckNumbers(Protocol):
    """Identity of this database, and numbers of acknowledgements."""

    def begin(self) -> bool:
        """Take the identity up; return whether this is an older database that was put back, which has another identity
        from now on: hubs then start its ack set anew. Call it once, in the process that acknowledges."""

    @property
    def database(self) -> bytes: ...

    def draw(self, hub: str, count: int) -> int:
        """Draw `count` numbers of acknowledgements for a hub, one after another; return the first. None repeats, also
        after a crash or after the database was put back. They are drawn in the transaction that stores what they
        acknowledge, and so are used only after it: one that only draws writes too, or a duplicate could be acknowledged
        by what a standby never got."""


class Storage(Tables, Protocol):
    """One database, open for writing. `shared`: other processes take messages of the same hubs."""

    caches: Caches
    shared: bool

    @property
    def streams(self) -> Streams: ...
    @property
    def epochs(self) -> Epochs: ...
    @property
    def records(self) -> Records: ...
    @property
    def bodies(self) -> Bodies: ...
    @property
    def clocks(self) -> Clocks: ...
    @property
    def series(self) -> SeriesTable: ...
    @property
    def alarms(self) -> Alarms: ...
    @property
    def forks(self) -> Forks: ...
    @property
    def quarantine(self) -> Quarantine: ...
    @property
    def states(self) -> States: ...
    @property
    def erasures(self) -> Erasures: ...
    @property
    def retention(self) -> Retention: ...
    @property
    def trials(self) -> Trials: ...
    @property
    def notes(self) -> Notes: ...
    @property
    def numbers(self) -> AckNumbers: ...

    def seen(self, hub: str) -> HubSnapshot:
        """Return what is stored of a hub as this transaction sees it."""

    def transaction(self, hubs: Collection[str] = ()) -> AbstractContextManager[None]:
        """Run the block in one transaction, durable on leaving. When it fails after it changed something, every cache
        is told to forget.

        `hubs` are those about which the block decides by what is remembered of them. Where several processes write, it
        raises HubMoved when one of them has another version by then. A block without `hubs` raises it only for a stream
        that it changes."""

    def remove_traces(self) -> bool:
        """Remove what was erased from beside the tables (a write-ahead log); return whether it is done, or somebody
        reads. Outside any transaction."""
