"""A SQLite database open for writing, behind one connection and one thread. See `backend.storage.engine.Storage`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.storage import engine
from backend.storage.chunks import Bodies, HubSnapshot
from backend.storage.sqlite import schema
from backend.storage.sqlite.bodies import SqliteBodies
from backend.storage.sqlite.chunks import SqliteHubSnapshot
from backend.storage.sqlite.clocks import Clocks
from backend.storage.sqlite.erasures import Erasures
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.notes import AckNumbers, Notes, States
from backend.storage.sqlite.records import Epochs, Records
from backend.storage.sqlite.retention import Retention
from backend.storage.sqlite.series import Series
from backend.storage.sqlite.streams import Streams
from backend.storage.sqlite.tables import SqliteTables
from backend.storage.sqlite.trials import Trials
from backend.storage.sqlite.unjudged import Alarms, Forks, Quarantine
from hub.core.errors import HubError, StorageError


class SqliteStorage(SqliteTables):
    """Writing side of the database. Use it from one thread at a time. Raises StorageError from the disk."""

    shared = False

    def __init__(self, path: Path) -> None:
        connection = schema.open_database(path)
        super().__init__(connection)
        self.caches = engine.Caches()
        self._streams, self._bodies = Streams(connection), SqliteBodies(connection)
        self.streams: engine.Streams = self._streams
        self.epochs: engine.Epochs = Epochs(connection)
        self.records: engine.Records = Records(connection)
        self.bodies: Bodies = self._bodies
        self.clocks: engine.Clocks = Clocks(connection)
        self.series: engine.SeriesTable = Series(connection)
        self.alarms: engine.Alarms = Alarms(connection)
        self.forks: engine.Forks = Forks(connection)
        self.quarantine: engine.Quarantine = Quarantine(connection)
        self.states: engine.States = States(connection)
        self.erasures: engine.Erasures = Erasures(connection)
        self.retention: engine.Retention = Retention(connection)
        self.trials: engine.Trials = Trials(connection)
        self.notes: engine.Notes = Notes(connection)
        self._numbers = AckNumbers(connection, path)
        self.numbers: engine.AckNumbers = self._numbers
        self.caches.add(self._streams.forget)
        self.caches.add(self._bodies.forget)

    @contextmanager
    def transaction(self, hubs: Collection[str] = ()) -> Iterator[None]:
        before = self.connection.total_changes()
        try:
            with refusals(), schema.transaction(self.connection):
                yield
                self._streams.save()
        except BaseException as error:
            self._numbers.rolled_back()
            if not self._is_answer(error, before):
                self.caches.forget()
            raise
        self._streams.saved()

    def seen(self, hub: str) -> HubSnapshot:
        with refusals():
            return SqliteHubSnapshot(self.connection, hub)

    def remove_traces(self) -> bool:
        self.connection.set_busy_timeout(0)
        try:
            with refusals():
                return self.connection.execute("pragma wal_checkpoint(truncate)").fetchall()[0][0] == 0
        finally:
            self.connection.set_busy_timeout(schema.BUSY_MS)

    def _is_answer(self, error: BaseException, before: int) -> bool:
        """Return whether a transaction ended before it changed anything, because somebody is refused: what is cached
        holds. Anybody may ask with a wrong token, and must not make every hub's epoch be opened again."""
        refused = isinstance(error, HubError) and not isinstance(error, StorageError)
        unchanged = self.connection.total_changes() == before
        return refused and unchanged and not self._streams.changed
