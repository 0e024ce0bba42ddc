"""Length-prefixed parts: how everything that is signed, hashed or sealed is framed. Pure.

    lp(a, b, …)     each part prefixed by its length in bytes, u32 big-endian

No two lists of parts give the same bytes, so a signature over them cannot be moved to another list.
"""

from __future__ import annotations

import struct

from hub.core.errors import DecodeError
from hub.core.text import phrase

_U32 = struct.Struct(">I")


def lp(*parts: bytes) -> bytes:
    """The parts, framed."""
    return b"".join([piece for part in parts for piece in (_U32.pack(len(part)), part)])


def unlp(data: bytes) -> list[bytes]:
    """The parts of an `length_prefix`. Raises DecodeError unless they fill `data` exactly."""
    parts, at = [], 0
    while at < len(data):
        head = data[at : at + 4]
        end = at + 4 + (_U32.unpack(head)[0] if len(head) == 4 else len(data))
        if end > len(data):
            raise DecodeError("truncated", phrase("part-beyond-end", "a length-prefixed part reaches beyond its end"))
        parts.append(data[at + 4 : end])
        at = end
    return parts
