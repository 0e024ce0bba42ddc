"""Check of an archive: each file is fetched, compared with its digest, and read to its end. Blocking."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from backend.archive.exporting import Say
from backend.archive.lists import File
from backend.archive.parquet import Group
from backend.archive.reading import Archive, read_lines, read_readings
from hub.core.errors import DecodeError
from hub.core.text import phrase

CHECKING = phrase("archive-checking", "reading the archive")


class Checked(msgspec.Struct, frozen=True):
    """Counts of an archive, all of which was read."""

    manifest: str
    made_at: float
    owner: str
    everything: bool
    hubs: int
    files: int
    readings: int
    lines: int
    bytes: int
    damaged_at_export: int


def check(archive: Archive, path: str, say: Say) -> Checked:
    """Read all that a manifest names. Raises DecodeError where it is not what was archived, StorageError."""
    manifest = archive.manifest(path)
    files = sum(listed.files for listed in manifest.lists)
    done = readings = lines = size = 0
    with tempfile.TemporaryDirectory(prefix="ilot-archive-") as scratch:
        target = Path(scratch) / "file"
        for listed in manifest.lists:
            for file in archive.files(listed):
                say(CHECKING, done / max(1, files))
                archive.fetch(file, target)
                rows = _rows(file, target)
                if file.path.endswith(".parquet"):
                    readings += rows
                else:
                    lines += rows
                size, done = size + file.bytes, done + 1
    say(CHECKING, 1.0)
    return Checked(
        path, manifest.made_at, manifest.owner, manifest.everything, manifest.hubs, done, readings, lines, size,
        manifest.damaged,
    )  # fmt: skip


def _rows(file: File, target: Path) -> int:
    """Read a fetched file to its end; return how many readings or lines it has. Raises DecodeError."""
    readings = file.path.endswith(".parquet")
    rows = (
        sum(map(_count, read_readings(file.path, target)))
        if readings
        else sum(1 for _ in read_lines(file.path, target))
    )
    if rows != file.rows:
        said = phrase(
            "archive-rows-differ",
            "{file} holds {rows}, its list says {said}",
            file=file.path,
            rows=rows,
            said=file.rows,
        )
        raise DecodeError("archive-rows", said)
    return rows


def _count(group: Group) -> int:
    return sum(map(len, group.values()))
