"""One file that holds a release: read piece by piece, and made of a directory. Its format: `hub.protocol.documents`.

Reading is bounded at each step: the head by its limits, the packed files by the sizes that the signed head says, and
what unpacks them by the memory that it may take.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from hub.core.errors import AuthFailed, DecodeError, HubError, StorageError
from hub.core.text import phrase, system_error
from hub.operations.releases.pace import expect_pace
from hub.protocol.documents.release import MAGIC, MAX_DOCUMENT, MAX_PACKED, File

SUFFIX = ".ilot-release"
PIECE = 1 << 18
PRESET = 6
"""Of xz: unpacking takes 9 MiB of memory, on the smallest board too."""
_MEMORY = 96 << 20
"""Bytes that unpacking may take; what `pack` makes needs 9 MiB."""
LINKS = ("bin/python", "bin/python3", "lib64")
"""Links of a virtual environment that are not in a bundle: the first two are made where it is installed."""


class Bundle:
    """A bundle that is read from its begin to its end. Raises AuthFailed, StorageError or TooSlow, and then nothing of
    it may be used."""

    def __init__(self, source: BinaryIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._began, self.taken = clock(), 0
        self.document = self._head()

    def _head(self) -> bytes:
        if self._exactly(len(MAGIC)) != MAGIC:
            raise _unreadable()
        size = int.from_bytes(self._exactly(4), "big")
        if not 0 < size <= MAX_DOCUMENT:
            raise _unreadable()
        return self._exactly(size)

    def contents(self, files: tuple[File, ...]) -> Iterator[tuple[File, Iterator[bytes]]]:
        """Return each file with its pieces, which must be taken before the next file. The hash of a file is compared
        after its last piece."""
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
        for file in files:
            yield file, self._file(file, unpacker)
        if not unpacker.eof and self._unpacked(unpacker, 1):
            raise _other("the end")
        if not unpacker.eof or unpacker.unused_data or self._read(1):
            raise _other("the end")

    def _file(self, file: File, unpacker: lzma.LZMADecompressor) -> Iterator[bytes]:
        found, left = hashlib.sha256(), file.size
        while left:
            piece = self._unpacked(unpacker, min(left, PIECE))
            if not piece:
                raise _cut()
            found.update(piece)
            left -= len(piece)
            yield piece
        if found.digest() != file.sha256:
            raise _other(file.path)

    def _unpacked(self, unpacker: lzma.LZMADecompressor, most: int) -> bytes:
        """Return at most so many bytes, b"" at the end."""
        while not unpacker.eof:
            given = b""
            if unpacker.needs_input:
                given = self._read(PIECE)
                if not given:
                    raise _cut()
            try:
                piece = unpacker.decompress(given, most)
            except (lzma.LZMAError, MemoryError) as error:
                raise _other("the packed files") from error
            if piece:
                return piece
        return b""

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._read(size - len(data))
            if not piece:
                raise _unreadable() if self.taken < len(MAGIC) else _cut()
            data += piece
        return bytes(data)

    def _read(self, most: int) -> bytes:
        try:
            piece = self._source.read(min(most, PIECE))
        except OSError as error:
            raise StorageError(
                phrase(
                    "release-source-gone",
                    "the bundle could not be read to its end ({reason}): was the stick pulled out? Nothing changed; "
                    "put "
                    "it in again",
                    reason=system_error(error),
                )
            ) from error
        self.taken += len(piece)
        expect_pace(self.taken, self._clock() - self._began)
        if self.taken > MAX_PACKED + MAX_DOCUMENT:
            raise _other("its length")
        return piece


def _unreadable() -> HubError:
    return AuthFailed(
        phrase("release-not-a-bundle", "this is no release bundle of the hub: choose a file *.ilot-release")
    )


def _cut() -> HubError:
    return StorageError(
        phrase("release-truncated", "the bundle ends too early: it was copied in part. Copy it again; nothing changed")
    )


def _other(what: str) -> HubError:
    return AuthFailed(
        phrase(
            "release-other-bytes",
            "the bundle does not hold what its signature says ({what} differs): it was altered or damaged. Copy it "
            "again; nothing changed",
            what=what,
        )
    )


def listed(tree: Path) -> tuple[File, ...]:
    """Return the files of a tree as a release names them, in order. Raises DecodeError for what none can hold."""
    found = []
    for at, folders, names in os.walk(tree):
        folders.sort()
        for name in [*names, *(one for one in folders if (Path(at) / one).is_symlink())]:
            path = Path(at) / name
            short = path.relative_to(tree).as_posix()
            if path.is_symlink():
                if short in LINKS or short.startswith("bin/python3."):
                    continue
                raise DecodeError("link", phrase("release-holds-link", "{path}: a release holds no link", path=short))
            data = path.read_bytes()
            executable = bool(path.stat().st_mode & 0o100)
            found.append(File(short, len(data), hashlib.sha256(data).digest(), executable))
    return tuple(sorted(found, key=lambda file: file.path))


def pack(tree: Path, files: tuple[File, ...], target: BinaryIO) -> None:
    """Write the packed files of a tree: the same bytes for the same files."""
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=PRESET)
    for file in files:
        target.write(packer.compress((tree / file.path).read_bytes()))
    target.write(packer.flush())


def write(document: bytes, tree: Path, files: tuple[File, ...], target: BinaryIO) -> None:
    """Write a whole bundle of a signed document and the tree that it describes."""
    target.write(MAGIC + len(document).to_bytes(4, "big") + document)
    pack(tree, files, target)
