"""A PostgreSQL database open for writing, behind one session and one thread. See `backend.storage.engine.Storage`.

Any number of processes may be open beside it: see `writing`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from backend.storage import engine, tables
from backend.storage.chunks import Bodies as BodyTable
from backend.storage.chunks import HubSnapshot
from backend.storage.postgresql import migrations, partitions
from backend.storage.postgresql.alerts import Alerts, Anchors
from backend.storage.postgresql.bodies import Bodies
from backend.storage.postgresql.callbacks import Callbacks
from backend.storage.postgresql.clocks import Clocks
from backend.storage.postgresql.connection import Database
from backend.storage.postgresql.erasures import Erasures
from backend.storage.postgresql.hub_rows import HubRows
from backend.storage.postgresql.hub_snapshot import PostgresHubSnapshot
from backend.storage.postgresql.lookups import Lookups
from backend.storage.postgresql.moments import Moment
from backend.storage.postgresql.notes import AckNumbers, Notes, States
from backend.storage.postgresql.processes import Processes
from backend.storage.postgresql.records import Epochs, Records
from backend.storage.postgresql.registry import Hubs
from backend.storage.postgresql.retention import Retention
from backend.storage.postgresql.review import Review
from backend.storage.postgresql.series import Series
from backend.storage.postgresql.silences import Silences
from backend.storage.postgresql.streams import Streams
from backend.storage.postgresql.trials import Trials
from backend.storage.postgresql.unjudged import Alarms, Forks, Quarantine
from backend.storage.postgresql.writing import Writing
from backend.storage.processes import ProcessTable
from backend.storage.silences import SilenceTable
from hub.core.errors import HubError, StorageError


class PostgresStorage:
    """Writing side of the database. Use it from one thread at a time. Raises ConfigError for a URL, StorageError from
    the server, and for tables that this release does not work with."""

    shared = True

    def __init__(self, url: str, name: str = "ilot backend") -> None:
        self.database = Database(url, name=name)
        self.caches = engine.Caches()
        self._streams = Streams()
        self._writing = writing = Writing(
            self.database, self.caches, HubRows(self.caches, self._streams.fall_behind, self._streams.forget)
        )
        self._streams.begin_with(writing)
        bodies = Bodies(writing)
        for forget in (writing.forget, self._streams.forget, bodies.forget):
            self.caches.add(forget)
        self.streams: engine.Streams = self._streams
        self.epochs: engine.Epochs = Epochs(writing)
        self.records: engine.Records = Records(writing, self._streams)
        self.bodies: BodyTable = bodies
        self.clocks: engine.Clocks = Clocks(writing)
        self.series: engine.SeriesTable = Series(writing)
        self.alarms: engine.Alarms = Alarms(writing)
        self.forks: engine.Forks = Forks(writing)
        self.quarantine: engine.Quarantine = Quarantine(writing)
        self.states: engine.States = States(writing)
        self.erasures: engine.Erasures = Erasures(writing)
        self.retention: engine.Retention = Retention(writing)
        self.trials: engine.Trials = Trials(writing)
        self._notes = Notes(writing)
        self.notes: engine.Notes = self._notes
        self.numbers: engine.AckNumbers = AckNumbers(writing)
        self.registry: tables.HubTable = Hubs(writing)
        self.alerts: tables.AlertTable = Alerts(writing)
        self.anchors: tables.AnchorTable = Anchors(writing)
        self.lookups: tables.LookupTable = Lookups(writing)
        self.callbacks: tables.CallbackTable = Callbacks(writing)
        self.review: tables.ReviewTable = Review(writing)
        self.silences: SilenceTable = Silences(writing)
        self.processes: ProcessTable = Processes(writing)
        self._hour = -1  # up to which partitions were made
        self._prepare()

    @contextmanager
    def transaction(self, hubs: Collection[str] = ()) -> Iterator[None]:
        """See `engine.Storage.transaction`."""
        if partitions.hour_of(time.time()) > self._hour:
            self._prepare()
        try:
            with self.database.transaction() as session:
                self._writing.begin(session, hubs)
                self._streams.read_on(hubs)
                yield
                for hub in self._streams.hubs_to_save():
                    self._writing.hold(hub, raised=True)
                self._writing.finish(self._streams.save())
            self._writing.committed()
            self._notes.ended(committed=True)
        except engine.HubMoved:
            self._writing.moved()
            raise
        except BaseException as error:
            if not self._is_answer(error):
                self.caches.forget()
            raise
        finally:
            self._writing.end()
            self._notes.ended(committed=False)
        self._streams.saved()

    def seen(self, hub: str) -> HubSnapshot:
        """See `engine.Storage.seen`. Each question sees what is committed by then; the hub's row holds others off."""
        self._writing.flush()
        return PostgresHubSnapshot(Moment(self.database, self.database.session()), hub)

    def remove_traces(self) -> bool:
        """See `engine.Storage.remove_traces`: rewrites the tables of evidence from which this process deleted. What is
        in the write-ahead log, its archive and backups stays as long as these are kept."""
        return self._writing.rewrite_deleted()

    def close(self) -> None:
        self.database.close()

    def _prepare(self) -> None:
        """Check that this release may work with the tables, and make the partitions of the next hours."""
        with self.database.errors():
            migrations.check(self.database.session(), self.database.place)
        now = time.time()
        with self.database.transaction() as session:
            partitions.ensure(session, now)
        self._hour = partitions.hour_of(now)

    def _is_answer(self, error: BaseException) -> bool:
        """Return whether a transaction ended before it changed anything, because somebody is refused: what is cached
        holds."""
        refused = isinstance(error, HubError) and not isinstance(error, StorageError)
        return refused and self._writing.unchanged and not self._streams.changed
