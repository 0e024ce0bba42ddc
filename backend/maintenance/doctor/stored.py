"""Checks of what is stored: a sample of the database, the hubs, and what waits."""

from __future__ import annotations

from collections.abc import Iterator

from backend.hubs import silences
from backend.maintenance.doctor import machine
from backend.maintenance.doctor.findings import BACKLOG, DATABASE, HUBS, MOST_SHOWN, NOTE, OK, WAITING, WRONG, Finding
from backend.owner.directory import Owner
from backend.storage.opening import open_queries
from backend.storage.queries import HubLine, Queries
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.protocol.link_messages import read_state

MUCH_WAL = 1 << 30
SAMPLE_S = 2.0
LATE_S = 1800.0
"""A record waits some minutes for others of its hub, so that they are compacted together."""


def look(owner: Owner, now: float, url: str = "") -> Iterator[Finding]:
    """Yield the findings, and those of the clock, which is compared with what is stored; `now` is Unix seconds. `url`
    names the database where it is not in a file."""
    if not url and not owner.database.exists():
        yield from machine.clock(now, None)
        none = phrase("no-database-yet", "there is none yet: the server makes it at its first start")
        yield Finding(DATABASE, NOTE, none)
        return
    try:
        queries = open_queries(url or owner.database)
        yield _database(owner, queries, url)
        with queries.snapshot() as snapshot:
            hubs, alarms, aside = snapshot.hubs(), snapshot.alarms(), snapshot.quarantined()
            since = snapshot.compacts_since()
    except HubError as error:
        yield Finding(DATABASE, WRONG, reason_of(error), _database_remedy(owner))
        yield from machine.clock(now, None)
        return
    yield from machine.clock(now, max((line.state_at for line in hubs if line.state_at is not None), default=None))
    yield from _hubs(owner, hubs, now)
    if not url:
        yield _backlog(owner)
    if since is not None and now - since > LATE_S:
        yield _compaction(now - since)
    yield _for_a_person(owner, len(alarms), len(aside))


def _for_a_person(owner: Owner, alarms: int, entries: int) -> Finding:
    if not alarms and not entries:
        return Finding(WAITING, OK, phrase("nothing-for-a-person", "no alarm is open, and nothing is in quarantine"))
    return Finding(
        WAITING,
        NOTE,
        phrase("much-for-a-person", "open alarms: {alarms}; in quarantine: {entries}", alarms=alarms, entries=entries),
        phrase(
            "look-at-alarms",
            "`ilot backend alarms {directory}`, `ilot backend quarantine {directory}`",
            directory=owner.directory,
        ),
    )


def _database_remedy(owner: Owner) -> str:
    return phrase(
        "check-whole-database",
        "`ilot backend check {directory}` reads all of it and says what to do",
        directory=owner.directory,
    )


def _database(owner: Owner, queries: Queries, url: str) -> Finding:
    found = queries.sample(SAMPLE_S)
    if found.damage:
        return Finding(DATABASE, WRONG, found.damage, _database_remedy(owner))
    if url:
        return Finding(
            DATABASE,
            OK,
            phrase(
                "database-rows-sampled",
                "{whole} of {tables} tables were read whole, of the others {rows} rows, without a fault",
                whole=found.whole,
                tables=found.tables,
                rows=found.rows,
            ),
        )
    size = owner.database.stat().st_size
    says = phrase(
        "database-sampled",
        "{size:.1f} MB; {whole} of {tables} tables were read whole, of the others {rows} rows, without a fault",
        size=size / 1e6,
        whole=found.whole,
        tables=found.tables,
        rows=found.rows,
    )
    return Finding(DATABASE, OK, says)


def _hubs(owner: Owner, lines: list[HubLine], now: float) -> Iterator[Finding]:
    active = [line for line in lines if line.hub.revoked_at is None]
    signs = silences.StateReader().signs(active, {})
    silent = [one.hub for one in signs if now - one.seen_at > silences.silent_after(one.every)]
    never = len(active) - len(signs)
    remedy = phrase(
        "look-at-silences",
        "`ilot backend alarms {directory}` says which, and where to look first",
        directory=owner.directory,
    )
    if silent:
        says = phrase(
            "hubs-silent",
            "{silent} of {count} [hub|hubs] silent: {hubs}",
            silent=len(silent),
            count=len(active),
            hubs=[*silent[:MOST_SHOWN], *(["…"] if len(silent) > MOST_SHOWN else [])],
        )
        yield Finding(HUBS, WRONG if len(silent) == len(signs) > 1 else NOTE, says, remedy)
    else:
        yield Finding(HUBS, OK, phrase("hubs-speak", "{count} [hub|hubs] enrolled, none silent", count=len(active)))
    if never:
        says = phrase("hubs-never-seen", "{count} [hub has|hubs have] never spoken", count=never)
        yield Finding(HUBS, NOTE, says, phrase("start-those-hubs", "start them, or revoke them"))
    behind = sum(_trust_of(line) < owner.trust.version for line in active if line.state is not None)
    if behind:
        says = phrase(
            "hubs-behind-trust",
            "{count} [hub follows|hubs follow] an older trust document than version {version}",
            count=behind,
            version=owner.trust.version,
        )
        yield Finding(
            HUBS,
            NOTE,
            says,
            phrase("trust-comes-with-answers", "it is handed to each with the answer to its next state"),
        )


def _trust_of(line: HubLine) -> int:
    try:
        return read_state(bytes(line.state or b""), line.hub.identity).trust_version
    except HubError:
        return 0


def _backlog(owner: Owner) -> Finding:
    log = owner.database.with_name(f"{owner.database.name}-wal")
    waits = log.stat().st_size if log.exists() else 0
    says = phrase(
        "log-size",
        "{log:.1f} MB in the write-ahead log",
        log=waits / 1e6,
    )
    if waits <= MUCH_WAL:
        return Finding(BACKLOG, OK, says)
    slow = phrase("backlog-remedy", "the disk is too slow, or somebody reads for long: `iostat -x 5`, and who reads")
    return Finding(BACKLOG, NOTE, says, slow)


def _compaction(age: float) -> Finding:
    says = phrase("compaction-late", "readings wait for {minutes} min to be compacted", minutes=int(age / 60))
    remedy = phrase(
        "compaction-late-remedy",
        "queries answer all the same, slower and slower: the server's log says why its compactor stands still",
    )
    return Finding(BACKLOG, NOTE, says, remedy)
