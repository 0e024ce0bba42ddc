"""Replay protection: finds the 32-bit counter of a data frame and whether the frame is new (TS001-1.0.4 §4.3.1.5).
Pure.

The air carries 16 of the 32 bits of FCntUp. The whole counter is the least one above the last accepted whose low bits
fit; the MIC, which is over all 32 bits, says whether that guess was right. A frame whose MIC fits no counter changes
nothing. A frame whose MIC fits an older counter is classified: the last frame again (a device repeats an unacknowledged
frame, NbTrans repeats every frame), an older one (a replay), or a device whose counter fell back.

MAX_FCNT_GAP of LoRaWAN 1.0.0 to 1.0.3 (16,384 lost frames end a session) is not applied, as 1.0.4 dropped it: the
counter rises and the MIC fits, so nothing was forged; a sensor that was out of reach for months is heard again.
"""

from __future__ import annotations

from enum import Enum

from integrations.lorawan.crypto import Key, data_mic_ok, payload
from integrations.lorawan.device import Session
from integrations.lorawan.phy import Data

HIGHEST = 0xFFFFFFFF
LOW = 8
"""A counter below this, well behind the last, counts as a reset: a changed battery is far more likely than a replay of
just these frames."""


class Verdict(Enum):
    """Verdict on a frame's counter; the values are the slugs that are counted."""

    FRESH = "fresh"
    REPEAT = "repeat"  # the last frame again
    REPLAY = "replay"  # a frame older than the last
    RESET = "counter-reset"  # low with a good MIC: the device lost its counter, or a replay of its first frames
    BAD_MIC = "bad-mic"
    EXHAUSTED = "counter-exhausted"


class Ring:
    """A session with its keys ready."""

    __slots__ = ("app", "nwk", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.nwk = Key(session.nwk_s_key)
        self.app = Key(session.app_s_key)

    def judge(self, frame: Data) -> tuple[Verdict, int]:
        """Return the verdict on an uplink and its 32-bit counter (-1 when none fits). Changes nothing."""
        last, short = self.session.fcnt_up, frame.fcnt
        if last >= 0 and short == last & 0xFFFF and data_mic_ok(self.nwk, frame, last):
            return Verdict.REPEAT, last
        fresh = expand(last, short)
        if fresh > HIGHEST:
            return Verdict.EXHAUSTED, -1
        if data_mic_ok(self.nwk, frame, fresh):
            return Verdict.FRESH, fresh
        older = fresh - 0x10000
        if older >= 0 and older != last and data_mic_ok(self.nwk, frame, older):
            return (Verdict.RESET if older < LOW < last else Verdict.REPLAY), older
        if older >= 0x10000 and data_mic_ok(self.nwk, frame, short):
            return Verdict.RESET, short
        return Verdict.BAD_MIC, -1

    def open(self, frame: Data, fcnt: int) -> bytes:
        """Return FRMPayload decrypted."""
        key = self.nwk if frame.fport == 0 else self.app
        return payload(key, frame.uplink, frame.dev_addr, fcnt, frame.payload)


def expand(last: int, short: int) -> int:
    """Return the least counter above `last` (-1: none yet) whose low 16 bits are `short`."""
    counter = (last & ~0xFFFF if last >= 0 else 0) | short
    return counter if counter > last else counter + 0x10000
