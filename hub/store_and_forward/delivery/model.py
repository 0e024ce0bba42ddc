"""Data types of the delivery: its requests, messages in flight, and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from hub.core.backoff import Backoff
from hub.protocol.ranges import Range
from hub.store_and_forward.delivery.acceptance import RefusedAck
from hub.store_and_forward.delivery.lanes import Lane, RunLedger


class StreamState(Protocol):
    """Records on disk of one run of one stream; `digest` (32 bytes) is that of its last durable record."""

    @property
    def stream(self) -> str: ...
    @property
    def run(self) -> bytes: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def digest(self) -> bytes: ...


class Stored(Protocol):
    """One record as stored. `seq` 0 = context (EPOCH, TABLE) of the epoch `eid`, needed before its records."""

    @property
    def seq(self) -> int: ...
    @property
    def readings(self) -> int: ...
    @property
    def eid(self) -> bytes: ...
    @property
    def raw(self) -> bytes: ...


class Fetch(NamedTuple):
    """Request to read these records in order, as many as fit `most` bytes but at least one, and to hand them to
    `compose`."""

    lane: Lane
    stream: str
    run: bytes
    first: int
    last: int
    most: int


class Survey(NamedTuple):
    """Request for a state: hand the streams on disk, oldest first, to `compose`."""


@dataclass(slots=True)
class MessageContent:
    """Content of one records message."""

    groups: list[tuple[bytes, list[bytes]]] = field(default_factory=list)  # epoch id, raw records
    spans: list[Range] = field(default_factory=list)
    readings: int = 0
    context: dict[bytes, set[bytes]] = field(default_factory=dict)  # epoch id -> digests of the context carried
    spared: set[bytes] = field(default_factory=set)  # epochs of which known context was left out


class MessagePart(NamedTuple):
    """Records of one `Fetch` in a message: their run, and the lane they waited in."""

    lane: str
    ledger: RunLedger
    load: MessageContent

    def unsettled(self) -> bool:
        """True when any of them is neither acked nor rejected."""
        return self.ledger.unsettled(self.load.spans)

    def give_back(self) -> None:
        """Put them back into their lane."""
        for span in self.load.spans:
            self.ledger.give_back(span, self.lane)


@dataclass(slots=True, eq=False)
class InFlightMessage:
    """A message that was sent and is not settled: a state, records, or both. It counts for the window of the last
    part's `lane`: an alert that takes readings along leaves room for the next alert."""

    via: str
    sent: float
    deadline: float
    state: bool = False
    parts: list[MessagePart] = field(default_factory=list)
    lane: str = ""
    size: int = 0
    delivered: int = 0  # bytes the link had delivered when this message left
    answered: bool = False


@dataclass(slots=True)
class Transport:
    """State of one transport."""

    backoff: Backoff
    until: float = 0.0  # nothing is sent through it before this time
    state_due: bool = True


class Transports(dict[str, Transport]):
    """Transports by name, each with a back-off of its own."""

    def __init__(self, backoff: Callable[[], Backoff]) -> None:
        super().__init__()
        self._backoff = backoff

    def of(self, name: str) -> Transport:
        """Return the state of a transport, created at first sight."""
        via = self.get(name)
        if via is None:
            via = self[name] = Transport(self._backoff())
        return via


@dataclass(slots=True)
class Answer:
    """Changes that a reply made. `forget`: the backend's database is new, every earlier ack is void; the buffer is told
    first that, then `acked`, then `unacked`. `clock`: the backend's Unix time, and the monotonic times between which it
    was that. `trust`, `certificate`: a trust document and a client certificate that nobody has verified yet, or
    empty."""

    accepted: int = 0  # acks
    acked: list[tuple[str, bytes, list[Range]]] = field(default_factory=list)
    unacked: list[tuple[str, bytes, list[Range]]] = field(default_factory=list)
    forget: bool = False
    refused: list[RefusedAck] = field(default_factory=list)
    clock: tuple[float, float, float] | None = None
    trust: bytes = b""
    certificate: bytes = b""
