"""The database server: whether it may write, whether its standby follows, whether its log reaches the copies."""

from __future__ import annotations

from collections.abc import Iterator

from backend.maintenance.doctor.findings import DATABASE, NOTE, OK, STANDBY, WRITE_AHEAD_LOG, WRONG, Finding
from backend.storage.opening import server_health
from backend.storage.server_health import ServerHealth
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

ARCHIVE_WRONG_S = 600.0


def look(url: str) -> Iterator[Finding]:
    """Yield the findings about the server at a URL."""
    try:
        health = server_health(url)
    except HubError as error:
        remedy = phrase(
            "look-at-cluster", "`patronictl list` on one of its machines; hubs keep their readings until it answers"
        )
        yield Finding(DATABASE, WRONG, reason_of(error), remedy)
        return
    yield _writing(health)
    yield from _standby(health)
    yield from _log(health)


def _writing(health: ServerHealth) -> Finding:
    if health.writable:
        says = phrase(
            "database-writable", "{place} may write; {size:.1f} MB", place=health.place, size=health.size / 1e6
        )
        return Finding(DATABASE, OK, says)
    return Finding(
        DATABASE,
        WRONG,
        phrase("database-read-only", "{place} is set to read only: hubs keep their readings", place=health.place),
        phrase("set-writable", "take `default_transaction_read_only` back where it was set, once its cause is gone"),
    )


def _standby(health: ServerHealth) -> Iterator[Finding]:
    if health.lacks_standby:
        yield Finding(
            STANDBY,
            WRONG,
            phrase("no-standby", "none follows, and each commit waits for one: nothing is acknowledged"),
            phrase(
                "start-a-standby",
                "start another machine of the database, or make one anew that does not follow since a copy was put "
                "back (`patronictl reinit`); hubs keep their readings meanwhile",
            ),
        )
    elif not health.demands_standby:
        yield Finding(
            STANDBY,
            NOTE,
            phrase("standby-not-demanded", "what is acknowledged is on one machine alone"),
            phrase("demand-a-standby", "`synchronous_standby_names`: see docs/how-to/run-a-district.md"),
        )
    elif health.standbys is None:
        yield Finding(
            STANDBY,
            NOTE,
            phrase("standby-not-shown", "this user may not see them"),
            phrase("grant-monitor", "`grant pg_monitor to ilot`, as the superuser"),
        )
    else:
        says = phrase("standbys-follow", "{count} [follows|follow] each commit", count=health.standbys)
        yield Finding(STANDBY, OK, says)


def _log(health: ServerHealth) -> Iterator[Finding]:
    if health.unarchived_s is None:
        yield Finding(
            WRITE_AHEAD_LOG,
            NOTE,
            phrase("log-not-archived", "it is not archived: a copy is of the moment at which it was made"),
            phrase("archive-the-log", "pgBackRest: see docs/how-to/run-a-district.md"),
        )
    elif health.unarchived_s:
        says = phrase(
            "log-archive-fails",
            "it has not reached the copies for {minutes} min, and stays on the primary's disk until it is full",
            minutes=int(health.unarchived_s / 60),
        )
        state = WRONG if health.unarchived_s > ARCHIVE_WRONG_S else NOTE
        yield Finding(
            WRITE_AHEAD_LOG,
            state,
            says,
            phrase("look-at-archive", "`pgbackrest check` on the primary; room, keys and reach of where copies go"),
        )
    else:
        yield Finding(WRITE_AHEAD_LOG, OK, phrase("log-archived", "it reaches the copies"))
