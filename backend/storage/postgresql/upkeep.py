"""Room that is given back: hours of bodies that are all in chunks are dropped, and months of chunks that are empty are
emptied on the disk too. Room ahead is made here as well.

An hour is dropped when each of its bodies is at or below its hub's watermark, and those have ended who read when that
was found: who began later finds these readings in chunks. It waits an hour after its end, since clocks of workers
differ. What arrives all the same, from a worker whose clock is later still, is moved to the present hour.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from backend.storage.postgresql import partitions
from backend.storage.postgresql.connection import WRITING, Database, Session
from backend.storage.postgresql.errors import TryAgain
from backend.storage.postgresql.moments import readers
from backend.storage.postgresql.rewriting import set_lock_timeout, without_readers

LOOK_S, EMPTY_S = 60.0, 3600.0
"""Seconds between two looks for spent hours, and for empty months."""
LATE_HOURS = 2
"""The hour before the present one is not dropped yet."""
FIRST_PATIENCE_S, MOST_PATIENCE_S = 5, 320
"""Seconds that a detachment waits for readers, doubled each time that is not enough: one reads for 300 at most."""
_LEFT = (
    "select exists (select 1 from hubs h left join compaction c on c.hub = h.number"
    " where (select max(b.record) from {} b where b.hub = h.number) > coalesce(c.through, 0))"
)
_MOVE = (
    "with late as (delete from {} b using hubs h left join compaction c on c.hub = h.number"
    " where h.number = b.hub and b.record > coalesce(c.through, 0) returning b.*)"
    " insert into bodies (hour, hub, record, epoch, received_at, boot, data)"
    " select %s, hub, record, epoch, received_at, boot, data from late"
)


class Upkeep:
    """Makes room and gives it back, for the one process that compacts."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        self._database = Database(url, name="ilot compact, upkeep", purpose={**WRITING, "statement_timeout": "30s"})
        self._clock = clock
        self._looked = self._emptied = float("-inf")
        self._readers: dict[int, set[str]] = {}  # hour → who read when it was found spent, and has not ended
        self._patience = FIRST_PATIENCE_S

    def run(self) -> bool:
        """Do what is due; return whether bodies were dropped. Call it before each compaction: what a killed process
        had detached is not seen by it. Raises StorageError."""
        now = self._clock()
        if not self._looked <= now < self._looked + LOOK_S:
            with self._database.transaction() as session:
                partitions.ensure(session, now)
                for hour in partitions.pending_hours(session):
                    _move_late(session, partitions.hour_name(hour), now)
            dropped = self._drop_detached(now)
            dropped = self._drop_spent(now) or dropped
            self._looked = now
            if not self._emptied <= now < self._emptied + EMPTY_S:
                self._empty_months(now)
                self._emptied = now
            return dropped
        return False

    def close(self) -> None:
        self._database.close()

    def _drop_spent(self, now: float) -> bool:
        with self._database.errors():
            session = self._database.session()
            old = [hour for hour in partitions.hours(session) if hour <= partitions.hour_of(now) - LATE_HOURS]
            for hour in old:
                if hour not in self._readers:
                    name = sql.Identifier(partitions.hour_name(hour))
                    if session.execute(sql.SQL(_LEFT).format(name)).fetchone() == (True,):
                        continue
                    self._readers[hour] = readers(session)
                self._readers[hour] &= readers(session)
            begun = partitions.pending_hours(session)
        ready = [hour for hour in old if hour in self._readers and not self._readers[hour]]
        for hour in dict.fromkeys([*begun, *ready]):  # no other is detached before what was begun is finished
            if not self._detach(hour):
                with self._database.transaction() as session:
                    _move_late(session, partitions.hour_name(hour), now)
                return False
            self._readers.pop(hour, None)
        return self._drop_detached(now)

    def _detach(self, hour: int) -> bool:
        """Detach an hour beside others; return whether that is done, or somebody reads for longer than our patience."""
        try:
            with self._database.errors():
                session = self._database.session()
                for setting in ("statement_timeout", "lock_timeout"):
                    session.execute("select set_config(%s, %s, false)", [setting, f"{self._patience}s"])
                partitions.detach_hour(session, hour)
        except TryAgain:  # what was begun is finished next time
            self._patience = min(2 * self._patience, MOST_PATIENCE_S)
            return False
        self._patience = FIRST_PATIENCE_S
        return True

    def _drop_detached(self, now: float) -> bool:
        """Drop hours that were detached, by this process or one that was killed."""
        with self._database.errors():
            names = partitions.detached_hours(self._database.session())
        for name in names:
            with self._database.transaction() as session:
                _move_late(session, name, now)
                session.execute(sql.SQL("drop table {}").format(sql.Identifier(name)))
        return bool(names)

    def _empty_months(self, now: float) -> None:
        with self._database.errors():
            session = self._database.session()
            names = [sql.Identifier(name) for name in partitions.filled_months(session, partitions.month_of(now) - 1)]
            empty = [name for name in names if session.execute(_any(name)).fetchone() == (False,)]
        for name in empty:
            try:
                with self._database.transaction() as session:
                    set_lock_timeout(session)
                    without_readers(session)
                    if session.execute(_any(name)).fetchone() == (False,):
                        session.execute(sql.SQL("truncate {}").format(name))
            except TryAgain:
                return  # somebody reads: in an hour again


def _move_late(session: Session, name: str, now: float) -> None:
    """Move bodies that arrived in an hour since it was found spent to the present one: it is being detached, so that
    nobody sees them there, nor stores others."""
    table = sql.Identifier(name)
    if session.execute(sql.SQL(_LEFT).format(table)).fetchone() == (True,):
        session.execute(sql.SQL(_MOVE).format(table), [partitions.hour_of(now)])


def _any(name: sql.Identifier) -> sql.Composed:
    return sql.SQL("select exists (select 1 from {})").format(name)
