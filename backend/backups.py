"""State backups of hubs: taken, kept, handed out, never opened. They are sealed to the recovery key alone. Blocking."""

from __future__ import annotations

from pathlib import Path

from backend.storage import Storage
from hub.backups import shelf
from hub.disk.files import make_directory
from hub.documents import backup
from hub.documents.wire import State
from hub.errors import AuthFailed, ConfigError, StorageError


def take(directory: Path, hub: str, identity: bytes, data: bytes) -> int:
    """Keep what `hub`, whose registered public key is `identity`, has sent; returns its generation.

    The same one again is fine. Raises DecodeError when it is no backup, AuthFailed when another hub signed it or a
    newer one is here already, StorageError from the disk.
    """
    head = backup.read(data).head
    if head.hub != hub or head.identity != identity:
        raise AuthFailed(f"this is the backup of {head.hub}, not of {hub}")
    newest = newest_of(directory, hub)
    if newest is not None and head.generation <= newest[0]:
        if head.generation == newest[0] and newest[1].read_bytes() == data:
            return head.generation
        raise AuthFailed(f"a newer backup of {hub} is here: {newest[0]}, not {head.generation}. It may be replayed")
    try:
        make_directory(directory)
    except OSError as error:
        raise StorageError(f"cannot write {directory}: {error.strerror or error}") from error
    shelf.keep(directory, hub, head.generation, data)
    return head.generation


def newest_of(directory: Path, hub: str) -> tuple[int, Path] | None:
    """Generation and file of the newest backup of `hub`."""
    return next(iter(shelf.kept(directory, hub)), None)


def fetch(directory: Path, hub: str) -> tuple[backup.Head, bytes]:
    """The newest backup of `hub`, its signature checked again. Raises ConfigError when there is none."""
    newest = newest_of(directory, hub)
    if newest is None:
        raise ConfigError(f"no backup of {hub} is kept here")
    data = newest[1].read_bytes()
    return backup.read(data).head, data


def watch(storage: Storage, last: State, state: State) -> None:
    """Raise an alarm when a hub was restored between these two states of it (inside a transaction): its store counts
    its starts and backups, and leaps at a restoration. The backup may be some generations older than the last state."""
    if last.generation and state.generation >= last.generation + backup.SENT_JUMP // 2:
        told = f"it was restored from its state backup: generation {last.generation} became {state.generation}"
        storage.alarm("restored", state.hub, told)
