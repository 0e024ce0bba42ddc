"""Work for a person: closing alarms, saving or deleting bytes in quarantine. Blocking; of any process.

An open alarm is not raised again, and a hub has a limited number of one kind: whoever has judged one closes it. The
same holds for evidence, of which each hub has a quota (`backend.ingest.quotas`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.storage.tables import Tables
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase


def close(storage: Tables, numbers: Sequence[int], now: float) -> None:
    """Close alarms that somebody has judged; all or none. Raises ConfigError for one that is not open."""
    with storage.transaction():
        for number in numbers:
            if not storage.review.close_alarm(number, now):
                raise ConfigError(
                    phrase(
                        "alarm-not-open",
                        "no alarm {number} is open; `ilot backend alarms` shows those that are",
                        number=number,
                    )
                )


def take_out(storage: Tables, number: int, directory: Path) -> Path:
    """Write the bytes of one entry to a file of its own; it stays here too. Raises ConfigError, StorageError."""
    found = storage.review.body(number)
    if found is None:
        raise _not_there(number)
    reason, body = found
    path = directory / f"{number}-{reason}.bin"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, body)
    except OSError as error:
        raise StorageError(file_not_written(path, error)) from error
    return path


def drop(storage: Tables, numbers: Sequence[int]) -> None:
    """Delete these entries, overwritten; all or none. Raises ConfigError for one that does not exist."""
    missing = storage.review.drop(numbers)
    if missing is not None:
        raise _not_there(missing)


def _not_there(number: int) -> ConfigError:
    return ConfigError(phrase("nothing-in-quarantine", "nothing in quarantine has the number {number}", number=number))
