"""Where an archive lies: a folder, or storage that speaks S3 (`s3`). Blocking."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from backend.archive.lists import plain
from hub.core.disk.atomic_files import make_directory, refuse_strange_links, sync_directory
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of

PIECE = 1 << 20


class Stored(NamedTuple):
    """A file of an archive, in one of the versions that its storage has of it ("" where it has no versions)."""

    path: str
    version: str
    bytes: int


class Lock(NamedTuple):
    """Until when (Unix s) nobody may delete a file, whoever that is."""

    until: float


class Store(Protocol):
    """Place of an archive. Paths are relative, with `/`. Raises StorageError, ConfigError for what will not do."""

    place: str

    def put(self, path: str, file: Path, sha256: str, lock: Lock | None) -> str:
        """Store a file durably, whole or not at all; return its version."""

    def get(self, path: str, version: str = "") -> Iterator[bytes]:
        """Yield the content of a file, in pieces."""

    def stored(self, prefix: str, as_of: float | None = None) -> Iterator[Stored]:
        """Yield the files below a prefix, by their paths; of a former moment (Unix s), each as it was put first."""

    def renew(self, path: str, version: str, lock: Lock) -> None:
        """Lock a file for longer."""

    def delete(self, paths: Iterable[str]) -> int:
        """Delete files; return how many the storage refuses to delete."""


class Directory:
    """An archive in a folder."""

    def __init__(self, root: Path) -> None:
        self.place = str(root)
        self._root = root

    def put(self, path: str, file: Path, sha256: str, lock: Lock | None) -> str:
        if lock is not None:
            raise ConfigError(
                phrase(
                    "archive-folder-without-locks",
                    "{place} is a folder, which cannot lock a file: use s3://, or a disk that is taken away",
                    place=self.place,
                )
            )
        target = self._at(path)
        scratch = target.with_name(f".{target.name}.partial")
        try:
            make_directory(target.parent, 0o700)
            refuse_strange_links(target, self._root)
            with file.open("rb") as source, scratch.open("wb") as made:
                shutil.copyfileobj(source, made, PIECE)
                made.flush()
                os.fsync(made.fileno())
            scratch.replace(target)
            sync_directory(target.parent)
        except OSError as error:
            raise StorageError(file_not_written(target, error)) from error
        return ""

    def get(self, path: str, version: str = "") -> Iterator[bytes]:
        file = self._at(path)
        try:
            with file.open("rb") as source:
                while piece := source.read(PIECE):
                    yield piece
        except OSError as error:
            raise StorageError(
                phrase("file-not-read", "{file} cannot be read: {reason}", file=file, reason=reason_of(error))
            ) from error

    def stored(self, prefix: str, as_of: float | None = None) -> Iterator[Stored]:
        if as_of is not None:
            raise ConfigError(
                phrase(
                    "archive-folder-without-versions",
                    "{place} is a folder, which has no former versions: leave --as-of out",
                    place=self.place,
                )
            )
        base = self._at(prefix.rstrip("/"))
        for directory, names, files in os.walk(base):
            names.sort()
            for name in sorted(files):
                file = Path(directory, name)
                if not name.startswith("."):
                    yield Stored(file.relative_to(self._root).as_posix(), "", file.stat().st_size)

    def renew(self, path: str, version: str, lock: Lock) -> None:
        raise AssertionError("a folder locks nothing")

    def delete(self, paths: Iterable[str]) -> int:
        refused = 0
        for path in paths:
            file = self._at(path)
            try:
                file.unlink(missing_ok=True)
                for folder in file.parents:
                    if folder == self._root or any(folder.iterdir()):
                        break
                    folder.rmdir()
            except OSError:
                refused += 1
        return refused

    def _at(self, path: str) -> Path:
        if not plain(path):
            raise StorageError(phrase("archive-path-strange", "{file} names strange files", file=path[:200]))
        return self._root / path


def open_store(where: str, endpoint: str = "") -> Store:
    """Return the place that `where` names: a folder, or s3://BUCKET/PREFIX. Raises ConfigError."""
    if where.startswith("s3://"):
        from backend.archive.s3 import Bucket

        return Bucket(where, endpoint)
    if "://" in where:
        raise ConfigError(
            phrase("archive-place-unknown", "{place}: name a folder, or s3://BUCKET/PREFIX", place=where[:200])
        )
    return Directory(Path(where))
