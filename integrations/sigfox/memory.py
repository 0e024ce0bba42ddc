"""Record of the stored messages of a device: the last ones, and the start of the period it covers. Pure.

The operator sends a callback again after 1, 2 and 4 minutes when it got no answer, so messages come twice and out of
order; `seqNumber` has 12 bits and starts over within weeks, so the time is stored with it. As bytes, in the plugin's
state:

    floor (u32) · then for each message: time (u32) · seqNumber (u16, 0xFFFF: none) · parts (u8)        big-endian

`parts` are the stored parts (`DATA`, …): one message comes by several callbacks. Messages at or before `floor` are no
longer recorded: they are replays, or later than any retry.
"""

from __future__ import annotations

import struct

DATA, LINK, PLACE, STATUS, LOST = 1, 2, 4, 8, 16
"""Parts of a message: its payload, its signal, its position; a status; a report of silence."""

NO_SEQ = 0xFFFF
_FLOOR, _ENTRY = struct.Struct(">I"), struct.Struct(">IHB")
ROOM = 200 * 1024
"""Maximum bytes of the records of all devices together."""
MOST, LEAST = 512, 16


class Memory:
    """The last messages of one device. Never raises: invalid bytes are an empty record."""

    def __init__(self, packed: bytes = b"") -> None:
        self.floor = 0
        self._parts: dict[tuple[int, int], int] = {}
        if len(packed) >= _FLOOR.size and (len(packed) - _FLOOR.size) % _ENTRY.size == 0:
            (self.floor,) = _FLOOR.unpack_from(packed)
            for time, seq, parts in _ENTRY.iter_unpack(packed[_FLOOR.size :]):
                self._parts[time, seq] = parts

    def kept(self, time: int, seq: int | None) -> int | None:
        """Return the stored parts of a message; None when it is too old to tell."""
        found = self._parts.get((time, NO_SEQ if seq is None else seq))
        if found is None:
            return None if time <= self.floor else 0
        return found

    def keep(self, time: int, seq: int | None, parts: int, most: int) -> None:
        """Note parts of a message; the latest `most` messages stay."""
        key = (time, NO_SEQ if seq is None else seq)
        self._parts[key] = self._parts.get(key, 0) | parts
        while len(self._parts) > most:
            oldest = min(self._parts)
            del self._parts[oldest]
            self.floor = max(self.floor, oldest[0])

    def packed(self) -> bytes:
        entries = (_ENTRY.pack(time, seq, parts) for (time, seq), parts in sorted(self._parts.items()))
        return _FLOOR.pack(self.floor) + b"".join(entries)

    def __len__(self) -> int:
        return len(self._parts)


def most_for(devices: int) -> int:
    """Return the number of messages to be recorded for each of so many devices."""
    return max(LEAST, min(MOST, ROOM // max(1, devices) // _ENTRY.size - 8))
