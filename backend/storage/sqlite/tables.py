"""One open SQLite database beside records and readings. See `backend.storage.tables.Tables`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from backend.storage.processes import ProcessTable
from backend.storage.silences import SilenceTable
from backend.storage.sqlite import schema
from backend.storage.sqlite.alerts import Alerts, Anchors
from backend.storage.sqlite.callbacks import Callbacks
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.lookups import Lookups
from backend.storage.sqlite.processes import Processes
from backend.storage.sqlite.registry import Hubs
from backend.storage.sqlite.review import Review
from backend.storage.sqlite.silences import Silences
from backend.storage.tables import AlertTable, AnchorTable, CallbackTable, HubTable, LookupTable, ReviewTable


class SqliteTables:
    """The tables beside records and readings, over one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.registry: HubTable = Hubs(connection)
        self.alerts: AlertTable = Alerts(connection)
        self.anchors: AnchorTable = Anchors(connection)
        self.lookups: LookupTable = Lookups(connection)
        self.callbacks: CallbackTable = Callbacks(connection)
        self.review: ReviewTable = Review(connection)
        self.silences: SilenceTable = Silences(connection)
        self.processes: ProcessTable = Processes(connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with refusals(), schema.transaction(self.connection):
            yield

    def close(self) -> None:
        self.connection.close()
