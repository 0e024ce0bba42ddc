"""Reading and rewriting of chunks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from backend.readings.chunks.building import pack, share, sort, write
from backend.readings.chunks.container import Chunk, Entry, assemble
from backend.readings.chunks.rows import ORIGIN_BITS, ChunkRow, Content, Picked
from hub.protocol.records.rows import Shape, Subject


def encode(rows: Sequence[ChunkRow]) -> bytes:
    """Encode reports, in any order, as one chunk. The same reports give the same bytes, in whatever order. Raises
    Refused when there are none, when there are too many for one chunk, and for values that no block decodes to."""
    return write(rows)


def decode(data: bytes) -> Iterator[ChunkRow]:
    """Yield the reports, frame by frame: by device, those of a device by shape, time and origin. Raises DecodeError."""
    for frame in Chunk(data).frames():
        yield from frame.rows()


def contents(data: bytes) -> Iterator[Content]:
    """Yield which subjects and shapes there are. Raises DecodeError."""
    for frame in Chunk(data).frames():
        yield from frame.contents()


def pick(data: bytes, *, device: str, metric: str) -> list[Picked]:
    """Return the readings of a metric of a device, for each of its subjects and columns. A metric that begins with
    CARRIED is what reports carry beside their values: `report.rssi`. Raises DecodeError."""
    chunk = Chunk(data)
    return [picked for at in chunk.places_of(device) for picked in chunk.frame(at).picked(device, metric)]


def count(data: bytes, *, device: str, metric: str) -> list[tuple[Subject, int]]:
    """Return how many readings of a metric a device has, for each of its subjects; no column is read. Raises
    DecodeError."""
    chunk = Chunk(data)
    found = []
    for at in chunk.places_of(device):
        for subject, shape, reports in chunk.frame(at).contents():
            columns = sum(column.metric == metric for column in shape.columns) if subject.device == device else 0
            if columns:
                found.append((subject, columns * reports))
    return found


def merge(data: bytes, rows: Iterable[ChunkRow]) -> bytes:
    """Add reports to a chunk. One is added once: its device, its origin and its
    metrics tell it. Frames without any of the
    devices stay as they are. Raises DecodeError and Refused."""
    chunk, late = Chunk(data), list(rows)
    new = sorted({row.origin >> ORIGIN_BITS for row in late}.difference(chunk.records))
    places = {row.subject.device: chunk.places_of(row.subject.device) for row in late}
    if (new and new[0] < chunk.records[-1]) or any(len(frames) > 1 for frames in places.values()):
        return write(_once(decode(data), late))
    more: dict[int, list[ChunkRow]] = {}
    for row in late:
        more.setdefault(max(places[row.subject.device], default=0), []).append(row)
    changed = {at: _once(chunk.frame(at).rows(), some) for at, some in more.items()}
    return _replaced(chunk, changed, [*chunk.records, *new])


def without(data: bytes, predicate: Callable[[ChunkRow], bool]) -> bytes | None:
    """Return the chunk without the reports of which `predicate` is true; None when none is left. Raises
    DecodeError."""
    return rewrite(data, lambda _: True, lambda row: None if predicate(row) else row)


def rewrite(
    data: bytes, reached: Callable[[Content], bool], change: Callable[[ChunkRow], ChunkRow | None]
) -> bytes | None:
    """Return the chunk with `change` made of each report whose subject and shape are `reached`; None when nothing is
    left. A report keeps its device and its origin. Frames in which nothing is reached are copied as they are, so that a
    year of chunks can be searched for a name. Raises DecodeError and Refused."""
    chunk = Chunk(data)
    changed: dict[int, list[ChunkRow]] = {}
    for at, frame in enumerate(chunk.frames()):
        touched = {(content.subject, content.shape) for content in frame.contents() if reached(content)}
        if touched:
            rows = frame.rows()
            others = [change(row) if row[:2] in touched else row for row in rows]
            changed[at] = [row for row in others if row is not None]
    left = any(changed.get(at, True) for at in range(len(chunk.entries)))
    return _replaced(chunk, changed, chunk.records) if left else None


def _replaced(chunk: Chunk, changed: dict[int, list[ChunkRow]], records: Sequence[int]) -> bytes:
    """Write the chunk again with other reports in some of its frames."""
    if not changed:
        return chunk.data
    shapes = {shape: number for number, shape in enumerate(chunk.shapes)}
    places = {record: at for at, record in enumerate(records)}
    frames: list[tuple[Entry, bytes]] = []
    for at, entry in enumerate(chunk.entries):
        if at in changed:
            frames += [pack(frame, shapes, places) for frame in share(sort(changed[at], chunk.shapes))]
        else:
            frames.append((entry, chunk.stored(at)))
    return assemble(records, chunk.shapes, frames)


def _once(*many: Iterable[ChunkRow]) -> list[ChunkRow]:
    """Return each report once. A report may have been divided, so its metrics tell it too."""
    known: dict[tuple[str, int, tuple[str, ...]], ChunkRow] = {}
    metrics: dict[Shape, tuple[str, ...]] = {}
    for row in chain.from_iterable(many):
        if row.shape not in metrics:
            metrics[row.shape] = tuple([column.metric for column in row.shape.columns])
        known.setdefault((row.subject.device, row.origin, metrics[row.shape]), row)
    return list(known.values())
