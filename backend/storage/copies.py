"""Records that a copy of a database is told by."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

Progress = Callable[[float], None]
"""Called with the share that is done, between 0 and 1."""


class Contents(msgspec.Struct, frozen=True):
    """What tells one database from another, and an older copy from a newer: `database` is its identity in hex,
    `version` the format, `last_record` the highest number of a record, which arrived at `newest_at` (Unix s)."""

    database: str
    version: int
    hubs: int
    last_record: int
    newest_at: float | None
