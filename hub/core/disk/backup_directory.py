"""A directory of backups, newest kept: on a USB stick beside the hub, and at the backend. Blocking.

<hub id>-<generation, 12 digits>.ilot-backup        written whole or not at all, the newest three of each hub
"""

from __future__ import annotations

import re
from pathlib import Path

from hub.core.disk.atomic_files import sync_directory, write_atomically
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error

KEPT = 3

_NAME = re.compile(r"(hub-[a-z2-7]{16})-(\d{12,19})\.ilot-backup", re.ASCII)


def keep(directory: Path, hub: str, generation: int, data: bytes) -> Path:
    """Put one there and remove those older than the newest three: never this one, whatever the names of others say.
    Raises StorageError."""
    path = directory / f"{hub}-{generation:012d}.ilot-backup"
    try:
        write_atomically(path, data)
        for old in [other for _, other in kept(directory, hub)[KEPT:] if other != path]:
            old.unlink()
        sync_directory(directory)
    except OSError as error:
        raise StorageError(
            phrase(
                "backup-directory-unusable",
                "no backup in {directory}: {reason}",
                directory=directory,
                reason=system_error(error),
            )
        ) from error
    return path


def kept(directory: Path, hub: str) -> list[tuple[int, Path]]:
    """Generation and file of each backup of `hub`, newest first; none when there is no such directory."""
    try:
        names = [(match, path) for path in directory.iterdir() if (match := _NAME.fullmatch(path.name))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(((int(match[2]), path) for match, path in names if match[1] == hub), reverse=True)


def hubs(directory: Path) -> set[str]:
    """Return the ids of the hubs that have backups here. Raises OSError."""
    return {match[1] for path in directory.iterdir() if (match := _NAME.fullmatch(path.name))}


def elsewhere(directory: Path, beside: Path) -> bool:
    """True when `directory` is on another file system than `beside`, and so survives the loss of that one's disk. False
    when either cannot be looked at."""
    try:
        return directory.stat().st_dev != beside.stat().st_dev
    except OSError:
        return False
