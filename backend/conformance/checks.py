"""Shape and result of a check of the conformance suite, with assertions that report what was seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from backend.conformance.probe import Answer, Probe
from backend.conformance.sender import Segment
from hub.core.text import phrase
from hub.protocol.records.rows import READINGS


class CheckFailed(Exception):
    """The backend behaves otherwise than the contract says."""


class Result(msgspec.Struct, frozen=True):
    """Result of one check; `why` is empty when it passed."""

    name: str
    passed: bool
    why: str


Check = Callable[[Probe], Awaitable[None]]
"""A check returns when it passes, and raises `CheckFailed` otherwise; its docstring is its name."""


def must(holds: bool, seen: str) -> None:
    if not holds:
        raise CheckFailed(seen)


def is_taken(answer: Answer, segment: Segment, *numbers: int, stream: str = READINGS) -> None:
    must(answer.status == 200, phrase("check-status", "status {status}", status=answer.status))
    taken = answer.taken(segment, stream)
    must(
        all(number in taken for number in numbers),
        phrase(
            "check-acknowledged",
            "acknowledged {taken}, sent {numbers}",
            taken=[f"{first}-{last}" for first, last in taken],
            numbers=numbers,
        ),
    )


def not_taken(answer: Answer, segment: Segment, number: int) -> None:
    must(
        number not in answer.taken(segment),
        phrase("check-record-acknowledged", "record {number} was acknowledged", number=number),
    )
