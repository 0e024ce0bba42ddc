"""A database that was put back to an earlier moment is made ready to be served."""

from __future__ import annotations

import secrets
from contextlib import closing

from backend.storage.postgresql.connection import WRITING, Database
from backend.storage.postgresql.migrations import check
from hub.core.errors import StorageError
from hub.core.text import phrase

_OTHERS = (
    "select count(*) from pg_stat_activity where datname = current_database() and usename = current_user"
    " and pid <> pg_backend_pid()"
)


def begin_again(url: str) -> int:
    """Give the database another identity, and withdraw the tokens that may have been used since; return how many. The
    numbers of acknowledgements follow the clock, and need nothing. Raises ConfigError for the URL, StorageError."""
    with (
        closing(Database(url, name="ilot backend begin-again", purpose=WRITING)) as database,
        database.transaction() as session,
    ):
        check(session, database.place)
        if session.execute(_OTHERS).fetchone() != (0,):
            raise StorageError(
                phrase(
                    "database-has-workers",
                    "{place} has other sessions: end all workers first, which would go on with what they remember",
                    place=database.place,
                )
            )
        session.execute("update meta set value = %s where key = 'database'", [secrets.token_bytes(16)])
        return session.execute("delete from tokens where used_at is null").rowcount
