"""Objects → the fewest requests that read them, within what a device can answer. Pure.

Sizes are those of Clause 20.2: an estimate for texts, which the device corrects by refusing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from integrations.bacnet import names
from integrations.bacnet.encode import MAX_APDU, Reference, size_of

HEADER = 8
"""Octets of an APDU round the service, of a segment too."""
SEGMENTS = 4
"""Of an answer that is asked for at once from a device that segments; more would hold its stack for long."""
_VALUE = {
    names.STATUS_FLAGS: 3, names.RELIABILITY: 4, names.UNITS: 3, names.SCALE: 5, names.STATE_TEXT: 300,
    names.ACTIVE_TEXT: 32, names.INACTIVE_TEXT: 32, names.OBJECT_NAME: 48, names.DESCRIPTION: 64,
}  # fmt: skip
"""Octets of a value under its tag; of one that a device need not have, those of the error that says so."""


def answer_size(reference: Reference) -> int:
    """Octets that its part of an answer takes."""
    who, wanted = reference
    present = 64 if who.type in names.TEXTS else 9 if who.type == 46 else 5
    return 7 + sum(4 + (one > 255) + _VALUE.get(one, present) for one in wanted)


def batches(
    references: Iterable[Reference], *, max_apdu: int, segments: bool, most: int
) -> list[tuple[Reference, ...]]:
    """Requests of at most `most` objects whose request fits one message of the device, and whose answer fits one, or
    SEGMENTS of them when it segments. Taken in order: each request is as full as it gets."""
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
    """For a device that refuses the whole."""
    middle = (len(batch) + 1) // 2
    return batch[:middle], batch[middle:]
