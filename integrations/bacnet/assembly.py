"""Assembles the segments of an answer. Pure.

ANSI/ASHRAE 135-2020, Clause 5.4.4: the requesting side of a segmented complex acknowledgement.
"""

from __future__ import annotations

import hub
from hub.sdk.phrases import phrase
from integrations.bacnet import encode
from integrations.bacnet.decode import Answer
from integrations.bacnet.names import Refused

WINDOW = 8
"""Segments that may arrive before the hub acknowledges them."""


class Assembly:
    """An answer in segments: pass each segment to `feed`; `whole` is the answer once `done`."""

    def __init__(self, invoke: int) -> None:
        self.done = False
        self._invoke = invoke
        self._parts: list[bytes] = []
        self._acked = -1
        self._window = 1

    @property
    def whole(self) -> bytes:
        return b"".join(self._parts)

    def feed(self, answer: Answer) -> bytes | None:
        """Add a segment. Returns the acknowledgement to send, None for none yet.

        Raises Refused when the answer exceeds the announced limit, DecodeError when it is invalid."""
        if answer.sequence is None:
            raise hub.DecodeError(
                "bad-segment", phrase("bacnet.unsegmented-among-segments", "an unsegmented answer amid segments")
            )
        expected = len(self._parts)
        if answer.sequence != expected % 256:
            last = (expected - 1) % 256
            return encode.segment_ack(self._invoke, last, self._window, negative=True) if expected else None
        if expected >= encode.MOST_SEGMENTS:
            raise Refused(
                "abort",
                1,
                phrase(
                    "bacnet.too-many-segments",
                    "the answer has more than {most} segments",
                    most=encode.MOST_SEGMENTS,
                ),
            )
        self._parts.append(answer.data)
        if not expected:
            self._window = max(1, min(answer.window, WINDOW))
        self.done = not answer.more
        if self.done or not expected or expected - self._acked >= self._window:
            self._acked = expected
            return encode.segment_ack(self._invoke, answer.sequence, self._window)
        return None
