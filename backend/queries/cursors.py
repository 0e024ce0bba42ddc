"""Cursors of paged answers: opaque text that says where the next page begins, and of which question. Pure.

A cursor names a place in an order (an id, a moment), never how many lines came before: what is written meanwhile moves
nothing, and the last page costs no more than the first.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import TypeVar

import msgspec

from hub.core.errors import DecodeError
from hub.core.text import phrase

MAX_CURSOR = 2048
"""Characters of a cursor."""
_QUESTION_BYTES = 6

T = TypeVar("T")


def encode_cursor(place: object, question: object) -> str:
    """Return the cursor of a place in the answer to a question: plain data both."""
    packed = msgspec.msgpack.encode((_digest(question), place))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_cursor(text: str, question: object, place: type[T]) -> T:
    """Return the place that a cursor names. Raises DecodeError for what is no cursor, or one of another question."""
    try:
        if len(text) > MAX_CURSOR:
            raise ValueError("too long")
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        asked, found = msgspec.msgpack.decode(data, type=tuple[bytes, place])  # type: ignore[valid-type]
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError) as error:
        raise DecodeError(
            "bad-query", phrase("cursor-unreadable", "this is no cursor: pass on what `next` said, unchanged")
        ) from error
    if asked != _digest(question):
        raise DecodeError(
            "bad-query",
            phrase("cursor-of-another-question", "the cursor is of another question: repeat all its other parameters"),
        )
    return found


def _digest(question: object) -> bytes:
    return sha256(msgspec.msgpack.encode(question)).digest()[:_QUESTION_BYTES]
