"""Consistency check of an owner's database: damaged rows, and records that lack something to be read.

Blocking; any process may run it, beside the server. It changes nothing: each finding states its remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from backend.ingest.record_writer import NAMELESS
from backend.storage.epoch_context import Damaged, read_tables, reopen
from backend.storage.queries import EpochLine, Queries
from hub.core.errors import AuthFailed, DecodeError
from hub.core.text import phrase
from hub.protocol.link_messages import read_state
from hub.protocol.ranges import Ranges
from hub.protocol.records import framing

AGAIN = phrase(
    "check-context-again",
    "what came of it is in rows; the hub is asked for its context as soon as it sends something of it again. Of a hub "
    "that is gone nothing waits for it: close the alarm",
)
STATED = phrase(
    "check-state-again",
    "the next that it says takes its place, and counts as its first: until then a restoration is not seen",
)
NAMES = phrase(
    "check-names-lost",
    "the hub has lost what names their values, and is asked again each hour; it declares them lost when its disk needs "
    "the room. They are kept sealed: `ilot backend quarantine --out` writes them to files, `--drop` ends it",
)
ASIDE = phrase(
    "check-records-aside",
    "they were acknowledged, and no rows could be made of them: the hub is asked for them again (`ilot backend want`). "
    "What it has no more is kept sealed: `ilot backend quarantine --out`",
)

CONTEXT = phrase("damaged-context", "damaged context")

_AT_ONCE = 100
"""Epochs that are read in one snapshot, so that none stays open for long."""


def check(queries: Queries, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> Iterator[dict[str, Any]]:
    """Yield findings {what, hub, stream, run, count, of, remedy}: `count` objects are affected, and `of` says which."""
    yield from _states(queries)
    yield from _contexts(queries, keys)
    yield from _quarantined(queries, NAMELESS, phrase("blocks-without-names", "blocks without names"), NAMES)
    without_rows = phrase("records-without-rows", "acknowledged records without rows")
    yield from _quarantined(queries, "journal", without_rows, ASIDE)


def _states(queries: Queries) -> Iterator[dict[str, Any]]:
    with queries.snapshot() as now:
        lines = now.hubs()
    for line in lines:
        try:
            if line.state is not None:
                read_state(line.state, line.hub.identity)
        except (AuthFailed, DecodeError):
            what = phrase("damaged-state", "damaged state")
            about = {"what": what, "hub": line.hub.hub, "stream": "", "run": "", "count": 1}
            yield about | {"of": phrase("state-said-last", "what it said last of itself"), "remedy": STATED}


def _contexts(queries: Queries, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> Iterator[dict[str, Any]]:
    last = 0
    while True:
        with queries.snapshot() as now:
            lines = now.epochs(last, _AT_ONCE)
        if not lines:
            return
        last = lines[-1].context.id
        for line in lines:
            yield from _context(line, keys)


def _context(line: EpochLine, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> Iterator[dict[str, Any]]:
    epoch = line.context.eid.hex()[:16]
    about = {"what": CONTEXT, "hub": line.hub, "stream": line.stream, "run": line.run.hex()}
    try:
        _, opener = reopen(line.context, line.identity, keys)
    except Damaged:
        of = phrase("epoch-named", "epoch {epoch}", epoch=epoch)
        yield {**about, "count": 1, "of": of, "remedy": AGAIN}
        return
    except AuthFailed:
        return  # sealed to a former key, which the owner may remove once no hub holds records of it
    lost = [str(number) for number, table in read_tables(opener, line.context.tables) if table is None]
    if lost:
        of = phrase("tables-of-epoch", "TABLE {tables} of epoch {epoch}", tables=lost, epoch=epoch)
        yield {**about, "count": len(lost), "of": of, "remedy": AGAIN}


def _quarantined(queries: Queries, reason: str, what: str, remedy: str) -> Iterator[dict[str, Any]]:
    """Yield records in quarantine, by stream, that have not arrived again since."""
    found: dict[tuple[str, str, str], Ranges] = {}
    with queries.snapshot() as now:
        for line in now.set_aside(reason):
            head = framing.read_head(line.body, 0)
            if head is not None and head.seq not in line.stored:
                found.setdefault((line.hub, line.stream, line.run.hex()), Ranges()).add(head.seq)
    for (hub, stream, run), numbers in found.items():
        spans = [str(low) if low == high else f"{low}-{high}" for low, high in numbers]
        of = phrase("records-numbered", "records {numbers}", numbers=spans)
        about = {"what": what, "hub": hub, "stream": stream, "run": run}
        yield about | {"count": numbers.count(), "of": of, "remedy": remedy}
