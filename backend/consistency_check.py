"""Consistency check of an owner's database: damaged rows, and records that lack something to be read.

Blocking; any process may run it, beside the server. It changes nothing: each finding states its remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import apsw
import msgspec
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from backend.epoch_context import Context, Damaged, read_tables, reopen
from backend.record_writer import NAMELESS
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

_EPOCHS = (
    "select e.id, e.stream, e.eid, e.raw, s.hub, lower(hex(s.run)), s.stream, h.identity from epochs e"
    " join streams s on s.id = e.stream join hubs h on h.hub = s.hub where e.id > ? order by e.id limit 1"
)
_ASIDE = (
    "select q.hub, lower(hex(s.run)), s.stream, s.stored, q.body from quarantine q join epochs e on e.id = q.epoch"
    " join streams s on s.id = e.stream where q.reason = ? order by s.id, q.id"
)


def check(db: apsw.Connection, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> Iterator[dict[str, Any]]:
    """Yield findings {what, hub, stream, run, count, of, remedy}: `count` objects are affected, and `of` says which."""
    yield from _states(db)
    yield from _contexts(db, keys)
    yield from _quarantined(db, NAMELESS, phrase("blocks-without-names", "blocks without names"), NAMES)
    yield from _quarantined(db, "journal", phrase("records-without-rows", "acknowledged records without rows"), ASIDE)


def _states(db: apsw.Connection) -> Iterator[dict[str, Any]]:
    rows = db.execute("select hub, identity, state from hubs where state is not null order by hub").fetchall()
    for hub, identity, state in cast("list[tuple[str, bytes, bytes]]", rows):
        try:
            read_state(bytes(state), bytes(identity))
        except (AuthFailed, DecodeError):
            about = {"what": phrase("damaged-state", "damaged state"), "hub": hub, "stream": "", "run": "", "count": 1}
            yield about | {"of": phrase("state-said-last", "what it said last of itself"), "remedy": STATED}


def _contexts(db: apsw.Connection, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> Iterator[dict[str, Any]]:
    last = 0
    while row := cast(Any, db.execute(_EPOCHS, (last,)).get):  # row by row, so that no snapshot stays open meanwhile
        last, stream, eid, raw, hub, run, name, identity = row
        tables = db.execute("select number, raw from tables where epoch = ? order by number", (last,)).fetchall()
        context = Context(last, stream, bytes(eid), bytes(raw), cast("list[tuple[int, bytes]]", tables))
        about = {"hub": hub, "stream": name, "run": run}
        try:
            _, opener = reopen(context, bytes(identity), keys)
        except Damaged:
            of = phrase("epoch-named", "epoch {epoch}", epoch=eid.hex()[:16])
            yield {"what": CONTEXT, **about, "count": 1, "of": of, "remedy": AGAIN}
            continue
        except AuthFailed:
            continue  # sealed to a former key, which the owner may remove once no hub holds records of it
        lost = [str(number) for number, table in read_tables(opener, context.tables) if table is None]
        if lost:
            of = phrase("tables-of-epoch", "TABLE {tables} of epoch {epoch}", tables=lost, epoch=eid.hex()[:16])
            yield {"what": CONTEXT, **about, "count": len(lost), "of": of, "remedy": AGAIN}


def _quarantined(db: apsw.Connection, reason: str, what: str, remedy: str) -> Iterator[dict[str, Any]]:
    """Yield records in quarantine, by stream, that have not arrived again since."""
    found: dict[tuple[str, str, str], Ranges] = {}
    for hub, run, stream, stored, body in cast(
        "list[tuple[str, str, str, bytes, bytes]]", db.execute(_ASIDE, (reason,))
    ):
        head = framing.read_head(body, 0)
        if head is not None and head.seq not in Ranges(msgspec.msgpack.decode(stored)):
            found.setdefault((hub, stream, run), Ranges()).add(head.seq)
    for (hub, stream, run), numbers in found.items():
        spans = [str(low) if low == high else f"{low}-{high}" for low, high in numbers]
        of = phrase("records-numbered", "records {numbers}", numbers=spans)
        about = {"what": what, "hub": hub, "stream": stream, "run": run}
        yield about | {"count": numbers.count(), "of": of, "remedy": remedy}
