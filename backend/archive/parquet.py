"""Readings as Parquet, and back. One file is a hub and day; a row is one reading. Its row groups follow each other in
time, and are sorted by series in themselves."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backend.archive.lists import missing_library
from hub.core.errors import DecodeError
from hub.core.text import phrase, reason_of

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:  # pragma: no cover
    raise missing_library("pyarrow") from error

TEXTS = (
    "device", "place", "site", "zone", "model", "integration", "metric", "unit", "resolution", "kind", "device_class",
    "state_class", "privacy", "boot",
)  # fmt: skip
"""Columns that all readings of a series share."""
_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ms", "UTC")),
        *((name, pa.dictionary(pa.int32(), pa.string())) for name in TEXTS),
        ("carried", pa.bool_()), ("number", pa.float64()), ("whole", pa.int64()), ("flag", pa.bool_()),
        ("text", pa.string()), ("quality", pa.int8()), ("told_quality", pa.int8()), ("trust", pa.int8()),
        ("record", pa.int64()), ("position", pa.int32()), ("monotonic_ms", pa.int64()),
        ("arrived", pa.timestamp("ms", "UTC")),
    ]
)  # fmt: skip
_SETTINGS: dict[str, Any] = {
    "compression": "zstd", "compression_level": 6, "use_dictionary": [*TEXTS, "quality", "told_quality", "trust"],
    "column_encoding": {"time": "DELTA_BINARY_PACKED", "record": "DELTA_BINARY_PACKED"}, "write_statistics": True,
    "version": "2.6", "data_page_version": "1.0",
}  # fmt: skip
SAFE = 1 << 53
"""A whole number below this is exact as a double."""
ENOUGH, MAX_ROWS = 1 << 17, 1 << 20
"""Rows with which a row group is written, and of one at most."""


class SeriesKey(NamedTuple):
    """Facts that all readings of one series and source share: TEXTS, and whether the reports carry them beside their
    values. `boot` is hex, empty where the readings carry UTC."""

    device: str
    place: str
    site: str
    zone: str
    model: str
    integration: str
    metric: str
    unit: str
    resolution: str
    kind: str
    device_class: str
    state_class: str
    privacy: str
    boot: str
    carried: bool


class Reading(NamedTuple):
    """A reading. `time_ms` is Unix ms, None where the clock of its boot is unknown; `quality` is what readers are told,
    `told` what its hub sealed; `monotonic` and `arrived_ms` are told of readings of a boot."""

    time_ms: int | None
    record: int
    position: int
    value: bool | int | float | str
    quality: int
    told: int
    trust: int
    monotonic: int | None
    arrived_ms: int | None


Group = dict[SeriesKey, list[Reading]]


class Writer:
    """Writes one file, from readings that come in the order of time."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, _SCHEMA, **_SETTINGS)
        self._waiting: Group = {}
        self._count = 0
        self.rows = 0

    def write(self, group: Group) -> None:
        """Take readings, and write a row group when there are enough."""
        for key, readings in group.items():
            self._waiting.setdefault(key, []).extend(readings)
            self._count += len(readings)
        if self._count >= ENOUGH:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        group, keys, count = self._waiting, list[SeriesKey](), 0
        for key in sorted(group):
            if keys and count + len(group[key]) > MAX_ROWS:
                self._write(keys, group)
                keys, count = [], 0
            keys.append(key)
            count += len(group[key])
        if keys:
            self._write(keys, group)
        self._waiting, self._count = {}, 0

    def _write(self, keys: Sequence[SeriesKey], group: Group) -> None:
        rows = [one for key in keys for one in sorted(group[key], key=_in_order)]
        counts = [len(group[key]) for key in keys]
        kinds = [key.kind for key in keys]
        values = [row[3] for row in rows]
        kind_of = [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]
        times, records, positions, _, qualities, told, trusts, monotonic, arrived = zip(*rows, strict=True)
        numbers = [value if kind == "number" else None for kind, value in zip(kind_of, values, strict=True)]
        columns: list[Any] = [
            pa.array(times, _SCHEMA.field("time").type),
            *(_repeated([str(key[at]) for key in keys], counts) for at in range(len(TEXTS))),
            pa.array([key.carried for key, count in zip(keys, counts, strict=True) for _ in range(count)]),
            pa.array([None if one is None else float(one) for one in numbers], pa.float64()),
            pa.array([one if isinstance(one, int) and abs(one) >= SAFE else None for one in numbers], pa.int64()),
            pa.array([v if k == "flag" else None for k, v in zip(kind_of, values, strict=True)], pa.bool_()),
            pa.array([v if k == "text" else None for k, v in zip(kind_of, values, strict=True)], pa.string()),
            *(pa.array(some, pa.int8()) for some in (qualities, told, trusts)),
            pa.array(records, pa.int64()),
            pa.array(positions, pa.int32()),
            pa.array(monotonic, pa.int64()),
            pa.array(arrived, pa.timestamp("ms", "UTC")),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), row_group_size=MAX_ROWS)
        self.rows += len(rows)


def read(path: Path) -> Iterator[Group]:
    """Yield the row groups of a file. Raises DecodeError for one that is no file of ours."""
    try:
        file = pq.ParquetFile(path)
        if file.schema_arrow.names != _SCHEMA.names:
            raise DecodeError(
                "archive-columns", phrase("archive-columns-unknown", "the columns are not those of an archive")
            )
        for at in range(file.num_row_groups):
            if file.metadata.row_group(at).num_rows > MAX_ROWS:
                raise DecodeError(
                    "archive-group", phrase("archive-group-too-large", "a row group has more rows than an archive's")
                )
            yield _group(file.read_row_group(at).cast(_PLAIN))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DecodeError(
            "archive-parquet",
            phrase("archive-parquet-damaged", "this is no Parquet that can be read: {reason}", reason=reason_of(error)),
        ) from error


_READ_AS = {**dict.fromkeys(TEXTS, pa.string()), "time": pa.int64(), "arrived": pa.int64()}
_PLAIN = pa.schema([(field.name, _READ_AS.get(field.name, field.type)) for field in _SCHEMA])
_REST = (
    "time", "record", "position", "number", "whole", "flag", "text", "quality", "told_quality", "trust",
    "monotonic_ms", "arrived",
)  # fmt: skip


def _group(table: Any) -> Group:
    named = {name: table.column(name).to_pylist() for name in _SCHEMA.names}
    keys = zip(*(named[name] for name in (*TEXTS, "carried")), strict=True)
    group: dict[Any, list[Reading]] = {}
    for key, rest in zip(keys, zip(*(named[name] for name in _REST), strict=True), strict=True):
        time, record, position, number, whole, flag, text, quality, told, trust, monotonic, arrived = rest
        kind = key[9]
        value = flag if kind == "flag" else text if kind == "text" else number if whole is None else whole
        boot = key[13]
        if None in (*key, record, position, value, quality, told, trust) or (monotonic if boot else time) is None:
            raise DecodeError("archive-null", phrase("archive-field-missing", "a reading lacks a field"))
        group.setdefault(key, []).append(
            Reading(time, record, position, value, quality, told, trust, monotonic, arrived)
        )
    return {SeriesKey(*key): readings for key, readings in group.items()}


def _in_order(one: Reading) -> tuple[int, int, int]:
    time_ms = one.monotonic if one.time_ms is None else one.time_ms
    return time_ms or 0, one.record, one.position


def _repeated(values: Sequence[str], counts: Sequence[int]) -> Any:
    """Return a column of values, each so many times."""
    words: dict[str, int] = {}
    places = array("i")
    for value, count in zip(values, counts, strict=True):
        places.extend(array("i", [words.setdefault(value, len(words))]) * count)
    indices = pa.Array.from_buffers(pa.int32(), len(places), [None, pa.py_buffer(places)])
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(words), pa.string()))
