"""OPC UA status codes: their quality, and a remedy. Pure.

OPC 10000-4, 7.39: bits 31-30 are the severity (good, uncertain, bad), 29-16 are the code; bits 11-10 `01` mean that
bits 9-0 belong to a data value, where bit 7 is Overflow: the server's queue was too short. Codes: OPC 10000-6, A.2.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.phrases import Phrase, phrase

GOOD_ASYNCHRONOUS = 0x002E0000  # GoodCompletesAsynchronously

_OVERFLOW, _OVERFLOWED = 0x0C80, 0x0480


class Fault(NamedTuple):
    """A code that is not good. `reason` is the slug to count by."""

    reason: str
    remedy: Phrase


# ruff: noqa: E501 - a table is read across
_FAULTS = {
    0x80050000: Fault("opcua-communication", phrase("opcua.device-out-of-reach", "the server does not reach the device behind it: look at that one")),
    0x80310000: Fault("opcua-communication", phrase("opcua.device-out-of-reach", "the server does not reach the device behind it: look at that one")),
    0x80320000: Fault("opcua-waiting", phrase("opcua.no-value-yet", "the server has no value yet")),
    0x80330000: Fault("opcua-node", phrase("opcua.invalid-node-id", "the server takes this for no node id: check the address")),
    0x80340000: Fault("opcua-node", phrase("opcua.no-such-node", "the server has no such node: check the address and its namespace")),
    0x806F0000: Fault("opcua-node", phrase("opcua.no-such-path", "the server has no such node: check the path, its namespace and its spelling")),
    0x80350000: Fault("opcua-node", phrase("opcua.node-without-value", "this node has no value: name a variable, not an object or a folder")),
    0x801F0000: Fault("opcua-denied", phrase("opcua.user-not-allowed", "this user may not read it: ask for the right at the server, or log in")),
    0x803A0000: Fault("opcua-denied", phrase("opcua.not-readable", "the server does not let anybody read it")),
    0x803B0000: Fault("opcua-denied", phrase("opcua.not-writable", "the server does not let anybody write it")),
    0x80370000: Fault("opcua-index", phrase("opcua.no-such-element", "the array has no such element: check `element`")),
    0x80740000: Fault("opcua-type", phrase("opcua.other-type-wanted", "the server wants another type of value")),
    0x803C0000: Fault("opcua-range", phrase("opcua.value-out-of-range", "the server does not take a value outside its own range")),
    0x80890000: Fault("opcua-configuration", phrase("opcua.server-misconfigured", "the server's own configuration is wrong: tell who looks after it")),
    0x808A0000: Fault("opcua-not-connected", phrase("opcua.nothing-behind-node", "the server has nothing behind this node: look at the device")),
    0x808B0000: Fault("opcua-device", phrase("opcua.device-failed", "the device behind the server failed: look at it")),
    0x808C0000: Fault("opcua-sensor", phrase("opcua.sensor-failed", "the sensor failed: look at it")),
    0x808D0000: Fault("opcua-out-of-service", phrase("opcua.out-of-service", "somebody took it out of service at the server")),
    0x809B0000: Fault("opcua-no-data", phrase("opcua.no-value", "the server has no value")),
    0x80DB0000: Fault("opcua-too-many-items", phrase("opcua.too-many-watched", "the server watches no more nodes: it is polled instead")),
    0x80450000: Fault("opcua-dead-band", phrase("opcua.no-dead-band", "the server knows no dead band for it: leave `dead_band` out")),
    0x80440000: Fault("opcua-dead-band", phrase("opcua.no-dead-band", "the server knows no dead band for it: leave `dead_band` out")),
    0x808E0000: Fault("opcua-dead-band", phrase("opcua.no-such-dead-band", "the server knows no dead band of this kind: leave `dead_band` out")),
    0x800A0000: Fault("opcua-time-out", phrase("opcua.server-too-slow", "the server took too long: raise `timeout` if this stays")),
}  # fmt: skip


def quality(code: int) -> hub.Quality:
    """Return the quality. Severity `11` is reserved and counts as bad (OPC 10000-4, 7.39.1)."""
    severity = code >> 30
    if severity == 0:
        return hub.Quality.GOOD
    return hub.Quality.UNCERTAIN if severity == 1 else hub.Quality.BAD


def overflowed(code: int) -> bool:
    """Return whether values were lost in the server, before this one or after it."""
    return code & _OVERFLOW == _OVERFLOWED


def fault(code: int) -> Fault:
    """Describe a code that is not good; unknown ones are counted together by their severity."""
    known = _FAULTS.get(code & 0xFFFF0000)
    if known is not None:
        return known
    reason = "opcua-uncertain" if code >> 30 == 1 else "opcua-bad"
    return Fault(reason, phrase("opcua.unknown-status", "see OPC 10000-6, A.2, and the server's manual"))


def told(code: int, name: str) -> str:
    """Return a code as text: its name in the standard, and what to do."""
    safe = name if name.isascii() and name.isalnum() else ""
    return phrase("opcua.status", "{status}: {reason}", status=safe or f"0x{code:08X}", reason=fault(code).remedy)
