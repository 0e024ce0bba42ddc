"""Replay protection: the hub's own record of each device's frame counter. Pure.

The server has checked the MIC and the counter; this module checks the path from the server: a broker repeats a message
until it is acknowledged (QoS 1), and anybody who may publish there can repeat an old one. Stored are the two latest
sessions of a device, each with its highest counter, which of the 64 counters up to it were seen (RFC 4303, 3.4.3), and
the server's time of the latest frame.

    repeat    this very frame was seen
    replay    older than what is remembered
    reset     a counter that fell, at a later time: the device started over in the same session (ABP), the server let it
    late      a counter that was left out, and comes after the next ones
    fresh     any other

The record is stored together with the reports of a frame, in one commit.
"""

from __future__ import annotations

from enum import Enum
from hashlib import sha256

import msgspec

import hub
from hub.sdk.phrases import phrase

WIDTH = 64
MARK = 6


class Verdict(Enum):
    FRESH = "fresh"
    LATE = "late"
    RESET = "counter-reset"
    REPEAT = "repeat"
    REPLAY = "replay"

    @property
    def told(self) -> bool:
        """Return whether it was reported before."""
        return self in (Verdict.REPEAT, Verdict.REPLAY)


class Window(msgspec.Struct, array_like=True, frozen=True):
    """A session: `mark` names it, bit n of `seen` stands for counter `top` - n, `time` in Unix seconds."""

    mark: bytes
    top: int
    seen: int
    time: float

    def has(self, fcnt: int) -> bool:
        behind = self.top - fcnt
        return behind >= WIDTH or (behind >= 0 and bool(self.seen >> behind & 1))

    def with_(self, fcnt: int, time: float) -> Window:
        ahead = max(fcnt - self.top, 0)
        seen = self.seen << ahead & (1 << WIDTH) - 1 if ahead < WIDTH else 0
        top = self.top + ahead
        return Window(self.mark, top, seen | 1 << (top - fcnt), max(self.time, time))


class Memory(msgspec.Struct, array_like=True, frozen=True):
    """Stored state of a device: `windows`, the latest session first; `status`: time of its last battery report;
    `where`: destination of its downlinks (ChirpStack's application, The Things Stack's device id)."""

    windows: tuple[Window, ...] = ()
    status: float = 0.0
    where: str = ""


class _Record(msgspec.Struct, array_like=True):
    """Encoded record. Fields are encoded by position: add new ones at the end."""

    version: int
    memory: Memory


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Record)


def encode(memory: Memory) -> bytes:
    return _ENCODER.encode(_Record(1, memory))


def decode(data: object) -> Memory:
    """Decode a record. Raises DecodeError `bad-record`."""
    try:
        record = _DECODER.decode(data)  # type: ignore[arg-type]  # checked there
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        raise hub.DecodeError(
            "bad-record", phrase("lorawan_servers.record-damaged", "what was remembered of a device is damaged")
        ) from error
    if record.version != 1:
        raise hub.DecodeError(
            "bad-record",
            phrase(
                "lorawan_servers.record-of-unknown-version",
                "version {version} of a device's record is not known",
                version=record.version,
            ),
        )
    return record.memory


def judge(windows: tuple[Window, ...], session: str, fcnt: int, time: float | None) -> Verdict:
    """Return the verdict on a frame. `time`: when the server received it, None when that cannot be trusted. Changes
    nothing."""
    mark = _mark(session)
    for window in windows:
        if window.mark == mark and window.has(fcnt) and not _later(time, window):
            return Verdict.REPEAT if window.top - fcnt < WIDTH else Verdict.REPLAY
    if not windows:
        return Verdict.FRESH
    current = windows[0]
    if current.mark != mark:
        if time is None or time > current.time:
            return Verdict.FRESH
        return Verdict.LATE if any(window.mark == mark for window in windows) else Verdict.REPLAY
    if fcnt > current.top:
        return Verdict.FRESH
    if not current.has(fcnt):
        return Verdict.RESET if _later(time, current) else Verdict.LATE
    return Verdict.REPEAT if fcnt == current.top else Verdict.RESET


def take(windows: tuple[Window, ...], session: str, fcnt: int, time: float | None) -> tuple[Window, ...]:
    """Return the windows after an accepted frame."""
    mark, when = _mark(session), time or 0.0
    verdict = judge(windows, session, fcnt, time)
    if verdict is Verdict.LATE:
        at = next(n for n, window in enumerate(windows) if window.mark == mark)
        return (*windows[:at], windows[at].with_(fcnt, when), *windows[at + 1 :])
    if verdict is Verdict.FRESH and windows and windows[0].mark == mark:
        return (windows[0].with_(fcnt, when), *windows[1:])
    return (Window(mark, fcnt, 1, when), *windows[:1])


def _later(time: float | None, window: Window) -> bool:
    return time is not None and time > window.time


def _mark(session: str) -> bytes:
    return sha256(session.encode()).digest()[:MARK]
