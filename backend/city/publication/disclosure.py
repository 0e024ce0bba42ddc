"""Statistical disclosure control: which cells may be told, and what releases may differ by. Pure.

A *column* is one period of a data set: for each area the contributions of its units (devices, homes or firms). A cell
is told or masked; 0 and any value below `least_value` carry the same mark as a cell with too few units. One test
decides everything, `publishable`:

- a cell is told when its contributions are publishable;
- where a total is told, so is the sum of all masked cells, which is the total without the told ones: hence that sum
  must be publishable itself, else more cells are masked (secondary suppression), else the total is;
- a correction is taken over when the units that it changes are publishable as a cell of their own, compared with every
  former release: the difference of two releases tells no more than a cell would.

What was told once stays known: such a cell is never used as a mask later, and once a total was told, the cells that are
told and masked stay the same. This is disclosure control and not
anonymisation: someone who knows nearly all units of a cell may guess the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

Contributions = Mapping[str, float]
"""Unit → what it adds to a cell."""
MOST_RELEASES = 4
"""Releases of a column: after these it is final."""
_SAME = 1e-9


class Rules(NamedTuple):
    """Conditions of a family of data sets. `least_cell_s`, `least_delay_s`: seconds; `most_share`: share of a cell that
    one unit may have; `step`: values are rounded to its multiples; `both_ends`: contributions are 0 or 1, and the count
    of the zeros must be as large as that of the ones; `total`: the sum over all areas is told too."""

    least_cell_s: int
    least_delay_s: int
    least_units: int = 1
    most_share: float = 1.0
    least_value: float = 0.0
    step: float = 0.0
    both_ends: bool = False
    total: bool = False


class Release(NamedTuple):
    """A column as it was told: `states` holds the contributions that its cells were computed from, also of masked
    ones."""

    states: Mapping[str, Contributions]
    told: frozenset[str]
    total: bool


def publishable(contributions: Contributions, rules: Rules) -> bool:
    """Return whether a cell of these contributions may be told."""
    if len(contributions) < rules.least_units:
        return False
    value = abs(math.fsum(contributions.values()))
    if value < rules.least_value:
        return False
    if rules.both_ends and len(contributions) - value < rules.least_value:
        return False
    largest = max(map(abs, contributions.values()), default=0.0)
    return rules.most_share >= 1 or largest <= rules.most_share * math.fsum(map(abs, contributions.values()))


def shown(contributions: Contributions, rules: Rules) -> float:
    """Return the value of a told cell, rounded."""
    value = math.fsum(contributions.values())
    return math.floor(value / rules.step + 0.5) * rules.step if rules.step else value


def merged(several: Iterable[Contributions]) -> dict[str, float]:
    """Return the contributions of several cells together; a unit in more than one of them counts once."""
    found: dict[str, float] = {}
    for contributions in several:
        for unit, value in contributions.items():
            found[unit] = found.get(unit, 0.0) + value
    return found


def changed(new: Contributions, old: Contributions) -> dict[str, float]:
    """Return by how much each unit differs, of those that differ; a unit that came or went differs, also by 0."""
    found = {}
    for unit in new.keys() | old.keys():
        difference = new.get(unit, 0.0) - old.get(unit, 0.0)
        if (unit in new) != (unit in old) or abs(difference) > _SAME:
            found[unit] = difference
    return found


def released(
    former: Sequence[Release], found: Mapping[str, Contributions], areas: Collection[str], rules: Rules
) -> Release | None:
    """Return the next release of a column, after all `former` ones; None where nothing may change, or nothing does."""
    if len(former) >= MOST_RELEASES:
        return None
    states = {area: accepted(former, area, found.get(area, {}), rules) for area in areas}
    before = former[-1].told if former else frozenset()
    if former and former[-1].total:
        release = Release(states, before, True)
        return release if release != former[-1] and _follows(former, release, rules) else None
    told = before | {area for area, one in states.items() if publishable(one, rules)}
    release = Release(states, told, False)
    if rules.total and publishable(merged(states.values()), rules):
        masks = complement(states, told, before, rules)
        if masks is not None:
            release = Release(states, told - masks, True)
    return None if former and release == former[-1] else release


def _follows(former: Sequence[Release], release: Release, rules: Rules) -> bool:
    """Return whether a release with a total may follow others. Its cells are told and masked as before: a cell that was
    masked and is told now would tell its former state, by what the total said then."""
    if complement(release.states, release.told, release.told, rules) is None:
        return False
    for one in former:
        if not one.total:
            continue
        for hidden in (True, False):
            old = merged(units for area, units in one.states.items() if not hidden or area not in one.told)
            new = merged(units for area, units in release.states.items() if not hidden or area not in release.told)
            difference = changed(new, old)
            if difference and not publishable(difference, rules):
                return False
    return publishable(merged(release.states.values()), rules)


def complement(
    states: Mapping[str, Contributions], told: frozenset[str], fixed: frozenset[str], rules: Rules
) -> frozenset[str] | None:
    """Return which told cells must be masked too, so that a total without the told cells may be told; None where that
    cannot be reached. Those in `fixed` stay told. The smallest cells are taken first."""
    masked = set(states) - told
    if not masked or not any(states[area] for area in masked):
        return frozenset()
    free = sorted(told - fixed, key=lambda area: (math.fsum(states[area].values()), area))
    taken: list[str] = []
    while not publishable(merged(states[area] for area in (*sorted(masked), *taken)), rules):
        if not free:
            return None
        taken.append(free.pop(0))
    return frozenset(taken)


def accepted(former: Sequence[Release], area: str, new: Contributions, rules: Rules) -> Contributions:
    """Return the contributions that an area is computed from: the new ones, or the last ones where what differs from
    any former release must not be told."""
    if not former:
        return dict(new)
    last = former[-1]
    kept = last.states.get(area, {})
    for one in former:
        difference = changed(new, one.states.get(area, {}))
        if difference and not publishable(difference, rules):
            return kept
    if area in last.told and not publishable(new, rules):
        return kept
    return dict(new)
