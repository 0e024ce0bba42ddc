"""Building of chunks: reports sorted by device, shared out over frames, compressed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from zlib import crc32

import msgspec

from backend.readings.chunks.container import Entry, assemble
from backend.readings.chunks.frames import DEVICES, MAX_FRAME, READINGS, TEXT_WEIGHT, Bucket, encode_frame, shape_fields
from backend.readings.chunks.rows import ORIGIN_BITS, ChunkRow
from hub.protocol.records.compression import Joiner
from hub.protocol.records.dictionary import Refused
from hub.protocol.records.rows import Shape, Subject

MAX_SHARED = 1 << 16
"""Bytes of shapes that a head holds for its frames, about: further ones stand in each frame that has them."""


def write(rows: Iterable[ChunkRow]) -> bytes:
    """Encode the reports as one chunk. Raises Refused for what no block decodes to, and for too many."""
    buckets = sort(rows)
    if not buckets:
        raise Refused("empty")
    records = sorted({row[3] >> ORIGIN_BITS for bucket in buckets for row in bucket.rows})
    frames = list(share(buckets))
    shapes = _shared(frames)
    places = {record: at for at, record in enumerate(records)}
    return assemble(records, list(shapes), [pack(frame, shapes, places) for frame in frames])


def pack(frame: Sequence[Bucket], shapes: dict[Shape, int], records: dict[int, int]) -> tuple[Entry, bytes]:
    """Encode and compress a frame."""
    pieces = encode_frame(frame, shapes, records)
    size = sum(map(len, pieces))
    if size > MAX_FRAME:
        raise Refused("too-long")
    packed = Joiner()(pieces)
    reports = sum(len(bucket.rows) for bucket in frame)
    return Entry(frame[0].subject.device, len(packed), size, crc32(packed), reports), packed


def sort(rows: Iterable[ChunkRow], known: Iterable[Shape] = ()) -> list[Bucket]:
    """Sort reports by device, then by what else is said of their subjects, by shape, time and origin. Of a shape that
    is `known`, that object stands in the answer."""
    found: dict[tuple[Subject, Shape], list[ChunkRow]] = {}
    some: list[ChunkRow] = []
    last_subject = last_shape = None
    for row in rows:
        subject, shape = row[0], row[1]
        if subject is not last_subject or shape is not last_shape:
            last_subject, last_shape = subject, shape
            some = found.get((subject, shape)) or found.setdefault((subject, shape), [])
        some.append(row)
    # subjects and shapes compare by identity: those of several epochs are brought together by what they say
    said: dict[Subject | Shape, tuple[object, ...]] = {}
    one: dict[tuple[object, object], tuple[Subject, Shape]] = {}
    whole: dict[tuple[object, object], list[ChunkRow]] = {}
    for (subject, shape), some in found.items():
        what = said.get(subject) or said.setdefault(subject, msgspec.structs.astuple(subject))
        form = said.get(shape) or said.setdefault(shape, tuple(shape_fields(shape)))
        key = what, form
        if key in whole:
            whole[key] += some
        else:
            one[key], whole[key] = (subject, shape), some
    subjects: dict[object, Subject] = {}
    shapes: dict[object, Shape] = {tuple(shape_fields(shape)): shape for shape in known}
    buckets = []
    for names, some in sorted(whole.items(), key=itemgetter(0)):
        subject, shape = one[names]
        some.sort(key=itemgetter(2, 3))
        buckets.append(Bucket(subjects.setdefault(names[0], subject), shapes.setdefault(names[1], shape), some))
    return buckets


def share(buckets: Iterable[Bucket]) -> Iterator[list[Bucket]]:
    """Share sorted reports out over frames. A frame ends where a device ends, unless that one is too much for one."""
    frame: list[Bucket] = []
    devices = weight = 0
    for device in _devices(buckets):
        more = sum(map(_weight, device))
        if frame and (devices == DEVICES or weight + more > READINGS):
            yield frame
            frame, devices, weight = [], 0, 0
        if more > READINGS:
            yield from _cut(device)
            continue
        frame += device
        devices, weight = devices + 1, weight + more
    if frame:
        yield frame


def _devices(buckets: Iterable[Bucket]) -> Iterator[list[Bucket]]:
    device: list[Bucket] = []
    for bucket in buckets:
        if device and device[0].subject.device != bucket.subject.device:
            yield device
            device = []
        device.append(bucket)
    if device:
        yield device


def _cut(device: Iterable[Bucket]) -> Iterator[list[Bucket]]:
    """Share one device out over frames that hold nothing else."""
    frame: list[Bucket] = []
    room = READINGS
    for bucket in device:
        told, begin = _described(bucket), 0
        room -= told
        for at, row in enumerate(bucket.rows):
            size = _row_weight(row)
            if size > room and (frame or at > begin):
                if at > begin:
                    frame.append(bucket._replace(rows=bucket.rows[begin:at]))
                yield frame
                frame, room, begin = [], READINGS - told, at
            room -= size
        frame.append(bucket._replace(rows=bucket.rows[begin:]))
    yield frame


def _weight(bucket: Bucket) -> int:
    if _has_texts(bucket.shape):
        return _described(bucket) + sum(map(_row_weight, bucket.rows))
    return _described(bucket) + len(bucket.rows) * len(bucket.shape.columns)


@lru_cache(1024)
def _has_texts(shape: Shape) -> bool:
    return any(column.kind == "text" for column in shape.columns)


def _row_weight(row: ChunkRow) -> int:
    return len(row.values) + sum(len(value) // TEXT_WEIGHT for value in row.values if isinstance(value, str))


def _described(bucket: Bucket) -> int:
    """Return what the names of a subject and shape weigh."""
    return (sum(map(len, msgspec.structs.astuple(bucket.subject))) + _length(bucket.shape)) // TEXT_WEIGHT


@lru_cache(1024)
def _length(shape: Shape) -> int:
    return sum(len("".join(fields)) for fields in shape_fields(shape))


def _shared(frames: Sequence[Sequence[Bucket]]) -> dict[Shape, int]:
    """Number the shapes that stand in the head: those of several frames, as long as there is room."""
    counts: dict[Shape, int] = {}
    for shape in chain.from_iterable({bucket.shape: None for bucket in frame} for frame in frames):
        counts[shape] = counts.get(shape, 0) + 1
    shared: dict[Shape, int] = {}
    room = MAX_SHARED
    for shape, count in counts.items():
        if count > 1 and (size := _length(shape)) <= room:
            shared[shape] = len(shared)
            room -= size
    return shared
