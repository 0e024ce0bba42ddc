"""Bytes of messages between the hub and a plugin in a process of its own: a length (u32, little endian) and msgpack.

Descriptors travel beside a frame by SCM_RIGHTS, from the hub to the child only. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import SecretStr

from hub.core.text import Phrase
from hub.plugin_host.isolation.wire import Down, Up
from hub.plugin_host.isolation.wire_base import Hostile, Message

LARGEST = 2 << 20
"""Bytes of one frame of a child."""
LARGEST_DOWN = 64 << 20
"""Bytes of one frame of the hub: all devices of a plugin, when it starts."""
_LENGTH = struct.Struct("<I")
_SECRET = 1


def written(value: Any) -> Any:
    """Return what msgpack has no form for as what a model reads again: the `enc_hook`."""
    if isinstance(value, Phrase):
        return str(value)
    if isinstance(value, SecretStr):
        return msgspec.msgpack.Ext(_SECRET, value.get_secret_value().encode())
    if type(value).__module__.partition(".")[0] in ("pathlib", "ipaddress", "pydantic"):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be passed to another process")


def _read(code: int, data: memoryview) -> Any:
    if code != _SECRET:
        raise ValueError(f"no extension {code}")
    from hub.config.secrets import Secret  # late: only where there is one

    return Secret(bytes(data).decode())


_encoder = msgspec.msgpack.Encoder(enc_hook=written)
_up = msgspec.msgpack.Decoder(Up)
_down = msgspec.msgpack.Decoder(Down, ext_hook=_read)


def packed(value: Any) -> bytes:
    """Return a value as msgpack. Raises TypeError, ValueError or OverflowError for what has no such form."""
    return _encoder.encode(value)


def frame(message: Message, largest: int = LARGEST) -> bytes:
    """Return a message with its length. Raises as `packed` does, and ValueError when it is too large."""
    body = _encoder.encode(message)
    if len(body) > largest:
        raise ValueError(f"{len(body)} bytes in one message; {largest} are the most")
    return _LENGTH.pack(len(body)) + body


def up(body: bytes | memoryview) -> Up:
    """Return what a child said. Raises Hostile."""
    try:
        message: Up = _up.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
        raise Hostile(f"a frame that is none: {error}"[:300]) from None
    return message


def down(body: bytes | memoryview) -> Down:
    """Return what the hub said."""
    message: Down = _down.decode(body)
    return message


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies that are whole now. Raises Hostile for a length beyond the largest."""
        rest = self._rest
        rest += data
        at = 0
        try:
            while len(rest) - at >= 4:
                (length,) = _LENGTH.unpack_from(rest, at)
                if length > self._largest:
                    raise Hostile(f"a frame of {length} bytes; {self._largest} are the most")
                if len(rest) - at - 4 < length:
                    return
                body = bytes(rest[at + 4 : at + 4 + length])
                at += 4 + length
                yield body
        finally:
            del rest[:at]
