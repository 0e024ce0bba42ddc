"""Series in SQLite: ingest lists them, the compactor tells of which days and classes there are chunks. See
`backend.storage.engine.SeriesTable`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import apsw

from backend.storage.chunks import SeriesLine, SeriesName
from backend.storage.reading_rules import PERSONAL
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.overwriting import overwriting

NAMED = (
    "select place, metric, device from series where +hub = ?1 and zone = ?2",
    "select place, metric, device from series where hub = ?1 and place = ?2",
    "select place, metric, device from series where +hub = ?1 and device = ?2",
)
"""Looked up by name, not by hub (`+`): a hub that orders without end must not have all its series read each time. The
indexes are those of `erasures` and `lookups`."""
PUT = (
    "insert into series (hub, place, metric, device, privacy, day, classes, unit, resolution, kind, device_class,"
    " state_class, site, zone, model, integration) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " on conflict (hub, place, metric, device) do update set unit = excluded.unit, resolution = excluded.resolution,"
    " kind = excluded.kind, device_class = excluded.device_class, state_class = excluded.state_class,"
    " site = excluded.site, zone = excluded.zone, model = excluded.model, integration = excluded.integration,"
    " privacy = case series.privacy when 'personal' then 'personal' else excluded.privacy end,"
    " day = max(coalesce(series.day, 0), excluded.day), classes = coalesce(series.classes, 0) | excluded.classes"
)
"""A series that was personal once stays so as a whole: its readings are not told apart by when they came."""
DELETE = "delete from series where hub = ? and place = ? and metric = ? and device = ?"
_PRIVACY = "select privacy from series where hub = ? and place = ? and metric = ? and device = ?"
_NEWEST_OF_HUBS = (
    "select (select hour from chunks where hub = c.number and boot = x'' order by hour desc limit 1)"
    " from compacted c join hubs h on h.hub = c.hub where h.seen_at between ? and ?"
)


class Series:
    """The table `series`, in the transaction of ingest."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def register(self, hub: str, lines: Sequence[SeriesLine]) -> set[str]:
        turned = set()
        for line in lines:
            known = self._db.execute(_PRIVACY, (hub, *line.name)).get
            if line.privacy == PERSONAL and known not in (None, PERSONAL):
                turned.add(line.name.device)
            self._db.execute(PUT, (hub, *line.name, *line[1:]))
        return turned

    @refusals()
    def forget(self, hub: str, name: str) -> None:
        with overwriting(self._db):
            for series in named(self._db, hub, name):
                self._db.execute(DELETE, (hub, *series))

    @refusals()
    def newest_of_hubs(self, since: float, until: float) -> list[float]:
        rows = self._db.execute(_NEWEST_OF_HUBS, (since, until)).fetchall()
        return [cast(int, hour) * 3600.0 for (hour,) in rows if hour is not None]


def named(db: apsw.Connection, hub: str, name: str) -> list[SeriesName]:
    """Return the series of a hub whose zone, place or device has this name."""
    found = {
        SeriesName(*cast("tuple[str, str, str]", row))
        for statement in NAMED
        for row in db.execute(statement, (hub, name)).fetchall()
    }
    return sorted(found)
