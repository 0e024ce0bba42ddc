"""Highest known generation of a hub in a directory: a stick, the folder of a backup, a state set aside. Blocking.

    <hub id>.ilot-restored                 the note of the last restoration from here
                                           (`hub.protocol.documents.restore_note`)
    <hub id>-<generation>.ilot-backup      backups that were made since (`hub.core.disk.backup_directory`)

Only files that the hub itself signed count: nobody else can make its counters jump.
"""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.disk import backup_directory
from hub.core.disk.atomic_files import owner_of, write_atomically
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.protocol.documents import backup
from hub.protocol.documents.restore_note import MAX_DOCUMENT, read_note, sign_note

_log = logging.getLogger("hub.backup")


def highest_generation(directory: Path, hub: str, *, above: int = 0) -> int:
    """Return the highest generation of `hub` in the directory, 0 where there is none; backups of up to `above` are not
    read. Unreadable files are logged."""
    found = [0]
    note = directory / _name(hub)
    try:
        with note.open("rb") as file:
            told = read_note(file.read(MAX_DOCUMENT + 1))
        if told.hub == hub:
            found.append(told.generation)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, HubError) as error:
        _log.warning(
            phrase("generation-note-unreadable", "{path} says nothing: {reason}", path=note, reason=reason_of(error))
        )
    for generation, path in _backups_of(directory, hub):
        if generation <= above:
            break
        try:
            with path.open("rb") as file:
                head = backup.read(file.read(backup.MAX_DOCUMENT + 1)).head
            if head.hub == hub:
                found.append(head.generation)
        except (OSError, HubError) as error:
            _log.warning(
                phrase(
                    "generation-note-unreadable", "{path} says nothing: {reason}", path=path, reason=reason_of(error)
                )
            )
    return max(found)


def record_generation(directory: Path, identity: Ed25519PrivateKey, hub: str, *, generation: int, at: float) -> Path:
    """Write a note that a restored `hub` begins with this generation; whoever owns the directory can read it, also
    where root writes it. Raises OSError."""
    path, note = directory / _name(hub), sign_note(identity, generation=generation, at=at)
    write_atomically(path, note, owner=owner_of(directory))
    return path


def _name(hub: str) -> str:
    return f"{hub}.ilot-restored"


def _backups_of(directory: Path, hub: str) -> list[tuple[int, Path]]:
    try:
        return backup_directory.kept(directory, hub)
    except OSError as error:
        _log.warning(
            phrase(
                "folder-not-listed",
                "{folder} cannot be looked at: {reason}",
                folder=directory,
                reason=reason_of(error),
            )
        )
        return []
