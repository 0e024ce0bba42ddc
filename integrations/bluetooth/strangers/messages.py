"""Messages between the hub and the worker: one msgpack object in each packet of a SOCK_SEQPACKET pair. Pure.

    worker → hub    Hello, once           then for each Ask, in the same order:
    hub → worker    Ask                   worker → hub    Answer with the same number

A page of shared memory begins with the name of the distribution at work, `LABEL` bytes filled up with zeros; empty is
none. When the worker dies or hangs, the hub reads there whose fault it was.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

PACKET = 65536
"""Maximum bytes of one packet; a larger one is invalid."""

LABEL = 64

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Exceptions of msgspec for bytes that are no message."""

Text = Annotated[str, msgspec.Meta(max_length=200)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parsers: (distribution, version), and those that cannot be used: (distribution, error)."""

    parsers: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=200)]
    broken: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=200)] = []


class Ask(msgspec.Struct, frozen=True):
    """An advertisement. Services by whole UUID; `uuids` are those advertised without data."""

    number: int
    address: str
    name: str = ""
    rssi: int | None = None
    manufacturer: dict[int, bytes] = {}
    service: dict[str, bytes] = {}
    uuids: list[str] = []
    key: bytes | None = None


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value as in sensor-state-data: `kind` "sensor", "flag" or "event"; `device` is "" for the main one."""

    kind: Text
    key: Text
    value: float | int | bool | Text | None
    device: Text = ""
    cls: Text = ""
    unit: Text = ""


FAULTS = ("too-slow", "out-of-memory", "too-much")
"""Failures of a parser that are more than an exception."""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The worker's result for one advertisement.

    `parser`: the distribution that recognised it, "" for none. `others` recognised it too: then none can be trusted.
    `sealed`: it is encrypted and could not be decrypted; `opened`: it was decrypted with the key. `failed`: parsers
    that failed on it, with the reason: (distribution, "raised X" or one of FAULTS)."""

    number: int
    parser: Text = ""
    model: Text = ""
    sealed: bool = False
    opened: bool = False
    said: Annotated[list[Said], msgspec.Meta(max_length=128)] = []
    others: Annotated[list[Text], msgspec.Meta(max_length=200)] = []
    failed: Annotated[list[tuple[Text, Text]], msgspec.Meta(max_length=200)] = []


def clean(text: str) -> str:
    """Return text that UTF-8 can encode: half a UTF-16 pair becomes a question mark."""
    return text.encode(errors="replace").decode()


def label(distribution: str) -> bytes:
    """Return the name of a distribution as stored in the page."""
    return distribution.encode()[:LABEL].ljust(LABEL, b"\0")


def at_work(page: bytes) -> str:
    """Return the distribution named in a page; empty for none, and for an invalid one."""
    name = page[:LABEL].rstrip(b"\0")
    return name.decode() if name.isascii() and name.decode().isprintable() else ""
