"""The base of all messages between the hub and a plugin in a process of its own, and their bounds; see `wire`. Pure."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec

MOST_CALLS = 1024
"""Calls of a child that wait for their answer. The session in the child keeps below by itself."""
MOST_HELD = 4 << 20
"""Bytes of these calls, when another one comes."""
MOST_REPORTS = 1024
"""Reports of one `emit`, which are taken without a break."""
MOST_VALUES = 4096
"""Readings of these."""

Id = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=4000)]
Word = Annotated[str, msgspec.Meta(max_length=64)]
Number = Annotated[int, msgspec.Meta(ge=1, lt=1 << 53)]


class Hostile(Exception):
    """What came is none of what a child may say; the text is for the log."""


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all messages."""


class Call(Message, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Something the hub answers with Answered or Failed under the same `n`, which rises from call to call."""

    n: Number
    answer: ClassVar[Any] = None


class Failure(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An exception: the name of its class, its text with the code of a phrase, and what its class has beside. `trace`
    is a traceback for the log."""

    kind: Word
    text: Text
    code: dict[str, Any] | None = None
    reason: Word = ""
    counted: bool = False
    trace: Annotated[str, msgspec.Meta(max_length=8000)] = ""
