"""Record of the messages taken last, since a broker gives those again whose acknowledgement it did not get. Pure.

It gives them with DUP set and under their former packet identifier (MQTT 3.1.1, §4.4). A message is known by that
identifier, its topic and its payload. As bytes, in the plugin's state:

    identifier (u16) · digest of topic and payload (8 bytes)        for each message, oldest first, big-endian

Older ones than `LONGEST_S` are forgotten: by then the broker has the acknowledgement, or the connection has ended.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256

from paho.mqtt.client import MQTTMessage

MOST = 512
LONGEST_S = 60.0
_ENTRY = struct.Struct(">H8s")


class Taken:
    """Messages by identifier and digest, with the time at which they were taken, in seconds of any clock."""

    def __init__(self, packed: object, now: float) -> None:
        self._known: OrderedDict[tuple[int, bytes], float] = OrderedDict()
        if isinstance(packed, bytes) and len(packed) % _ENTRY.size == 0:
            self._known = OrderedDict((entry, now) for entry in _ENTRY.iter_unpack(packed[: MOST * _ENTRY.size]))

    def __contains__(self, message: MQTTMessage) -> bool:
        """Return whether the broker gives a message again that was taken."""
        return message.dup and _entry(message) in self._known

    def add(self, messages: Iterable[MQTTMessage], now: float) -> bytes:
        """Note messages that are taken now. Returns the record."""
        for message in messages:
            entry = _entry(message)
            self._known[entry] = now
            self._known.move_to_end(entry)
        while self._known and (len(self._known) > MOST or now - next(iter(self._known.values())) > LONGEST_S):
            self._known.popitem(last=False)
        return b"".join(_ENTRY.pack(*entry) for entry in self._known)


def _entry(message: MQTTMessage) -> tuple[int, bytes]:
    topic = message.topic.encode()
    return message.mid, sha256(len(topic).to_bytes(4, "big") + topic + bytes(message.payload)).digest()[:8]
