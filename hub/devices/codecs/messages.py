"""Messages between the hub and the worker: msgpack arrays, each after its length (u32, big-endian). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec

from hub.core.errors import DecodeError
from hub.core.nesting import shallow_json
from hub.core.text import Phrase, phrase

MAX_MESSAGE = 4 << 20
LONGEST = 300
"""Characters of the text of a call that failed."""
UPLINK, ENCODE = "decodeUplink", "encodeDownlink"


REASONS = frozenset(
    {"codec-crash", "codec-error", "codec-memory", "codec-stack", "codec-syntax", "codec-time", "oversized"}
)
"""Reasons for which a call can fail. They are counter names, so a compromised worker must not invent any."""
FATAL_REASONS = frozenset({"codec-time", "codec-crash"})
"""Reasons that cost all of a call's time, or the worker."""


class Codec(msgspec.Struct, frozen=True):
    """The source of a codec, and the other files of its pack by name. `name` is what errors call its own file."""

    source: str
    files: dict[str, str] = {}
    digest: bytes = b""  # SHA-256 over source and files; computed
    name: str = "the codec"

    def __post_init__(self) -> None:
        parts = [self.source, *(text for item in sorted(self.files.items()) for text in item)]
        msgspec.structs.force_setattr(self, "digest", sha256(msgspec.msgpack.encode(parts)).digest())


class Call(msgspec.Struct, frozen=True, array_like=True):
    """A call of a codec's function. `codec` is sent with the first call of each digest; `argument` is JSON."""

    id: int
    digest: bytes
    function: str
    argument: str
    codec: Codec | None = None


def clipped(said: str) -> str:
    """Return a text of at most LONGEST characters; a phrase of the hub stays whole."""
    return said if isinstance(said, Phrase) else said[:LONGEST]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a call: JSON in `text`, or `reason` (a slug to count) with `text` for a person."""

    id: int
    text: str
    reason: str = ""

    def object(self) -> dict[str, Any]:
        """Return the object that the codec returned. Raises DecodeError for a call that failed."""
        if self.reason:
            known = self.reason if self.reason in REASONS else "codec-crash"
            raise DecodeError(known, clipped(self.text))
        try:
            found = msgspec.json.decode(shallow_json(self.text))
        except msgspec.MsgspecError as error:
            raise DecodeError(
                "codec-shape", phrase("codec-answer-too-deep", "what the codec returned is nested too deep to be read")
            ) from error
        if not isinstance(found, dict):
            raise DecodeError("codec-error", phrase("codec-returned-no-object", "the codec returned no object"))
        return found


def pack(message: Call | Answer) -> bytes:
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


class Unpacker:
    """Splits a stream into messages. Raises DecodeError for one that is too long."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        at = 0
        while len(self._rest) - at >= 4:
            size = int.from_bytes(self._rest[at : at + 4], "big")
            if size > MAX_MESSAGE:
                raise DecodeError(
                    "oversized", phrase("codec-message-too-large", "a message of {size} bytes is too large", size=size)
                )
            if len(self._rest) - at - 4 < size:
                break
            yield bytes(self._rest[at + 4 : at + 4 + size])
            at += 4 + size
        del self._rest[:at]
