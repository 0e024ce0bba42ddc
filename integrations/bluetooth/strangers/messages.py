"""What the hub and the worker say to each other: one msgpack object a packet of a SOCK_SEQPACKET pair. Pure.

    worker → hub    Hello, once           then for each Ask, in the same order:
    hub → worker    Ask                   worker → hub    Answer with the same number

A page of shared memory begins with the name of the distribution at work, `LABEL` bytes filled up with zeros; empty is
none. When the worker dies or hangs, the hub reads there whose fault it was.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

PACKET = 65536
"""Bytes of one packet, at most; a larger one is nonsense."""

LABEL = 64

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are no message."""

Text = Annotated[str, msgspec.Meta(max_length=200)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which parsers are there: (distribution, version). Why others are not: (distribution, error)."""

    parsers: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=200)]
    broken: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=200)] = []


class Ask(msgspec.Struct, frozen=True):
    """One advertisement. Services by whole UUID; `uuids` are those advertised without data."""

    number: int
    address: str
    name: str = ""
    rssi: int | None = None
    manufacturer: dict[int, bytes] = {}
    service: dict[str, bytes] = {}
    uuids: list[str] = []
    key: bytes | None = None


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value as sensor-state-data has it: `kind` "sensor", "flag" or "event"; `device` is "" for the main one."""

    kind: Text
    key: Text
    value: float | int | bool | Text | None
    device: Text = ""
    cls: Text = ""
    unit: Text = ""


FAULTS = ("too-slow", "out-of-memory", "too-much")
"""Why a parser failed, when it is more than an exception."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the worker makes of one advertisement.

    `parser` is the distribution that recognised it, "" for none. `others` recognised it too: nobody can be believed.
    `sealed`: it is encrypted and could not be opened; `opened`: it was opened with the key. `failed` names parsers
    that broke on it, with the reason: (distribution, "raised X" or one of FAULTS).
    """

    number: int
    parser: Text = ""
    model: Text = ""
    sealed: bool = False
    opened: bool = False
    said: Annotated[list[Said], msgspec.Meta(max_length=128)] = []
    others: Annotated[list[Text], msgspec.Meta(max_length=200)] = []
    failed: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=200)] = []


def clean(text: str) -> str:
    """A text that UTF-8 can hold: half a pair of UTF-16 becomes a question mark."""
    return text.encode(errors="replace").decode()


def label(distribution: str) -> bytes:
    """The name of a distribution as the page holds it."""
    return distribution.encode()[:LABEL].ljust(LABEL, b"\0")


def at_work(page: bytes) -> str:
    """The distribution named by a page; empty for none, and for nonsense."""
    name = page[:LABEL].rstrip(b"\0")
    return name.decode() if name.isascii() and name.decode().isprintable() else ""
