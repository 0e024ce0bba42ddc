"""Journal of a former release: sealed records that it acknowledged and had not stored in its database yet.

    file    journal/00000001.log … : magic "ILJ1", then entries
    entry   u32 length of body · u32 crc32 of body · body
    body    u64 epoch · u64 stream (numbers in the database) · one raw record
    all integers big-endian

The database holds the position up to which entries were stored, (file, offset), written in the very transaction that
stored them: each record is stored exactly once, wherever the process stops. A torn end was never acknowledged and is
skipped.

An acknowledged entry that cannot be read back stops nothing: it is returned as `Damage` in its turn, is a hole from
then on, and is requested from its hub, which keeps acknowledged records for some days. The entries after it are found
by their records' headers.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from hub.core.errors import StorageError
from hub.core.text import phrase, system_error
from hub.protocol.records import framing
from hub.protocol.records.seal import H

MAGIC = b"ILJ1"
FILE_BYTES = 64 << 20
_HEAD = struct.Struct(">II")
_BODY = struct.Struct(">QQ")
_MAX_BODY = _BODY.size + framing.MAX_PAYLOAD + framing.OVERHEAD
_DATA_LOSS = (errno.ENOENT, errno.EIO, errno.EUCLEAN, errno.EBADMSG)
"""errno values of a disk that has lost bytes; other errors may be gone at the next try."""
_PIECE = 4096
"""Bytes that are given up at a time where the disk has lost some: a page."""


class Entry(NamedTuple):
    """A record in the journal. `epoch` and `stream` are numbers in the database."""

    epoch: int
    stream: int
    seq: int
    digest: bytes
    readings: int
    raw: bytes


class _Position(NamedTuple):
    """Position of an entry that waits, with its stream, number and count of readings when it was written; 0 where
    unknown."""

    file: int
    offset: int
    size: int
    stream: int = 0
    seq: int = 0
    readings: int = 0


class Damage(NamedTuple):
    """An entry that cannot be read back. `stream` (a number in the database) and `seq` are 0 where unknown; `raw` is
    what the disk still returns of its `size` bytes; `where` names file and offset."""

    stream: int
    seq: int
    raw: bytes
    size: int
    where: str


class Batch(NamedTuple):
    """The next entries to make rows of, in the order of the journal, with the position after each."""

    items: Sequence[Entry | Damage]
    ends: Sequence[tuple[int, int]]
    sizes: Sequence[int]

    @property
    def entries(self) -> list[Entry]:
        return [item for item in self.items if isinstance(item, Entry)]

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def each(self) -> Iterator[Batch]:
        """Yield one batch for each entry."""
        for item, end, size in zip(self.items, self.ends, self.sizes, strict=True):
            yield Batch((item,), (end,), (size,))


class FormerJournal:
    """Entries that wait, read in order. One thread. Raises StorageError when the disk refuses."""

    def __init__(self, directory: Path, done: tuple[int, int]) -> None:
        """Find the entries that wait. Those up to `done`, (file, offset), are stored in the database."""
        self._directory = directory
        self._digests: dict[tuple[int, int], bytes] = {}
        self._waiting: deque[_Position] = deque()
        try:
            for number in self._numbers():
                if number < done[0]:
                    self._path(number).unlink()
                    continue
                start = done[1] if number == done[0] else len(MAGIC)
                for offset, size, entry in _scan(_contents(self._path(number)), start):
                    if entry is None:
                        self._waiting.append(_Position(number, offset, size))  # read again when its batch comes
                    else:
                        self._note(entry, number, offset, size)
            self._prune()
        except OSError as error:
            raise StorageError(
                phrase(
                    "journal-not-opened",
                    "cannot open the journal in {directory}: {reason}",
                    directory=directory,
                    reason=system_error(error),
                )
            ) from error

    def waiting(self, limit: int) -> Batch:
        """Return the oldest waiting entries, at least one and then up to `limit` bytes. They stay until `drop`."""
        items: list[Entry | Damage] = []
        ends: list[tuple[int, int]] = []
        sizes: list[int] = []
        size = 0
        with _Reader(self._directory) as reader:
            for place in self._waiting:
                if items and size + place.size > limit:
                    break
                raw = reader.read(self._path(place.file), place.offset, place.size)
                where = f"{self._path(place.file)}, byte {place.offset}"
                items.append(_parse(raw) or Damage(place.stream, place.seq, raw, place.size, where))
                ends.append((place.file, place.offset + place.size))
                sizes.append(place.size)
                size += place.size
        return Batch(items, ends, sizes)

    def drop(self, batch: Batch) -> None:
        """Discard a batch whose transaction was committed; delete files without waiting entries."""
        for _ in batch.items:
            self._waiting.popleft()
        self._prune()

    def _note(self, entry: Entry, number: int, offset: int, size: int) -> None:
        key = entry.stream, entry.seq
        if self._digests.get(key) != entry.digest:  # else the same record, written again after a failure
            self._digests[key] = entry.digest
            self._waiting.append(_Position(number, offset, size, entry.stream, entry.seq))

    def _prune(self) -> None:
        """Delete files without waiting entries."""
        first = self._waiting[0].file if self._waiting else None
        for number in self._numbers():
            if first is None or number < first:
                self._path(number).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._directory.glob("[0-9]*.log") if path.stem.isdigit())

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}.log"


class _Reader:
    """Reader of pieces of files, with one file open at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._descriptor, self._opened = directory, -1, Path()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """Return the bytes; fewer, or none, where the disk has lost them. Raises StorageError on other errors."""
        try:
            if path != self._opened:
                self.__exit__()
                self._descriptor, self._opened = -1, path
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return b"" if self._descriptor < 0 else os.pread(self._descriptor, size, offset)
        except OSError as error:
            if error.errno in _DATA_LOSS:
                return b""
            self._opened = Path()
            raise StorageError(
                phrase(
                    "journal-not-read",
                    "cannot read the journal in {directory}: {reason}",
                    directory=self._directory,
                    reason=system_error(error),
                )
            ) from error


def _contents(path: Path) -> bytes:
    """Read a whole file; where the disk has lost some of it, substitute bytes that neither begin an entry nor look like
    a torn end."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _DATA_LOSS:
            raise
    pieces = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for at in range(0, size, _PIECE):
            try:
                pieces.append(os.pread(file.fileno(), _PIECE, at))
            except OSError as error:
                if error.errno not in _DATA_LOSS:
                    raise
                pieces.append(b"\xff" * min(_PIECE, size - at))
    return b"".join(pieces)


def _scan(data: bytes, start: int) -> Iterator[tuple[int, int, Entry | None]]:
    """Yield (offset, size, entry) of every whole entry; without an entry: bytes that are neither one nor a torn end,
    and everything after a wrong length. There a hub's record can imitate an entry: it only counts once it was opened.
    """
    at, sure = max(start, len(MAGIC)), True
    while at < len(data):
        size = _size(data, at)
        entry = _parse(data[at : at + size]) if size else None
        if entry is None:
            after = at + size
            if not size or (after != len(data) and _parse(data[after : after + _size(data, after)]) is None):
                after, sure = _next(data, at + 1), False
            if after == len(data) and _is_torn(data, at, size):
                return
            size = after - at
        yield at, size, entry if sure else None
        at += size


def _is_torn(data: bytes, at: int, size: int) -> bool:
    """Return whether the bytes from here to the end of the file are a write that was cut short, or zeros of the
    disk."""
    return at + max(size, _HEAD.size) > len(data) or not data[-8:].strip(b"\0")


def _size(data: bytes, at: int) -> int:
    """Return the size of the entry whose length stands here; 0 where it is none."""
    length = _HEAD.unpack_from(data, at)[0] if at + _HEAD.size <= len(data) else 0
    return _HEAD.size + length if _BODY.size < length <= _MAX_BODY else 0


def _next(data: bytes, start: int) -> int:
    """Return the offset of the first whole entry from `start` on; the end when there is none."""
    before = _HEAD.size + _BODY.size
    marker = data.find(framing.MARKER, start + before)
    while marker >= 0:
        at = marker - before
        if framing.read_head(data, marker) is not None and _parse(data[at : at + _size(data, at)]) is not None:
            return at
        marker = data.find(framing.MARKER, marker + 1)
    return len(data)


def _parse(piece: bytes) -> Entry | None:
    """Parse the entry in exactly these bytes; None when they are torn or altered."""
    if len(piece) < _HEAD.size + _BODY.size:
        return None
    length, checksum = _HEAD.unpack_from(piece)
    body = piece[_HEAD.size :]
    if len(body) != length or length > _MAX_BODY or crc32(body) != checksum:
        return None
    epoch, stream = _BODY.unpack_from(body)
    raw = body[_BODY.size :]
    head = framing.read_head(raw, 0)
    if head is None or head.size != len(raw):
        return None
    return Entry(epoch, stream, head.seq, H(raw[:-4]), head.readings, raw)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
