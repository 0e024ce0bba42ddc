"""An archive read back: manifests, lists, and files that are what they were. Blocking."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import msgspec

from backend.archive import lists, parquet
from backend.archive.lists import MANIFESTS, MAX_LIST, MAX_MANIFEST, File, Listed, Manifest
from backend.archive.stores import Store
from backend.storage.archive import EVERY, Line
from hub.core.errors import DecodeError, StorageError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[EVERY])  # noqa: UP007


class Archive:
    """An archive as it is now, or as it was at a former moment (Unix s) where its storage keeps versions."""

    def __init__(self, store: Store, as_of: float | None = None) -> None:
        self._store, self._as_of = store, as_of
        self._versions: dict[str, str] = {}

    def newest(self, *, complete: bool) -> str | None:
        """Return the path of the newest manifest, of those that are complete or of all; None where there is none."""
        found = {}
        for one in self._store.stored(MANIFESTS, self._as_of):
            if lists.is_manifest(one.path):
                found[one.path] = one.version
        for path in sorted(found, reverse=True):
            self._versions[path] = found[path]
            if not complete or self.manifest(path).complete:
                return path
        return None

    def manifest(self, path: str) -> Manifest:
        """Return a manifest. Raises DecodeError, ConfigError for one of another format, StorageError."""
        return lists.decode_manifest(path, self._small(path, self._versions.get(path, ""), MAX_MANIFEST))

    def files(self, listed: Listed) -> Iterator[File]:
        """Yield the files of a list. Raises DecodeError."""
        data = self._small(listed.path, listed.version, MAX_LIST)
        yield from lists.decode_list(listed.path, listed.sha256, data)

    def fetch(self, file: File, target: Path) -> None:
        """Copy a file to `target`. Raises DecodeError where it is not what was archived."""
        digest, size = hashlib.sha256(), 0
        with target.open("wb") as made:
            for piece in self._store.get(file.path, file.version):
                size += len(piece)
                if size > file.bytes:
                    break
                digest.update(piece)
                made.write(piece)
        if size != file.bytes or digest.hexdigest() != file.sha256:
            raise DecodeError(
                "archive-file", phrase("archive-file-altered", "{file} is not what was archived", file=file.path)
            )

    def _small(self, path: str, version: str, most: int) -> bytes:
        data = b""
        for piece in self._store.get(path, version):
            data += piece
            if len(data) > most:
                raise StorageError(phrase("archive-lines-too-long", "{file} is longer than any", file=path))
        return data


def read_lines(path: str, file: Path) -> Iterator[Line]:
    """Yield the lines of a fetched file. Raises DecodeError, naming the line."""
    with file.open("rb") as opened:
        pieces = iter(lambda: opened.read(1 << 20), b"")
        for number, line in enumerate(lists.expanded_lines(path, pieces), 1):
            try:
                yield _decoder.decode(shallow_json(line))
            except (ValueError, msgspec.DecodeError) as error:
                raise DecodeError(
                    "archive-line",
                    phrase(
                        "archive-line-wrong",
                        "{file}, line {line}: {reason}",
                        file=path,
                        line=number,
                        reason=reason_of(error),
                    ),
                ) from error


def read_readings(path: str, file: Path) -> Iterator[parquet.Group]:
    """Yield the row groups of a fetched file. Raises DecodeError, naming it."""
    try:
        yield from parquet.read(file)
    except DecodeError as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: Exception) -> DecodeError:
    """Return the error of a file that holds what none of ours does."""
    said = phrase("archive-file-unreadable", "{file} cannot be read: {reason}", file=path, reason=reason_of(error))
    return DecodeError("archive-file", said)
