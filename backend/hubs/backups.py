"""State backups of hubs: received, stored and returned, never opened. They are sealed to the recovery key. Blocking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.hubs.alarms import raise_alarm
from backend.storage.engine import Storage
from hub.core.disk import backup_directory
from hub.core.disk.atomic_files import make_directory
from hub.core.errors import AuthFailed, ConfigError, DecodeError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import Phrase, phrase, reason_of
from hub.protocol.documents import backup
from hub.protocol.link_messages import State

FORGETS_S = 3600.0
"""Far more seconds of what it heard from the backend than a hub loses with its power: it stores that with each
commit."""


def take(directory: Path, hub: str, identity: bytes, data: bytes) -> int:
    """Store a backup that `hub` sent, whose registered public key is `identity`; return its generation.

    Receiving the same backup again is no error. Raises DecodeError when it is no backup, AuthFailed when another hub
    signed it or a newer one is stored, StorageError from the disk.
    """
    head = backup.read(data).head
    if head.hub != hub or head.identity != identity:
        raise AuthFailed(
            phrase("sent-backup-of-another-hub", "this is the backup of {found}, not of {hub}", found=head.hub, hub=hub)
        )
    newest = newest_of(directory, hub)
    if newest is not None and head.generation <= newest[0]:
        if head.generation == newest[0] and _same(newest[1], data):
            return head.generation
        if head.generation < newest[0] or _whole(newest[1]):  # a hub may replace its backup where the disk damaged it
            raise AuthFailed(
                phrase(
                    "newer-backup-here",
                    "a newer backup of {hub} is here: {newest}, not {generation}. It may be replayed",
                    hub=hub,
                    newest=newest[0],
                    generation=head.generation,
                )
            )
    try:
        make_directory(directory)
    except OSError as error:
        raise StorageError(file_not_written(directory, error)) from error
    backup_directory.keep(directory, hub, head.generation, data)
    return head.generation


def _same(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _whole(path: Path) -> bool:
    try:
        backup.read(path.read_bytes())
    except (OSError, AuthFailed, DecodeError):
        return False
    return True


def newest_of(directory: Path, hub: str) -> tuple[int, Path] | None:
    """Return generation and file of the newest backup of `hub`, or None."""
    return next(iter(backup_directory.kept(directory, hub)), None)


def fetch(directory: Path, hub: str, skipped: Callable[[str], None]) -> tuple[backup.Head, bytes]:
    """Return the newest intact backup of `hub`, its signature verified again; `skipped` is called with the reason for
    each newer one that is damaged. Raises ConfigError when there is none, StorageError when none is intact."""
    found = backup_directory.kept(directory, hub)
    if not found:
        raise ConfigError(phrase("no-backup-of-hub", "no backup of {hub} is kept here", hub=hub))
    for _, path in found:
        try:
            data = path.read_bytes()
            return backup.read(data).head, data
        except (OSError, AuthFailed, DecodeError) as error:
            skipped(phrase("backup-not-usable", "{file} cannot be used: {reason}", file=path, reason=reason_of(error)))
    raise StorageError(
        phrase(
            "no-whole-backup",
            "no backup of {hub} in {directory} is whole: look at the stick beside it (`backup.directory`)",
            hub=hub,
            directory=directory,
        )
    )


def watch(storage: Storage, last: State, state: State) -> None:
    """Raise an alarm when a hub was restored between these two states of it. Call it inside a transaction.

    Its store counts starts and backups, and jumps at a restoration. The backup may be some generations older than the
    last state. A backup that is restored a second time jumps no further than the first time, but by then the hub had
    heard more of the backend than the backup holds: a hub that has heard less by FORGETS_S was set back.
    """
    if last.generation and state.generation >= last.generation + backup.SENT_JUMP // 2:
        told = phrase(
            "hub-was-restored",
            "it was restored from its state backup: generation {former} became {generation}",
            former=last.generation,
            generation=state.generation,
        )
        raise_alarm(storage, "restored", state.hub, told)
    elif state.boot != last.boot and state.heard < last.heard - FORGETS_S:
        raise_alarm(
            storage,
            "set-back",
            state.hub,
            phrase("hub-has-forgotten", "it has forgotten what it heard. {advice}", advice=set_back(last)),
        )


def set_back(last: State) -> Phrase:
    """Return the advice, for whoever reads the alarm, on a hub that runs on after its state was set back."""
    return phrase(
        "restore-it-again",
        "If it was restored from a backup that had been restored before, counters may be sent twice: stop it and "
        "restore it again, with `--lived {generation}`",
        generation=last.generation,
    )
