"""Reads the hub's own small state from the LOCAL records of its segments."""

from __future__ import annotations

from typing import Any

from hub.core.errors import HubError
from hub.protocol.records import framing
from hub.protocol.records.bodies import Local
from hub.protocol.records.opening import open_local
from hub.store_and_forward.buffer.disk import Disk
from hub.store_and_forward.buffer.recovery import Scan, first_epoch
from hub.store_and_forward.buffer.segment import SegmentInfo


def read_local(
    disk: Disk, segments: tuple[SegmentInfo, ...], identity_public: bytes, store_key: bytes
) -> tuple[dict[str, Any], int]:
    """Return the small state, and how many of its records could not be read.

    Goes back to the newest whole snapshot, then forward over the changes.
    """
    history: list[Local] = []
    unread = 0
    for info in reversed(segments):
        found, bad = _locals(Scan.of(disk.read(info.path, 0, info.size)), identity_public, store_key)
        unread += bad
        history = found + history
        parts = [local.part for local in found if local.parts]
        if parts and len(set(parts)) == max(local.parts for local in found):
            break
    state: dict[str, Any] = {}
    for local in history:
        state.update(local.values)
    return {key: value for key, value in state.items() if value is not None}, unread


def _locals(scan: Scan, identity_public: bytes, store_key: bytes) -> tuple[list[Local], int]:
    # by their own counter: a copy of an older one further behind takes nothing back
    heads = sorted((head for head in scan.heads if head.kind == framing.LOCAL), key=lambda head: head.seq)
    epoch = first_epoch(scan, identity_public)
    if epoch is None:
        return [], len(heads)
    found, bad = [], 0
    opener = open_local(epoch, store_key)
    for head in heads:
        try:
            body = opener.open(scan.raw(head)).body
        except HubError:
            bad += 1
            continue
        if isinstance(body, Local):
            found.append(body)
    return found, bad
