"""Clocks of boots in PostgreSQL. See `backend.storage.engine.Clocks`."""

from __future__ import annotations

from backend.storage.postgresql.writing import Writing
from hub.protocol.records.opening import ClockMark

_NOTE = (
    "insert into boots (hub, boot, offset_ms, error_ms, source) values (%s, %s, %s, %s, %s)"
    " on conflict (hub, boot) do update set offset_ms = excluded.offset_ms, error_ms = excluded.error_ms,"
    " source = excluded.source where boots.offset_ms is null or boots.error_ms > excluded.error_ms"
)
_MAX_SOURCE = 64


class Clocks:
    """The table `boots`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def offset(self, hub: str, boot: bytes) -> int | None:
        if not boot:
            return 0
        row = self._writing.one(
            "select b.offset_ms from boots b join hubs h on h.number = b.hub where h.hub = %s and b.boot = %s",
            (hub, boot),
        )
        return None if row is None else row[0]

    def note(self, hub: str, mark: ClockMark) -> None:
        self._writing.write(hub)
        number, offset = self._writing.numbered(hub), mark.wall_minus_monotonic_ms
        self._writing.change(_NOTE, (number, mark.boot, offset, mark.error_ms, mark.source[:_MAX_SOURCE]))
