"""What waits for a person in PostgreSQL: alarms, forks, quarantine. See `backend.storage.engine`."""

from __future__ import annotations

from backend.storage.engine import HeldEvidence, Stream
from backend.storage.postgresql.writing import Writing

_RAISE = (
    "insert into alarms (kind, hub, detail, raised_at, coded) select %s, %s, %s, %s, %s"
    " where (select count(*) from alarms where kind = %s and hub = %s and cleared_at is null) < %s"
    " on conflict (kind, hub, detail) where cleared_at is null do nothing"
)
_HELD = (
    "select count(*), coalesce(sum(size), 0)::bigint from ("
    "select length(body) as size from quarantine where hub = %s union all"
    " select length(f.raw) from forks f join streams s on s.id = f.stream join hubs h on h.number = s.hub"
    " where h.hub = %s) as held"
)


class Alarms:
    """The table `alarms`. Workers that raise alarms of one kind at once may raise one too many."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def raise_one(self, kind: str, hub: str, detail: str, coded: bytes | None, now: float, most: int) -> bool:
        made = self._writing.change(_RAISE, (kind, hub, detail, now, coded, kind, hub, most))
        if made:
            return True
        is_open = "select 1 from alarms where kind = %s and hub = %s and detail = %s and cleared_at is null"
        return self._writing.one(is_open, (kind, hub, detail)) is not None

    def clear(self, kind: str, hub: str, detail: str, now: float) -> None:
        self._writing.change_later(
            "update alarms set cleared_at = %s where kind = %s and hub = %s and detail = %s and cleared_at is null",
            (now, kind, hub, detail),
        )

    def clear_kind(self, kind: str, now: float) -> None:
        self._writing.change("update alarms set cleared_at = %s where kind = %s and cleared_at is null", (now, kind))

    def was_raised(self, kind: str, hub: str) -> bool:
        return self._writing.one("select 1 from alarms where kind = %s and hub = %s limit 1", (kind, hub)) is not None


class Forks:
    """The table `forks`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def has(self, stream: Stream, seq: int, digest: bytes) -> bool:
        found = "select 1 from forks where stream = %s and seq = %s and digest = %s"
        return self._writing.one(found, (stream.id, seq, digest)) is not None

    def add(self, stream: Stream, seq: int, digest: bytes, eid: bytes, raw: bytes, now: float) -> None:
        self._writing.change(
            "insert into forks (stream, seq, digest, eid, raw, received_at) values (%s, %s, %s, %s, %s, %s)",
            (stream.id, seq, digest, eid, raw, now),
            hub=stream.hub,
        )


class Quarantine:
    """The table `quarantine`. What is held of a hub raises its version, so that its quota is counted again."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def has(self, hub: str, digest: bytes) -> bool:
        return self._writing.one("select 1 from quarantine where digest = %s", (digest,)) is not None

    def add(self, hub: str, reason: str, digest: bytes, body: bytes, epoch: int | None, now: float) -> None:
        self._writing.change(
            "insert into quarantine (hub, reason, digest, body, received_at, epoch) values (%s, %s, %s, %s, %s, %s)",
            (hub, reason, digest, body, now, epoch),
            hub=hub,
        )

    def held(self, hub: str) -> HeldEvidence:
        ((rows, size),) = self._writing.ask(_HELD, (hub, hub))
        return HeldEvidence(int(rows), int(size))
