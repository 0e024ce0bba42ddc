"""Health of the primary, asked by a reader: whether it may write, its synchronous standbys, the archive of its log."""

from __future__ import annotations

from contextlib import closing

from backend.storage.postgresql.connection import READING, Database
from backend.storage.server_health import ServerHealth

_ASK = """
    select
        (select reset_val = 'off' from pg_settings where name = 'default_transaction_read_only'),
        current_setting('synchronous_standby_names') <> '',
        (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum') and state = 'streaming'),
        current_setting('archive_mode') <> 'off',
        (select extract(epoch from now() - coalesce(last_archived_time, stats_reset)) from pg_stat_archiver
            where last_failed_time > coalesce(last_archived_time, '-infinity')),
        pg_database_size(current_database())
"""
"""Of the settings it asks what the server gives to each session: this one reads only. Who has not the role pg_monitor
sees no standby."""
_MAY_SEE = "select pg_has_role('pg_read_all_stats', 'usage')"


def server_health(url: str) -> ServerHealth:
    """Ask the server at a URL. Raises ConfigError for the URL, StorageError where no primary answers."""
    with closing(Database(url, name="ilot backend, health", purpose=READING)) as database:
        with database.transaction() as session:
            ((writable, demands, standbys, archives, failing_s, size),) = session.execute(_ASK)
            sees = session.execute(_MAY_SEE).fetchone()
        return ServerHealth(
            database.place,
            bool(writable),
            bool(demands),
            int(standbys) if sees == (True,) else None,
            float(failing_s or 0.0) if archives else None,
            int(size),
        )
