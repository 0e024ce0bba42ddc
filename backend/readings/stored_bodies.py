"""Stored bodies of blocks read back, and what orders to erase leave of them. Pure.

A body lies as its hub sealed it, without the seal: one frame of zstd, around the columns of
`hub.protocol.records.columns`. Its subjects and shapes are numbers, named by the opened TABLE records of its epoch
which are stored beside: with them a reader needs no key of the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import NamedTuple

from backend.storage.chunks import Body, BootClock, ErasureJob, Names
from backend.storage.reading_rules import CLASSES, PERSONAL, check_times
from hub.core.errors import DecodeError
from hub.core.model import Position, Value
from hub.core.text import phrase
from hub.protocol.records.bodies import Block, Table, Tables, decode_table, encode_table
from hub.protocol.records.compression import expand
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.rows import Column, Row, Shape, Subject

PSEUDONYM, DEVICE = "pseudonym", "device"
TURNED = "personal"
"""Kind of an order to divide anew what is stored of a device, since a series of it is personal from now on."""
NOBODY = Subject("\0")
"""In the place of a subject whose name was erased: what is said of it is left out. No device has this name, while an
alert that concerns none has an empty one."""
PLACED = Shape((Column("report.position", kind="flag", privacy=PERSONAL),))
"""Shape of a report of which only the position is personal: no shape is without a column. No metric has a point in its
name."""


def vocabulary(names: Iterable[Names]) -> Tables:
    """Return what the numbers of an epoch mean. Raises DecodeError when it is damaged."""
    tables = Tables()
    for one in names:
        tables.add(decode_table(one.data))
    return tables


def read_body(body: Body, tables: Tables) -> list[Row]:
    """Return the rows of a body. Raises DecodeError; its hub may have sealed anything."""
    block = Block(expand(body.data))
    if block.boot != body.boot:
        raise DecodeError(
            "bad-block", phrase("body-of-another-boot", "a block is of another boot than it was taken for")
        )
    rows = block.rows(tables)
    check_times(rows)
    return rows


def privacy_of(column: Column) -> str:
    """Return the class of a column; one that only a newer hub knows counts as personal."""
    return column.privacy if column.privacy in CLASSES else PERSONAL


class Reached(NamedTuple):
    """An order that reaches a row."""

    job: ErasureJob
    whole: bool


class Orders:
    """All orders of one hub: which readings they reach, whenever these arrive. Of those for one name, the one that
    reaches furthest stands for all: a hub that repeats orders must not make each reading dearer."""

    def __init__(self, jobs: Iterable[ErasureJob], clocks: dict[bytes, BootClock]) -> None:
        self._clocks = clocks
        widest: dict[tuple[str, str], ErasureJob] = {}
        for job in jobs:
            if job.order.kind in (PSEUDONYM, DEVICE):
                known = widest.setdefault((job.order.name, job.order.kind), job)
                if job.order.kind == DEVICE and job.order.until_ms > known.order.until_ms:
                    widest[job.order.name, job.order.kind] = job
        self._of: dict[str, list[ErasureJob]] = {}
        for job in widest.values():
            self._of.setdefault(job.order.name, []).append(job)

    def __bool__(self) -> bool:
        return bool(self._of)

    def name(self, subject: Subject) -> bool:
        """Return whether an order names this subject."""
        return not self._of.keys().isdisjoint((subject.zone, subject.place, subject.device))

    def hides(self, subject: Subject) -> bool:
        """Return whether an order reaches all that is said of this subject, its name too."""
        return any(
            job.order.kind == PSEUDONYM
            for name in (subject.zone, subject.place, subject.device)
            for job in self._of.get(name, ())
        )

    def reaching(self, privacy: str, subject: Subject, boot: bytes, time_ms: int) -> ErasureJob | None:
        """Return an order that reaches the readings of this class in a report; `time_ms` is by `boot`, or UTC. A boot
        whose time is unknown may be of any moment."""
        for name in (subject.zone, subject.place, subject.device):
            for job in self._of.get(name, ()):
                if job.order.kind == PSEUDONYM:
                    return job
                if privacy == PERSONAL and name == subject.device and self._before(job, boot, time_ms):
                    return job
        return None

    def _before(self, job: ErasureJob, boot: bytes, time_ms: int) -> bool:
        if not boot:
            return time_ms < job.order.until_ms
        clock = self._clocks.get(boot)
        return clock is None or time_ms + clock.offset_ms < job.order.until_ms

    def veiled(self, names: Names) -> Names | None:
        """Return names without those that an order erases; None when there is none of these."""
        table = decode_table(names.data)
        if not any(map(self.hides, table.subjects.values())):
            return None
        subjects = {
            number: NOBODY if self.hides(subject) else subject for number, subject in table.subjects.items()
        }  # fmt: skip
        return names._replace(data=encoded_table(Table(table.shapes, subjects)))


def numbering_of(tables: Tables) -> Numbering:
    """Return a numbering by which what is left of a block is encoded anew, with the numbers of its epoch."""
    numbering = Numbering()
    for number, shape in tables.shapes.items():
        numbering.know_shape(number, shape)
    for number, subject in tables.subjects.items():
        numbering.subjects.setdefault(subject, number)
    return numbering


def encoded_table(table: Table) -> bytes:
    """Return the body of a TABLE record that says this."""
    return encode_table(list(table.shapes.items()), list(table.subjects.items()))


class Part(NamedTuple):
    """Readings of a report that have one privacy class: these columns, and what it carries beside its values."""

    privacy: str
    shape: Shape
    take: Callable[[tuple[Value, ...]], tuple[Value, ...]] | None  # of the report's values; None: all
    rssi: bool
    position: bool


class Parts:
    """Division of reports by privacy class, worked out once for each shape and the series of it that are personal."""

    def __init__(self) -> None:
        self._known: dict[tuple[Shape, frozenset[int], bool], tuple[Part, ...]] = {}

    def of(self, shape: Shape, personal: frozenset[int], positioned: bool) -> tuple[Part, ...]:
        """Return the parts of reports of a shape. `personal` are the columns whose series is personal, whatever its
        class here; a position is personal. The signal strength goes with the part that is kept longest."""
        key = shape, personal, positioned
        known = self._known.get(key)
        if known is None:
            if len(self._known) > 10_000:
                self._known.clear()
            known = self._known[key] = self._divide(shape, personal, positioned)
        return known

    def _divide(self, shape: Shape, personal: frozenset[int], positioned: bool) -> tuple[Part, ...]:
        columns: dict[str, list[int]] = {}
        for at, column in enumerate(shape.columns):
            columns.setdefault(PERSONAL if at in personal else privacy_of(column), []).append(at)
        carrier = max(columns, key=CLASSES.index)
        parts = [
            Part(
                privacy,
                shape if len(at) == len(shape.columns) else Shape(tuple(shape.columns[n] for n in at)),
                None if len(at) == len(shape.columns) else _taking(at),
                privacy == carrier,
                privacy == PERSONAL,
            )
            for privacy, at in columns.items()
        ]
        if positioned and PERSONAL not in columns:
            parts.append(Part(PERSONAL, PLACED, lambda _: (True,), False, True))
        return tuple(parts)


def _taking(at: list[int]) -> Callable[[tuple[Value, ...]], tuple[Value, ...]]:
    """Return what takes these of some values."""
    if len(at) == 1:
        (only,) = at
        return lambda values: (values[only],)
    return itemgetter(*at)


def readings_in(shape: Shape, rssi: int | None, position: Position | None) -> int:
    """Return how many readings a report holds, with what it carries."""
    own = 0 if shape.columns == PLACED.columns else len(shape.columns)
    where = () if position is None else (position.latitude, position.longitude, position.accuracy, position.altitude)
    return own + (rssi is not None) + sum(value is not None for value in where)
