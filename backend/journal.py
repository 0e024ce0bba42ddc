"""The journal: records as they came, sealed, durable before they are acknowledged; rows are made of them later.

    file    journal/00000001.log … : magic "ILJ1", then entries; a new file after 64 MiB and after every start
    entry   u32 length of body · u32 crc32 of body · body
    body    u64 epoch · u64 stream (numbers in the database) · one raw record
    all integers big-endian; one write and one fdatasync for all entries of a batch

`meta.journal` in the database holds how far rows were made, (file, offset), written in the very transaction that made
them: each record becomes rows once, whatever stops in between. A torn end was never acknowledged and is passed over.

What cannot be read back was acknowledged all the same. It stops nothing: it is handed out as `Damage` in its turn, and
no longer counts as taken when its batch is dropped. So it is a hole from then on, and the hub, which keeps what was
acknowledged for some days, is asked for it again. At a start the entries behind it are found by their records' headers.
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

import apsw
import msgspec

from hub.core.disk.atomic_files import make_directory, still_takes, sync_data, sync_directory
from hub.core.errors import StorageError
from hub.protocol.ranges import Ranges
from hub.protocol.records import framing
from hub.protocol.records.seal import H

MAGIC = b"ILJ1"
FILE_BYTES = 64 << 20
_HEAD = struct.Struct(">II")
_BODY = struct.Struct(">QQ")
_MAX_BODY = _BODY.size + framing.MAX_PAYLOAD + framing.OVERHEAD
_LOST = (errno.ENOENT, errno.EIO, errno.EUCLEAN, errno.EBADMSG)
"""What a disk says that has lost bytes; anything else it may say otherwise the next time."""
_PIECE = 4096
"""Bytes that are lost at a time, where some are: a page."""


class Entry(NamedTuple):
    """One record in the journal. `epoch` and `stream` are numbers in the database."""

    epoch: int
    stream: int
    seq: int
    digest: bytes
    readings: int
    raw: bytes


class _Place(NamedTuple):
    """Where something that waits lies, and what it was when it was written; numbers of 0: nobody knows."""

    file: int
    offset: int
    size: int
    stream: int = 0
    seq: int = 0
    readings: int = 0


class Damage(NamedTuple):
    """What was an entry and cannot be read back. `stream` (a number in the database) and `seq` are 0 where nobody knows
    whose it was; `raw` is what the disk still gives of its `size` bytes; `where` names file and offset."""

    stream: int
    seq: int
    raw: bytes
    size: int
    where: str


class Batch(NamedTuple):
    """What is next to make rows of, in the order of the journal, and where that stands after each."""

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
        """One batch for each of them."""
        for item, end, size in zip(self.items, self.ends, self.sizes, strict=True):
            yield Batch((item,), (end,), (size,))


class Journal:
    """Appends and hands out. One thread. Raises StorageError when the disk refuses; nothing of that batch counts."""

    def __init__(self, directory: Path, connection: apsw.Connection, *, file_bytes: int = FILE_BYTES) -> None:
        """Recover: find what still waits. `connection` is the database whose `meta.journal` says how far it came."""
        self._directory = directory
        self._file_bytes = file_bytes
        self._digests: dict[int, dict[int, bytes]] = {}
        self._ranges: dict[int, Ranges] = {}
        self._waiting: deque[_Place] = deque()
        self.pending_bytes = 0
        self.pending_records = 0
        self.pending_readings = 0
        self._descriptor = -1
        try:
            make_directory(directory)
            position = _position(connection)
            for number in self._numbers():
                if number < position[0]:
                    self._path(number).unlink()
                    continue
                start = position[1] if number == position[0] else len(MAGIC)
                for offset, size, entry in _scan(_contents(self._path(number)), start):
                    if entry is None:
                        self._wait(_Place(number, offset, size))  # read again when its turn comes
                    else:
                        self._note(entry, number, offset, size)
            self._number = max([*self._numbers(), position[0]])
            self._prune()
            self._open_next()
        except OSError as error:
            raise StorageError(f"cannot open the journal in {directory}: {error.strerror or error}") from error

    def append(self, entries: list[Entry]) -> None:
        """Make entries durable: one write, one fdatasync. With none, only ask whether the disk took what the database
        committed just before."""
        if not entries:
            self._ask()
            return
        pieces = []
        for entry in entries:
            body = _BODY.pack(entry.epoch, entry.stream) + entry.raw
            pieces.append(_HEAD.pack(len(body), crc32(body)) + body)
        data = b"".join(pieces)
        try:
            if self._descriptor < 0 or (self._offset > len(MAGIC) and self._offset + len(data) > self._file_bytes):
                self._open_next()
            _write(self._descriptor, data)
            sync_data(self._descriptor)
        except OSError as error:
            self._abandon()
            raise StorageError(f"the journal in {self._directory} refuses: {error.strerror or error}") from error
        for entry, piece in zip(entries, pieces, strict=True):
            self._note(entry, self._number, self._offset, len(piece))
            self._offset += len(piece)

    def _ask(self) -> None:
        if self._descriptor >= 0:  # else it refused the last time, and says so again with the next entry
            try:
                still_takes(self._descriptor)
            except OSError as error:
                raise StorageError(f"the disk of {self._directory} refuses: {error.strerror or error}") from error

    def digest(self, stream: int, seq: int) -> bytes | None:
        """The digest of a record that waits here."""
        return self._digests.get(stream, {}).get(seq)

    def merged(self, stream: int, stored: Ranges) -> Ranges:
        """`stored` together with what waits here."""
        waiting = self._ranges.get(stream)
        if not waiting:
            return stored
        both = stored.copy()
        for first, last in waiting:
            both.add(first, last)
        return both

    def ranges(self, stream: int) -> Ranges:
        """The numbers that wait here, and some that did."""
        return self._ranges.get(stream) or Ranges()

    def waiting(self, limit: int) -> Batch:
        """The oldest of what waits, at least one and then up to `limit` bytes. It stays until `drop`."""
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

    def settled(self, batch: Batch, connection: apsw.Connection) -> None:
        """Say in the database, inside the transaction that made the rows, that `batch` is done."""
        end = msgspec.msgpack.encode(batch.ends[-1])
        connection.execute("insert or replace into meta values ('journal', ?)", (end,))

    def drop(self, batch: Batch) -> None:
        """Forget a batch whose transaction was committed; whole files go."""
        for item in batch.items:
            place = self._waiting.popleft()
            digests = self._digests.get(place.stream, {})
            digests.pop(place.seq, None)
            if place.stream:
                self.pending_records -= 1
                self.pending_readings -= place.readings
            if not digests:
                self._digests.pop(place.stream, None)
                self._ranges.pop(place.stream, None)
            elif isinstance(item, Damage) and place.stream in self._ranges:
                self._ranges[place.stream].discard(place.seq, place.seq)
            self.pending_bytes -= place.size
        self._prune()

    def lose(self, stream: int, seq: int) -> None:
        """No rows can be made of this record: it does not count as taken any more."""
        if (ranges := self._ranges.get(stream)) is not None:
            ranges.discard(seq, seq)

    def turn(self) -> None:
        """Write to another file from now on, so that this one goes as soon as rows are made of all that it holds."""
        self._abandon()
        self._prune()

    def close(self) -> None:
        self._abandon()

    def _note(self, entry: Entry, number: int, offset: int, size: int) -> None:
        if self.digest(entry.stream, entry.seq) == entry.digest:
            return  # written again after a failure, in the next file
        self._digests.setdefault(entry.stream, {})[entry.seq] = entry.digest
        self._ranges.setdefault(entry.stream, Ranges()).add(entry.seq)
        self._wait(_Place(number, offset, size, entry.stream, entry.seq, entry.readings))
        self.pending_records += 1
        self.pending_readings += entry.readings

    def _wait(self, place: _Place) -> None:
        self._waiting.append(place)
        self.pending_bytes += place.size

    def _prune(self) -> None:
        oldest = self._waiting[0][0] if self._waiting else self._number if self._descriptor >= 0 else self._number + 1
        for number in self._numbers():
            if number < oldest:
                self._path(number).unlink(missing_ok=True)

    def _open_next(self) -> None:
        self._abandon()
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path(self._number), flags, 0o600)
        _write(self._descriptor, MAGIC)
        self._offset = len(MAGIC)
        sync_directory(self._directory)

    def _abandon(self) -> None:
        """Never write to the current file again: after a failed write or sync nobody knows what it holds."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._directory.glob("[0-9]*.log"))

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}.log"


class _Reader:
    """Pieces of files, one file open at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._descriptor, self._opened = directory, -1, Path()

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """What is there; less, or nothing, where the disk has lost it. Raises StorageError when it only refuses."""
        try:
            if path != self._opened:
                self.__exit__()
                self._descriptor, self._opened = -1, path
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            return b"" if self._descriptor < 0 else os.pread(self._descriptor, size, offset)
        except OSError as error:
            if error.errno in _LOST:
                return b""
            self._opened = Path()
            raise StorageError(f"cannot read the journal in {self._directory}: {error.strerror or error}") from error


def _contents(path: Path) -> bytes:
    """A whole file; where the disk has lost some of it, bytes that begin no entry and are no torn end either."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _LOST:
            raise
    pieces = []
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for at in range(0, size, _PIECE):
            try:
                pieces.append(os.pread(file.fileno(), _PIECE, at))
            except OSError as error:
                if error.errno not in _LOST:
                    raise
                pieces.append(b"\xff" * min(_PIECE, size - at))
    return b"".join(pieces)


def _scan(data: bytes, start: int) -> Iterator[tuple[int, int, Entry | None]]:
    """(offset, size, entry) of every whole entry; without an entry: bytes that are none, and yet no torn end, and all
    that stands behind a length that is wrong. There a hub's record may pose as an entry: it counts when it was opened.
    """
    at, sure = max(start, len(MAGIC)), True
    while at < len(data):
        size = _size(data, at)
        entry = _parse(data[at : at + size]) if size else None
        if entry is None:
            after = at + size
            if not size or (after != len(data) and _parse(data[after : after + _size(data, after)]) is None):
                after, sure = _next(data, at + 1), False
            if after == len(data) and _torn(data, at, size):
                return
            size = after - at
        yield at, size, entry if sure else None
        at += size


def _torn(data: bytes, at: int, size: int) -> bool:
    """Whether what begins here and ends the file is a write that was cut short, or of which the disk has only zeros."""
    return at + max(size, _HEAD.size) > len(data) or not data[-8:].strip(b"\0")


def _size(data: bytes, at: int) -> int:
    """Of the entry whose length stands here; 0 where that is none's."""
    length = _HEAD.unpack_from(data, at)[0] if at + _HEAD.size <= len(data) else 0
    return _HEAD.size + length if _BODY.size < length <= _MAX_BODY else 0


def _next(data: bytes, start: int) -> int:
    """Where the first whole entry from `start` on begins; the end when there is none."""
    before = _HEAD.size + _BODY.size
    marker = data.find(framing.MARKER, start + before)
    while marker >= 0:
        at = marker - before
        if framing.read_head(data, marker) is not None and _parse(data[at : at + _size(data, at)]) is not None:
            return at
        marker = data.find(framing.MARKER, marker + 1)
    return len(data)


def _parse(piece: bytes) -> Entry | None:
    """The entry in exactly these bytes, None when they are torn or altered."""
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


def _position(connection: apsw.Connection) -> tuple[int, int]:
    blob = connection.execute("select value from meta where key = 'journal'").get
    return msgspec.msgpack.decode(blob, type=tuple[int, int]) if blob else (0, 0)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
