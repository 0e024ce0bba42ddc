"""Inputs and decisions of the network: data types only.

The driver carries decisions out in the order in which they come. Its rules:

- `Commit`: put `memory` (device → bytes) into the next commit, hand over `report` if there is one; with `durable` wait
  until both are on the disk, only then call `network.committed(ticket, now)`, whose decisions follow. A commit that
  fails is not reported: then nothing is sent, and the device repeats its frame.
- `Transmit`: hand it to the gateway at once, and report the outcome to the network: `transmitted` or `refused`.
- the rest is for people: counts, candidates, states of downlinks, the audit.
"""

from __future__ import annotations

from enum import StrEnum
from zlib import crc32

import msgspec

from hub.sdk.phrases import phrase


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """A frame heard by one gateway.

    `at`: monotonic seconds when the hub received it; `time`: Unix seconds then, None while the clock is not trusted.
    `rate`: index of the data rate. `clock`: the gateway's own microseconds at the end of the frame, None when it cannot
    time a downlink; `context`: data that the gateway wants back with a downlink."""

    gateway: str
    at: float
    raw: bytes
    frequency: int
    rate: int
    rssi: float
    snr: float
    time: float | None = None
    clock: int | None = None
    context: int = 0


def digest(port: int | None, payload: bytes) -> int:
    """Return a digest that distinguishes the contents of frames."""
    return crc32(payload, port or 0)


class Uplink(msgspec.Struct, frozen=True, kw_only=True):
    """A data frame of an admitted device: authenticated, fresh and decrypted.

    `counter` rises over all sessions of the device. `receptions`: best first. `battery` in %, where this frame reports
    it. `again`: this counter was reported before, perhaps without success; the hub, which stores counters with
    readings, takes it once."""

    dev_eui: bytes
    counter: int
    fcnt: int
    port: int | None
    payload: bytes
    confirmed: bool
    otaa: bool
    receptions: tuple[Reception, ...]
    battery: float | None = None
    again: bool = False

    @property
    def content(self) -> int:
        """Return a digest of the port and payload."""
        return digest(self.port, self.payload)

    @property
    def best(self) -> Reception:
        return self.receptions[0]


class Commit(msgspec.Struct, frozen=True):
    """A record to be made durable. `reception`: the frame that led to it, if any."""

    ticket: int
    report: Uplink | None
    memory: tuple[bytes, bytes]  # DevEUI, its record
    durable: bool
    reception: Reception | None = None


class Transmit(msgspec.Struct, frozen=True, kw_only=True):
    """A frame to be sent by one gateway.

    `after`: the reception that its time counts from, `delay` whole seconds after the end of that frame; `after` None:
    at once (class C). `window`: 1, 2, or 0 for class C. `eirp` in dBm."""

    id: int
    gateway: str
    dev_eui: bytes
    raw: bytes
    frequency: int
    rate: int
    eirp: int
    window: int
    after: Reception | None = None
    delay: int = 0


class Count(msgspec.Struct, frozen=True):
    """A refusal or an event to count: a slug, and the device if it is one of the hub's own. `stale`: an authentic frame
    whose counter (`Uplink.counter`) is not new, and the digest of its content."""

    reason: str
    dev_eui: bytes | None = None
    gateway: str = ""
    stale: tuple[int, int] | None = None


class Found(msgspec.Struct, frozen=True):
    """An unknown gateway, or an unknown device that wants to join. For quarantine; its data are not authenticated."""

    kind: str  # "gateway", "device"
    eui: bytes
    join_eui: bytes = b""
    reception: Reception | None = None


class Joined(msgspec.Struct, frozen=True):
    """A join accept is being sent (`proven` false); the device used its new session (true)."""

    dev_eui: bytes
    dev_addr: int
    proven: bool


class Audit(msgspec.Struct, frozen=True):
    """An entry for the audit chain."""

    dev_eui: bytes
    what: str
    who: str = ""


class State(StrEnum):
    """States of a downlink (architecture: accepted · queued · sent · done | failed | expired)."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


WORDS = {
    State.ACCEPTED: phrase("lorawan.downlink-accepted", "accepted"),
    State.QUEUED: phrase("lorawan.downlink-queued", "queued"),
    State.SENT: phrase("lorawan.downlink-sent", "sent"),
    State.DONE: phrase("lorawan.downlink-done", "done"),
    State.FAILED: phrase("lorawan.downlink-failed", "failed"),
    State.EXPIRED: phrase("lorawan.downlink-expired", "expired"),
}
"""The states within a sentence."""


class Moved(msgspec.Struct, frozen=True):
    """A change of a downlink's state; `why` says what failed."""

    id: str
    dev_eui: bytes
    state: State
    why: str = ""


Decision = Commit | Transmit | Count | Found | Joined | Audit | Moved
