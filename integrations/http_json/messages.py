"""Record of a device's messages: which were taken, and which of these were not answered yet. Pure.

A sender repeats what was refused, or what it got no answer to. A message is recognised by the sender's own id, its date
and its readings, as far as it has them. With an id or a date it is the same for good. Without either, the same readings
may be measured again a minute later, so such a message is the same only until it is answered: as many are kept as were
answered.

As bytes, in the plugin's state:

    number of unanswered marks (u16) · their marks · the marks that were answered        each oldest first, big-endian
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec

MARK = 8
"""Bytes of a digest. Among `MOST` of one device, two that differ are alike once in 10^17 messages."""
MOST, LEAST = 128, 8
ROOM = 160 * 1024
"""Bytes of the records of all devices together, at most; a plugin's state has 256 KiB."""
_COUNT = struct.Struct(">H")


class Message(NamedTuple):
    """A message as it is recognised. `lasting`: it is so after it was answered, too."""

    mark: bytes
    lasting: bool


def message(sender_id: str, time: float | None, values: Mapping[str, float | int | bool | str]) -> Message:
    """Return what a message is recognised by; `sender_id` is "" where it has none."""
    said = msgspec.msgpack.encode((sender_id, time, sorted(values.items())))
    return Message(sha256(said).digest()[:MARK], bool(sender_id) or time is not None)


class Memory:
    """The last messages of one device. Never raises: invalid bytes are an empty record."""

    def __init__(self, packed: object = b"") -> None:
        self._owed: dict[bytes, None] = {}
        self._answered: dict[bytes, None] = {}
        if not isinstance(packed, bytes) or len(packed) < _COUNT.size or (len(packed) - _COUNT.size) % MARK:
            return
        (owed,) = _COUNT.unpack_from(packed)
        marks = [packed[at : at + MARK] for at in range(_COUNT.size, len(packed), MARK)]
        self._owed = dict.fromkeys(marks[:owed])
        self._answered = dict.fromkeys(marks[owed:])

    def __contains__(self, mark: bytes) -> bool:
        return mark in self._owed or mark in self._answered

    def __len__(self) -> int:
        return len(self._owed) + len(self._answered)

    def take(self, mark: bytes, most: int) -> None:
        """Note a message that is taken now. At most `most` stay, those longest that were not answered."""
        self._answered.pop(mark, None)
        self._owed[mark] = None
        while len(self) > most:
            oldest = self._answered or self._owed
            del oldest[next(iter(oldest))]

    def answer(self, said: Message) -> bool:
        """Note that the sender was told that it is stored. Returns whether this changed anything."""
        if said.mark not in self._owed:
            return False
        del self._owed[said.mark]
        if said.lasting:
            self._answered[said.mark] = None
        return True

    def packed(self) -> bytes:
        return _COUNT.pack(len(self._owed)) + b"".join((*self._owed, *self._answered))


def most_for(devices: int) -> int:
    """Return the number of messages to be remembered for each of so many devices."""
    return max(LEAST, min(MOST, ROOM // max(1, devices) // MARK))
