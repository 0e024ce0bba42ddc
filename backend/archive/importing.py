"""Import of an archive into a fresh database of either engine, restartable at any moment. Blocking.

A hub is let in when all of it is there: until then it is refused as one that was revoked. Each file is one transaction
with a note, so that an interrupted import goes on behind it; the readings of the hub at which it was interrupted are
taken anew. Readings become chunks as the compactor makes them, and keep what names them: record, place, boot.

An engine that numbers the records of all hubs in one row cannot take those of an engine that numbers each hub's: then
those of each hub are moved behind the hub's before it, in their order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from backend.archive.exporting import Of, Say
from backend.archive.lists import File, Manifest
from backend.archive.parquet import Group, Reading, SeriesKey
from backend.archive.reading import Archive, read_lines, read_readings, unreadable
from backend.readings.bucketing import Buckets
from backend.readings.chunks.rows import CARRIED, ORIGIN_BITS, ChunkRow
from backend.readings.stored_bodies import PLACED, Orders, Parts
from backend.storage.archive import ArchiveTarget, ErasureLine, GapLine, HubLine, Line, RecordLine
from backend.storage.chunks import Changes, Chunks
from backend.storage.reading_rules import MAX_TIME
from hub.core.errors import ConfigError, DecodeError, StorageError
from hub.core.model import Position, Value
from hub.core.text import phrase
from hub.protocol.records.dictionary import Refused
from hub.protocol.records.rows import Column, Shape, Subject

FINISHED = "finished "
"""Before the manifest in the note of an import that came to its end."""
AT_ONCE = 500
"""Chunks that are dropped in one change."""
MAX_RECORD = 1 << 50
IMPORTING = phrase("archive-importing", "importing")
_REVOKED = 1.0
"""Since when a hub is revoked whose import is not finished (Unix s)."""
_L = TypeVar("_L", bound=Line)


class Imported(msgspec.Struct, frozen=True):
    """Result of an import."""

    manifest: str
    made_at: float
    hubs: int
    files: int
    readings: int


class _Report(NamedTuple):
    """A report that is put together again."""

    time_ms: int
    quality: int
    trust: int
    columns: list[Column]
    values: list[Value]
    carried: dict[str, Value]


class Importer:
    """One import of an archive, as `path` of a manifest names it."""

    def __init__(self, archive: Archive, path: str, target: ArchiveTarget, chunks: Chunks, of: Of, *, say: Say) -> None:
        self._archive, self._path, self._target, self._chunks = archive, path, target, chunks
        self._of, self._say = of, say
        self._parts = Parts()
        self._subjects: dict[tuple[str, ...], Subject] = {}
        self._shapes: dict[tuple[Column, ...], Shape] = {}
        self._finished = f"{FINISHED}{path}"

    def run(self) -> Imported:
        """Import. Raises ConfigError for an archive or a database that will not do, DecodeError for what was altered,
        StorageError."""
        manifest = self._archive.manifest(self._path)
        done = self._begin(manifest)
        files = [file for listed in manifest.lists for file in self._archive.files(listed)]
        hubs = sorted({file.hub for file in files if file.hub})
        if self._finished not in done:
            with tempfile.TemporaryDirectory(prefix="ilot-archive-") as scratch:
                self._scratch = Path(scratch) / "file"
                self._import(manifest, hubs, files, done)
            self._target.finish(self._finished)
        self._say(IMPORTING, 1.0)
        readings = sum(file.rows for file in files if file.path.endswith(".parquet"))
        return Imported(self._path, manifest.made_at, len(hubs), len(files), readings)

    def _import(self, manifest: Manifest, hubs: list[str], files: list[File], done: set[str]) -> None:
        of: dict[str, list[File]] = {hub: [] for hub in ("", *hubs)}
        for file in files:
            of[file.hub].append(file)
        moved = self._moved(of) if manifest.by_hub and not self._target.by_hub else {}
        for at, hub in enumerate(hubs):
            self._say(IMPORTING, at / len(hubs))
            self._import_hub(hub, of[hub], done, moved.get(hub, 0), manifest.made_at)
        for file in of[""]:
            if file.path not in done:
                self._add("", self._lines(file), file)

    def _begin(self, manifest: Manifest) -> set[str]:
        """Return what an interrupted import of this archive has done."""
        if not manifest.everything:
            raise ConfigError(phrase("archive-of-readings", "this archive holds readings alone: export one with --all"))
        if manifest.root != self._of.root:
            raise ConfigError(
                phrase(
                    "archive-of-other-owner",
                    "this is the archive of another owner, of {owner}: its hubs trust the root {root} alone",
                    owner=manifest.owner,
                    root=manifest.root[:16],
                )
            )
        done = self._target.done()
        if self._finished in done:  # it was killed before it could say so
            return done
        if self._path not in done and not self._target.is_fresh():
            raise ConfigError(
                phrase("archive-target-used", "the database is in use already: an archive is put into a fresh one")
            )
        self._target.add("", (), self._path)
        if not self._chunks.compact_alone():
            raise StorageError(
                phrase("archive-target-compacted", "another process compacts this database: stop it first")
            )
        return done

    def _moved(self, of: dict[str, list[File]]) -> dict[str, int]:
        """Return by how much the ids of each hub's records rise."""
        moved, last = {}, 0
        for hub in sorted(of):
            moved[hub] = last
            for file in of[hub]:
                if file.path.startswith("hubs/"):
                    last += max(line.last_record for line in self._lines(file) if isinstance(line, HubLine))
        return moved

    def _import_hub(self, hub: str, files: list[File], done: set[str], moved: int, made_at: float) -> None:
        readings = [file for file in files if file.path.endswith(".parquet")]
        admitted = f"admitted {hub}"
        if admitted in done:
            return
        own: HubLine | None = None
        for file in sorted(files, key=lambda file: (not file.path.startswith("hubs/"), file.path)):
            if file in readings:
                continue
            lines = (_shifted(line, moved) for line in self._lines(file))
            if file.path.startswith("hubs/"):
                kept = list(lines)
                own = next((line for line in kept if isinstance(line, HubLine) and line.hub == hub), None)
                lines = (_refused(line) if isinstance(line, HubLine) else line for line in kept)
            if file.path not in done:
                self._add(hub, lines, file)
        if own is None:
            raise DecodeError(
                "archive-hub", phrase("archive-hub-missing", "the archive does not say who {hub} is", hub=hub)
            )
        self._drop_chunks(hub)
        for file in sorted(readings, key=lambda file: file.path):
            self._import_readings(hub, file, moved, made_at)
        self._apply(hub, Changes(through=own.last_record))
        self._target.admit(own, admitted)

    def _add(self, hub: str, lines: Iterable[Line], file: File) -> None:
        try:
            self._target.add(hub, lines, file.path)
        except (OverflowError, ValueError) as error:  # a number that no database holds
            raise unreadable(file.path, error) from error

    def _lines(self, file: File) -> Iterator[Line]:
        self._archive.fetch(file, self._scratch)
        yield from read_lines(file.path, self._scratch)

    # readings

    def _drop_chunks(self, hub: str) -> None:
        """Drop what an interrupted import made of a hub's readings."""
        while True:
            with self._chunks.snapshot(hub) as seen:
                heads = seen.after(0, AT_ONCE)
            if not heads:
                return
            self._apply(hub, Changes(drop=[head.id for head in heads]))

    def _import_readings(self, hub: str, file: File, moved: int, made_at: float) -> None:
        self._archive.fetch(file, self._scratch)
        rows = 0
        for group in read_readings(file.path, self._scratch):
            rows += sum(map(len, group.values()))
            try:
                self._add_group(hub, group, moved, made_at)
            except (Refused, DecodeError, ValueError, OverflowError) as error:
                raise unreadable(file.path, error) from error
        if rows != file.rows:
            raise DecodeError(
                "archive-rows",
                phrase("archive-rows-differ", "{file} holds {rows}, its list says {said}", file=file.path,
                       rows=rows, said=file.rows),
            )  # fmt: skip

    def _add_group(self, hub: str, group: Group, moved: int, made_at: float) -> None:
        with self._chunks.snapshot(hub) as seen:
            buckets = Buckets(seen, Orders(seen.jobs(), seen.clocks()), self._parts)
            for boot in sorted({key.boot for key in group}):
                of_boot = {key: readings for key, readings in group.items() if key.boot == boot}
                arrived = [one.arrived_ms for some in of_boot.values() for one in some if one.arrived_ms is not None]
                arrived_at = max(arrived) / 1000 if arrived else made_at
                buckets.add_chunk(bytes.fromhex(boot), arrived_at, self._reports(of_boot, moved))
            changes = Changes(put=buckets.chunks(), series=buckets.series())
        self._apply(hub, changes)

    def _reports(self, group: Group, moved: int) -> list[ChunkRow]:
        """Put reports together again: readings of one subject with one place in one record."""
        reports: dict[tuple[tuple[str, ...], int], _Report] = {}
        for key in sorted(group):
            metric = key.metric.removeprefix(CARRIED) if key.carried else key.metric
            column = Column(
                metric, key.unit, key.resolution, key.kind, key.device_class, key.state_class, key.privacy
            )  # fmt: skip
            for one in group[key]:
                origin = _origin(one, moved)
                report = reports.get((key[:6], origin))
                if report is None:
                    report = _Report(_time(key, one), one.told, one.trust, [], [], {})
                    reports[key[:6], origin] = report
                if key.carried:
                    report.carried[metric] = one.value
                else:
                    report.columns.append(column)
                    report.values.append(one.value)
        return [self._row(subject, origin, report) for (subject, origin), report in reports.items()]

    def _row(self, subject: tuple[str, ...], origin: int, report: _Report) -> ChunkRow:
        columns = tuple(report.columns)
        shape = self._shapes.get(columns) or self._shapes.setdefault(columns, Shape(columns)) if columns else PLACED
        rssi, position = _carried(report.carried)
        return ChunkRow(
            self._subjects.get(subject) or self._subjects.setdefault(subject, Subject(*subject)), shape,
            report.time_ms, origin, tuple(report.values) if columns else (True,), report.quality, report.trust, rssi,
            position,
        )  # fmt: skip

    def _apply(self, hub: str, changes: Changes) -> None:
        with self._chunks.snapshot(hub) as seen:
            version = seen.version
        if not self._chunks.apply(hub, version, changes):
            raise StorageError(
                phrase("archive-target-compacted", "another process compacts this database: stop it first")
            )


def _refused(line: HubLine) -> HubLine:
    return msgspec.structs.replace(line, revoked_at=_REVOKED)


def _shifted(line: _L, moved: int) -> _L:
    """Return a line with ids of records so much greater."""
    if not moved:
        return line
    if isinstance(line, RecordLine):
        return msgspec.structs.replace(line, id=line.id + moved)
    if isinstance(line, GapLine):
        return msgspec.structs.replace(line, declared_by=line.declared_by + moved)
    if isinstance(line, ErasureLine):
        return msgspec.structs.replace(line, record=line.record + moved)
    if isinstance(line, HubLine):
        return msgspec.structs.replace(line, last_record=line.last_record + moved)
    return line


def _origin(one: Reading, moved: int) -> int:
    record = one.record + moved
    if not (0 <= one.position < 1 << ORIGIN_BITS and 0 <= record < MAX_RECORD):
        raise DecodeError("archive-origin", phrase("archive-origin-wrong", "a reading names no place in a record"))
    return (record << ORIGIN_BITS) + one.position


def _time(key: SeriesKey, one: Reading) -> int:
    time_ms = one.monotonic if key.boot else one.time_ms
    if time_ms is None or abs(time_ms) >= MAX_TIME or not 0 <= one.told < 128 or not 0 <= one.trust < 128:
        raise DecodeError("bad-time", phrase("block-item-out-of-range", "an item is out of its range"))
    return time_ms


def _carried(carried: dict[str, Value]) -> tuple[int | None, Position | None]:
    """Return signal strength and position of a report. Raises DecodeError for what none carries."""
    rssi = carried.get("rssi")
    where = {name: carried.get(name) for name in ("latitude", "longitude", "position_accuracy", "altitude")}
    numbers: Iterable[Value | None] = (rssi, *where.values())
    if any(isinstance(one, str | bool) for one in numbers) or not carried.keys() <= {"rssi", *where}:
        raise DecodeError("archive-carried", phrase("archive-carried-wrong", "no report carries this"))
    latitude, longitude, accuracy, altitude = (None if one is None else float(one) for one in where.values())
    position = None
    if latitude is not None and longitude is not None:
        position = Position(latitude, longitude, accuracy, altitude)
    return None if rssi is None else int(rssi), position
