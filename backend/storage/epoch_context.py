"""Stored context of an epoch, read back: its EPOCH record and its TABLE records. Pure.

It was verified when it arrived. If it fails now, a disk or somebody altered it since: the hub is not at fault, so its
messages are not refused. The hub keeps the same context with its records, and sends it again on request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from hub.core.errors import AuthFailed, DecodeError, SegmentDamaged
from hub.core.text import phrase
from hub.protocol.records.opening import Epoch, Opener, Table, open_epoch, verify_epoch

_DAMAGE = (AuthFailed, DecodeError, SegmentDamaged)


class Damaged(DecodeError):
    """The stored context of an epoch differs from what arrived."""

    def __init__(self, eid: bytes) -> None:
        super().__init__(
            "context", phrase("epoch-damaged", "what is kept of epoch {epoch} is damaged", epoch=eid.hex()[:16])
        )


class Context(NamedTuple):
    """Stored context of an epoch: its database number, its EPOCH record, its TABLE records."""

    id: int
    stream: int
    eid: bytes
    raw: bytes
    tables: list[tuple[int, bytes]]


def read_epoch(context: Context, identity: bytes) -> Epoch:
    """Parse the epoch of a context. Raises Damaged when its record is not the one that the hub of this identity
    signed."""
    try:
        epoch = verify_epoch(context.raw, identity)
    except _DAMAGE as error:
        raise Damaged(context.eid) from error
    if epoch.eid != context.eid:
        raise Damaged(context.eid)
    return epoch


def read_tables(opener: Opener, tables: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Table | None]]:
    """Yield (number, table) of stored TABLE records; None for a damaged one."""
    for number, raw in tables:
        try:
            body = opener.open(raw).body
        except _DAMAGE:
            body = None
        yield number, body if isinstance(body, Table) else None


def reopen(context: Context, identity: bytes, keys: Mapping[bytes, MLKEM768X25519PrivateKey]) -> tuple[Epoch, Opener]:
    """Return epoch and opener of a stored context. Raises Damaged; AuthFailed where none of `keys` opens it any more,
    which is no damage."""
    epoch = read_epoch(context, identity)
    return epoch, open_epoch(epoch, keys)
