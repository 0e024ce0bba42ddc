"""The register as a viewer's catalogue: read within the scope, whole or one thing. Blocking; any thread.

A whole catalogue is kept for KEPT_S, by scope, so that a client that pages through 20,000 things reads them once. The
scope is in the query and in the key: nobody is handed another's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from backend.city.open_api.model import Catalogue
from backend.city.people.viewer import Scope
from backend.storage.city import open_api as tables
from backend.storage.city.database import CityDatabase, Reader
from backend.storage.city.open_api import LatestRow

KEPT_S = 2.0
MOST_KEPT = 4


class Catalogues:
    """Catalogues of one city."""

    def __init__(self, database: CityDatabase, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._clock = database, clock
        self._kept: dict[Scope, tuple[float, Catalogue]] = {}
        self._lock = threading.Lock()

    def whole(self, scope: Scope) -> Catalogue:
        """Return all that a scope shows. Raises StorageError."""
        with self._lock:
            until, kept = self._kept.get(scope, (0.0, None))
        if kept is not None and self._clock() < until:
            return kept
        made = self._read(scope, None)
        with self._lock:
            while len(self._kept) >= MOST_KEPT:
                del self._kept[min(self._kept, key=lambda one: self._kept[one][0])]
            self._kept[scope] = self._clock() + KEPT_S, made
        return made

    def of_thing(self, scope: Scope, thing: int) -> Catalogue:
        """Return one thing with its series, nothing where the scope does not show it. Raises StorageError."""
        return self._read(scope, thing)

    def of_series(self, scope: Scope, series: int) -> Catalogue:
        """Return the thing that has a series, likewise. Raises StorageError."""
        with self._database.snapshot() as reader:
            thing = tables.thing_of_series(reader, series)
        return self._read(scope, -1 if thing is None else thing)

    def latest(self, scope: Scope, thing: int | None = None) -> dict[int, LatestRow]:
        """Return the newest readings by the numbers of their series, of all or of one thing. Raises StorageError."""
        with self._database.snapshot() as reader:
            return {row.series: row for row in tables.latest(reader, scope, thing)}

    def _read(self, scope: Scope, thing: int | None) -> Catalogue:
        with self._database.snapshot() as reader:
            made, complete = _catalogue(reader, scope, thing)
        if not complete:  # a metric is seen for the first time
            with self._database.transaction() as t:
                tables.number_metrics(t)
            with self._database.snapshot() as reader:
                made, _ = _catalogue(reader, scope, thing)
        return made


def _catalogue(reader: Reader, scope: Scope, thing: int | None) -> tuple[Catalogue, bool]:
    series = tables.series(reader, scope, thing)
    made = Catalogue(tables.things(reader, scope, thing), series, tables.site_names(reader))
    return made, all(row.property is not None for row in series)
