"""Groups objects into the fewest requests that a device can answer. Pure.

Sizes are those of Clause 20.2: for texts an estimate, corrected when the device refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrations.bacnet import names
from integrations.bacnet.encode import MAX_APDU, Reference, size_of

HEADER = 8
"""Octets of an APDU around the service data, also of a segment."""
SEGMENTS = 4
"""Maximum segments of an answer from a device that segments; more would occupy its stack for long."""
_VALUE = {
    names.STATUS_FLAGS: 3, names.RELIABILITY: 4, names.UNITS: 3, names.SCALE: 5, names.STATE_TEXT: 300,
    names.ACTIVE_TEXT: 32, names.INACTIVE_TEXT: 32, names.OBJECT_NAME: 48, names.DESCRIPTION: 64,
}  # fmt: skip
"""Octets of a value with its tag; for an optional property, those of the error that reports it missing."""


def answer_size(reference: Reference) -> int:
    """Return the octets that it takes in the answer."""
    who, wanted = reference
    present = 64 if who.type in names.TEXTS else 9 if who.type == 46 else 5
    return 7 + sum(4 + (one > 255) + _VALUE.get(one, present) for one in wanted)


def batches(
    references: Iterable[Reference], *, max_apdu: int, segments: bool, most: int
) -> list[tuple[Reference, ...]]:
    """Group references, in order, into requests of at most `most` objects.

    Each request fits one message of the device, and its answer one message, or SEGMENTS of them when the device
    segments."""
    room = max(50, min(max_apdu, MAX_APDU)) - HEADER
    answers = room * (SEGMENTS if segments else 1)
    made: list[tuple[Reference, ...]] = []
    batch: list[Reference] = []
    asked = answered = 0
    for reference in references:
        ask, answer = size_of(reference), answer_size(reference)
        if batch and (len(batch) >= most or asked + ask > room or answered + answer > answers):
            made.append(tuple(batch))
            batch, asked, answered = [], 0, 0
        batch.append(reference)
        asked, answered = asked + ask, answered + answer
    if batch:
        made.append(tuple(batch))
    return made


def halves(batch: Sequence[Reference]) -> tuple[Sequence[Reference], Sequence[Reference]]:
    """Split a batch that a device refused."""
    middle = (len(batch) + 1) // 2
    return batch[:middle], batch[middle:]
