"""The publication desk: what two persons propose and allow, and what one withdraws. Each runs in the caller's
transaction, and leaves a line in the journal.

One of the two is a data protection officer. What the second one allows is named by its digest: the data set with the
series that matched when it was proposed. Withdrawing takes one person, since it protects.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from backend.city.people import journal
from backend.city.people.viewer import Role, Scope, Viewer
from backend.city.publication import definition as definitions
from backend.city.publication import making
from backend.city.publication.calendar import DAY_S
from backend.city.publication.definition import MOST_MEMBERS, Definition, DefinitionRefused
from backend.city.publication.disclosure import released
from backend.city.publication.source import Source
from backend.storage.city import publication as table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.publication import Area, Candidate, Member, Pointer, PublishedSet, ReleaseLine, SetLine
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase

PROPOSED, PUBLISHED, REFUSED, WITHDRAWN = "proposed", "published", "refused", "withdrawn"
MOST_SHOWN = 50
"""Areas and things of a preview that are named."""


class Found(NamedTuple):
    """Things and periods that a definition covers now."""

    members: list[Member]
    areas: list[Area]
    things: list[Candidate]


class AreaPreview(NamedTuple):
    """An area in a preview. `devices`, `units`: series, and the devices, homes or firms that they are of; `told`,
    `masked`: cells of the period."""

    area: Area
    devices: int
    units: int
    told: int
    masked: int


class Preview(NamedTuple):
    """Preview of a data set for a period that is over. `least`: smallest number of units behind a told cell."""

    since: float
    until: float
    areas: list[AreaPreview]
    told: int
    masked: int
    least: int
    cells: list[table.Cell]


def found(r: Reader, one: Definition, scope: Scope) -> Found:
    """Return the series, areas and things of a definition within a scope. Raises DefinitionRefused where there are
    none, or too many."""
    things: dict[int, Candidate] = {}
    members: list[Member] = []
    for series in table.candidates(r, one.metrics, scope):
        if definitions.matches(one, series):
            member = definitions.member(one, series)
            if member is not None:
                members.append(member)
                things[series.thing] = series
    if not members:
        raise DefinitionRefused([phrase("publication-nothing", "nothing in the register matches")])
    if len(members) > MOST_MEMBERS:
        raise DefinitionRefused(
            [
                phrase(
                    "publication-too-many", "more than {count} series match: limit sectors or sites", count=MOST_MEMBERS
                )
            ]
        )
    return Found(members, _areas(r, one, members, things), list(things.values()))


def _areas(r: Reader, one: Definition, members: Sequence[Member], things: dict[int, Candidate]) -> list[Area]:
    ids = sorted({member.area for member in members})
    if one.space == "thing":
        areas = [_of_thing(things[int(id)]) for id in ids]
    else:
        known = table.known_areas(r, one.space, ids)
        areas = [known.get(id) or Area(id, id, None, None) for id in ids]
    if one.total:
        areas.append(Area(making.TOTAL, "Ensemble", None, None))
    return areas


def _of_thing(thing: Candidate) -> Area:
    return Area(str(thing.thing), thing.name or thing.device, thing.lat, thing.lon)


def refuse_deleted(one: Definition, kept: Mapping[str, int]) -> None:
    """Raise DefinitionRefused where a cell would come due when its first readings are deleted already; `kept`: privacy
    class → days, 0 for ever."""
    if one.cell_s + DAY_S + one.delay_s > one.kept_s(kept):
        raise DefinitionRefused(
            [
                phrase(
                    "publication-kept",
                    "readings of this are kept {days} days: those of so long a cell would be deleted before it is made",
                    days=round(one.kept_s(kept) / DAY_S),
                )
            ]
        )


def propose(t: Transaction, one: Definition, viewer: Viewer, now: float) -> SetLine:
    """Put a data set before a second person. Raises DefinitionRefused."""
    definitions.check(one)
    former = table.data_set(t, one.id)
    if former is not None and former.state in (PUBLISHED, WITHDRAWN):
        raise DefinitionRefused(
            [phrase("publication-taken", "this name is that of a published data set: choose another one")]
        )
    these = found(t, one, viewer.scope)
    line = SetLine(
        one.id, PROPOSED, one.family, one.quantity, msgspec.json.encode(one, order="sorted").decode(),
        definitions.digest(one, these.members), one.since, one.until, viewer.id, now, viewer.role == Role.DPO, "", None,
        "", None, "",
    )  # fmt: skip
    table.propose(t, line, these.members, these.areas)
    refuse_claimed(t, line)
    facts = {"digest": line.digest, "series": len(these.members)}
    journal.note(t, viewer.id, "publication.proposed", one.id, facts, now)
    return line


def allow(t: Transaction, id: str, digest: str, viewer: Viewer, now: float) -> SetLine:
    """Publish what was proposed. Raises DefinitionRefused unless this is a second person who may see all that it is of,
    one of the two is a data protection officer, and the proposal is the one that this person saw."""
    line = table.data_set(t, id)
    if line is None or line.state != PROPOSED or line.digest != digest:
        raise DefinitionRefused([phrase("publication-changed", "this proposal changed meanwhile: look at it again")])
    if viewer.id.startswith("token:"):
        raise DefinitionRefused([phrase("publication-program", "a program allows nothing")])
    if viewer.id == line.proposed_by:
        raise DefinitionRefused([phrase("publication-two-persons", "another person has to allow it")])
    if viewer.role != Role.DPO and not line.proposed_dpo:
        raise DefinitionRefused(
            [phrase("publication-officer", "one of the two persons is the data protection officer")]
        )
    if table.outside(t, id, viewer.scope):
        raise DefinitionRefused([phrase("publication-scope", "it has things that you may not see")])
    one = making.read(line)
    definitions.check(one)
    refuse_claimed(t, line)
    table.set_state(t, id, PROPOSED, PUBLISHED, who=viewer.id, at=now)
    table.publish(t, PublishedSet(id, PUBLISHED, about(one), now, now))
    for number in range(1 + len(making.AGES[one.family])):
        table.add_pointer(t, Pointer(id, number, one.calendar.first(one.since), None))
    journal.note(t, viewer.id, "publication.allowed", id, {"digest": digest, "first": line.proposed_by}, now)
    return line


def about(one: Definition) -> str:
    """Return what the public sees of a definition, as JSON: not the names of its sites and owners."""
    shown: dict[str, Any] = {
        "id": one.id, "family": one.family, "title": one.title, "summary": one.summary, "space": one.space,
        "cell_s": one.cell_s, "delay_s": one.delay_s, "since": one.since, "until": one.until, "zone": one.zone,
        "licence": one.licence,
        "theme": one.theme, "keywords": one.keywords, "contact": one.contact, "mail": one.mail,
        "metrics": [{"key": key, "unit": METRICS[key].unit if key in METRICS else ""} for key in one.metrics],
    }  # fmt: skip
    return msgspec.json.encode(shown).decode()


def refuse(t: Transaction, id: str, why: str, viewer: Viewer, now: float) -> bool:
    """Refuse a proposal; return whether there was one."""
    done = table.set_state(t, id, PROPOSED, REFUSED, who=viewer.id, at=now, why=why)
    if done:
        journal.note(t, viewer.id, "publication.refused", id, {"why": why}, now)
    return done


def withdraw(t: Transaction, id: str, why: str, viewer: Viewer, now: float) -> bool:
    """Take a whole data set back; its page says so, and why. What was told stays in the ledger: nobody may publish the
    same things of the same period in another partition."""
    done = table.set_state(t, id, PUBLISHED, WITHDRAWN, who=viewer.id, at=now, why=why)
    if done:
        bounds = table.Published(t).bounds(id) or (now, now)
        table.add_release(t, id, ReleaseLine(table.next_release(t, id), now, "withdrawal", *bounds, 0, why))
        table.remove_cells(t, id)
        table.withdraw(t, id, now)
        journal.note(t, viewer.id, "publication.withdrawn", id, {"why": why}, now)
    return done


def take_back(
    t: Transaction, id: str, area: str, since: float, until: float, why: str, viewer: Viewer, now: float
) -> int:
    """Take back the cells of an area, or of all, in a period, also those that are not made yet; return how many were
    there. For a sensor that measured wrongly."""
    line = table.data_set(t, id)
    if line is None or line.state != PUBLISHED or until <= since:
        raise DefinitionRefused([phrase("publication-no-cells", "there is no such period of a published data set")])
    table.add_fault(t, id, area, since, until)
    number = table.next_release(t, id)
    cells = table.blank(t, id, area, since, until, number)
    table.add_release(t, id, ReleaseLine(number, now, "withdrawal", since, until, cells, why))
    table.drop_months(t, id, making.read(line).calendar.months_between(since, min(until, now)))
    table.touch(t, id, now)
    journal.note(t, viewer.id, "publication.cells", id, {"area": area, "since": since, "until": until, "why": why}, now)
    return cells


def recompute(t: Transaction, id: str, since: float, until: float, viewer: Viewer, now: float) -> None:
    """Have the cells of a period computed again. The ledger decides which of them may change."""
    line = table.data_set(t, id)
    first = None if line is None else table.pointer(t, id, table.FIRST)
    if line is None or first is None or line.state != PUBLISHED:
        raise DefinitionRefused([phrase("publication-no-cells", "there is no such period of a published data set")])
    one = making.read(line)
    begin = max(one.calendar.first(one.since), one.calendar.begin(since))
    end = min(until, first.next)
    if one.calendar.end(begin) > end:
        raise DefinitionRefused([phrase("publication-no-cells", "there is no such period of a published data set")])
    table.add_pointer(t, Pointer(id, table.free_pointer(t, id), begin, end))
    journal.note(t, viewer.id, "publication.recomputed", id, {"since": begin, "until": end}, now)


def preview(one: Definition, these: Found, source: Source, now: float, days: int = 2) -> Preview:
    """Return what a data set would tell of its last whole days. Blocking: reads readings."""
    starts = one.calendar.last(now - one.delay_s, max(1, min(making.MOST_CELLS, days * DAY_S // one.cell_s)))
    contributions = source.cells(one, these.members, starts)
    told: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    least = math.inf
    cells: list[table.Cell] = []
    areas = [area.id for area in these.areas if area.id != making.TOTAL]
    for start in starts:
        of_start = contributions.get(start, {})
        if one.protected:
            release = released([], {area: units for (area, _), units in of_start.items()}, areas, one.rules())
            column = [] if release is None else list(making.column(one, start, release))
        else:
            column = [table.Cell(start, area, metric, 0.0) for area, metric in of_start]
        for cell in column:
            (masked if cell.mark else told)[cell.area] += 1
            if not cell.mark and cell.area != making.TOTAL:
                least = min(least, len(of_start.get((cell.area, cell.metric), {})))
        cells = column or cells
    devices, units = Counter(m.area for m in these.members), _units(these.members)
    shown = [
        AreaPreview(area, devices[area.id], units.get(area.id, 0), told[area.id], masked[area.id])
        for area in these.areas
    ]
    low = 0 if least == math.inf else int(least)
    return Preview(starts[0], one.calendar.end(starts[-1]), shown, told.total(), masked.total(), low, cells)


def _units(members: Sequence[Member]) -> dict[str, int]:
    units: dict[str, set[str]] = {}
    for member in members:
        units.setdefault(member.area, set()).add(member.unit)
    return {area: len(found) for area, found in units.items()}


def refuse_claimed(t: Transaction, line: SetLine) -> None:
    """Raise DefinitionRefused where other data sets tell, or told, the same of the same things: two partitions of the
    same cells tell their differences."""
    claims = table.claimed(t, line) if line.quantity else []
    if claims:
        raise DefinitionRefused(
            [
                phrase(
                    "publication-claimed",
                    "{count} [thing is|things are] in the data set {other} for the same time: one partition each",
                    count=count,
                    other=other,
                )
                for other, count in claims
            ]
        )
