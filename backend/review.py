"""Work for a person: closing alarms, saving or deleting bytes in quarantine. Blocking; of any process.

An open alarm is not raised again, and a hub has a limited number of one kind: whoever has judged one closes it. The
same holds for evidence, of which each hub has a quota (`backend.quotas`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from backend.schema import transaction
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError, StorageError
from hub.core.system_errors import file_not_written
from hub.core.text import from_data, phrase


def alarms(
    db: apsw.Connection, hub: str = "", *, everything: bool = False, limit: int = 1000
) -> Iterator[dict[str, Any]]:
    """Yield open alarms, the newest first; then, with `everything`, closed ones.

    Where there are more than `limit`, the newest of each hub come before any hub's older ones: a hub can raise many,
    and must not fill the list alone.
    """
    names = ("id", "kind", "hub", "raised_at", "cleared_at")
    rows = db.execute(
        "select id, kind, hub, raised_at, cleared_at, detail, coded from (select *, cleared_at is not null as over_,"
        " row_number() over (partition by hub, cleared_at is not null order by id desc) as place_of_hub from alarms"
        " where ?1 in ('', hub) and (?2 or cleared_at is null) order by over_, place_of_hub limit ?3)"
        " order by over_, id desc",
        (hub, everything, limit),
    )
    for *row, detail, coded in cast(Iterator[tuple[Any, ...]], rows):
        said = detail if coded is None else from_data(detail, msgspec.json.decode(coded))
        yield dict(zip(names, row, strict=True)) | {"detail": said}


def close(db: apsw.Connection, numbers: Sequence[int], now: float) -> None:
    """Close alarms that somebody has judged; all or none. Raises ConfigError for one that is not open."""
    with transaction(db):
        for number in numbers:
            db.execute("update alarms set cleared_at = ? where id = ? and cleared_at is null", (now, number))
            if not db.changes():
                raise ConfigError(
                    phrase(
                        "alarm-not-open",
                        "no alarm {number} is open; `ilot backend alarms` shows those that are",
                        number=number,
                    )
                )


def quarantined(db: apsw.Connection, hub: str = "", limit: int = 1000) -> Iterator[dict[str, Any]]:
    """Yield the entries of the quarantine, the newest first, without the bytes; each hub has its share beyond
    `limit`."""
    names = ("id", "hub", "reason", "bytes", "received_at")
    rows = db.execute(
        "select id, hub, reason, bytes, received_at from (select id, hub, reason, length(body) as bytes, received_at,"
        " row_number() over (partition by hub order by id desc) as place_of_hub from quarantine"
        " where ?1 in ('', hub) order by place_of_hub limit ?2) order by id desc",
        (hub, limit),
    )
    for row in rows:
        yield dict(zip(names, row, strict=True))


def take_out(db: apsw.Connection, number: int, directory: Path) -> Path:
    """Write the bytes of one entry to a file of its own; it stays here too. Raises ConfigError, StorageError."""
    row = db.execute("select reason, body from quarantine where id = ?", (number,)).get
    if row is None:
        raise ConfigError(
            phrase("nothing-in-quarantine", "nothing in quarantine has the number {number}", number=number)
        )
    path = directory / f"{number}-{row[0]}.bin"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, bytes(cast(bytes, row[1])))
    except OSError as error:
        raise StorageError(file_not_written(path, error)) from error
    return path


def drop(db: apsw.Connection, numbers: Sequence[int]) -> None:
    """Delete these entries, overwritten; all or none. Raises ConfigError for one that does not exist."""
    db.execute("pragma secure_delete = on")
    with transaction(db):
        for number in numbers:
            db.execute("delete from quarantine where id = ?", (number,))
            if not db.changes():
                raise ConfigError(
                    phrase("nothing-in-quarantine", "nothing in quarantine has the number {number}", number=number)
                )
    db.execute("pragma wal_checkpoint(truncate)").fetchall()
