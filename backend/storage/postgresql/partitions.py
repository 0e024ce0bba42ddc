"""Partitions of bodies, by hour of arrival, and of chunks, by privacy class and month: made ahead, dropped whole.

A partition is made before the first row that belongs there. There is no default partition, beside which none could be
detached while others read: what lies outside the months that were made goes to `…_old` and `…_ahead`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg import errors as states
from psycopg import sql

from backend.storage.postgresql.connection import SCHEMA, Session
from backend.storage.postgresql.rewriting import set_lock_timeout, without_readers

CLASSES = ("personal", "environment", "technical")
HOURS_AHEAD = 12
"""Hours of partitions beyond the present one. Workers make the next ones each hour; one whose clock is further ahead
stores nothing."""
MONTHS_BACK, MONTHS_AHEAD = 14, 2
"""Months of partitions at the beginning: personal readings are kept for 13 months."""
UNDATED = 0
"""Month of chunks of a boot, whose times are of its clock."""
_LAST_HOUR = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) // 3600
_LOCK = 0x11076A57
"""Key of the advisory lock of whoever makes partitions."""


def hour_of(now: float) -> int:
    return int(now // 3600)


def month_of(now: float) -> int:
    at = datetime.fromtimestamp(now, UTC)
    return (at.year - 1970) * 12 + at.month - 1


def month_of_hour(hour: int) -> int:
    """Return the month of an hour since 1970, whatever a hub has dated: beyond the calendar it is the last one."""
    return max(UNDATED + 1, month_of(min(max(hour, 0), _LAST_HOUR) * 3600))


def begin(session: Session, now: float) -> None:
    """Make the partitions of an empty database, inside the caller's transaction."""
    first, end = month_of(now) - MONTHS_BACK, month_of(now) + MONTHS_AHEAD + 1
    for privacy in CLASSES:
        of = f"chunks_{privacy}"
        session.execute(
            sql.SQL("create table {} partition of chunks for values in ({}) partition by range (month)").format(
                sql.Identifier(of), sql.Literal(privacy)
            )
        )
        _create(session, of, f"{of}_undated", None, UNDATED + 1)
        _create(session, of, f"{of}_old", UNDATED + 1, first)
        for month in range(first, end):
            _create(session, of, f"{of}_{month}", month, month + 1)
        _create(session, of, f"{of}_ahead", end, None)
    ensure(session, now)


def ensure(session: Session, now: float) -> int:
    """Make what the next hours and months need; return how many were made. Inside the caller's transaction; another
    one that does the same waits for its end. Months are made while nobody reads: where somebody does for long, another
    time, since there are some ahead."""
    session.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    hours_due = {hour_name(hour): hour for hour in range(hour_of(now) - 1, hour_of(now) + HOURS_AHEAD + 1)}
    months_due = {
        f"chunks_{privacy}_{month}": (f"chunks_{privacy}", month)
        for privacy in CLASSES
        for month in range(month_of(now), month_of(now) + MONTHS_AHEAD + 1)
    }
    missing = _missing(session, [*hours_due, *months_due])
    made = [hour for name, hour in hours_due.items() if name in missing]
    for hour in made:
        _create(session, "bodies", hour_name(hour), hour, hour + 1)
    months = [due for name, due in months_due.items() if name in missing]
    if not months or not _without_readers(session):
        return len(made)
    for of, month in months:
        if _missing(session, [f"{of}_{month}"]):  # with one before it others may have been made
            _take_from_ahead(session, of, month)
    return len(made) + len(months)


def _without_readers(session: Session) -> bool:
    """Let nobody read until the transaction ends; return False where somebody does, for longer than a moment."""
    session.execute("savepoint months")
    try:
        set_lock_timeout(session)
        without_readers(session)
    except states.LockNotAvailable:
        session.execute("rollback to savepoint months")
        return False
    return True


def hour_name(hour: int) -> str:
    return f"bodies_{hour}"


def hours(session: Session) -> list[int]:
    """Return the hours of which there are partitions of bodies, also one whose detachment was begun."""
    return sorted(int(name.removeprefix("bodies_")) for name, _ in _partitions(session, "bodies"))


def pending_hours(session: Session) -> list[int]:
    """Return the hours whose detachment was begun: nobody sees them any more."""
    return [int(name.removeprefix("bodies_")) for name, pending in _partitions(session, "bodies") if pending]


def detach_hour(session: Session, hour: int) -> None:
    """Detach the bodies of an hour, in no transaction. It waits for all who have them open, and holds nobody up; where
    it was interrupted it goes on. Raises psycopg's errors."""
    name = hour_name(hour)
    pending = dict(_partitions(session, "bodies"))[name]
    how = sql.SQL("finalize" if pending else "concurrently")
    session.execute(sql.SQL("alter table bodies detach partition {} {}").format(sql.Identifier(name), how))


def detached_hours(session: Session) -> list[str]:
    """Return the tables of bodies that are no partition any more."""
    rows = session.execute(
        "select relname from pg_class where relnamespace = %s::regnamespace and relname ~ '^bodies_[0-9]+$'"
        " and relkind = 'r' and not relispartition order by relname",
        [SCHEMA],
    )
    return [str(name) for (name,) in rows]


def filled_months(session: Session, before: int) -> list[str]:
    """Return the partitions of chunks of former months, and of no month, whose files are not empty."""
    rows = session.execute(
        "select c.relname, pg_relation_size(c.oid) from pg_class c where c.relnamespace = %s::regnamespace"
        " and c.relname ~ '^chunks_[a-z]+_([0-9]+|undated|old)$' and c.relkind = 'r' and c.relispartition"
        " order by c.relname",
        [SCHEMA],
    )
    of = [(str(name), name.rpartition("_")[2]) for name, size in rows if size]
    return [name for name, month in of if not month.isdigit() or int(month) < before]


def _take_from_ahead(session: Session, of: str, month: int) -> None:
    """Make a month in the place of the beginning of `…_ahead`, with the rows that lie there: dates that were wrong. A
    snapshot from before would not see them any more."""
    ahead, name = f"{of}_ahead", f"{of}_{month}"
    waiting = sql.Identifier(f"{ahead}_split")
    session.execute(sql.SQL("alter table {} detach partition {}").format(sql.Identifier(of), sql.Identifier(ahead)))
    session.execute(sql.SQL("alter table {} rename to {}").format(sql.Identifier(ahead), waiting))
    lowest = _next_month(session, of)
    for missing in range(lowest, month + 1):  # a pause of months leaves no hole
        _create(session, of, name if missing == month else f"{of}_{missing}", missing, missing + 1)
    _create(session, of, ahead, month + 1, None)
    session.execute(sql.SQL("insert into {} select * from {}").format(sql.Identifier(of), waiting))
    session.execute(sql.SQL("drop table {}").format(waiting))


def _next_month(session: Session, of: str) -> int:
    months = [name.rpartition("_")[2] for name, _ in _partitions(session, of)]
    return max(int(month) for month in months if month.isdigit()) + 1


def _create(session: Session, of: str, name: str, first: int | None, end: int | None) -> None:
    """Make a table and attach it: a table that is created as a partition waits for all who read, and who comes after
    waits for it."""
    session.execute(
        sql.SQL("create table {} (like {} including defaults including constraints including storage)").format(
            sql.Identifier(name), sql.Identifier(of)
        )
    )
    attach(session, of, name, first, end)


def attach(session: Session, of: str, name: str, first: int | None, end: int | None) -> None:
    """Attach a table as the partition of these hours or months."""
    session.execute(
        sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
            sql.Identifier(of),
            sql.Identifier(name),
            sql.SQL("minvalue") if first is None else sql.Literal(first),
            sql.SQL("maxvalue") if end is None else sql.Literal(end),
        )
    )


def _missing(session: Session, names: list[str]) -> set[str]:
    """Return those of the names that no table has."""
    ask = "select name from unnest(%s::text[]) as n (name) where to_regclass(%s || '.' || name) is null"
    return {str(name) for (name,) in session.execute(ask, [names, SCHEMA])}


def _partitions(session: Session, of: str) -> list[tuple[str, bool]]:
    """Return the names of the partitions of a table, and whether each is being detached."""
    rows = session.execute(
        "select c.relname, i.inhdetachpending from pg_inherits i join pg_class c on c.oid = i.inhrelid"
        " where i.inhparent = %s::regclass order by c.relname",
        [of],
    )
    return [(str(name), bool(pending)) for name, pending in rows]
