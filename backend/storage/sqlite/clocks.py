"""Clocks of boots in SQLite. See `backend.storage.engine.Clocks`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.sqlite.errors import refusals
from hub.protocol.records.opening import ClockMark

_NOTE = (
    "insert into boots (hub, boot, offset_ms, error_ms, source) values (?, ?, ?, ?, ?)"
    " on conflict (hub, boot) do update set offset_ms = excluded.offset_ms, error_ms = excluded.error_ms,"
    " source = excluded.source where boots.offset_ms is null or boots.error_ms > excluded.error_ms"
)
_MAX_SOURCE = 64


class Clocks:
    """The table `boots`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def offset(self, hub: str, boot: bytes) -> int | None:
        if not boot:
            return 0
        found = self._db.execute("select offset_ms from boots where hub = ? and boot = ?", (hub, boot))
        return cast("int | None", found.get)

    @refusals()
    def note(self, hub: str, mark: ClockMark) -> None:
        offset = mark.wall_minus_monotonic_ms
        self._db.execute(_NOTE, (hub, mark.boot, offset, mark.error_ms, mark.source[:_MAX_SOURCE]))
