"""Making of published cells: what is due, and what a pass writes, in one transaction. Blocking; any thread.

A pass over a data set is a pointer to its next cell. The first makes cells, two later ones look again for readings that
came late, and the officer may ask for another one. A pass writes its cells and moves its pointer in one transaction, on
the condition that nobody moved it: however often it is killed or begun twice, each cell is made once.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from backend.city.publication.calendar import DAY_S
from backend.city.publication.definition import Definition, Family, Statistic
from backend.city.publication.disclosure import Contributions, Release, merged, released, shown
from backend.city.publication.source import Found
from backend.storage.city import publication as table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.publication import FIRST, MASKED, WITHDRAWN, Cell, Member, Pointer, ReleaseLine

MOST_CELLS = 96
"""Columns of one pass at most: a day of quarters of an hour, or as many days."""
AGES = {
    Family.AMBIENT: (1 * DAY_S, 7 * DAY_S),
    Family.PRESENCE: (7 * DAY_S, 30 * DAY_S),
    Family.HOMES: (7 * DAY_S, 30 * DAY_S),
    Family.FIRMS: (7 * DAY_S, 30 * DAY_S),
}
"""How long after a cell was due it is looked at again; after the last time protected cells are final."""
TOTAL = "_total"
"""Area of the sum over all areas."""


class Pass(NamedTuple):
    """Cells to make: `starts` are their beginnings, `end` where the last one ends that is over. What the backend has
    begun to delete is not among them."""

    pointer: Pointer
    definition: Definition
    members: Sequence[Member]
    areas: Sequence[str]
    starts: Sequence[float]
    end: float


def read(line: table.SetLine) -> Definition:
    """Return the definition of a data set."""
    return msgspec.json.decode(line.definition, type=Definition)


def due(r: Reader, pointer: Pointer, now: float, kept: Mapping[str, int] = MappingProxyType({})) -> Pass | None:
    """Return the cells that a pointer may go over now; None where there are none. `kept`: privacy class → days for
    which the backend keeps readings, 0 for ever: of older ones a cell would be made of what is left."""
    line = table.data_set(r, pointer.dataset)
    if line is None or line.state != "published":
        return None
    one = read(line)
    age = 0 if pointer.number == FIRST or pointer.number >= table.ON_DEMAND else AGES[one.family][pointer.number - 1]
    ends = [now - one.delay_s - age, *(end for end in (one.until, pointer.until) if end is not None)]
    starts = one.calendar.starts(pointer.next, min(ends), most_cells(one))
    if not starts:
        return None
    areas = [area.id for area in table.areas(r, one.id) if area.id != TOTAL]
    whole = [start for start in starts if start >= now - one.kept_s(kept)]
    return Pass(pointer, one, table.members(r, one.id), areas, whole, one.calendar.end(starts[-1]))


def most_cells(one: Definition) -> int:
    """Return how many columns of a data set one pass has at most: readings of three months fit in memory."""
    return max(1, min(MOST_CELLS, MOST_CELLS * DAY_S // one.cell_s))


def write(t: Transaction, work: Pass, found: Found, now: float) -> int | None:
    """Write the cells of a pass, and move its pointer; return how many cells were made or corrected, None where
    somebody else did it or the data set was withdrawn meanwhile."""
    one, pointer = work.definition, work.pointer
    line = table.data_set(t, one.id)
    if line is None or line.state != "published" or not table.advance(t, pointer, work.end):
        return None
    again = pointer.number != FIRST
    number = table.next_release(t, one.id) if again else 1
    made: list[Cell] = []
    for start in work.starts:
        faults = table.faults(t, one.id, start)
        fresh = _protected(t, work, start, found.get(start, {}), now) if one.protected else _ambient(work, found, start)
        cells = [
            cell._replace(value=None, mark=WITHDRAWN) if {cell.area, ""} & faults else cell._replace(release=number)
            for cell in fresh
        ]
        made += _differing(t, one.id, start, cells) if again else cells
    table.put_cells(t, one.id, made)
    if again and made:
        table.add_release(t, one.id, ReleaseLine(number, now, "correction", work.starts[0], work.end, len(made), ""))
        table.drop_months(t, one.id, one.calendar.months(work.starts))
    if made:
        table.touch(t, one.id, now)
    if one.protected and pointer.number == len(AGES[one.family]):
        table.finish(t, one.id, work.end)
    if pointer.until is not None and one.calendar.end(work.end) > pointer.until:
        table.drop_pointer(t, pointer)
    return len(made)


def _ambient(work: Pass, found: Found, start: float) -> list[Cell]:
    cells = []
    for (area, metric), units in sorted(found.get(start, {}).items()):
        total = math.fsum(units.values())
        value = total if work.definition.statistic(metric) == Statistic.SUM else total / len(units)
        cells.append(Cell(start, area, metric, round(value, 4)))
    return cells


def _protected(
    t: Transaction, work: Pass, start: float, found: Mapping[tuple[str, str], Contributions], now: float
) -> list[Cell]:
    """Return the cells of the next release of a column; none where nothing changes."""
    one = work.definition
    former = table.ledger(t, one.id, start)
    if None in former:
        return []  # final
    states = {area: units for (area, _), units in found.items()}
    release = released([unpack(content) for content in former if content], states, work.areas, one.rules())
    if release is None:
        return []
    table.note_release(t, one.id, start, len(former) + 1, now, pack(release))
    return list(column(one, start, release))


def column(one: Definition, start: float, release: Release) -> Iterable[Cell]:
    """Yield the cells that a release tells: one for each area, masked or not, and the total's."""
    rules, metric = one.rules(), one.metrics[0]
    for area, units in sorted(release.states.items()):
        told = area in release.told
        yield Cell(start, area, metric, shown(units, rules) if told else None, "" if told else MASKED)
    if one.total:
        value = shown(merged(release.states.values()), rules) if release.total else None
        yield Cell(start, TOTAL, metric, value, "" if release.total else MASKED)


def _differing(t: Transaction, id: str, start: float, cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells that say something else than the published ones, or are new."""
    known = {
        (cell.area, cell.metric): (cell.value, cell.mark)
        for cell in table.Published(t).cells(id, start, math.nextafter(start, math.inf))
    }
    return [cell for cell in cells if known.get((cell.area, cell.metric)) != (cell.value, cell.mark)]


def pack(release: Release) -> bytes:
    content = (
        {area: dict(units) for area, units in release.states.items()},
        sorted(release.told),
        release.total,
    )
    return zlib.compress(msgspec.msgpack.encode(content), 3)


def unpack(content: bytes) -> Release:
    states, told, total = msgspec.msgpack.decode(
        zlib.decompress(content), type=tuple[dict[str, dict[str, float]], list[str], bool]
    )
    return Release(states, frozenset(told), total)
