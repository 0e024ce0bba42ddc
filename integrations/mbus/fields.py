"""The data of records, told apart by the head of each alone: DIF, DIFE, VIF, VIFE. Pure.

EN 13757-3:2018, Annex G (compact and format frames): a head stands for the length of its data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import values
from integrations.mbus.records import FILLER, Record


def size(head: bytes, data: bytes, at: int) -> int:
    """Return the bytes at `at` that belong to a record with this head. Raises DecodeError when they are not there."""
    field = head[0] & 0x0F
    if field == values.VARIABLE:
        count = 1 + values.variable_size(data[at]) if at < len(data) else 1
    else:
        count = values.SIZES.get(field, 0)
    if at + count > len(data):
        raise hub.DecodeError(
            "mbus-record",
            phrase("mbus.record-cut", "{wanted} bytes wanted, {left} left", wanted=count, left=len(data) - at),
        )
    return count


def joined(heads: Iterable[bytes], data: bytes) -> tuple[bytes, bytes]:
    """Return a full frame's records, made of heads and the data of a compact frame, and what is left of that. Raises
    DecodeError when the data ends too early."""
    whole, at = bytearray(), 0
    for head in heads:
        count = size(head, data, at)
        whole += head + data[at : at + count]
        at += count
    return bytes(whole), data[at:]


def split(records: Iterable[Record], data: bytes) -> Iterator[tuple[Record, bytes]]:
    """Yield each record with its data as sent; `data` is what the records were parsed from."""
    at = 0
    for record in records:
        while data[at] == FILLER:
            at += 1
        at += len(record.head)
        count = size(record.head, data, at)
        yield record, data[at : at + count]
        at += count
