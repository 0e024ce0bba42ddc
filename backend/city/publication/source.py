"""Contributions of a data set's series, out of the backend's readings. Blocking; any thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from backend.city.publication.definition import Definition, Statistic
from backend.city.publication.statistics import GAP_S, by_cell
from backend.queries.series_history import SeriesHistory
from backend.storage.city.publication import Member
from backend.storage.queries import Queries
from hub.core.model import Quality

Found = dict[float, dict[tuple[str, str], dict[str, float]]]
"""Start of a cell → (area, metric) → unit → what it adds."""


class Source(Protocol):
    """Gives what cells are made of."""

    def cells(self, one: Definition, members: Sequence[Member], starts: Sequence[float]) -> Found:
        """Return the contributions to the cells that begin at `starts`. Raises StorageError."""


class BackendSource:
    """Contributions out of the readings that hubs delivered. Bad and undated ones do not count."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def cells(self, one: Definition, members: Sequence[Member], starts: Sequence[float]) -> Found:
        found: Found = {start: {} for start in starts}
        if not starts:
            return found
        ends = [one.calendar.end(start) for start in starts]
        by_hub: dict[str, list[Member]] = {}
        for member in members:
            by_hub.setdefault(member.hub, []).append(member)
        with self._queries.snapshot() as now:
            for hub, of_hub in by_hub.items():
                seen = now.hub(hub)
                for member in of_hub:
                    statistic = one.statistic(member.metric)
                    around = GAP_S if statistic == Statistic.INCREASE else 0
                    history = SeriesHistory(seen, member.device, member.metric)
                    first, last = min(starts) - around, max(ends) + around
                    points = [
                        (reading.time_ms / 1000, float(reading.value))
                        for reading in history.between(math.floor(first * 1000), math.ceil(last * 1000) + 1)
                        if reading.quality <= Quality.UNCERTAIN and isinstance(reading.value, (int, float))
                    ]
                    add(found, member, by_cell(points, zip(starts, ends, strict=True), statistic), statistic)
        return found


def add(found: Found, member: Member, values: dict[float, float], statistic: Statistic) -> None:
    """Add the numbers of a series to its cells. A unit with several sensors of a state has it when one says so."""
    for start, value in values.items():
        units = found[start].setdefault((member.area, member.metric), {})
        former = units.get(member.unit, 0.0)
        units[member.unit] = max(former, value) if statistic == Statistic.ANY else former + value
