"""Builds one downlink: chooses its content for a data rate and encodes it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from integrations.lorawan import commands as c
from integrations.lorawan.counters import Ring
from integrations.lorawan.crypto import data_mic, payload
from integrations.lorawan.downlink import HEADER, Downlink
from integrations.lorawan.entry import Entry
from integrations.lorawan.phy import MIC, MOST_FOPTS, Data, unsigned_data
from integrations.lorawan.region import RATES


class Content(NamedTuple):
    """Content of a downlink: MAC commands and at most one of the queued downlinks; `pending`: more are waiting
    (FPending)."""

    row: list[c.Command]
    item: Downlink | None
    pending: bool


NOTHING = Content([], None, False)


def content(entry: Entry, rate: int) -> Content:
    """Choose the content that fits at this data rate. MAC commands come first, because their number is limited; the
    queued downlink keeps its place."""
    room = min(MOST_FOPTS, RATES[rate].size - HEADER)
    row = entry.mac.row(room) if entry.mac is not None else []
    item = entry.queue.next()
    waits = item is not None
    if item is not None and not entry.queue.fits(item, rate, len(c.build(row))):
        item = None
    return Content(row, item, entry.queue.more() if item is not None else waits)


def frame(ring: Ring, fcnt: int, what: Content, *, ack: bool, adr: bool) -> bytes:
    """Encode the PHYPayload. `fcnt` is the 32-bit counter, never used before."""
    address, item = ring.session.dev_addr, what.item
    data = Data(
        uplink=False,
        confirmed=item is not None and item.confirmed,
        dev_addr=address,
        fcnt=fcnt & 0xFFFF,
        fport=item.port if item is not None else None,
        payload=payload(ring.app, False, address, fcnt, item.payload) if item is not None else b"",
        fopts=c.build(what.row),
        adr=adr,
        ack=ack,
        flag=what.pending,
    )
    signed = unsigned_data(data)
    return signed + data_mic(ring.nwk, False, address, fcnt, signed)


def size(what: Content) -> int:
    """Return the size of the PHYPayload in bytes: MHDR, FHDR, FPort and payload, MIC."""
    body = 1 + len(what.item.payload) if what.item is not None else 0
    return 1 + 7 + len(c.build(what.row)) + body + MIC
