"""Opens what a person gives: a folder, a ZIP archive or a single file, within bounds. Blocking.

Of an archive only files that a codec or its description may be are unpacked. An entry that leaves the archive's folder
refuses the whole archive; links and encrypted entries are left out, as are files that are too large.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from hub.core.errors import HubError
from hub.core.text import phrase, reason_of, system_error
from hub.devices.packs.loader import MAX_FILE

CODE = (".js", ".mjs", ".cjs")
WANTED = (*CODE, ".json", ".yaml", ".yml", ".toml")
DEEPEST = 12
"""Folders within each other."""
_LINK, _KIND = 0o120000, 0o170000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one import: entries of an archive or a folder, bytes of all files that are unpacked, and codecs. The
    Things Network's whole repository has fewer than 1,000 codecs."""

    entries: int = 100_000
    content: int = 128 << 20
    codecs: int = 5000


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder to import from. `left_out`: why entries of an archive were not unpacked, by name."""

    root: Path
    left_out: dict[str, str]


@contextlib.contextmanager
def opened(source: Path, limits: Limits) -> Iterator[Opened]:
    """Open `source`. What is unpacked is removed at the end. Raises HubError."""
    if source.is_dir() or source.suffix.lower() != ".zip":
        yield Opened(source.resolve(), {})
        return
    with tempfile.TemporaryDirectory(prefix="ilot-import-") as scratch:
        try:
            with source.open("rb") as file:
                left_out = _unpack(file, Path(scratch), limits)
        except OSError as error:
            raise HubError(
                phrase("file-not-readable", "{path} cannot be read: {reason}", path=source, reason=system_error(error))
            ) from error
        yield Opened(Path(scratch).resolve(), left_out)


def _unpack(file: BinaryIO, into: Path, limits: Limits) -> dict[str, str]:
    left_out: dict[str, str] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > limits.entries:
                raise HubError(
                    phrase("import-archive-too-many", "the archive has more than {limit} entries", limit=limits.entries)
                )
            room = limits.content
            for entry in entries:
                name = _name(entry)
                if name is None:
                    continue
                if why := _refused(entry):
                    left_out[str(name)] = why
                    continue
                with archive.open(entry) as packed:
                    content = packed.read(min(MAX_FILE, room) + 1)  # the size in its header is not believed
                if len(content) > MAX_FILE:
                    left_out[str(name)] = _too_large()
                    continue
                room -= len(content)
                if room < 0:
                    raise HubError(
                        phrase(
                            "import-archive-expands",
                            "the archive unpacks to more than {limit} MiB",
                            limit=limits.content >> 20,
                        )
                    )
                target = into / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise HubError(
            phrase("not-a-zip-archive", "this is not a ZIP archive that can be read: {reason}", reason=reason_of(error))
        ) from error
    return left_out


def _name(entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """Return the name of an entry to unpack, None for one that is not wanted. Raises HubError."""
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or "\0" in entry.orig_filename:
        raise HubError(
            phrase(
                "import-archive-leaves",
                "the archive holds {file!r}, which leaves its folder: it is not unpacked",
                file=entry.filename[:80],
            )
        )
    if entry.is_dir() or name.suffix.lower() not in WANTED or skipped(name.parts):
        return None
    return name


def _refused(entry: zipfile.ZipInfo) -> str:
    if (entry.external_attr >> 16) & _KIND == _LINK:
        return phrase("import-is-link", "it is a link")
    if entry.flag_bits & 1:
        return phrase("import-is-encrypted", "it is encrypted")
    if len(entry.filename) > 200 or not entry.filename.isprintable():
        return phrase("import-name-strange", "its name is too long or holds control characters")
    return _too_large() if entry.file_size > MAX_FILE else ""


def _too_large() -> str:
    return phrase("pack-file-too-large", "this file is larger than {limit} KB", limit=MAX_FILE // 1024)


def skipped(parts: tuple[str, ...]) -> bool:
    """Return whether a path is of tools or of foreign packages, which hold no codecs of their own."""
    return len(parts) > DEEPEST or any(
        part in ("node_modules", "__MACOSX", "coverage") or part[0] == "." for part in parts
    )


def folders(root: Path, limits: Limits) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder below `root`, the upper ones first, with the names of its wanted files. Links are not
    followed. Raises HubError for more entries than the limit."""
    count = 0
    for at, below, names in os.walk(root):
        folder = Path(at)
        inside = folder.relative_to(root).parts
        below[:] = sorted(name for name in below if not skipped((*inside, name)) and not (folder / name).is_symlink())
        count += len(below) + len(names)
        if count > limits.entries:
            raise HubError(
                phrase(
                    "import-folder-too-many", "{folder} has more than {limit} files", folder=root, limit=limits.entries
                )
            )
        wanted = (name for name in names if Path(name).suffix.lower() in WANTED and name[0] != ".")
        yield folder, sorted(name for name in wanted if not (folder / name).is_symlink())
