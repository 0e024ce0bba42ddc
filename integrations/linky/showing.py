"""Shows all contents of a frame, for `ilot decode linky`. Pure. Addresses and PRM are cut to their last six digits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import hub
from hub.sdk.phrases import phrase
from integrations.linky import industrial
from integrations.linky.decode import decode
from integrations.linky.frames import Frame, Framer

_IDENTIFIERS = ("ADCO", "ADSC", "ADS", "PRM")
_MESSAGES = ("MSG1", "MSG2")


def only(data: bytes) -> Frame:
    """Return the one frame in these bytes. Raises DecodeError `tic-frame`."""
    frames = list(Framer().feed(data))
    if len(frames) != 1:
        raise hub.DecodeError(
            "tic-frame",
            phrase(
                "linky.not-one-frame",
                "{count} [frame|frames] with a good group: one is expected, STX to ETX",
                count=len(frames),
            ),
        )
    return frames[0]


def explain(frame: Frame, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """Yield a summary, then one object for each group, then the readings. Raises DecodeError."""
    meter = decode(frame, zone)
    yield {
        "model": meter.model,
        "mode": frame.mode,
        "meter": "" if meter.serial == industrial.NO_ADDRESS else meter.serial[-6:],
        "groups": len(frame.groups),
        **({"clock": _iso(meter.clock.time), "clock_degraded": meter.clock.degraded} if meter.clock else {}),
        **({"problems": [*frame.bad, *meter.unknown]} if frame.bad or meter.unknown else {}),
    }
    for group in frame.groups:
        hidden = group.label in _IDENTIFIERS
        yield {
            "group": group.label,
            "data": f"…{group.data[-6:]}" if hidden else group.data,
            **({"stamp": group.stamp} if group.stamp else {}),
        }
    yield {"readings": meter.values}
    for stamp, moment in meter.dated:
        yield {"at": _iso(stamp.time), "readings": moment, **({"clock_degraded": True} if stamp.degraded else {})}


def nameless(frame: Frame) -> list[str]:
    """Return the groups of a frame as a meter sends them, with zeros in the place of addresses and PRM, and without
    messages to the customer."""
    between = "\t" if frame.mode == "standard" else " "
    told = []
    for group in frame.groups:
        if group.label in _MESSAGES:
            continue
        data = "0" * len(group.data) if group.label in _IDENTIFIERS else group.data
        body = between.join([group.label, *([group.stamp] if group.stamp else []), data]) + between
        summed = body if between == "\t" else body[:-1]
        told.append(body + chr((sum(summed.encode("ascii")) & 0x3F) + 0x20))
    return told


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
