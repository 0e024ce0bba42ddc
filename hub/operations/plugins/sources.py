"""A signed document with its files: out of one bundle, or out of the files that lie beside it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from hub.core.errors import AuthFailed, StorageError
from hub.core.text import phrase, system_error
from hub.protocol.documents.addition import MAGIC, MAX_DOCUMENT, Unverified, read_unverified, unreadable
from hub.protocol.documents.release import File

SUFFIXES = {"plugin": ".ilot-plugin", "pack": ".ilot-pack"}
BESIDE = ".ilot-signed"
"""Ends the name of a document that lies beside its wheel: `acme-1.0-py3-none-any.whl.ilot-signed`."""
_PIECE = 1 << 18


class Source:
    """An open bundle, or a document with its folder. Files are read in their order. Raises AuthFailed, StorageError."""

    def __init__(self, file: BinaryIO, beside: Callable[[str], BinaryIO] | None = None) -> None:
        """`beside` opens a file that lies beside the document; None: they are in the bundle itself."""
        self._file, self._beside = file, list[BinaryIO]()
        self._bundled = beside is None
        if beside is not None:
            content = _read(file, MAX_DOCUMENT + 1)
            self.raw = content
            self.document: Unverified = read_unverified(content)
            self._beside = [beside(one.path) for one in self.document.addition.files]
            return
        if _exactly(file, len(MAGIC)) != MAGIC:
            raise unreadable()
        size = int.from_bytes(_exactly(file, 4), "big")
        if not 0 < size <= MAX_DOCUMENT:
            raise unreadable()
        self.raw = _exactly(file, size)
        self.document = read_unverified(self.raw)

    def contents(self) -> Iterator[tuple[File, Iterator[bytes]]]:
        """Yield each file with its pieces, which must be taken before the next one. The hash of a file is compared
        after its last piece: nothing of it may be used before."""
        for number, file in enumerate(self.document.addition.files):
            if self._bundled:
                yield file, self._pieces(file, self._file)
            else:
                yield file, self._pieces(file, self._beside[number], alone=True)
        if self._bundled and _read(self._file, 1):
            raise other_bytes("the end")

    def _pieces(self, file: File, source: BinaryIO, *, alone: bool = False) -> Iterator[bytes]:
        found, left = hashlib.sha256(), file.size
        while left:
            piece = _read(source, min(left, _PIECE))
            if not piece:
                raise StorageError(
                    phrase("addition-truncated", "the file ends too early: it was copied in part. Copy it again; "
                                                 "nothing "
                           "changed")
                )  # fmt: skip
            found.update(piece)
            left -= len(piece)
            yield piece
        if found.digest() != file.sha256 or (alone and _read(source, 1)):
            raise other_bytes(file.path)


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a bundle, a document, or a wheel beside which its document lies. Raises AuthFailed, StorageError."""
    if path.name.endswith(".whl"):
        beside = path.with_name(path.name + BESIDE)
        if not beside.exists():
            raise AuthFailed(
                phrase(
                    "wheel-not-signed",
                    "{wheel} is not signed: its vendor gives a bundle *.ilot-plugin, or a file {document} beside it",
                    wheel=path.name,
                    document=beside.name,
                )
            )
        path = beside
    folder = path.parent if path.name.endswith(BESIDE) else None
    with ExitStack() as files:
        file = files.enter_context(_opened(path))
        yield Source(file, None if folder is None else lambda name: files.enter_context(_opened(folder / name)))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - yielded below
    except OSError as error:
        raise _gone(error) from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise unreadable()
        yield file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = _read(file, size)
    if len(data) < size:
        raise unreadable()
    return data


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise _gone(error) from error


def _gone(error: OSError) -> StorageError:
    return StorageError(
        phrase(
            "addition-source-gone",
            "{file} could not be read to its end ({reason}): was the stick pulled out? Nothing changed",
            file=error.filename or "",
            reason=system_error(error),
        )
    )


def other_bytes(what: str) -> AuthFailed:
    return AuthFailed(
        phrase(
            "addition-other-bytes",
            "{what} is not what its signature says: it was altered or damaged. Copy it again; nothing changed",
            what=what,
        )
    )
