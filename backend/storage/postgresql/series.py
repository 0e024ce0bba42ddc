"""Series in PostgreSQL: workers list them, the compactor tells of which days and classes there are chunks. See
`backend.storage.engine.SeriesTable`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backend.storage.chunks import SeriesLine, SeriesName
from backend.storage.postgresql.rewriting import SERIES
from backend.storage.postgresql.texts import as_json, stored
from backend.storage.postgresql.writing import Writing
from backend.storage.reading_rules import PERSONAL

_COLUMNS = (
    "place", "metric", "device", "privacy", "day", "classes", "unit", "resolution", "kind", "device_class",
    "state_class", "site", "zone", "model", "integration",
)  # fmt: skip
_NUMBERS = ("day", "classes")
_GIVEN = ", ".join(f"(e->>{at})::integer" if name in _NUMBERS else f"e->>{at}" for at, name in enumerate(_COLUMNS))
PUT = (
    f"insert into series (hub, {', '.join(_COLUMNS)})"  # noqa: S608
    f" select %s::integer, {_GIVEN} from jsonb_array_elements(%s::jsonb) e"
    " on conflict (hub, place, metric, device) do update set unit = excluded.unit, resolution = excluded.resolution,"
    " kind = excluded.kind, device_class = excluded.device_class, state_class = excluded.state_class,"
    " site = excluded.site, zone = excluded.zone, model = excluded.model, integration = excluded.integration,"
    " privacy = case series.privacy when 'personal' then 'personal' else excluded.privacy end,"
    " day = greatest(series.day, excluded.day), classes = series.classes | excluded.classes"
)
"""A series that was personal once stays so as a whole: its readings are not told apart by when they came."""
_TOLD = ("unit", "resolution", "kind", "device_class", "state_class", "site", "zone", "model", "integration")
_KNOWN = (
    f"select s.place, s.metric, s.device, s.privacy, s.day, s.classes, {', '.join('s.' + name for name in _TOLD)}"  # noqa: S608
    " from series s join (select e->>0 as place, e->>1 as metric, e->>2 as device"
    " from jsonb_array_elements(%s::jsonb) e) g using (place, metric, device) where s.hub = %s"
)
_NEWEST_OF_HUBS = (
    "select (select hour from chunks where hub = s.hub and boot = '' order by hour desc limit 1) from hub_states s"
    " where s.seen_at between %s and %s"
)


class Series:
    """The table `series`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def register(self, hub: str, lines: Sequence[SeriesLine]) -> set[str]:
        """See `engine.SeriesTable.register`. Each worker lists what it meets for the first time; what is listed as it
        is already is not written, since that would make the other workers forget the hub."""
        number = self._writing.numbered(hub)
        known = {
            SeriesName(*row[:3]): SeriesLine(SeriesName(*row[:3]), *row[3:])
            for row in self._writing.ask(_KNOWN, (as_json({one.name: None for one in lines}), number))
        }
        fresh = [one for one in lines if not _listed(known.get(one.name), one)]
        for some in lists(fresh):
            self._writing.change(PUT, (number, some), hub=hub)
        before = {name: line.privacy for name, line in known.items()}
        return {
            one.name.device for one in fresh if one.privacy == PERSONAL and before.get(one.name, PERSONAL) != PERSONAL
        }

    def forget(self, hub: str, name: str) -> None:
        """See `engine.SeriesTable.forget`. The table is noted to be written anew before an order is confirmed."""
        self._writing.write(hub)
        number = self._writing.numbered(hub)
        if self._writing.change("delete from series where hub = %s and %s in (zone, place, device)", (number, name)):
            self._writing.change("insert into rewriting values (%s) on conflict do nothing", (SERIES,))

    def newest_of_hubs(self, since: float, until: float) -> list[float]:
        rows = self._writing.ask(_NEWEST_OF_HUBS, (since, until))
        return [hour * 3600.0 for (hour,) in rows if hour is not None]


def lists(lines: Iterable[SeriesLine]) -> Iterator[str]:
    """Yield what `PUT` takes, in the order of the lines: one statement cannot write a row twice."""
    waiting = list(lines)
    while waiting:
        now: dict[tuple[str, ...], SeriesLine] = {}
        later = []
        for line in waiting:
            plain = "".join(line.name).isprintable()
            if now.setdefault(line.name if plain else tuple(map(stored, line.name)), line) is not line:
                later.append(line)
        yield as_json((*line.name, *line[1:]) for line in now.values())
        waiting = later


def _listed(known: SeriesLine | None, line: SeriesLine) -> bool:
    """Return whether a series is listed as this line says, but for a class that is kept and a day that is not over."""
    if known is None or known.day < line.day or line.classes & ~known.classes:
        return False
    privacy = PERSONAL if known.privacy == PERSONAL else line.privacy
    return known == line._replace(privacy=privacy, day=known.day, classes=known.classes)
