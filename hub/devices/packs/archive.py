"""Unpacks an uploaded device pack from a ZIP file (APPNOTE 6.3), with bounds on every size the file claims.

Stored and deflated entries only; no links, no absolute names, nothing above the folder.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

if TYPE_CHECKING:
    import zipfile

MAX_ARCHIVE_BYTES = 1 << 20
"""Maximum size of the archive."""
MAX_CONTENT_BYTES = 4 << 20
"""Maximum size of its contents."""
MAX_FILES = 256
PACK = "pack.yaml"
_PLAIN = (0, 8)
"""Stored and deflated (APPNOTE 6.3, 4.4.5)."""


def unpack(data: bytes, into: Path) -> Path:
    """Write the files below `into` and return the folder that holds `pack.yaml`.

    Raises HubError; nothing is ever written outside `into`.
    """
    import zipfile  # imported late: few hubs are given a pack

    if len(data) > MAX_ARCHIVE_BYTES:
        raise HubError(
            phrase(
                "pack-archive-too-large", "an archive of a pack has {limit} MiB at most", limit=MAX_ARCHIVE_BYTES >> 20
            )
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise HubError(
                    phrase(
                        "pack-archive-too-many-files", "an archive of a pack has {limit} files at most", limit=MAX_FILES
                    )
                )
            root = _root([_name(entry) for entry in entries])
            room = MAX_CONTENT_BYTES
            for entry in entries:
                name = _name(entry)
                if root not in name.parents:
                    continue
                room -= _write(archive, entry, into / name, room)
    except HubError:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise HubError(
            phrase("not-a-zip-archive", "this is not a ZIP archive that can be read: {reason}", reason=reason_of(error))
        ) from error
    return into / root


def _name(entry: zipfile.ZipInfo) -> PurePosixPath:
    name = PurePosixPath(entry.filename)
    odd = name.is_absolute() or ".." in name.parts or "\\" in entry.filename or len(entry.filename) > 200
    link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    if odd or link or not entry.filename.isprintable() or entry.compress_type not in _PLAIN or entry.flag_bits & 1:
        raise HubError(
            phrase(
                "pack-archive-strange-file",
                "the archive holds {file!r}: a pack's files are plain files below its folder",
                file=entry.filename[:80],
            )
        )
    return name


def _root(names: list[PurePosixPath]) -> PurePosixPath:
    found = sorted({name.parent for name in names if name.name == PACK}, key=lambda folder: len(folder.parts))
    if not found:
        raise HubError(phrase("pack-archive-without-pack", "there is no {file} in this archive", file=PACK))
    if len(found) > 1:
        raise HubError(
            phrase("pack-archive-several-packs", "there are several packs in this archive; upload one at a time")
        )
    if not found[0].parts:
        raise HubError(
            phrase(
                "pack-archive-without-folder",
                "pack the folder itself and not what is in it: the folder's name is the pack's",
            )
        )
    return found[0]


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Extract one entry and return its size in bytes. The size claimed in its header is not trusted."""
    with archive.open(entry) as source:
        content = source.read(room + 1)
    if len(content) > room:
        raise HubError(
            phrase(
                "pack-archive-expands-too-large",
                "an archive of a pack holds {limit} MiB at most",
                limit=MAX_CONTENT_BYTES >> 20,
            )
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return len(content)
