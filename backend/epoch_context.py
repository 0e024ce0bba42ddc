"""The context of an epoch as it is kept here, read back: its EPOCH record, its TABLE records. Pure.

It was checked when it came. What does not hold any more was altered since, by a disk or by somebody: that is no word of
the hub, and no reason to refuse it. Its hub has the same context beside the records that it keeps, and sends it again
when it is asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from hub.core.errors import AuthFailed, DecodeError, SegmentDamaged
from hub.protocol.records.opening import Epoch, Opener, Table, open_epoch, verify_epoch

_DAMAGE = (AuthFailed, DecodeError, SegmentDamaged)


class Damaged(DecodeError):
    """What is kept of an epoch is not what came."""

    def __init__(self, eid: bytes) -> None:
        super().__init__("context", f"what is kept of epoch {eid.hex()[:16]} is damaged")


class Context(NamedTuple):
    """What is kept to open an epoch's records again: its number here, its EPOCH record, its TABLE records."""

    id: int
    stream: int
    eid: bytes
    raw: bytes
    tables: list[tuple[int, bytes]]


def read_epoch(context: Context, identity: bytes) -> Epoch:
    """The epoch of a context. Raises Damaged when its record is not the one that the hub of this identity signed."""
    try:
        epoch = verify_epoch(context.raw, identity)
    except _DAMAGE as error:
        raise Damaged(context.eid) from error
    if epoch.eid != context.eid:
        raise Damaged(context.eid)
    return epoch


def read_tables(opener: Opener, tables: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Table | None]]:
    """(number, what it tells) of TABLE records that are kept; None where one is damaged."""
    for number, raw in tables:
        try:
            body = opener.open(raw).body
        except _DAMAGE:
            body = None
        yield number, body if isinstance(body, Table) else None


def reopen(context: Context, identity: bytes, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> tuple[Epoch, Opener]:
    """Raises Damaged; AuthFailed where none of `keys` opens it any more, which is no damage."""
    epoch = read_epoch(context, identity)
    return epoch, open_epoch(epoch, keys)
