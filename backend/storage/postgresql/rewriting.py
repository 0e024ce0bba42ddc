"""Erasure of bytes: tables whose files still hold what an order erased are written anew, and their former files go.

A row that is deleted stays in its page, and in part after VACUUM too. Which tables are to be written anew is noted in
the transaction that deletes, so that no order is called done before, whoever is killed meanwhile. A partition of chunks
is copied while others read it; only to change the two waits for readers, for seconds, and who comes then waits as long.

What is in the write-ahead log, its archive and backups stays for as long as these are kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import errors as states
from psycopg import sql

from backend.storage.postgresql.connection import Database, Session
from backend.storage.postgresql.errors import TryAgain

NAMES, SERIES = "names", "series"
LOCK_TIMEOUT = "1s"
"""Whoever begins to read waits so long at most, while we wait for those who read."""
_ATTEMPTS = 10
"""Times that a copy waits for readers to end, before it is thrown away."""
_BOUND = (
    "select p.relname, pg_get_expr(c.relpartbound, c.oid) from pg_class c join pg_inherits i on i.inhrelid = c.oid"
    " join pg_class p on p.oid = i.inhparent where c.oid = to_regclass(%s)"
)


def mark(session: Session, relations: Iterable[str]) -> None:
    """Note tables from which something is erased, inside the transaction that does it."""
    for relation in sorted(set(relations)):
        session.execute("insert into rewriting values (%s) on conflict do nothing", [relation])


def rewrite_marked(database: Database) -> bool:
    """Write all noted tables anew; return whether it is done, or somebody reads. The caller is the only one who writes
    chunks."""
    with database.errors():
        marked = [str(name) for (name,) in database.session().execute("select relation from rewriting order by 1")]
    try:
        for relation in marked:
            with database.transaction() as session:
                session.execute("set local statement_timeout = 0")
                set_lock_timeout(session)
                if relation in (NAMES, SERIES):
                    _rewrite_small(session, relation)
                else:
                    _rewrite_partition(session, relation)
                session.execute("delete from rewriting where relation = %s", [relation])
    except TryAgain:
        return False
    return True


def set_lock_timeout(session: Session) -> None:
    """Bound how long the rest of a transaction waits for a lock."""
    session.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])


def without_readers(session: Session, attempts: int = 1) -> None:
    """Wait until nobody reads, and let nobody begin until the transaction ends. Raises LockNotAvailable."""
    for left in range(attempts, 0, -1):
        session.execute("savepoint before_lock")
        try:
            session.execute("lock table only compaction in access exclusive mode")
        except states.LockNotAvailable:
            session.execute("rollback to savepoint before_lock")
            if left == 1:
                raise
        else:
            return


def _rewrite_small(session: Session, relation: str) -> None:
    without_readers(session)
    name, kept = sql.Identifier(relation), sql.Identifier(f"{relation}_kept")
    session.execute(sql.SQL("lock table {} in access exclusive mode").format(name))
    session.execute(sql.SQL("create temporary table {} on commit drop as select * from {}").format(kept, name))
    session.execute(sql.SQL("truncate {}").format(name))
    session.execute(sql.SQL("insert into {} select * from {}").format(name, kept))


def _rewrite_partition(session: Session, relation: str) -> None:
    row = session.execute(_BOUND, [relation]).fetchone()
    if row is None:
        return
    of, bound = sql.Identifier(row[0]), sql.SQL(row[1])
    name, copy = sql.Identifier(relation), sql.Identifier(f"{relation}_copy")
    session.execute(sql.SQL("lock table {} in share mode").format(name))
    session.execute(
        sql.SQL(
            "create table {} (like {} including defaults including constraints including storage including indexes)"
        ).format(copy, name)
    )
    session.execute(sql.SQL("insert into {} select * from {}").format(copy, name))
    without_readers(session, _ATTEMPTS)
    session.execute(sql.SQL("alter table {} detach partition {}").format(of, name))
    session.execute(sql.SQL("drop table {}").format(name))
    session.execute(sql.SQL("alter table {} rename to {}").format(copy, name))
    session.execute(sql.SQL("alter table {} attach partition {} {}").format(of, name, bound))
