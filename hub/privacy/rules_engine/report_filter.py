"""Applies privacy to the reports of one device with one set of metrics. Pure but for the windows that it feeds in
memory.

Inward it coarsens values and feeds windows; outward it sets the subject and the exactness of time. A plan has a filter
only where something is to be done: all other reports cost one test for None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from hub.core.model import Report, Value
from hub.privacy.rules_engine.pseudonyms import group_name, pseudonym
from hub.privacy.rules_engine.windows import ZoneWindow
from hub.protocol.records.rows import Row, Shape, Subject

Key = Callable[[float], bytes | None]
"""Returns the key of pseudonyms at a moment (Unix seconds); None: it was destroyed, and nothing may leave."""


class Group(msgspec.Struct, frozen=True):
    """Columns of a shape that leave together under one name: all of them (`at` is None), or those at these
    positions."""

    who: SubjectMapper
    shape: Shape
    at: tuple[int, ...] | None = None


class SubjectMapper:
    """Maps readings to the subject under which they leave. `key` None: the device's own."""

    __slots__ = ("_grouped", "_key", "_last", "_subject", "_used")

    def __init__(self, subject: Subject, key: Key | None = None, *, grouped: bool = False) -> None:
        self._subject, self._key, self._grouped = subject, key, grouped
        self._used: bytes | None = None
        self._last: Subject | None = None

    @property
    def hidden(self) -> bool:
        return self._key is not None

    def subject(self, at: float) -> Subject | None:
        if self._key is None:
            return self._subject
        key = self._key(at)
        if key is None:
            return None
        if key != self._used:
            self._used = key
            self._last = pseudonymised(self._subject, key, grouped=self._grouped)
        return self._last


def pseudonymised(subject: Subject, key: bytes, *, grouped: bool) -> Subject:
    """Return the pseudonymised subject.

    The place is pseudonymised too, since what stands in a flat names the flat. The zone becomes the group's name where
    the key is a home's, otherwise empty, because a group would link what must not be linked.
    """
    return Subject(
        device=pseudonym(key, f"device {subject.device}"),
        place=pseudonym(key, f"place {subject.place or subject.device}"),
        site=subject.site,
        zone=group_name(key, subject.zone) if grouped else "",
    )


class ReportFilter:
    """The filter. `steps`: metric → multiple to round to; `cells`: the windows that a metric feeds; `groups`: how kept
    columns leave, in the order of the shape; `bucket_s`: span to which times are truncated, 0: none. `plain`: names and
    times stay."""

    __slots__ = ("_bucket_ms", "_cells", "_groups", "_steps", "plain")

    def __init__(
        self,
        steps: dict[str, float],
        cells: tuple[tuple[str, ZoneWindow], ...],
        groups: tuple[Group, ...],
        bucket_s: float,
    ) -> None:
        self._steps, self._cells, self._groups = steps, cells, groups
        self._bucket_ms = int(bucket_s * 1000)
        self.plain = not self._bucket_ms and all(group.at is None and not group.who.hidden for group in groups)

    def inward(self, report: Report, now: float) -> Report:
        """Return the report as all later steps may see it. `now` is Unix seconds, used for a report without a time."""
        if self._cells:
            at = now if report.time is None else report.time
            for key, cell in self._cells:
                cell.take(report.device, report.values[key], at)
        if not self._steps:
            return report
        values: dict[str, Value] = dict(report.values)
        for key, step in self._steps.items():
            values[key] = coarse(values[key], step)
        return msgspec.structs.replace(report, values=values)

    def outward(self, row: Row) -> Iterator[Row]:
        """Yield the rows that may leave, one per name. The radio's signal level is kept only with the real name."""
        if self.plain:
            yield row
            return
        moment = row.time_ms / 1000
        time_ms = row.time_ms - row.time_ms % self._bucket_ms if self._bucket_ms else row.time_ms
        for group in self._groups:
            subject = group.who.subject(moment)
            if subject is None:
                continue
            named = not group.who.hidden
            yield row._replace(
                subject=subject,
                shape=row.shape if group.at is None else group.shape,
                time_ms=time_ms,
                values=row.values if group.at is None else tuple([row.values[at] for at in group.at]),
                rssi=row.rssi if named and not self._bucket_ms else None,
                position=row.position if named else None,
            )


def coarse(value: Value, step: float) -> Value:
    """Round to a multiple of `step`, half to even; texts and flags stay."""
    if isinstance(value, bool | str):
        return value
    return round(round(value / step) * step, 9)
