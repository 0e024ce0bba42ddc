"""The journal: records as they came, sealed, durable before they are acknowledged; rows are made of them later.

    file    journal/00000001.log … : magic "ILJ1", then entries; a new file after 64 MiB and after every start
    entry   u32 length of body · u32 crc32 of body · body
    body    u64 epoch · u64 stream (numbers in the database) · one raw record
    all integers big-endian; one write and one fdatasync for all entries of a batch

`meta.journal` in the database holds how far rows were made, (file, offset), written in the very transaction that made
them: each record becomes rows once, whatever stops in between. A torn end was never acknowledged and is passed over.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import apsw
import msgspec

from hub.buffer import frame
from hub.buffer.seal import H
from hub.disk.files import sync_directory
from hub.errors import StorageError
from hub.ranges import Ranges

MAGIC = b"ILJ1"
FILE_BYTES = 64 << 20
_HEAD = struct.Struct(">II")
_BODY = struct.Struct(">QQ")
_MAX_BODY = _BODY.size + frame.MAX_PAYLOAD + frame.OVERHEAD


class Entry(NamedTuple):
    """One record in the journal. `epoch` and `stream` are numbers in the database."""

    epoch: int
    stream: int
    seq: int
    digest: bytes
    readings: int
    raw: bytes


class Batch(NamedTuple):
    """Entries to make rows of; `end` is where the journal stands after them."""

    entries: list[Entry]
    end: tuple[int, int]
    size: int


class Journal:
    """Appends and hands out. One thread. Raises StorageError when the disk refuses; nothing of that batch counts."""

    def __init__(self, directory: Path, connection: apsw.Connection, *, file_bytes: int = FILE_BYTES) -> None:
        """Recover: find what still waits. `connection` is the database whose `meta.journal` says how far it came."""
        self._directory = directory
        self._file_bytes = file_bytes
        self._digests: dict[int, dict[int, bytes]] = {}
        self._ranges: dict[int, Ranges] = {}
        self._waiting: deque[tuple[int, int, int]] = deque()  # file, offset, size of each entry that waits
        self.pending_bytes = 0
        self.pending_records = 0
        self.pending_readings = 0
        self._descriptor = -1
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            position = _position(connection)
            for number in self._numbers():
                if number < position[0]:
                    self._path(number).unlink()
                    continue
                start = position[1] if number == position[0] else len(MAGIC)
                for offset, size, entry in _scan(self._path(number).read_bytes(), start):
                    self._note(entry, (number, offset, size))
            self._number = max([*self._numbers(), position[0]])
            self._prune()
            self._open_next()
        except OSError as error:
            raise StorageError(f"cannot open the journal in {directory}: {error.strerror or error}") from error

    def append(self, entries: list[Entry]) -> None:
        """Make entries durable: one write, one fdatasync."""
        if not entries:
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
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._abandon()
            raise StorageError(f"the journal in {self._directory} refuses: {error.strerror or error}") from error
        for entry, piece in zip(entries, pieces, strict=True):
            self._note(entry, (self._number, self._offset, len(piece)))
            self._offset += len(piece)

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

    def waiting(self, limit: int) -> Batch:
        """The oldest entries, at least one and then up to `limit` bytes. They stay until `drop`."""
        entries: list[Entry] = []
        size, end = 0, (0, 0)
        descriptor, opened = -1, 0
        try:
            for number, offset, length in self._waiting:
                if entries and size + length > limit:
                    break
                if number != opened:
                    if descriptor >= 0:
                        os.close(descriptor)
                    descriptor, opened = os.open(self._path(number), os.O_RDONLY | os.O_CLOEXEC), number
                entries.append(_entry(os.pread(descriptor, length, offset), self._directory))
                size += length
                end = (number, offset + length)
        except OSError as error:
            raise StorageError(f"cannot read the journal in {self._directory}: {error.strerror or error}") from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return Batch(entries, end, size)

    def settled(self, batch: Batch, connection: apsw.Connection) -> None:
        """Say in the database, inside the transaction that made the rows, that `batch` is done."""
        connection.execute("insert or replace into meta values ('journal', ?)", (msgspec.msgpack.encode(batch.end),))

    def drop(self, batch: Batch) -> None:
        """Forget a batch whose transaction was committed; whole files go."""
        for entry in batch.entries:
            self._waiting.popleft()
            digests = self._digests.get(entry.stream, {})
            digests.pop(entry.seq, None)
            if not digests:
                self._digests.pop(entry.stream, None)
                self._ranges.pop(entry.stream, None)
            self.pending_records -= 1
            self.pending_readings -= entry.readings
        self.pending_bytes -= batch.size
        self._prune()

    def turn(self) -> None:
        """Write to another file from now on, so that this one goes as soon as rows are made of all that it holds."""
        self._abandon()
        self._prune()

    def close(self) -> None:
        self._abandon()

    def _note(self, entry: Entry, place: tuple[int, int, int]) -> None:
        if self.digest(entry.stream, entry.seq) == entry.digest:
            return  # written again after a failure, in the next file
        self._digests.setdefault(entry.stream, {})[entry.seq] = entry.digest
        self._ranges.setdefault(entry.stream, Ranges()).add(entry.seq)
        self._waiting.append(place)
        self.pending_bytes += place[2]
        self.pending_records += 1
        self.pending_readings += entry.readings

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


def _scan(data: bytes, start: int) -> Iterator[tuple[int, int, Entry]]:
    """(offset, size, entry) of every whole entry; ends at the first that is none."""
    at = max(start, len(MAGIC))
    while data[:4] == MAGIC and at + _HEAD.size <= len(data):
        size = _HEAD.size + _HEAD.unpack_from(data, at)[0]
        entry = _parse(data[at : at + size])
        if entry is None:
            return
        yield at, size, entry
        at += size


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
    head = frame.read_head(raw, 0)
    if head is None or head.size != len(raw):
        return None
    return Entry(epoch, stream, head.seq, H(raw[:-4]), head.readings, raw)


def _entry(piece: bytes, directory: Path) -> Entry:
    entry = _parse(piece)
    if entry is None:
        raise StorageError(f"a journal file in {directory} changed after it was written: the disk is failing")
    return entry


def _position(connection: apsw.Connection) -> tuple[int, int]:
    blob = connection.execute("select value from meta where key = 'journal'").get
    return msgspec.msgpack.decode(blob, type=tuple[int, int]) if blob else (0, 0)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
