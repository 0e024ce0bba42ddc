"""The normal path of a message: one statement for the records of one hub.

It compares and sets the version of the hub's row, draws ids of records and numbers of acknowledgements from the same
row, and inserts the lines of the account and the bodies. Who sees the version that he knows knows all of the hub that
this path needs: which numbers are stored. On a miss nothing was written. Then, and for all that is rare (an epoch, a
state, a CLOCK, an alert, a fork, a gap), a worker takes the row `for update` and reads the hub anew.

Numbers of acknowledgements are above the present time in µs too: a database that was put back continues above what it
signed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from backend.storage.postgresql.connection import Session
from backend.storage.postgresql.partitions import hour_of


class NewBlock(NamedTuple):
    """A record that is new: its line in the account, and its body; None of `data`: it has none."""

    stream: int
    seq: int
    digest: bytes
    epoch: int
    kind: int
    readings: int
    boot: bytes
    data: bytes | None


class HubMessage(NamedTuple):
    """Records of one hub, whose version was `version`, to be answered with `acks` acknowledgements, whose numbers are
    above `floor`."""

    hub: int
    version: int
    acks: int
    blocks: Sequence[NewBlock]
    floor: int = 0


class Drawn(NamedTuple):
    """What was drawn: the first block's record id, the next ones follow it; and the last acknowledgement's number,
    those before precede it. The hub has the version after the one that was compared."""

    record: int
    ack: int


_STORE = sql.SQL("""
with head as (
    update hubs set version = version + 1, acks = greatest(acks, %s::bigint) + %s::integer,
        last_record = last_record + %s::integer
    where number = %s::integer and version = %s::bigint and revoked_at is null
    returning number, acks, last_record - %s::integer as before
), given as (
    select head.number, head.before + g.at as id, g.*
    from head, unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bytea[],
        %s::bytea[]) with ordinality as g (stream, seq, digest, epoch, kind, readings, boot, data, at)
), account as (
    insert into records (stream, seq, id, epoch, received_at, readings, kind, digest)
    select stream, seq, id, epoch, %s::float8, readings, kind, digest from given
), body as (
    insert into bodies (hour, hub, record, epoch, received_at, boot, data)
    select %s::integer, number, id, epoch, %s::float8, boot, data from given where data is not null
)
select before + 1, acks from head
""")


def store(session: Session, messages: Sequence[HubMessage], now: float) -> list[Drawn | None]:
    """Store messages inside the caller's transaction, at most one of each hub; return what each drew, None for a miss.

    Rows of hubs are taken in the order of their numbers, or two workers could wait for each other.
    """
    order = sorted(range(len(messages)), key=lambda at: messages[at].hub)
    with session.pipeline():
        cursors = [session.execute(_STORE, _arguments(messages[at], now), binary=True) for at in order]
    drawn: list[Drawn | None] = [None] * len(messages)
    for at, cursor in zip(order, cursors, strict=True):
        if (row := cursor.fetchone()) is not None:
            drawn[at] = Drawn(*row)
    return drawn


def _arguments(message: HubMessage, now: float) -> tuple[object, ...]:
    count = len(message.blocks)
    columns = [[block[at] for block in message.blocks] for at in range(len(NewBlock._fields))]
    floor = (message.floor or int(now * 1e6)) if message.acks else 0
    head = floor, message.acks, count, message.hub, message.version, count
    return *head, *columns, now, hour_of(now), now
