"""What waits for a person in SQLite: alarms, forks, quarantine. See `backend.storage.engine`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.engine import HeldEvidence, Stream
from backend.storage.sqlite.errors import refusals

_OPEN = "select 1 from alarms where kind = ? and hub = ? and detail = ? and cleared_at is null"
_HELD = """
select count(*), coalesce(sum(size), 0) from (
    select length(body) as size from quarantine where hub = ?1
    union all select length(f.raw) from forks f join streams s on s.id = f.stream where s.hub = ?1)
"""


class Alarms:
    """The table `alarms`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def raise_one(self, kind: str, hub: str, detail: str, coded: bytes | None, now: float, most: int) -> bool:
        self._db.execute(
            "insert or ignore into alarms (kind, hub, detail, raised_at, coded) select ?1, ?2, ?3, ?4, ?6 where"
            " (select count(*) from alarms where kind = ?1 and hub = ?2 and cleared_at is null) < ?5",
            (kind, hub, detail, now, most, coded),
        )
        return self._db.changes() > 0 or self._db.execute(_OPEN, (kind, hub, detail)).get is not None

    @refusals()
    def clear(self, kind: str, hub: str, detail: str, now: float) -> None:
        self._db.execute(
            "update alarms set cleared_at = ? where kind = ? and hub = ? and detail = ? and cleared_at is null",
            (now, kind, hub, detail),
        )

    @refusals()
    def clear_kind(self, kind: str, now: float) -> None:
        self._db.execute("update alarms set cleared_at = ? where kind = ? and cleared_at is null", (now, kind))

    @refusals()
    def was_raised(self, kind: str, hub: str) -> bool:
        return self._db.execute("select 1 from alarms where kind = ? and hub = ? limit 1", (kind, hub)).get is not None


class Forks:
    """The table `forks`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def has(self, stream: Stream, seq: int, digest: bytes) -> bool:
        found = self._db.execute(
            "select 1 from forks where stream = ? and seq = ? and digest = ?", (stream.id, seq, digest)
        )
        return found.get is not None

    @refusals()
    def add(self, stream: Stream, seq: int, digest: bytes, eid: bytes, raw: bytes, now: float) -> None:
        self._db.execute(
            "insert into forks (stream, seq, digest, eid, raw, received_at) values (?, ?, ?, ?, ?, ?)",
            (stream.id, seq, digest, eid, raw, now),
        )


class Quarantine:
    """The table `quarantine`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def has(self, hub: str, digest: bytes) -> bool:
        return self._db.execute("select 1 from quarantine where digest = ?", (digest,)).get is not None

    @refusals()
    def add(self, hub: str, reason: str, digest: bytes, body: bytes, epoch: int | None, now: float) -> None:
        self._db.execute(
            "insert into quarantine (hub, reason, digest, body, received_at, epoch) values (?, ?, ?, ?, ?, ?)",
            (hub, reason, digest, body, now, epoch),
        )

    @refusals()
    def held(self, hub: str) -> HeldEvidence:
        return HeldEvidence(*cast("tuple[int, int]", self._db.execute(_HELD, (hub,)).get))
